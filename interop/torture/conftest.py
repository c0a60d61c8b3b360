"""What takes minutes is in the long form only: `make torture`."""

import os

collect_ignore = [] if os.environ.get("TORTURE_ROUNDS") else ["test_epochs.py"]
