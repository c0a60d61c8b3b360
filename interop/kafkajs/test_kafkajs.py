"""kafkajs, with the codec packages that its users add."""

import pathlib

import pytest

from interop.lib import places
from interop.lib.clients import DriverClient
from interop.lib.contract import Contract

DRIVER = pathlib.Path(__file__).with_name("driver.js")


class KafkaJs(DriverClient):
    """The driver in this folder."""

    name = "kafkajs"
    command = ("node", str(DRIVER))
    extra_environment = {"NODE_PATH": str(places.CACHE / "node/node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING": "1"}


@pytest.mark.usefixtures("node")
class TestKafkaJs(Contract):
    """All of the contract."""

    client_class = KafkaJs
