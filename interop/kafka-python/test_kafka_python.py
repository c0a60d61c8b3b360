"""kafka-python, a client in Python alone."""

import pathlib
import sys

from interop.lib.clients import DriverClient
from interop.lib.contract import Contract

DRIVER = pathlib.Path(__file__).with_name("driver.py")


class KafkaPython(DriverClient):
    """The driver in this folder."""

    name = "kafka-python"
    command = (sys.executable, str(DRIVER))


class TestKafkaPython(Contract):
    """All of the contract."""

    client_class = KafkaPython
