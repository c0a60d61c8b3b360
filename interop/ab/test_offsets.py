"""Offsets: the same records in both brokers, hundreds of random questions about times and epochs, equal answers.

Where they differ on purpose: after DeleteRecords, Apache Kafka looks for a time in one segment only, the first that ever
held one as late, and answers that there is none when what is left of it has none. We look on behind it. And its segments
below the log start stay until it next looks for old ones, with the largest timestamp, where ours are gone at once.

    OFFSETS_SEED=n     the seed of the random questions, else a fixed one; a failure prints its own
"""

import gzip
import os
import random
import time

import pytest

from interop.lib import frames

pytestmark = [pytest.mark.xdist_group("ab-pair"), pytest.mark.timeout(180)]

SEED = int(os.environ.get("OFFSETS_SEED", "20261121"))
BASE = 1_700_000_000_000
SPECIAL = (-1, -2, -3, -4, -5, -6, -7, -(2**63), 0, 1, 2**63 - 1)
LATEST = 11
LARGEST = -3
QUESTIONS = 150
CODECS = ("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd")


def timed(index, delta, value):
    body = b"\0" + frames.varint(delta) + frames.varint(index) + frames.varint(-1)
    body += frames.varint(len(value)) + value + frames.varint(0)
    return frames.varint(len(body)) + body


def batch(times, codec=0, size=60):
    """Records of these timestamps, in this order; with -1 in the first place none of them has one."""
    first = times[0]
    payload = b"".join(timed(n, at - first, b"x" * size) for n, at in enumerate(times))
    if codec == 1:
        payload = gzip.compress(payload)
    return frames.batch(payload, len(times), codec, first)


def produce(pair, topic, records, error=0):
    data = [{"Name": topic, "PartitionData": [{"Index": 0, "Records": records}]}]
    found = pair.asks("Produce", 9, Acks=-1, TimeoutMs=5000, TopicData=data)
    codes = [each["Responses"][0]["PartitionResponses"][0]["ErrorCode"] for each in found]
    assert codes == [error, error]


def where(asker, topic, timestamp, version=LATEST, isolation=0, epoch=-1):
    part = {"PartitionIndex": 0, "Timestamp": timestamp}
    if version >= 4:
        part["CurrentLeaderEpoch"] = epoch
    more = {"IsolationLevel": isolation} if version >= 2 else {}
    more |= {"TimeoutMs": 1000} if version >= 10 else {}
    answer = asker.ask(
        "ListOffsets", version, ReplicaId=-1, Topics=[{"Name": topic, "Partitions": [part]}], **more
    )
    return answer["Topics"][0]["Partitions"][0]


def same(pair, topic, timestamp, **how):
    stock, ours = (where(each, topic, timestamp, **how) for each in pair.askers)
    assert ours == stock, f"seed {SEED}: {topic} at {timestamp} {how}"
    return stock


def same_or_found(pair, topic, at, times, start, **how):
    """`times` by offset, from 0 on: the answer is the first record as late that is still there."""
    stock, ours = (where(each, topic, at, **how) for each in pair.askers)
    if ours != stock and start > 0 and stock["ErrorCode"] == 0 and stock["Offset"] == -1 and at >= 0:
        offset = next(n for n in range(start, len(times)) if times[n] >= at)
        assert (ours["Offset"], ours["Timestamp"]) == (offset, times[offset]), f"seed {SEED}: {topic} at {at}"
    elif ours != stock and at == LARGEST and stock["ErrorCode"] == 0 and 0 <= stock["Offset"] < start:
        offset = ours["Offset"]
        left = max(times[min(offset, start) :])
        assert ours["Timestamp"] == times[offset] == left < stock["Timestamp"], f"seed {SEED}: {topic}, from {start} on"
    else:
        assert ours == stock, f"seed {SEED}: {topic} at {at} {how}, from {start} on"


