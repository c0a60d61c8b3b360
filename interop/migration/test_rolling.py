"""A group rolls from the classic to the consumer protocol and back, one member at a time, with real clients of both kinds:
nobody stops, no record is lost, and none that was committed is read again.
"""

import sys

import pytest

from interop.lib import answers, places
from interop.lib.clients import DriverClient, Record, wait_until
from interop.lib.console import CLASSIC, ConsoleMember

PARTITIONS = 4
ROUND = 20


class Java:
    """The console consumer, in the classic protocol or that of KIP-848."""

    def __init__(self, bootstrap, settings):
        self.bootstrap, self.settings = bootstrap, settings

    def member(self, group, topic):
        return ConsoleMember(places.STOCK_VERSION, self.bootstrap, group, topic, self.settings)


class Classic(DriverClient):
    """librdkafka in the classic protocol."""

    command = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))


class Consumer(Classic):
    """librdkafka in the protocol of KIP-848."""

    extra_environment = {"GROUP_PROTOCOL": "consumer"}


class Rolling:
    """The group, as its members and as the broker see it."""

    def __init__(self, broker, name):
        self.broker, self.name = broker, name
        self.asker = answers.Asker(broker.port)
        self.client = Classic(broker.bootstrap)
        self.members, self.gone = [], []
        self.sent = 0
        self.client.create(name, PARTITIONS)

    def close(self):
        for each in self.members:
            each.kill()
        self.client.close()
        self.asker.close()

    def listed(self):
        rows = [each for each in self.asker.ask("ListGroups", 5)["Groups"] if each["GroupId"] == self.name]
        return (rows[0]["GroupType"], rows[0]["GroupState"]) if rows else (None, None)

    def kinds(self):
        """The protocols of the members, or None while they have not shared all partitions."""
        group = self.asker.ask("ConsumerGroupDescribe", 1, GroupIds=[self.name])["Groups"][0]
        given = [part for each in group["Members"] for row in each["Assignment"]["TopicPartitions"] for part in row["Partitions"]]
        if group["GroupState"] != "Stable" or sorted(given) != list(range(PARTITIONS)):
            return None
        return sorted(("classic", "consumer")[each["MemberType"]] for each in group["Members"])

    def committed(self):
        topics = [{"Name": self.name, "PartitionIndexes": list(range(PARTITIONS))}]
        answer = self.asker.ask("OffsetFetch", 8, Groups=[{"GroupId": self.name, "Topics": topics}])["Groups"][0]
        return sum(max(0, part["CommittedOffset"]) for topic in answer["Topics"] for part in topic["Partitions"])

    def read(self):
        return [int(each.value[1:]) for member in self.members + self.gone for each in member.records]

    def produce(self):
        """Some more, and waits until all is read and committed."""
        records = [Record(n % PARTITIONS, None, b"v%d" % n) for n in range(self.sent, self.sent + ROUND)]
        self.client.produce(self.name, records, "none")
        self.sent += ROUND
        wait_until(self.members, lambda: set(self.read()) == set(range(self.sent)), "all is read")
        for each in self.members:
            each.commit()
        wait_until(self.members, lambda: self.committed() == self.sent, "all is committed")

    def come(self, client):
        self.members.append(client.member(self.name, self.name))

    def go(self):
        """The eldest."""
        leaving = self.members.pop(0)
        self.gone.append(leaving)
        leaving.leave()

    def wait_classic(self, count):
        def shared():
            group = self.asker.ask("DescribeGroups", 5, Groups=[self.name])["Groups"][0]
            return group["GroupState"] == "Stable" and len(group["Members"]) == count

        wait_until(self.members, lambda: self.listed() == ("classic", "Stable") and shared(), f"a classic group of {count}")

    def wait_consumer(self, *kinds):
        wait_until(self.members, lambda: self.kinds() == sorted(kinds), f"a consumer group of {kinds}")


def clients(which, broker):
    """One of each protocol: one is Java's, the other librdkafka's."""
    if which == "java-first":
        return Java(broker.bootstrap, CLASSIC), Consumer(broker.bootstrap)
    return Classic(broker.bootstrap), Java(broker.bootstrap, ("group.protocol=consumer",))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("which", ["java-first", "java-second"])
def test_rolls_to_the_consumer_protocol_and_back(broker, name, which):
    old, new = clients(which, broker)
    rolling = Rolling(broker, name)
    try:
        rolling.come(old)
        rolling.come(old)
        rolling.wait_classic(2)
        rolling.produce()

        rolling.come(new)
        rolling.wait_consumer("classic", "classic", "consumer")
        rolling.produce()
        rolling.go()
        rolling.wait_consumer("classic", "consumer")
        rolling.produce()
        rolling.come(new)
        rolling.wait_consumer("classic", "consumer", "consumer")
        rolling.go()
        rolling.wait_consumer("consumer", "consumer")
        rolling.produce()

        rolling.come(old)
        rolling.wait_consumer("classic", "consumer", "consumer")
        rolling.produce()
        rolling.go()
        rolling.wait_consumer("classic", "consumer")
        rolling.go()
        rolling.wait_classic(1)
        rolling.produce()
        assert sorted(rolling.read()) == list(range(rolling.sent)), "something was read twice"
    finally:
        rolling.close()
