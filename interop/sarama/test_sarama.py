"""sarama; its driver is ../go/sarama. It does not negotiate: it takes the broker for the version that it is told."""

import pytest

from interop.lib import places
from interop.lib.clients import DriverClient
from interop.lib.contract import Contract


class Sarama(DriverClient):
    """The compiled driver, as users have it who set no version."""

    name = "sarama"
    command = (str(places.CACHE / "go/sarama"),)


class Sarama1(Sarama):
    """As users have it who once set 1.0.0: Produce 5, Fetch 6, JoinGroup 2."""

    name = "sarama as 1.0.0"
    extra_environment = {"SARAMA_VERSION": "1.0.0"}
    codecs = ("none", "gzip", "snappy", "lz4")


class Sarama4(Sarama):
    """The newest requests that it knows."""

    name = "sarama as 4.1.0"
    extra_environment = {"SARAMA_VERSION": "4.1.0"}


@pytest.mark.usefixtures("go")
class TestSarama(Contract):
    """All of the contract."""

    client_class = Sarama


@pytest.mark.usefixtures("go")
class TestSaramaOfKafka1(Contract):
    """All of the contract, in requests of 2017."""

    client_class = Sarama1

    def lacks_codec(self, codec):
        return codec == "zstd"


@pytest.mark.usefixtures("go")
class TestSaramaOfKafka4(Contract):
    """All of the contract, in the newest requests."""

    client_class = Sarama4
