"""Too many topics, partitions, names and sessions in one request or one after the other."""

import struct
import time

import pytest

from interop.lib import frames
from interop.lib import target as targets

pytestmark = pytest.mark.xdist_group("abuse")
MANY = 100_000
BATCH = frames.batch(frames.record(b"x"))
NAMES = ["", ".", "..", "../../etc", "a/b", "a\\b", "a\0b", "a b", "a\n", "~", "\u00e9", "x" * 250, "x" * 30000, "%s%n"]


def array(elements):
    """Elements that differ in a counter only, quicker than one by one."""
    parts = list(elements)
    return struct.pack(">i", len(parts)) + b"".join(parts)


def name(number):
    return b"\0\x08t%07d" % number


@pytest.mark.caps(peak_mb=96, left_mb=16, slow_seconds=2.0)
def test_metadata_of_many_unknown_topics(target):
    asked = array(name(number) for number in range(MANY))
    for version in (1, 4, 8):
        with target.peer() as peer:
            answer = peer.ask("Metadata", version, Topics=asked, AllowAutoTopicCreation=0)
            assert answer is not None and len(answer.data) > MANY * 10
    with target.connection() as connection:
        assert len(connection.metadata("kept")[1]) == 1


@pytest.mark.caps(peak_mb=160, left_mb=24, slow_seconds=4.0)
def test_metadata_that_would_create_many(target):
    asked = array(name(number) for number in range(MANY))
    with target.peer() as peer:
        peer.ask("Metadata", 4, Topics=asked, AllowAutoTopicCreation=1)


@pytest.mark.caps(peak_mb=160, left_mb=24, slow_seconds=4.0)
def test_create_many_topics(target):
    """Refused as a whole, or closed: never half made."""
    asked = array(name(number) + struct.pack(">ihii", 1, 1, 0, 0) for number in range(MANY))
    with target.peer() as peer:
        answer = peer.ask("CreateTopics", 4, Topics=asked, TimeoutMs=1000)
        if answer is not None:
            answer.take("i")
            errors = {answer.array(lambda: (answer.string(), answer.take("h"), answer.string())[1])[0]}
            assert errors == {44}, errors


@pytest.mark.caps(peak_mb=96, left_mb=16, slow_seconds=2.0)
def test_create_with_many_partitions(target):
    for count in (20_000, 2**31 - 1, 0, -2, -(2**31)):
        with target.peer() as peer:
            topic = {"Name": "broad", "NumPartitions": count, "ReplicationFactor": 1}
            answer = peer.ask("CreateTopics", 4, Topics=[topic], TimeoutMs=1000)
            assert answer is not None
            answer.raw(4 + 4 + 2 + 5)
            assert answer.take("h") in (37, 44), count
        with target.peer() as peer:
            answer = peer.ask("CreatePartitions", 1, Topics=[{"Name": "attacked", "Count": count, "Assignments": None}], TimeoutMs=1000)
            assert answer is not None
            answer.raw(4 + 4 + 2 + 8)
            assert answer.take("h") in (37, 44), count


def test_create_with_odd_replication(target):
    for factor in (0, -2, 2, 32767, -32768):
        with target.peer() as peer:
            topic = {"Name": "copies", "NumPartitions": 1, "ReplicationFactor": factor}
            answer = peer.ask("CreateTopics", 4, Topics=[topic], TimeoutMs=1000)
            answer.raw(4 + 4 + 2 + 6)
            assert answer.take("h") == 38, factor


@pytest.mark.parametrize("version", [2, 5, 7])
def test_topic_names(target, version):
    """No name becomes a folder anywhere."""
    before = sorted(each.name for each in target.broker.data.iterdir())
    for topic in NAMES:
        with target.peer() as peer:
            asked = {"Name": topic, "NumPartitions": 1, "ReplicationFactor": 1}
            answer = peer.ask("CreateTopics", version, Topics=[asked], TimeoutMs=1000)
            assert answer is not None, topic
            assert peer.ask("Metadata", 4, Topics=[{"Name": topic}], AllowAutoTopicCreation=1) is not None
            assert peer.ask("DeleteTopics", 5, TopicNames=[topic], TimeoutMs=1000) is not None
    if target.broker.kind == "barnabas":
        assert sorted(each.name for each in target.broker.data.iterdir()) == before


