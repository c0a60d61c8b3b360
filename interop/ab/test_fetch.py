"""Fetch, put to both brokers: inside batches, at and beyond the ends, with epochs that never were, odd sizes and lists."""

import pytest

from interop.lib import batches
from interop.lib.batches import GZIP, batch, record

pytestmark = [pytest.mark.xdist_group("ab-pair"), pytest.mark.timeout(180)]

BASE = 1_700_000_000_000
TOPIC = "fetched"


@pytest.fixture(scope="module", name="filled")
def _filled(pair):
    """Ten batches of ten records, the first 25 records deleted."""
    pair.create(TOPIC, 2)
    for number in range(10):
        rows = [record(n, b"x" * 50) for n in range(10)]
        data = [{"Index": 0, "Records": batch(rows, GZIP if number % 2 else 0, BASE + number)}]
        for answer in pair.asks("Produce", 9, Acks=-1, TimeoutMs=5000, TopicData=[{"Name": TOPIC, "PartitionData": data}]):
            assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0
    part = {"PartitionIndex": 0, "Offset": 25}
    for answer in pair.asks("DeleteRecords", 2, Topics=[{"Name": TOPIC, "Partitions": [part]}], TimeoutMs=5000):
        assert answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 0
    ids = []
    for answer in pair.asks("Metadata", 12, Topics=[{"TopicId": bytes(16), "Name": TOPIC}], AllowAutoTopicCreation=0):
        ids.append(bytes.fromhex(answer["Topics"][0]["TopicId"].replace("-", "")))
    return pair, ids


def asked(pair, ids, version, parts, **more):
    """Both answers, with the batches' offsets in place of their bytes."""
    found = []
    for asker, topic_id in zip(pair.askers, ids):
        name = {"TopicId": topic_id} if version >= 13 else {"Topic": TOPIC}
        ask = {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, **more}
        ask |= {"SessionEpoch": -1, "SessionId": 0} if version >= 7 else {}
        ask |= {"ReplicaId": -1} if version < 15 else {}
        answer = asker.ask("Fetch", version, Topics=[{**name, "Partitions": parts}], **ask)
        if answer is not None:
            for each in answer["Responses"]:
                each.pop("TopicId", None)
                each["Partitions"].sort(key=str)
                for row in each["Partitions"]:
                    row["AbortedTransactions"] = row["AbortedTransactions"] or []  # none, or null with an error
                    row["Records"] = [head["base"] for head, _ in batches.parts(row["Records"] or b"")]
        found.append(answer)
    return found


def row(version, offset, index=0, size=1 << 20, now=-1, last=-1, start=-1):
    found = {"Partition": index, "FetchOffset": offset, "PartitionMaxBytes": size}
    found |= {"CurrentLeaderEpoch": now} if version >= 9 else {}
    found |= {"LogStartOffset": start} if version >= 5 else {}
    return found | ({"LastFetchedEpoch": last} if version >= 12 else {})


def same(filled, version, rows, **more):
    stock, ours = asked(*filled, version, rows, **more)
    assert ours == stock, f"v{version} {rows}"


VERSIONS = (4, 5, 7, 9, 11, 12, 13, 16, 17, 18)


@pytest.mark.parametrize("version", VERSIONS)
def test_offsets(filled, version):
    for offset in (0, 24, 25, 26, 29, 30, 35, 99, 100, 101, -1, -2, 2**63 - 1, -(2**63)):
        same(filled, version, [row(version, offset)])
    for size in (0, 1, 100, 700, 1 << 30):
        same(filled, version, [row(version, 33, size=size)])
        same(filled, version, [row(version, 33)], MaxBytes=size)
    for index in (1, 2, -1, 2**31 - 1):
        same(filled, version, [row(version, 0, index=index)])
    for isolation in (0, 1):
        same(filled, version, [row(version, 40)], IsolationLevel=isolation)


@pytest.mark.parametrize("version", [each for each in VERSIONS if each >= 9])
def test_epochs(filled, version):
    for now in (-2, -1, 0, 1, 2**31 - 1):
        same(filled, version, [row(version, 40, now=now)])
    if version < 12:
        return
    for last in (-1, 0, 1, 2**31 - 1):
        for offset in (0, 24, 25, 40, 100, 101):
            same(filled, version, [row(version, offset, last=last)])


def test_several_partitions(filled):
    for version in VERSIONS:
        same(filled, version, [row(version, 25), row(version, 0, index=1), row(version, 0, index=7)])
        same(filled, version, [])
