"""franz-go; its driver is ../go/franz-go."""

import pytest

from interop.lib import places
from interop.lib.clients import DriverClient
from interop.lib.contract import Contract


class FranzGo(DriverClient):
    """The compiled driver."""

    name = "franz-go"
    command = (str(places.CACHE / "go/franz-go"),)
    transactions = "alone"


@pytest.mark.usefixtures("go")
class TestFranzGo(Contract):
    """All of the contract."""

    client_class = FranzGo
