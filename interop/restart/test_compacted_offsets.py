"""Committed offsets are in a compacted topic: what is left of it after cleaning says the same, to either broker."""

import re
import time

import pytest

from interop.lib import answers
from interop.lib.clients import wait_until

pytestmark = pytest.mark.timeout(600)
PARTITIONS = 200
GROUP = "careful"
CHANGES = {
    "offsets.topic.num.partitions": "1",
    "offsets.topic.segment.bytes": str(1024 * 1024),
    "log.cleaner.backoff.ms": "200",
    "log.cleaner.min.cleanable.ratio": "0.01",
}
PATIENCE_SECONDS = 120


def ask(broker, api, version, good, **values):
    """Again while the coordinator or the topic is not there yet."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with answers.Asker(broker.port) as asker:
            answer = asker.ask(api, version, **values)
        if answer is not None and good(answer):
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def all_good(answer):
    parts = [part for topic in answer["Topics"] for part in topic["Partitions"]]
    return answer.get("ErrorCode", 0) == 0 and parts and all(part["ErrorCode"] == 0 for part in parts)


def commit(broker, offset, partitions):
    parts = [{"PartitionIndex": at, "CommittedOffset": offset + at, "CommittedMetadata": "m" * 40} for at in partitions]
    topics = [{"Name": "t", "Partitions": parts}]
    ask(broker, "OffsetCommit", 7, all_good, GroupId=GROUP, GenerationIdOrMemberEpoch=-1, MemberId="", Topics=topics)


def forget(broker, partitions):
    topics = [{"Name": "t", "Partitions": [{"PartitionIndex": at} for at in partitions]}]
    ask(broker, "OffsetDelete", 0, all_good, GroupId=GROUP, Topics=topics)


def committed(broker):
    topics = [{"Name": "t", "PartitionIndexes": list(range(PARTITIONS))}]
    answer = ask(broker, "OffsetFetch", 5, all_good, GroupId=GROUP, Topics=topics)
    return {part["PartitionIndex"]: part["CommittedOffset"] for part in answer["Topics"][0]["Partitions"]}


def cleaned_to(broker):
    path = broker.data / "cleaner-offset-checkpoint"
    found = re.search(r"^__consumer_offsets 0 (\d+)$", path.read_text(), re.M) if path.exists() else None
    return int(found[1]) if found else 0


def test_commits_outlive_cleaning(tools, new_broker):
    broker = new_broker("barnabas", CHANGES)
    broker.start()
    tools.must("topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", "t", "--partitions", str(PARTITIONS))
    ask(broker, "FindCoordinator", 3, lambda answer: answer["ErrorCode"] == 0, Key=GROUP, KeyType=0)  # makes the topic
    for turn in range(100):
        commit(broker, 1000 * turn, range(PARTITIONS))
        if turn == 50:
            forget(broker, range(10, 20))
    forget(broker, range(0, 10))
    expected = {at: -1 if at < 10 else 99_000 + at for at in range(PARTITIONS)}
    assert committed(broker) == expected
    wait_until([], lambda: cleaned_to(broker) > 10_000, "the offsets are clean", PATIENCE_SECONDS)
    logs = [path.stat().st_size for path in (broker.data / "__consumer_offsets-0").glob("*.log")]
    assert sum(logs) < 1024 * 1024 * 1.5
    assert committed(broker) == expected
    broker.kill()
    broker.start()
    assert committed(broker) == expected
    commit(broker, 200_000, range(5))
    expected.update({at: 200_000 + at for at in range(5)})
    broker.stop()
    broker.become("stock").start()
    assert committed(broker) == expected
    broker.stop()
