"""What becomes of a produced batch: the same ones to both brokers, equal answers, and equal batches on the disk but for
what depends on a clock or a compressor."""

import re
import time

import pytest

from interop.lib import batches
from interop.lib.batches import APPEND_TIME, CODECS, GZIP, LZ4, NONE, SNAPPY, ZSTD, batch, record

pytestmark = [pytest.mark.xdist_group("ab-pair"), pytest.mark.timeout(180)]

NOW = int(time.time() * 1000)
TYPES = ("producer", "uncompressed", *CODECS[1:])
UNKNOWN, CORRUPT, TOO_LARGE, INVALID_TIMESTAMP, UNSUPPORTED, INVALID_RECORD = -1, 2, 10, 32, 76, 87
# Of the header: what does not depend on how well a codec compresses.
LASTING = ("base", "epoch", "attributes", "last", "base_time", "max_time", "producer", "producer_epoch", "sequence", "count")


def ids(pair, topic):
    answers = pair.asks("Metadata", 12, Topics=[{"TopicId": bytes(16), "Name": topic}], AllowAutoTopicCreation=0)
    return [bytes.fromhex(each["Topics"][0]["TopicId"].replace("-", "")) for each in answers]


def produce(pair, topic, records, version=9):
    """(error, [index of a record at fault], is there a message?) of both, which are the same."""
    data = {"Name": topic, "PartitionData": [{"Index": 0, "Records": records}]}
    found = []
    for asker, topic_id in zip(pair.askers, ids(pair, topic) if version >= 13 else (None, None)):
        if version >= 13:
            data = {"TopicId": topic_id, "PartitionData": data["PartitionData"]}
        answer = asker.ask("Produce", version, Acks=-1, TimeoutMs=5000, TopicData=[data])
        row = answer["Responses"][0]["PartitionResponses"][0]
        errors = [(each["BatchIndex"], bool(each["BatchIndexErrorMessage"])) for each in row.get("RecordErrors") or ()]
        found.append((row["ErrorCode"], row["BaseOffset"], errors, bool(row.get("ErrorMessage"))))
    return found


def refused(pair, topic, records, version=9, ours=None):
    """Both say the same, which is the answer; or where Apache Kafka says -1, we say `ours`."""
    stock, mine = produce(pair, topic, records, version)
    if ours is not None and stock[0] == UNKNOWN:
        assert mine[0] == ours
    else:
        assert mine == stock
    return mine


def accepted(pair, topic, records, version=9):
    assert refused(pair, topic, records, version)[0] == 0


def stored(asker, topic, offset=0):
    part = {"Partition": 0, "FetchOffset": offset, "PartitionMaxBytes": 1 << 24, "CurrentLeaderEpoch": -1,
            "LogStartOffset": -1, "LastFetchedEpoch": -1}
    answer = asker.ask(
        "Fetch", 12, ReplicaId=-1, MaxWaitMs=0, MinBytes=0, MaxBytes=1 << 24, IsolationLevel=0, SessionId=0,
        SessionEpoch=-1, Topics=[{"Topic": topic, "Partitions": [part]}], RackId="",
    )
    row = answer["Responses"][0]["Partitions"][0]
    assert row["ErrorCode"] == 0, row
    return batches.parts(row["Records"] or b"")


def same_stored(pair, topic, lasting=LASTING):
    stock, ours = ([({name: head[name] for name in lasting}, data) for head, data in stored(each, topic)] for each in pair.askers)
    assert ours == stock
    return ours


MANY = [record(n, b"value %d" % n * 20, b"key", n, [(b"h", b"1")]) for n in range(50)]


@pytest.mark.parametrize("into", TYPES)
def test_every_codec_into_every_codec(pair, into):
    topic = f"codec-{into}"
    pair.create(topic, compression_type=into)
    for codec in range(5):
        accepted(pair, topic, batch(MANY, codec, NOW, NOW + 49, (7, 3, codec * 50)))
        accepted(pair, topic, batch([record(0, None)], codec, NOW))
        accepted(pair, topic, batch([record(0), record(1)], codec, -1))
    found = same_stored(pair, topic)
    wanted = [codec for codec in range(5) for _ in range(3)] if into == "producer" else [TYPES.index(into, 1) - 1] * 15
    assert [head["attributes"] for head, _ in found] == wanted


def test_what_is_corrected(pair):
    """The largest timestamp of a header that lies, in place and rewritten."""
    for kind in ("producer", "lz4"):
        topic = f"lies-{kind}"
        pair.create(topic, compression_type=kind)
        for codec in (NONE, GZIP, LZ4):
            accepted(pair, topic, batch(MANY, codec, NOW, NOW - 5))
            accepted(pair, topic, batch(MANY, codec, NOW, NOW + 10**12))
            accepted(pair, topic, batch([record(0), record(1, delta=-9)], codec, NOW))
        same_stored(pair, topic)


