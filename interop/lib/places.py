"""Where things are: the tree, the cache of downloads, and why a part of them is missing.

`interop/run` fills the cache and leaves one file a part under `ready/` (its reason, when it could not be had, under
`missing/`). Tests ask here, and skip with that reason; they never download by themselves.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

INTEROP = pathlib.Path(__file__).resolve().parent.parent
TREE = INTEROP.parent
CACHE = pathlib.Path(
    os.environ.get("BARNABAS_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "barnabas"
)
STOCK_VERSION = "4.3.1"
OLD_VERSION = "2.8.2"


def need(part):
    """Skips the test, loudly, unless `part` (jars-4.3.1, java, node, go, ...) was set up."""
    if (CACHE / "ready" / part).exists():
        return
    reason = CACHE / "missing" / part
    why = reason.read_text().strip() if reason.exists() else "interop/run has not set it up"
    pytest.skip(f"NOT TESTED, {part} is missing: {why}")


def need_command(name):
    """Skips the test, loudly, unless the command is on PATH; returns its path."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"NOT TESTED, {name} is not installed")
    return path


def need_node(least=(18, 0)):
    """Skips the test, loudly, without the npm packages or with a Node older than the client allows."""
    text = subprocess.run([need_command("node"), "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(int(each) for each in text.strip().lstrip("v").split(".")[:2])
    if version < least:
        pytest.skip(f"NOT TESTED, Node {text.strip()} is older than {'.'.join(map(str, least))}")
    need("node")


def jars(version):
    need(f"jars-{version}")
    return CACHE / f"kafka-{version}"


def barnabas():
    """The binary under test: BARNABAS, or what a build left in build/ or in the tree."""
    named = os.environ.get("BARNABAS")
    places = [pathlib.Path(named)] if named else [TREE / "build/barnabas", TREE / "barnabas"]
    for place in places:
        if os.access(place, os.X_OK):
            return place.resolve()
    raise FileNotFoundError(f"no barnabas at {', '.join(map(str, places))}: build it, or set BARNABAS")
