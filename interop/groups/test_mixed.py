"""Clients of several makers in one group: each partition is one member's, and every record is somebody's.

In the classic protocol the members agree on an assignor, and one of them, of any make, assigns for all; here that is
`roundrobin`, which all have. In the consumer protocol (KIP-848) the broker assigns.
"""

import sys
import time

import pytest

from interop.lib import answers, places, wire
from interop.lib.clients import Driver, DriverClient, DriverMember, Record, wait_until
from interop.lib.console import ConsoleMember

pytestmark = pytest.mark.timeout(600)

PARTITIONS = 10
PATIENCE_SECONDS = 120
ASSIGNOR = {"GROUP_ASSIGNOR": "roundrobin", "NODE_PATH": str(places.CACHE / "node/node_modules")}
DRIVERS = {
    "librdkafka": (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py")),
    "kafka-python": (sys.executable, str(places.INTEROP / "kafka-python/driver.py")),
    "kafkajs": ("node", str(places.INTEROP / "kafkajs/driver.js")),
    "franz-go": (str(places.CACHE / "go/franz-go"),),
}
JAVA_CLASSIC = (
    "partition.assignment.strategy=org.apache.kafka.clients.consumer.RoundRobinAssignor",
    "heartbeat.interval.ms=500",
    "session.timeout.ms=10000",
)
JAVA_CONSUMER = ("group.protocol=consumer",)


class Confluent(DriverClient):
    """Who writes."""

    command = DRIVERS["librdkafka"]


class Crowd:
    """The members of one group over one topic, and what was written to it."""

    def __init__(self, broker, name):
        self.broker, self.name = broker, name
        self.members, self.gone = {}, []
        self.written = 0
        self.client = Confluent(broker.bootstrap)
        self.client.create(name, PARTITIONS)
        self._await_coordinator()

    def _await_coordinator(self):
        """Not all clients try again while Apache Kafka has no coordinator yet."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with answers.Asker(self.broker.port) as asker:
            while True:
                asker.ask("FindCoordinator", 3, Key=self.name)
                error = asker.ask("OffsetFetch", 7, GroupId=self.name, Topics=None)["ErrorCode"]
                if error == 0:
                    return
                assert time.monotonic() < deadline, f"no coordinator: error {error}"
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        for each in self.members.values():
            each.kill()
        self.client.close()

    def joins(self, *names, environment=None, java=JAVA_CLASSIC):
        for each in names:
            kind = each.split("/")[0]
            if kind == "java":
                member = ConsoleMember(places.STOCK_VERSION, self.broker.bootstrap, self.name, self.name, java)
            else:
                driver = Driver(DRIVERS[kind], self.broker.bootstrap, environment or ASSIGNOR)
                member = DriverMember(driver, self.name, self.name)
            self.members[each] = member

    def leaves(self, name):
        member = self.members.pop(name)
        member.leave()
        self.gone.append(member)

    def dies(self, name):
        """By SIGKILL: the group finds out by its session time-out."""
        member = self.members.pop(name)
        member.kill()
        self.gone.append(member)

    def _shared(self):
        parts = [each.assigned or set() for each in self.members.values()]
        return all(parts) and sorted(number for part in parts for number in part) == list(range(PARTITIONS))

    def _values(self):
        return {each.value for member in [*self.members.values(), *self.gone] for each in member.records}

    def writes(self, count=100):
        rows = range(self.written, self.written + count)
        self.client.produce(self.name, [Record(i % PARTITIONS, b"k", b"v%d" % i) for i in rows])
        self.written += count

    def settles(self, what):
        """All partitions are somebody's, each one's alone, and everything that was written is read and committed."""
        members = list(self.members.values())
        wanted = {b"v%d" % i for i in range(self.written)}
        wait_until(members, self._shared, f"{what}: the members share the partitions", PATIENCE_SECONDS)
        wait_until(members, lambda: self._values() >= wanted, f"{what}: the members read all", PATIENCE_SECONDS)
        assert self._values() == wanted
        for each in members:
            each.commit()

    def committed(self):
        return wire.committed(self.broker.bootstrap, self.name, self.name, list(range(PARTITIONS)))

    def check_all_is_committed(self):
        """What a member had read when it lost a partition, it may not have committed: then the next one reads it again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.committed() != dict.fromkeys(range(PARTITIONS), self.written // PARTITIONS):
            assert time.monotonic() < deadline, f"{self.committed()} of {self.written} records"
            for each in self.members.values():
                each.commit()
            time.sleep(0.1)

    def check_protocol(self, protocol):
        with answers.Asker(self.broker.port) as asker:
            group = asker.ask("DescribeGroups", 5, Groups=[self.name])["Groups"][0]
        assert (group["GroupState"], group["ProtocolData"]) == ("Stable", protocol)
        assert len(group["Members"]) == len(self.members)

    def end(self):
        for each in list(self.members):
            self.leaves(each)


@pytest.mark.usefixtures("node", "go")
def test_five_makes_in_one_classic_group(broker, name):
    places.jars(places.STOCK_VERSION)
    with Crowd(broker, name) as crowd:
        crowd.writes()
        crowd.joins("java", "librdkafka", "franz-go", "kafka-python", "kafkajs")
        crowd.settles("all have come")
        crowd.check_protocol("roundrobin")
        crowd.writes()
        crowd.settles("more is written")
        crowd.leaves("kafkajs")
        crowd.writes()
        crowd.settles("one has left")
        crowd.dies("franz-go")
        crowd.writes()
        crowd.settles("one was killed")
        crowd.joins("kafkajs/again", "franz-go/again")
        crowd.writes()
        crowd.settles("two have come back")
        crowd.check_protocol("roundrobin")
        crowd.check_all_is_committed()
        crowd.end()


def test_java_and_librdkafka_in_one_consumer_group(new_broker, name):
    places.jars(places.STOCK_VERSION)
    changes = {
        "group.consumer.min.session.timeout.ms": "5000",
        "group.consumer.session.timeout.ms": "5000",
        "group.consumer.min.heartbeat.interval.ms": "500",
        "group.consumer.heartbeat.interval.ms": "500",
    }
    broker = new_broker(changes=changes).start()
    how = {"environment": {"GROUP_PROTOCOL": "consumer"}, "java": JAVA_CONSUMER}
    with Crowd(broker, name) as crowd:
        crowd.writes()
        crowd.joins("java/1", "librdkafka/1", "java/2", "librdkafka/2", **how)
        crowd.settles("all have come")
        crowd.leaves("java/1")
        crowd.writes()
        crowd.settles("one has left")
        crowd.dies("librdkafka/1")
        crowd.writes()
        crowd.settles("one was killed")
        crowd.joins("java/3", "librdkafka/3", **how)
        crowd.writes()
        crowd.settles("two have come")
        crowd.check_all_is_committed()
        crowd.end()
    broker.stop()
