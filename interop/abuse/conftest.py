"""The broker under attack, one a file, and what every test here ends with."""

import os

import pytest

from interop.lib import broker as brokers
from interop.lib import target as targets


@pytest.fixture(scope="module", name="victim")
def _victim(kind, session_home, request):
    home = os.path.join(session_home, request.module.__name__.rsplit(".", 1)[-1])
    with brokers.Broker(kind, home, getattr(request.module, "CHANGES", None)) as running:
        victim = targets.Target(running)
        yield victim
        victim.neighbour.ended = True
        victim.neighbour.join()
        running.stop()


@pytest.fixture(name="target")
def _target(victim, request):
    """With @pytest.mark.caps(peak_mb, left_mb): the memory that the attack may take, and that may be left of it."""
    marker = request.node.get_closest_marker("caps")
    caps = {"peak_mb": 48, "left_mb": 8, "slow_seconds": 1.0, **(marker.kwargs if marker else {})}
    victim.mark()
    yield victim
    victim.check_unharmed(**caps)