def delete_before(pair, topic, offset):
    part = {"PartitionIndex": 0, "Offset": offset}
    found = pair.asks("DeleteRecords", 2, Topics=[{"Name": topic, "Partitions": [part]}], TimeoutMs=5000)
    rows = [each["Topics"][0]["Partitions"][0] for each in found]
    assert rows[0] == rows[1]
    return rows[0]


def fill(pair, topic, rnd, batches):
    """Batches whose times rise, jump back or are none; the times that may be asked for."""
    seen = []
    for number in range(batches):
        count = rnd.choice((1, 1, 2, 5, 30))
        low = BASE + number * 1000 + rnd.choice((0, 0, 0, -5000, 40000))
        times = [-1] * count if rnd.random() < 0.15 else [low + rnd.randint(0, 3000) for _ in range(count)]
        seen += times
        produce(pair, topic, batch(times, rnd.choice((0, 1)), rnd.choice((10, 60, 400))))
    return seen


def question(rnd, seen):
    if rnd.random() < 0.25:
        return rnd.choice(SPECIAL)
    return rnd.choice(seen) + rnd.choice((-1, 0, 0, 1, 7))


@pytest.mark.parametrize("codec", CODECS)
def test_random_times(pair, codec):
    rnd = random.Random(f"{SEED} {codec}")
    topic = f"times-{codec}"
    small = {"internal_segment_bytes": "16384", "index_interval_bytes": rnd.choice(("0", "100", "4096"))}
    pair.create(topic, compression_type=codec, **small)
    seen = fill(pair, topic, rnd, 60)
    for _ in range(QUESTIONS):
        same(pair, topic, question(rnd, seen), version=rnd.randint(1, LATEST), isolation=rnd.randint(0, 1))
    end = same(pair, topic, -1)["Offset"]
    assert end == len(seen)
    start = 0
    for _ in range(3):
        offset = rnd.randint(0, end)
        delete_before(pair, topic, offset)
        start = max(start, offset)
        for _ in range(QUESTIONS // 3):
            same_or_found(pair, topic, question(rnd, seen), seen, start, version=rnd.randint(1, LATEST))
    delete_before(pair, topic, -1)
    for _ in range(QUESTIONS // 3):
        same_or_found(pair, topic, question(rnd, seen), seen, end, version=rnd.randint(1, LATEST))


def after_a_moment():
    """Until the clock in milliseconds has moved on by a few, for batches of different append times."""
    deadline = time.time() + 0.004
    while time.time() < deadline:
        time.sleep(0.001)


@pytest.mark.parametrize("codec", ("producer", "lz4"))
def test_append_times(pair, codec):
    """Each broker stamps its own: what is asked is a batch's time in the broker that is asked, and around it."""
    topic = f"append-{codec}"
    pair.create(topic, message_timestamp_type="LogAppendTime", compression_type=codec, index_interval_bytes="0")
    ends, stamps = [], ([], [])
    for number in range(20):
        after_a_moment()
        produce(pair, topic, batch([BASE + n for n in range(number % 4 + 1)], number % 2))
        ends.append(same(pair, topic, -1)["Offset"])
        for each, asker in zip(stamps, pair.askers):
            each.append(where(asker, topic, -3)["Timestamp"])
    for shift in (-1, 0, 1):
        rows = [
            [where(asker, topic, at + shift)["Offset"] for at in each] for each, asker in zip(stamps, pair.askers)
        ]
        assert rows[0] == rows[1]
    rows = [[where(asker, topic, special)["Offset"] for special in SPECIAL] for asker in pair.askers]
    assert rows[0] == rows[1]
    assert ends == sorted(ends)


def test_nothing_and_no_timestamps(pair):
    pair.create("empty")
    pair.create("timeless")
    produce(pair, "timeless", batch([-1, -1, -1]))
    produce(pair, "timeless", batch([-1], 1))
    for topic in ("empty", "timeless"):
        for at in SPECIAL:
            for version in range(1, LATEST + 1):
                same(pair, topic, at, version=version)
    delete_before(pair, "timeless", 2)
    for at in SPECIAL:
        same(pair, "timeless", at)


def test_epochs_and_names(pair):
    pair.create("epochs")
    produce(pair, "epochs", batch([BASE]))
    for epoch in (-2, -1, 0, 1, 7):
        for at in (-1, -2, -3, BASE, BASE + 1):
            same(pair, "epochs", at, epoch=epoch)
    same(pair, "nowhere", -1)
    for odd in ("", "a/b", "x" * 300, ".."):
        same(pair, odd, -1)


def test_odd_requests(pair):
    """Apache Kafka answers each partition once, in no order, and leaves topics out of which it was asked nothing."""
    pair.create("odd", 2)

    def ask(topics, version, **more):
        found = pair.asks("ListOffsets", version, ReplicaId=-1, Topics=topics, **more)
        stock, ours = ({(each["Name"], str(row)) for each in a["Topics"] for row in each["Partitions"]} for a in found)
        assert ours == stock, topics

    def row(index):
        return {"PartitionIndex": index, "CurrentLeaderEpoch": -1, "Timestamp": -1}

    for version in (4, 7, 11):
        ask([], version)
        ask([{"Name": "odd", "Partitions": []}], version)
        ask([{"Name": "odd", "Partitions": [row(n) for n in (0, 1, 2, -1)]}], version)
        ask([{"Name": "odd", "Partitions": [row(0), row(0), row(1)]}], version)
        ask([{"Name": "odd", "Partitions": [row(0)]}, {"Name": "odd", "Partitions": [row(1)]}], version)
        ask([{"Name": "odd", "Partitions": [row(0)]}, {"Name": "odd", "Partitions": [row(0)]}], version)


def test_where_epochs_end(pair):
    pair.create("ends", 2)
    produce(pair, "ends", batch([BASE, BASE]))

    def ask(version, *rows):
        parts = [{"Partition": n, "CurrentLeaderEpoch": now, "LeaderEpoch": asked} for n, now, asked in rows]
        stock, ours = pair.asks(
            "OffsetForLeaderEpoch", version, Topics=[{"Topic": "ends", "Partitions": parts}],
            **({"ReplicaId": -1} if version >= 3 else {}),
        )
        assert ours == stock, rows

    for version in (2, 3, 4):
        for now in (-2, -1, 0, 1):
            for asked in (-2, -1, 0, 1, 2**31 - 1):
                ask(version, (0, now, asked))
                ask(version, (1, now, asked))
        ask(version, (0, -1, 0), (0, -1, 0), (5, -1, 0), (-1, -1, 0))
        ask(version)


def test_delete_records(pair):
    pair.create("gone", 2)
    produce(pair, "gone", batch([BASE] * 10))
    for offset in (-3, -2, 0, 3, 3, 2, 11, 2**63 - 1, -(2**63), 10, -1, 10):
        delete_before(pair, "gone", offset)
        same(pair, "gone", -2)
        same(pair, "gone", BASE)
        same(pair, "gone", -3)

    def ask(version, topics):
        stock, ours = pair.asks("DeleteRecords", version, Topics=topics, TimeoutMs=5000)

        def plain(answer):
            return {(each["Name"], str(row)) for each in answer["Topics"] for row in each["Partitions"]}

        assert plain(ours) == plain(stock), topics

    for version in (0, 1, 2):
        ask(version, [])
        ask(version, [{"Name": "nowhere", "Partitions": [{"PartitionIndex": 0, "Offset": 0}]}])
        ask(version, [{"Name": "gone", "Partitions": [{"PartitionIndex": n, "Offset": 0} for n in (0, 1, 2, -1)]}])
        ask(version, [{"Name": "gone", "Partitions": []}])
        ask(version, [{"Name": "gone", "Partitions": [{"PartitionIndex": 1, "Offset": n} for n in (0, 0)]}])
