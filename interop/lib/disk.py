"""Kafka's own readers of a log directory: the dump tool on every file of it, and the metadata shell.

The directory has to be at rest: no broker runs on it.
"""

import re
import subprocess

from interop.lib import places
from interop.lib.broker import java

COMPLAINTS = re.compile(
    r"isvalid: false|mismatch|out of order|non-consecutive|could not|exception|corrupt|truncated|no such|unknown", re.I
)
DECODERS = {
    "__consumer_offsets": "--offsets-decoder",
    "__transaction_state": "--transaction-log-decoder",
    "__cluster_metadata": "--cluster-metadata-decoder",
}


def dump(tools, data):
    """Dumps every segment, index, producer snapshot and metadata snapshot; {relative path: what was printed}."""
    shown = {}
    for path in sorted(data.glob("*-*/*")):
        name = str(path.relative_to(data))
        if path.parent.name.endswith("-delete"):
            continue
        metadata = name.startswith("__cluster_metadata")
        decoder = next((option for topic, option in DECODERS.items() if name.startswith(topic)), "--print-data-log")
        if path.suffix == ".log" or (path.suffix == ".checkpoint" and metadata):
            options = ["--deep-iteration", decoder]
        elif path.suffix in (".index", ".timeindex"):
            options = ["--index-sanity-check"] if metadata else []
        elif path.suffix in (".snapshot", ".txnindex"):
            options = []
        else:
            continue
        shown[name] = tools.must("dump-log", "--files", str(path), *options)
    return shown


def complaints(shown):
    """What the dump tool did not like, as "file: line". Payloads are not looked at."""
    found = []
    for name, text in shown.items():
        for line in text.splitlines():
            before_payload = re.split(r" (?:payload|key): ", line)[0]
            if COMPLAINTS.search(before_payload) and not line.startswith("Dumping "):
                found.append(f"{name}: {line}")
    return found


def shell(data, *command):
    """One command of the metadata shell on the newest snapshot, or on the log where there is none yet."""
    folder = data / "__cluster_metadata-0"
    snapshots = [each for each in sorted(folder.glob("*.checkpoint")) if not each.name.startswith("0" * 20)]
    newest = snapshots[-1] if snapshots else sorted(folder.glob("*.log"))[0]
    tool = [*java(places.STOCK_VERSION, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"), "org.apache.kafka.shell.MetadataShell"]
    for _ in range(20):
        done = subprocess.run(
            [*tool, "--snapshot", str(newest), *command], capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        # It now and then runs the command before it has read the file: then it says nothing, or finds nothing.
        if done.stdout.strip() and "No such file" not in done.stdout:
            break
    return done.stdout
