"""What classic groups do by themselves, as time goes by and topics go, against Apache Kafka.

Nothing here looks at how long it takes: each broker is asked until it has come to the end of it, and these are compared.
"""

import os
import time

import pytest

from interop.lib import duel

pytestmark = [pytest.mark.xdist_group("ab-duel-times"), pytest.mark.timeout(300)]

CHANGES = {"group.min.session.timeout.ms": "100", "group.initial.rebalance.delay.ms": "0"}
LONG_MS, SHORT_MS = 300000, 1000
# Within this a member that was let in has to ask for its assignment, on however slow a machine.
SOME_MS = 3000
PATIENCE_SECONDS = 120
RANGE = [{"Name": "range", "Metadata": b"\0\0\0\0\0\1\0\6times1\xff\xff\xff\xff"}]


@pytest.fixture(scope="module", name="both")
def _both(kind, session_home):
    with duel.running(kind, os.path.join(session_home, "times"), CHANGES) as made:
        for name in ("times1", "times2"):
            made.create(name)
        made.await_coordinators("times1")
        yield made


@pytest.fixture(autouse=True)
def _afresh(both):
    yield
    both.forget()


def join(both, group, version=3, session=LONG_MS, rebalance=LONG_MS, **more):
    return both.send(
        "JoinGroup", version, GroupId=group, SessionTimeoutMs=session, RebalanceTimeoutMs=rebalance,
        ProtocolType="consumer", Protocols=RANGE, **{"MemberId": "", **more},
    )


def answered(both, flight):
    both.settle_until(lambda: flight.done, f"{flight} is answered")
    return flight.found[0]


def stable(both, group, **how):
    """The id of a group's first member, which has its assignment."""
    found = answered(both, join(both, group, **how))
    assert found["ErrorCode"] == 0
    member = found["MemberId"]
    given = [{"MemberId": both.member(member), "Assignment": b"all"}]
    both.ask("SyncGroup", 3, GroupId=group, GenerationId=1, MemberId=both.member(member), Assignments=given, GroupInstanceId=how.get("GroupInstanceId"))
    return member


def wait_for(both, what, api, version, holds, **values):
    """Until each has come to it; then both are asked once more, and compared."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for asker in both.barriers:
        while not holds(asker.ask(api, version, **values)):
            assert time.monotonic() < deadline, what
            time.sleep(0.05)
    return both.ask(api, version, **values)


def becomes(both, group, state):
    return wait_for(both, f"{group} is {state}", "DescribeGroups", 5, lambda a: a["Groups"][0]["GroupState"] == state, Groups=[group])


def heartbeat(both, group, member, generation=1):
    return both.ask("Heartbeat", 2, GroupId=group, GenerationId=generation, MemberId=both.member(member))["ErrorCode"]


def test_a_silent_member_is_out(both):
    member = stable(both, "silent", session=SOME_MS)
    becomes(both, "silent", "Empty")
    assert heartbeat(both, "silent", member) == 25


def test_who_does_not_join_again_is_out(both):
    first = stable(both, "absent", rebalance=SOME_MS)
    second = answered(both, join(both, "absent", rebalance=SHORT_MS))
    assert (second["GenerationId"], len(second["Members"])) == (2, 1)
    assert heartbeat(both, "absent", first, 2) == 25


def test_who_does_not_sync_is_out(both):
    found = answered(both, join(both, "mute", rebalance=SHORT_MS))
    becomes(both, "mute", "Empty")
    assert heartbeat(both, "mute", found["MemberId"]) == 25


def test_a_static_member_keeps_its_place(both):
    first = stable(both, "static", version=5, rebalance=SOME_MS, GroupInstanceId="i")
    second = answered(both, join(both, "static", version=5, rebalance=SHORT_MS, GroupInstanceId="j"))
    assert (second["GenerationId"], second["Leader"]) == (2, second["MemberId"])
    assert {each["MemberId"] for each in second["Members"]} == {first, second["MemberId"]}


def test_an_id_that_is_not_used_is_forgotten(both):
    """A rebalance waits for it, and for no longer than its session."""
    first = stable(both, "unused")
    assert both.ask("JoinGroup", 4, GroupId="unused", SessionTimeoutMs=SHORT_MS, RebalanceTimeoutMs=LONG_MS, MemberId="",
                    ProtocolType="consumer", Protocols=RANGE)["ErrorCode"] == 79
    again = answered(both, join(both, "unused", MemberId=both.member(first)))
    assert (again["GenerationId"], len(again["Members"])) == (2, 1)


def test_offsets_go_with_their_topic(both):
    parts = [{"PartitionIndex": 0, "CommittedOffset": 7, "CommittedMetadata": "m"}]
    both.ask("OffsetCommit", 7, GroupId="gone", GenerationIdOrMemberEpoch=-1, Topics=[{"Name": name, "Partitions": parts} for name in ("times1", "times2")])
    both.ask("DeleteTopics", 4, TopicNames=["times2"], TimeoutMs=30000)
    left = wait_for(both, "the offset is gone", "OffsetFetch", 5, lambda a: len(a["Topics"]) == 1, GroupId="gone", Topics=None)
    assert left["Topics"][0]["Name"] == "times1"