@pytest.mark.parametrize("into", ("producer", "uncompressed", "gzip"))
def test_append_time(pair, into):
    topic = f"appended-{into}"
    pair.create(topic, compression_type=into, message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    for codec in range(5):
        accepted(pair, topic, batch(MANY, codec, 12345, 12394))
        accepted(pair, topic, batch(MANY, codec, NOW + 10**11, NOW + 10**11))
        assert refused(pair, topic, batch(MANY, codec, NOW, attributes=APPEND_TIME))[0] == INVALID_TIMESTAMP
    same_stored(pair, topic, [name for name in LASTING if name != "max_time"])
    for asker in pair.askers:
        times = [head["max_time"] for head, _ in stored(asker, topic)]
        assert times == sorted(times) and before - 1000 <= times[0] and times[-1] <= time.time() * 1000 + 1000


def test_append_time_of_the_producers(pair):
    """On a topic of CreateTime. (Of one whose largest time is out of range, Apache Kafka refuses all records, and we look at
    their own times.)"""
    pair.create("own-time")
    for codec in (NONE, GZIP):
        refused(pair, "own-time", batch(MANY, codec, NOW, NOW + 49, attributes=APPEND_TIME))


@pytest.mark.parametrize("version", range(3, 14))
def test_times_out_of_range(pair, version):
    topic = f"range-{version}"
    pair.create(topic, message_timestamp_before_max_ms="10000000", message_timestamp_after_max_ms="20000000")
    for codec in (NONE, GZIP):
        accepted(pair, topic, batch([record(0), record(1, delta=15000000)], codec, NOW), version)
        for delta in (-10**8, 10**8):
            rows = [record(n, delta=delta if n in (2, 7) else 0) for n in range(9)]
            found = refused(pair, topic, batch(rows, codec, NOW), version)
            assert found[0] == INVALID_TIMESTAMP
            assert [index for index, _ in found[2]] == ([2, 7] if version >= 8 else [])
        accepted(pair, topic, batch([record(0)], codec, -1), version)


@pytest.mark.parametrize("version", (3, 7, 8, 9, 13))
def test_keys_of_compacted_topics(pair, version):
    topic = f"keys-{version}"
    pair.create(topic, cleanup_policy="compact", message_timestamp_before_max_ms="10000000")
    for codec in (NONE, ZSTD if version >= 7 else GZIP):
        accepted(pair, topic, batch(MANY, codec, NOW), version)
        rows = [record(n, key=None if n % 3 == 1 else b"") for n in range(9)]
        assert refused(pair, topic, batch(rows, codec, NOW), version)[0] == INVALID_RECORD
        rows[3] = record(3, delta=-(10**8))
        refused(pair, topic, batch(rows, codec, NOW), version)
        rows[0] = record(0, delta=-(10**8))
        refused(pair, topic, batch(rows, codec, NOW), version)


def test_zstd_of_old_producers(pair):
    pair.create("old-zstd")
    for version in (3, 6, 7):
        refused(pair, "old-zstd", batch(MANY, ZSTD, NOW), version)
    pair.create("to-zstd", compression_type="zstd")
    for version in (3, 6, 7):
        refused(pair, "to-zstd", batch(MANY, GZIP, NOW), version)


def test_sizes(pair):
    """max.message.bytes is compared with the batch as it came and as it would be stored."""
    exact = batch([record(0, b"x" * 1000)], NONE, NOW)
    zeros = [record(0, bytes(3000))]
    for kind in TYPES:
        topic = f"size-{kind}"
        pair.create(topic, compression_type=kind, max_message_bytes=str(len(exact)))
        assert refused(pair, topic, exact)[0] == 0
        assert refused(pair, topic, batch([record(0, b"x" * 1001)], NONE, NOW))[0] == TOO_LARGE
        assert refused(pair, topic, batch(zeros, NONE, NOW))[0] == TOO_LARGE
        found = refused(pair, topic, batch(zeros, GZIP, NOW))[0]
        assert found == (TOO_LARGE if kind == "uncompressed" else 0)


def test_one_large_batch(pair):
    """Some megabytes, on a way that takes long."""
    rows = [record(n, bytes([n % 251]) * 1000, delta=n) for n in range(3000)]
    for kind, more in (("zstd", {"compression_zstd_level": "19"}), ("gzip", {"compression_gzip_level": "9"}), ("lz4", {"compression_lz4_level": "17"}), ("uncompressed", {})):
        topic = f"large-{kind}"
        pair.create(topic, compression_type=kind, max_message_bytes="8000000", **more)
        accepted(pair, topic, batch(rows, NONE, NOW, NOW + 2999))
        accepted(pair, topic, batch(rows, SNAPPY, NOW, NOW + 2999))
        same_stored(pair, topic)


def test_levels(pair):
    """Higher is smaller; as in Apache Kafka a batch in that codec is not touched, whatever its level."""
    rows = [record(n, b"%d %d" % (n * 7919 % 1000, n * n)) for n in range(2000)]
    for codec, levels in ((GZIP, (1, 9)), (LZ4, (9, 17)), (ZSTD, (-5, 1, 15))):
        sizes = []
        for level in levels:
            topic = f"level-{CODECS[codec]}-{level}"
            pair.create(topic, compression_type=CODECS[codec], **{f"compression_{CODECS[codec]}_level": str(level)})
            accepted(pair, topic, batch(rows, NONE, NOW))
            accepted(pair, topic, batch(rows, codec, NOW))
            both = [stored(each, topic) for each in pair.askers]
            sizes.append([each[0][0]["length"] for each in both])
            assert both[0][1] == both[1][1]
        for each in zip(*sizes):
            assert list(each) == sorted(each, reverse=True), sizes


def dumped(tools, broker, topic):
    """What kafka-dump-log says of a log, without what depends on a compressor or a place."""
    log = broker.data / f"{topic}-0" / "00000000000000000000.log"
    shown = tools.must("dump-log", "--files", str(log), "--deep-iteration", "--print-data-log")
    assert "isvalid: true" in shown
    return re.sub(r"\b(crc|size|position): \d+|Dumping .*|Log starting .*", "", shown)


@pytest.mark.parametrize("codec,level", [(NONE, 0), (GZIP, 1), (GZIP, 9), (SNAPPY, 0), (LZ4, 1), (LZ4, 17), (ZSTD, -7), (ZSTD, 22)])
def test_dump_log_reads_every_codec_and_level(pair, tools, codec, level):
    name = CODECS[codec] if codec else "uncompressed"
    topic = f"dump-{name}-{level}"
    more = {f"compression_{name}_level": str(level)} if codec in (GZIP, LZ4, ZSTD) else {}
    pair.create(topic, compression_type=name, **more)
    for each in range(5):
        accepted(pair, topic, batch(MANY, each, NOW, NOW + 49, (7, 3, each * 50)))
    stock, ours = (dumped(tools, each, topic) for each in pair.brokers)
    assert ours == stock
    assert ours.count("payload: value 49") == 5 and ours.count(f"compresscodec: {CODECS[codec]}") == 5


GOOD = batch(MANY, NONE, NOW)
WRONG = {
    "crc": (batch(MANY, crc=1), None),
    "nothing": (b"", None),
    "cut": (GOOD[:-1], None),
    "base offset": (batch(MANY, base=5), None),
    "twice": (GOOD + GOOD, None),
    "count above": (batch(MANY, count=51), None),
    "count below": (batch(MANY, count=49), INVALID_RECORD),
    "last offset delta": (batch(MANY, last=50), None),
    "control": (batch(MANY, attributes=32), None),
    "no sequence": (batch(MANY, producer=(7, 0, -1)), None),
    "codec 5": (batch(MANY, attributes=5), UNSUPPORTED),
    "not gzip": (batch(MANY, attributes=1), INVALID_RECORD),
}


@pytest.mark.parametrize("version", (3, 8, 12, 13))
def test_wrong_ones(pair, version):
    topic = f"wrong-{version}"
    pair.create(topic)
    for name, (records, ours) in WRONG.items():
        print(name)
        refused(pair, topic, records, version, ours)
    accepted(pair, topic, GOOD, version)


def alter(pair, kind, name, key, value, operation=0):
    row = {"Name": key, "ConfigOperation": operation, "Value": value}
    resource = {"ResourceType": kind, "ResourceName": name, "Configs": [row]}
    stock, ours = pair.asks("IncrementalAlterConfigs", 1, Resources=[resource], ValidateOnly=0)
    assert ours == stock
    assert ours["Responses"][0]["ErrorCode"] == 0, ours


def until_stored_as(pair, topic, codec):
    """Apache Kafka takes a change up a moment after it answered."""
    for asker in pair.askers:
        deadline = time.monotonic() + 20
        while True:
            data = {"Name": topic, "PartitionData": [{"Index": 0, "Records": GOOD}]}
            answer = asker.ask("Produce", 9, Acks=-1, TimeoutMs=5000, TopicData=[data])
            row = answer["Responses"][0]["PartitionResponses"][0]
            assert row["ErrorCode"] == 0
            if stored(asker, topic, row["BaseOffset"])[0][0]["attributes"] == codec:
                break
            assert time.monotonic() < deadline


def test_changes_without_a_restart(pair):
    topic, other = "changed", "follower"
    for each in (topic, other):
        pair.create(each)
    until_stored_as(pair, topic, NONE)
    for codec in (ZSTD, SNAPPY, GZIP, LZ4):
        alter(pair, 2, topic, "compression.type", CODECS[codec])
        until_stored_as(pair, topic, codec)
    alter(pair, 4, "", "compression.type", "snappy")
    until_stored_as(pair, other, SNAPPY)
    alter(pair, 4, "1", "compression.type", "zstd")
    until_stored_as(pair, other, ZSTD)
    until_stored_as(pair, topic, LZ4)
    alter(pair, 2, topic, "compression.type", None, operation=1)
    until_stored_as(pair, topic, ZSTD)
    alter(pair, 4, "1", "compression.type", None, operation=1)
    until_stored_as(pair, topic, SNAPPY)
    alter(pair, 4, "", "compression.type", None, operation=1)
    until_stored_as(pair, other, NONE)
