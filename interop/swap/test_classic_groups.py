"""Classic groups over a change of brokers: members go on, static ones come back to what they had, offsets expire."""

import sys

import pytest

from interop.lib import disk, places, plain, wire
from interop.lib.clients import Driver, DriverClient, DriverMember, Record, wait_until

PARTITIONS = 4
DRIVER = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))
# Longer than any start of a broker on a slow machine.
SESSION = {"SESSION_TIMEOUT_MS": "120000"}


class Confluent(DriverClient):
    """The driver of ../confluent-kafka."""

    command = DRIVER


def join(broker, instance=None):
    extra = {"GROUP_INSTANCE_ID": instance} if instance else {}
    return DriverMember(Driver(DRIVER, broker.bootstrap, {**SESSION, **extra}), "g", "t")


def produce(client, first):
    client.produce("t", [Record(i % PARTITIONS, None, b"v%d" % i) for i in range(first, first + 20)], "none")


def values(members):
    return {each.value for member in members for each in member.records}


def named(first, last):
    return {b"v%d" % i for i in range(first, last)}


def described(tools, broker):
    words = ("--describe", "--group", "g", "--members", "--verbose")
    return sorted(tools.must("consumer-groups", "--bootstrap-server", broker.bootstrap, *words).split())


def swap(broker, kind, how):
    broker.stop() if how == "clean" else broker.kill()
    broker.become(kind).start()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("direction,how", [("stock-first", "kill"), ("stock-second", "clean")])
def test_members_go_on_in_the_others_directory(kind, tools, new_broker, direction, how):
    first, second = ("stock", kind) if direction == "stock-first" else (kind, "stock")
    broker = new_broker(first, {"offsets.topic.num.partitions": "2"}).start()
    client = Confluent(broker.bootstrap)
    members = []
    try:
        client.create("t", PARTITIONS)
        members.append(join(broker))
        members.append(join(broker, "static"))
        wait_until(members, lambda: all(len(each.assigned or ()) == 2 for each in members), "two share the partitions")
        produce(client, 0)
        wait_until(members, lambda: values(members) == named(0, 20), "they read all")
        for each in members:
            each.commit()
        before, had = described(tools, broker), [each.assigned for each in members]

        # The same members in the same generation: nobody has asked them to join again.
        swap(broker, second, how)
        assert described(tools, broker) == before
        produce(client, 20)
        wait_until(members, lambda: values(members) == named(0, 40), "they go on")
        assert described(tools, broker) == before
        # The static one dies and comes back: it has what it had, and the other has noticed nothing.
        for each in members:
            each.commit()
        members.pop().kill()
        members.append(join(broker, "static"))
        wait_until(members, lambda: members[1].assigned == had[1], "it is given what it had")
        assert members[0].assigned == had[0]
        before = described(tools, broker)

        swap(broker, first, how)
        assert described(tools, broker) == before
        produce(client, 40)
        wait_until(members, lambda: values(members) >= named(40, 60), "they go on once more")
        assert not members[1].records or values(members[1:]) <= named(40, 60), "what was committed is read again"
        for each in members:
            each.commit()
            each.leave()
        members.clear()
        assert sum(wire.committed(broker.bootstrap, "g", "t", list(range(PARTITIONS))).values()) == 60
    finally:
        for each in members:
            each.kill()
        client.close()
    broker.stop()
    assert disk.complaints(disk.dump(tools, broker.data)) == []


def commit(broker, group, retention_ms):
    """OffsetCommit in version 3, in which a client could still say how long its offsets are kept."""
    plain.ask(broker, "FindCoordinator", 0, Key=group)  # which makes the topic
    partition = {"PartitionIndex": 0, "CommittedOffset": 5, "CommittedMetadata": "m"}
    about = {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "RetentionTimeMs": retention_ms}
    answer = plain.ask(broker, "OffsetCommit", 3, **about, Topics=[{"Name": "t", "Partitions": [partition]}])
    answer.take("i")
    return answer.array(lambda: (answer.string(), answer.array(lambda: (answer.take("i"), answer.take("h")))))[0][1][0][1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("direction", ["stock-first", "stock-second"])
def test_offsets_expire_with_the_other(kind, tools, new_broker, direction):
    first, second = ("stock", kind) if direction == "stock-first" else (kind, "stock")
    broker = new_broker(first, {"offsets.topic.num.partitions": "2"}).start()
    wire.create_topic(broker.bootstrap, "t", 1)
    for group, retention_ms in (("short", 1000), ("long", -1)):
        wait_until([], lambda g=group, r=retention_ms: commit(broker, g, r) == 0, "a coordinator takes the commit")
    broker.stop()

    # Only the second looks for what has expired.
    broker.changes["offsets.retention.check.interval.ms"] = "300"
    broker.become(second).start()
    wait_until([], lambda: wire.committed(broker.bootstrap, "short", "t", [0]) == {}, "it expires")
    assert wire.committed(broker.bootstrap, "long", "t", [0]) == {0: 5}
    broker.stop()

    del broker.changes["offsets.retention.check.interval.ms"]
    broker.become(first).start()
    assert wire.committed(broker.bootstrap, "short", "t", [0]) == {}
    assert wire.committed(broker.bootstrap, "long", "t", [0]) == {0: 5}
    assert tools.must("consumer-groups", "--bootstrap-server", broker.bootstrap, "--list").split() == ["long"]
    broker.stop()
