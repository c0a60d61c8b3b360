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


class ConsumerProtocol(ConfluentKafka):
    """The same client with the group protocol of KIP-848."""

    name = "confluent-kafka-consumer-protocol"
    extra_environment = {"GROUP_PROTOCOL": "consumer"}


def test_shares_a_topic_by_the_consumer_protocol(broker, name, tools):
    client = ConsumerProtocol(broker.bootstrap)
    members = []
    try:
        client.create(name, 6)
        Contract._three_share_then_two(client, name, members)  # pylint: disable=protected-access
        Contract._a_new_member_goes_on(client, name, members)  # pylint: disable=protected-access
        where = ("--bootstrap-server", broker.bootstrap)
        assert name in tools.must("consumer-groups", *where, "--list", "--type", "consumer").split()
    finally:
        for each in members:
            each.kill()
        client.close()
