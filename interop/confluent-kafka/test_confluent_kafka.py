"""confluent-kafka for Python, on the librdkafka of its wheel."""

import pathlib
import sys

from interop.lib.clients import DriverClient
from interop.lib.contract import Contract

DRIVER = pathlib.Path(__file__).with_name("driver.py")


class ConfluentKafka(DriverClient):
    """The driver in this folder."""

    name = "confluent-kafka"
    command = (sys.executable, str(DRIVER))


class TestConfluentKafka(Contract):
    """All of the contract."""

    client_class = ConfluentKafka
