"""Members without end, names and assignments without measure, and members that vanish while they wait."""

import struct
import time

import pytest

from interop.lib import frames

pytestmark = pytest.mark.xdist_group("abuse")
# So that what vanished is forgotten within the test.
CHANGES = {"group.min.session.timeout.ms": "500", "group.max.session.timeout.ms": "1800000"}
MEMBER_ID_REQUIRED = 79


def protocol(metadata=b"", name="range"):
    return [{"Name": name, "Metadata": metadata}]


def join(peer, group, member="", metadata=b"", session=2000, rebalance=2000, version=4, **more):
    """(error, generation, leader, member), or None when closed."""
    more.setdefault("ProtocolType", "consumer")
    more.setdefault("Protocols", protocol(metadata))
    answer = peer.ask(
        "JoinGroup", version, GroupId=group, MemberId=member, SessionTimeoutMs=session, RebalanceTimeoutMs=rebalance, **more
    )
    if answer is None:
        return None
    if version >= 2:
        answer.take("i")
    error, generation = answer.take("h"), answer.take("i")
    answer.string()
    return error, generation, answer.string(), answer.string()


def enter(peer, group, **more):
    error, _, _, member = join(peer, group, **more)
    assert error == MEMBER_ID_REQUIRED
    return join(peer, group, member, **more)


def sync(peer, group, generation, member, assignment):
    answer = peer.ask("SyncGroup", 2, GroupId=group, GenerationId=generation, MemberId=member,
                      Assignments=[{"MemberId": member, "Assignment": assignment}])
    if answer is None:
        return None, None
    answer.take("i")
    error = answer.take("h")
    return error, answer.raw(max(0, answer.take("i")))


def commit(peer, group, *topics, generation=-1, member=""):
    """{(topic, partition): error}"""
    answer = peer.ask("OffsetCommit", 2, GroupId=group, GenerationIdOrMemberEpoch=generation, MemberId=member,
                      RetentionTimeMs=-1,
                      Topics=[{"Name": topic, "Partitions": [{"PartitionIndex": partition, "CommittedOffset": offset,
                                                             "CommittedMetadata": metadata}]}
                              for topic, partition, offset, metadata in topics])
    if answer is None:
        return None
    found = {}

    def one():
        topic = answer.string()
        found.update({(topic, index): error for index, error in answer.array(lambda: (answer.take("i"), answer.take("h")))})

    answer.array(one)
    return found


@pytest.fixture(autouse=True, scope="module", name="_coordinator")
def _coordinator_fixture(victim):
    """The offsets topic is there and loaded."""
    with victim.peer() as peer:
        peer.ask("FindCoordinator", 1, Key="g", KeyType=0)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with victim.peer() as peer:
            if join(peer, "ready")[0] == MEMBER_ID_REQUIRED:
                return
        time.sleep(0.05)
    raise AssertionError("no coordinator")


@pytest.mark.caps(left_mb=16)
def test_thousands_of_groups_join_and_vanish(target):
    peers = [target.peer() for _ in range(50)]
    for number in range(3000):
        found = enter(peers[number % 50], f"vanishing-{number}", session=600, rebalance=600)
        assert found[0] == 0, found
    for peer in peers:
        peer.vanish()


@pytest.mark.caps(left_mb=16)
def test_members_that_vanish_while_they_join(target):
    """A group that waits for its first member, and those who join it and go."""
    with target.peer() as first:
        member = enter(first, "waiting", session=30000, rebalance=2000)[3]
        for _ in range(300):
            peer = target.peer()
            error, _, _, name = join(peer, "waiting", session=600, rebalance=600)
            assert error == MEMBER_ID_REQUIRED
            peer.send(frames.framed(frames.request(
                "JoinGroup", 4, GroupId="waiting", MemberId=name, SessionTimeoutMs=600, RebalanceTimeoutMs=600,
                ProtocolType="consumer", Protocols=protocol())))
            peer.vanish()
        found = join(first, "waiting", member, session=30000, rebalance=2000)
        assert found is not None and found[0] == 0


@pytest.mark.caps(left_mb=16)
def test_member_ids_that_never_come_back(target):
    """MEMBER_ID_REQUIRED hands out an id that the coordinator remembers, until the session time is over."""
    with target.peer() as peer:
        for _ in range(5000):
            assert join(peer, "pending", session=600)[0] == MEMBER_ID_REQUIRED


@pytest.mark.caps(peak_mb=220, left_mb=64, slow_seconds=2.0)
def test_huge_metadata_and_assignments(target):
    """Thirty megabytes of both: kept or refused, and the group lives."""
    with target.peer() as peer:
        error, generation, _, member = enter(peer, "huge", metadata=bytes(10 << 20))
        assert error in (0, -1, 10, 15), error
        if error == 0:
            print("sync", sync(peer, "huge", generation, member, bytes(20 << 20))[0])
        peer.ask("LeaveGroup", 1, GroupId="huge", MemberId=member)
    with target.peer() as peer:
        assert enter(peer, "huge-2")[0] == 0


@pytest.mark.caps(peak_mb=400, left_mb=330, slow_seconds=3.0)
def test_many_huge_members(target):
    """Far more than the cap of all groups, in pieces: from some point on new groups are refused, until there is room."""
    errors = []
    for number in range(60):
        with target.peer() as peer:
            fat = {"metadata": bytes(8 << 20), "session": 1500, "rebalance": 1500}
            found = join(peer, f"fat-{number}", **fat)
            if found and found[0] == MEMBER_ID_REQUIRED:
                found = join(peer, f"fat-{number}", found[3], **fat)
            errors.append(found and found[0])
    print(errors)
    assert errors[0] == 0
    deadline = time.monotonic() + 60
    with target.peer() as peer:
        while join(peer, "lean", session=600)[0] != MEMBER_ID_REQUIRED:
            assert time.monotonic() < deadline, "what vanished was not forgotten"
            time.sleep(0.1)