@pytest.mark.caps(peak_mb=280, left_mb=24, slow_seconds=4.0)
def test_path_names_when_memory_is_out(target):
    """Names that fill the memory of the request with their messages, and behind them one that leads out."""
    long = struct.pack(">h", 32000)
    tail = struct.pack(">ihii", 1, 1, 0, 0)
    topics = [long + b"%05d/" % number + b"x" * 31994 + tail for number in range(2200)]
    topics += [struct.pack(">h", 14) + b"../way-out-%03d" % number + tail for number in range(400)]
    with target.peer() as peer:
        peer.ask("CreateTopics", 4, Topics=array(topics), TimeoutMs=1000)
    assert not list(target.broker.home.glob("way-out*"))


@pytest.mark.caps(peak_mb=160, left_mb=24, slow_seconds=2.0)
def test_produce_to_many(target):
    part = struct.pack(">iii", 1, 0, len(BATCH)) + BATCH
    asked = array(name(number) + part for number in range(MANY))
    with target.peer() as peer:
        answer = peer.ask("Produce", 7, Acks=1, TimeoutMs=1000, TopicData=asked)
        assert answer is not None and answer.take("i") == MANY
    one = array(struct.pack(">ii", 0, len(BATCH)) + BATCH for _ in range(20_000))
    with target.peer() as peer:
        asked = struct.pack(">i", 1) + b"\0\x08attacked" + one
        answer = peer.ask("Produce", 7, Acks=1, TimeoutMs=1000, TopicData=asked)
        assert answer is not None


def fetch(peer, topics, version=11, wait=0, session=0, epoch=-1, least=1):
    return peer.ask(
        "Fetch", version, ReplicaId=-1, MaxWaitMs=wait, MinBytes=least, MaxBytes=1 << 20, SessionId=session,
        SessionEpoch=epoch, Topics=topics, RackId="",
    )


def fetch_parts(count, offset=0, first=0):
    return array(struct.pack(">iiqqi", each + first, -1, offset, -1, 1 << 20) for each in range(count))


@pytest.mark.caps(peak_mb=160, left_mb=24, slow_seconds=2.0)
def test_fetch_many(target):
    with target.peer() as peer:
        answer = fetch(peer, array(name(number) + fetch_parts(1) for number in range(MANY)))
        assert answer is not None
    with target.peer() as peer:
        assert fetch(peer, struct.pack(">i", 1) + b"\0\x04kept" + fetch_parts(MANY)) is not None
    with target.peer() as peer:
        same = array(struct.pack(">iiqqi", 0, -1, 0, -1, 1 << 20) for _ in range(MANY))
        assert fetch(peer, struct.pack(">i", 1) + b"\0\x04kept" + same) is not None


@pytest.mark.caps(peak_mb=300, left_mb=100, slow_seconds=2.0)
def test_parked_fetches_of_many_parts(target):
    """Forty connections park a fetch that names one partition 100,000 times, and vanish."""
    end = target.end_offset("kept", 0)
    same = struct.pack(">i", 1) + b"\0\x04kept" + array([struct.pack(">iiqqi", 0, -1, end, -1, 1 << 20)] * MANY)
    frame = frames.framed(
        frames.request("Fetch", 11, ReplicaId=-1, MaxWaitMs=600_000, MinBytes=1, MaxBytes=1 << 20, SessionEpoch=-1,
                       Topics=same, RackId="")
    )
    peers = [target.peer() for _ in range(40)]
    for peer in peers:
        peer.send(frame)
    time.sleep(1)
    for peer in peers:
        peer.vanish()


@pytest.mark.caps(peak_mb=200, left_mb=140, slow_seconds=2.0)
def test_sessions_with_long_names(target):
    """Sessions remember names: 60 MB of them a session, again and again."""
    for turn in range(8):
        topics = array(
            struct.pack(">h", 30000) + b"%08d" % (turn * 1000 + each) + b"n" * 29992 + fetch_parts(1)
            for each in range(1000)
        )
        with target.peer() as peer:
            fetch(peer, topics, epoch=0)


