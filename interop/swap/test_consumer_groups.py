"""Consumer groups (KIP-848) over a change of brokers: members go on in the other's directory, the dead are put out."""

import contextlib
import sys

import pytest

from interop.lib import disk, places
from interop.lib.clients import DriverClient, Record, wait_until

CHANGES = {
    "offsets.topic.num.partitions": "2",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.session.timeout.ms": "15000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "1000",
}
PARTITIONS = 4


class Member(DriverClient):
    """The driver of ../confluent-kafka in the consumer protocol."""

    command = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))
    extra_environment = {"GROUP_PROTOCOL": "consumer"}


class ClassicMember(Member):
    """In the classic protocol, in which it may be in a consumer group, too. It waits longer than a slow broker takes to start."""

    extra_environment = {"SESSION_TIMEOUT_MS": "120000"}


def produce(client, first):
    client.produce("t", [Record(i % PARTITIONS, None, b"v%d" % i) for i in range(first, first + 20)], "none")


def read(members):
    return sorted({each.value for member in members for each in member.records}, key=lambda value: int(value[1:]))


def described(tools, broker):
    words = ("--describe", "--group", "g", "--members", "--verbose")
    return tools.must("consumer-groups", "--bootstrap-server", broker.bootstrap, *words)


@contextlib.contextmanager
def started(broker):
    """Its client and a list for members, who are gone at the end as the broker is."""
    broker.start()
    client, members = Member(broker.bootstrap), []
    try:
        client.create("t", PARTITIONS)
        yield client, members
    finally:
        for each in members:
            each.kill()
        client.close()
    broker.stop()


def all_share(client, members):
    """Each has half, and has read and committed all that there is."""
    wait_until(members, lambda: all(len(each.assigned or ()) == 2 for each in members), "two share the partitions")
    produce(client, 0)
    wait_until(members, lambda: len(read(members)) == 20, "they read all")
    for each in members:
        each.commit()


def reads_on(client, members, first):
    """The one that is left."""
    produce(client, first)
    wanted = [b"v%d" % i for i in range(first, first + 20)]
    wait_until(members, lambda: read(members)[-20:] == wanted, "it reads all")


def reads_on_and_leaves(tools, broker, client, members, first):
    reads_on(client, members, first)
    members.pop().leave()
    left = tools.run("consumer-groups", "--bootstrap-server", broker.bootstrap, "--describe", "--group", "g")
    assert "has no active members" in str(left)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["clean", "kill"])
@pytest.mark.parametrize("direction", ["stock-first", "stock-second"])
def test_members_go_on_in_the_others_directory(kind, tools, new_broker, direction, how):
    first, second = ("stock", kind) if direction == "stock-first" else (kind, "stock")
    broker = new_broker(first, CHANGES)
    with started(broker) as (client, members):
        members.extend(client.member("g", "t") for _ in range(2))
        all_share(client, members)
        before = described(tools, broker)
        broker.stop() if how == "clean" else broker.kill()

        # Both are still members, with what they had; nobody has asked them to begin anew.
        broker.become(second).start()
        assert sorted(described(tools, broker).split()) == sorted(before.split())
        produce(client, 20)
        wait_until(members, lambda: len(read(members)) == 40, "they go on")
        assert all(len(each.assigned) == 2 for each in members)
        # One that dies is put out when its session ends; the other has all then.
        members.pop().kill()
        wait_until(members, lambda: len(members[0].assigned) == PARTITIONS, "one takes over")
        members[0].commit()
        broker.stop() if how == "clean" else broker.kill()

        broker.become(first).start()
        reads_on_and_leaves(tools, broker, client, members, 40)
    assert disk.complaints(disk.dump(tools, broker.data)) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("direction", ["stock-first", "stock-second"])
def test_a_group_of_both_protocols_goes_on_and_becomes_classic(kind, tools, new_broker, direction):
    first, second = ("stock", kind) if direction == "stock-first" else (kind, "stock")
    broker = new_broker(first, CHANGES)
    with started(broker) as (client, members):
        members.extend(each.member("g", "t") for each in (ClassicMember(broker.bootstrap), client))
        all_share(client, members)
        before = described(tools, broker)
        broker.kill()

        broker.become(second).start()
        assert sorted(described(tools, broker).split()) == sorted(before.split())
        produce(client, 20)
        wait_until(members, lambda: len(read(members)) == 40, "they go on")
        for each in members:
            each.commit()
        # The last of the consumer protocol leaves a classic group, which the first broker reads back.
        members.pop().leave()
        wait_until(members, lambda: len(members[0].assigned) == PARTITIONS, "one takes over")
        reads_on(client, members, 40)
        members[0].commit()
        broker.kill()

        broker.become(first).start()
        reads_on_and_leaves(tools, broker, client, members, 60)
    assert disk.complaints(disk.dump(tools, broker.data)) == []
