"""@platformatic/kafka. Its zstd is Node's own, which Node has from 22.15 on."""

import pathlib
import subprocess

import pytest

from interop.lib import places
from interop.lib.clients import DriverClient
from interop.lib.contract import Contract

OLDEST_NODE = (20, 19)
DRIVER = pathlib.Path(__file__).with_name("driver.js")


def node_has_zstd():
    script = "process.exit(require('node:zlib').zstdCompressSync ? 0 : 1)"
    return subprocess.run([places.need_command("node"), "-e", script], check=False).returncode == 0


class PlatformaticKafka(DriverClient):
    """The driver in this folder."""

    name = "@platformatic/kafka"
    command = ("node", str(DRIVER))
    extra_environment = {"NODE_PATH": str(places.CACHE / "node/node_modules")}
    transactions = None

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        if not node_has_zstd():
            self.codecs = tuple(each for each in self.codecs if each != "zstd")


@pytest.fixture(autouse=True)
def _node():
    places.need_node(OLDEST_NODE)


class TestPlatformaticKafka(Contract):
    """All of the contract."""

    client_class = PlatformaticKafka

    def lacks_codec(self, codec):
        return codec == "zstd"