@pytest.mark.caps(peak_mb=64, left_mb=32)
def test_thousands_of_sessions(target):
    for _ in range(4000):
        with target.peer() as peer:
            assert fetch(peer, struct.pack(">i", 1) + b"\0\x04kept" + fetch_parts(2, first=0), epoch=0) is not None


def test_odd_sessions(target):
    one = struct.pack(">i", 1) + b"\0\x04kept" + fetch_parts(1)
    for session, epoch in ((1, 1), (-1, 1), (2**31 - 1, 2**31 - 1), (0, 1), (5, 0), (5, -1), (0, -2), (-(2**31), -(2**31))):
        with target.peer() as peer:
            assert fetch(peer, one, session=session, epoch=epoch) is not None


@pytest.mark.caps(left_mb=16)
def test_parked_fetches_vanish(target):
    end = target.end_offset("kept", 0)
    one = struct.pack(">i", 1) + b"\0\x04kept" + fetch_parts(1, end)
    frame = frames.request("Fetch", 11, ReplicaId=-1, MaxWaitMs=600_000, MinBytes=1, MaxBytes=1 << 20, SessionEpoch=-1,
                           Topics=one, RackId="")
    peers = [target.peer() for _ in range(500)]
    for number, peer in enumerate(peers):
        peer.send(frames.framed(frame))
    for number, peer in enumerate(peers):
        (peer.vanish if number % 2 else peer.close)()


def test_configs(target):
    """Configs with nulls, names and values of any size and any number."""
    for configs in (
        [{"Name": "x" * 30000, "Value": "y" * 30000}] * 100,
        [{"Name": "retention.ms", "Value": None}] * 2000,
        [{"Name": "n" * 3000 + str(number), "Value": None} for number in range(2000)],
        [{"Name": "", "Value": ""}],
        [{"Name": "retention.ms", "Value": "9" * 30000}],
    ):
        with target.peer() as peer:
            topic = {"Name": "configured", "NumPartitions": 1, "ReplicationFactor": 1, "Configs": configs}
            answer = peer.ask("CreateTopics", 4, Topics=[topic], TimeoutMs=1000)
            if answer is not None:
                answer.raw(4 + 4 + 2 + len("configured"))
                assert answer.take("h") in (40, 42, 87), configs[0]["Name"][:20]
        with target.peer() as peer:
            resource = {"ResourceType": 2, "ResourceName": "kept", "Configs": configs}
            assert peer.ask("IncrementalAlterConfigs", 0, Resources=[resource]) is not None


@pytest.mark.caps(peak_mb=96, left_mb=16, slow_seconds=2.0)
def test_list_offsets_of_one_partition_many_times(target):
    """What is named twice is refused, so that a search in the log is not asked for 100,000 times."""
    count = 100_000
    same = struct.pack(">i", count) + struct.pack(">iq", 0, 1) * count
    with target.peer() as peer:
        answer = peer.ask("ListOffsets", 1, ReplicaId=-1, Topics=struct.pack(">i", 1) + b"\0\x04kept" + same)
        assert answer is not None
        assert answer.take("i") == 1 and answer.string() == "kept"
        assert answer.take("i") in (1, count)
        assert (answer.take("i"), answer.take("h")) == (0, 42)


def test_describe_many(target):
    with target.peer() as peer:
        resources = [{"ResourceType": kind, "ResourceName": value, "ConfigurationKeys": None}
                     for kind in (-128, 0, 1, 2, 4, 8, 16, 32, 127) for value in ("", "1", "kept", "-1", "x" * 30000)]
        assert peer.ask("DescribeConfigs", 1, Resources=resources) is not None
    with target.peer() as peer:
        topics = [{"Name": f"t{number}"} for number in range(MANY // 10)]
        assert peer.ask("DescribeTopicPartitions", 0, Topics=topics, ResponsePartitionLimit=-1) is not None
    with target.peer() as peer:
        assert peer.ask("DescribeTopicPartitions", 0, Topics=[], ResponsePartitionLimit=2**31 - 1) is not None