def test_many_protocols(target):
    many = [{"Name": f"p{number}", "Metadata": b""} for number in range(20000)]
    with target.peer() as peer:
        found = join(peer, "protocols", Protocols=many)
        print(found)
    with target.peer() as peer:
        assert join(peer, "protocols", Protocols=[])[0] == 23
        assert join(peer, "protocols", ProtocolType="")[0] == 23
        assert join(peer, "protocols", Protocols=protocol() * 1000)[0] in (23, MEMBER_ID_REQUIRED)


def test_odd_timeouts(target):
    with target.peer() as peer:
        for session in (0, -1, 499, 1800001, 2**31 - 1, -(2**31)):
            assert join(peer, "timeouts", session=session)[0] == 26, session
        for rebalance in (0, -1, 2**31 - 1, -(2**31)):
            found = join(peer, "timeouts", rebalance=rebalance, session=600)
            assert found is not None and found[0] == MEMBER_ID_REQUIRED


def test_odd_names(target):
    names = ("", ".", "..", "../g", "g\0", "\u00e9" * 9000, "x" * 32767, "%s%n", "__consumer_offsets")
    for group in names:
        with target.peer() as peer:
            found = join(peer, group, session=600)
            assert found[0] == (24 if group == "" else MEMBER_ID_REQUIRED)
            assert join(peer, group or "g", member="m" * 30000, session=600)[0] in (25, MEMBER_ID_REQUIRED)
            for member in names:
                assert peer.ask("Heartbeat", 1, GroupId=group, GenerationId=-1, MemberId=member) is not None
                assert peer.ask("LeaveGroup", 1, GroupId=group, MemberId=member) is not None
                assert sync(peer, group, 0, member, b"")[0] in (22, 24, 25), (group, member)
            assert commit(peer, group, ("kept", 0, 1, "")) is not None
            assert peer.ask("OffsetFetch", 5, GroupId=group, Topics=None) is not None
    with target.peer() as peer:
        assert peer.ask("DescribeGroups", 1, Groups=list(names) * 10) is not None
        assert peer.ask("DeleteGroups", 1, GroupsNames=list(names)) is not None
        assert peer.ask("FindCoordinator", 4, KeyType=0, CoordinatorKeys=list(names)) is not None
        assert peer.ask("ListGroups", 4, StatesFilter=["x" * 30000]) is not None


def test_static_members_with_long_names(target):
    with target.peer() as peer:
        for instance in ("", "a/b", "i" * 250, "i" * 30000, "\0"):
            found = join(peer, "static", version=5, GroupInstanceId=instance, session=600)
            print(instance[:10], found and found[0])


def test_commits(target):
    with target.peer() as peer:
        found = commit(peer, "commits", ("kept", 0, 7, "m"), ("kept", 99, 7, ""), ("kept", -1, 7, ""), ("nothing", 0, 7, ""),
                       ("../kept", 0, 7, ""), ("", 0, 7, ""), ("kept", 1, 7, "m" * 5000))
        assert found == {("kept", 0): 0, ("kept", 99): 3, ("kept", -1): 3, ("nothing", 0): 3, ("../kept", 0): 3,
                         ("", 0): 3, ("kept", 1): 12}
        for offset in (-1, -2, -(2**63), 2**63 - 1):
            print(offset, commit(peer, "commits-odd", ("kept", 0, offset, None)))
        assert commit(peer, "commits", ("kept", 0, 8, ""), generation=5, member="nobody") in (
            {("kept", 0): 25}, {("kept", 0): 22})
    with target.connection() as connection:
        assert connection.committed("commits", "kept", [0]) == {0: 7}


@pytest.mark.caps(peak_mb=160, left_mb=24, slow_seconds=2.0)
def test_commit_and_fetch_many(target):
    count = 100_000
    parts = struct.pack(">i", count) + b"".join(struct.pack(">iqh", number, 1, -1) for number in range(count))
    same = struct.pack(">i", count) + struct.pack(">iqh", 0, 1, -1) * count
    for list_of in (parts, same):
        with target.peer() as peer:
            topics = struct.pack(">i", 1) + b"\0\x04kept" + list_of
            answer = peer.ask("OffsetCommit", 2, GroupId="many", GenerationIdOrMemberEpoch=-1, MemberId="",
                              RetentionTimeMs=-1, Topics=topics)
            print(answer and len(answer.data))
    with target.peer() as peer:
        indexes = struct.pack(">i", count) + struct.pack(f">{count}i", *range(count))
        answer = peer.ask("OffsetFetch", 5, GroupId="many", Topics=struct.pack(">i", 1) + b"\0\x04kept" + indexes)
        print(answer and len(answer.data))


@pytest.mark.caps(peak_mb=200, left_mb=64, slow_seconds=2.0)
def test_offsets_of_many_groups(target):
    """Groups that exist by their offsets alone, each with 4 KB of metadata: 40 MB."""
    with target.peer() as peer:
        for number in range(10000):
            assert commit(peer, f"offsets-only-{number}", ("kept", 0, 1, "m" * 4000)) is not None
        answer = peer.ask("ListGroups", 3)
        assert answer is not None
        answer = peer.ask("DeleteGroups", 1, GroupsNames=[f"offsets-only-{number}" for number in range(10000)])
        assert answer is not None
