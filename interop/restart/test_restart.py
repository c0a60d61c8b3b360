"""Clients outlive the broker: it is stopped cleanly, or killed, and started again, while they are connected."""

import sys

import pytest

from interop.lib import answers, frames, places, wire
from interop.lib.clients import Driver, DriverClient, DriverMember, Record, wait_until

DRIVER = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))


class Confluent(DriverClient):
    """The driver of ../confluent-kafka."""

    command = DRIVER


def rows(first, count):
    return [Record(i % 2, b"k%d" % i, b"v%d" % i) for i in range(first, first + count)]


@pytest.mark.parametrize("how", ["clean", "kill"])
def test_a_group_goes_on_after_the_broker_restarts(new_broker, how):
    broker = new_broker().start()
    client = Confluent(broker.bootstrap)
    client.create("t", 2)
    client.produce("t", rows(0, 20))
    member = DriverMember(Driver(DRIVER, broker.bootstrap), "g", "t")
    try:
        wait_until([member], lambda: len(member.records) == 20, "the member reads all")
        member.commit()
        if how == "clean":
            broker.stop()
        else:
            broker.kill()
        broker.start()
        assert wire.committed(broker.bootstrap, "g", "t", [0, 1]) == {0: 10, 1: 10}
        client.produce("t", rows(20, 20))
        wait_until([member], lambda: len(member.records) >= 40, "the member goes on")
        assert sorted(each.value for each in member.records) == sorted(each.value for each in rows(0, 40))
        assert sorted(each.value for each in client.consume("t", 2, 40)) == sorted(each.value for each in rows(0, 40))
        member.commit()
        member.leave()
    finally:
        member.kill()
        client.close()
    broker.stop()


def test_a_member_that_dies_is_replaced(new_broker):
    """Killed members say nothing: the broker finds out by the session time-out."""
    changes = {"group.min.session.timeout.ms": "1000"}
    broker = new_broker(changes=changes).start()
    client = Confluent(broker.bootstrap)
    client.create("t", 2)
    environment = {"SESSION_TIMEOUT_MS": "3000"}
    members = [DriverMember(Driver(DRIVER, broker.bootstrap, environment), "g", "t") for _ in range(2)]
    try:
        wait_until(members, lambda: all(len(each.assigned or ()) == 1 for each in members), "one partition each")
        members.pop().kill()
        wait_until(members, lambda: members[0].assigned == {0, 1}, "the other one takes over")
        client.produce("t", rows(0, 10))
        wait_until(members, lambda: len(members[0].records) == 10, "and reads both")
    finally:
        for each in members:
            each.kill()
        client.close()
    broker.stop()


def join(asker, member_id):
    protocols = [{"Name": "any", "Metadata": b"m"}]
    patience = {"SessionTimeoutMs": 300000, "RebalanceTimeoutMs": 300000}
    return {"GroupId": "g", "MemberId": member_id, "ProtocolType": "t", "Protocols": protocols, **patience}


def test_a_stop_does_not_wait_for_a_group_that_waits_for_a_member(new_broker):
    """One is in and silent, another has asked to come in: that answer is five minutes away."""
    broker = new_broker().start()
    with answers.Asker(broker.port) as first, answers.Asker(broker.port) as second, answers.Asker(broker.port) as watcher:
        wait_until([], lambda: watcher.ask("FindCoordinator", 4, CoordinatorKeys=["g"])["Coordinators"][0]["ErrorCode"] == 0, "a coordinator")

        def let_in(asker):
            return asker.ask("JoinGroup", 5, **join(asker, ""))

        wait_until([], lambda: let_in(watcher)["ErrorCode"] == 79, "the coordinator is there")
        for asker in (first, second):
            member = let_in(asker)["MemberId"]
            asker.send(frames.request("JoinGroup", 5, **join(asker, member)))
        wait_until([], lambda: state(watcher) == "PreparingRebalance", "the second waits for the first")
        broker.stop()


def state(asker):
    return asker.ask("DescribeGroups", 5, Groups=["g"])["Groups"][0]["GroupState"]
