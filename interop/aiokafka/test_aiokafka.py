"""aiokafka, the asyncio client."""

import pathlib
import sys

from interop.lib.clients import DriverClient
from interop.lib.contract import Contract

DRIVER = pathlib.Path(__file__).with_name("driver.py")


class AioKafka(DriverClient):
    """The driver in this folder."""

    name = "aiokafka"
    command = (sys.executable, str(DRIVER))


class TestAioKafka(Contract):
    """All of the contract."""

    client_class = AioKafka
