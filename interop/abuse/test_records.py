"""Record batches that lie, bombs of every codec, and requests for offsets that cannot be."""

import gzip
import struct
import zlib

import pytest

from interop.lib import frames
from interop.lib import target as targets

pytestmark = pytest.mark.xdist_group("abuse")
CHANGES = {"max.connections.per.ip": "100000"}
CORRUPT, TOO_LARGE, INVALID_RECORD, UNSUPPORTED = 2, 10, 87, 76
MB = 1 << 20
PLAIN = frames.record(b"plain")


def zeros_zstd(size):
    """A zstd frame without checksum whose blocks say: 128 KB of zeroes."""
    out = struct.pack("<IBB", 0xFD2FB528, 0, 0x58)
    blocks = size // (128 << 10)
    for number in range(blocks):
        head = (128 << 10) << 3 | 1 << 1 | (number == blocks - 1)
        out += struct.pack("<I", head)[:3] + b"\0"
    return out


def literal(size, value=0):
    return bytes([value]) * size


def zeros_lz4(size):
    """An lz4 frame of 4 MB blocks, each one match of zeroes over zeroes."""
    out = bytes.fromhex("04224d18") + b"\x60\x70" + b"\x73"
    block = b"\x1f\x00\x01\x00" + b"\xff" * ((4 * MB - 1 - 4 - 15 - 300) // 255) + b"\x00" + b"\x50" + bytes(5)
    return out + (struct.pack("<I", len(block)) + block) * (size // (4 * MB)) + bytes(4)


def zeros_snappy(size):
    """One raw snappy block: a literal zero, and copies of 64 of them."""
    return frames.uvarint(size) + b"\x00\x00" + b"\xfe\x01\x00" * ((size - 1) // 64)


def bombs():
    size = 1 << 30
    small = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(small.compress(bytes(MB)) for _ in range(size // MB)) + small.flush()
    yield "gzip", 1, packed[: 900 * 1024]
    yield "snappy", 2, zeros_snappy(20 * MB)[: 900 * 1024]
    yield "snappy-claim", 2, frames.uvarint(2**32 - 1) + b"\x00\x00"
    yield "snappy-xerial", 2, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, 2**31 - 1) + b"\x00\x00"
    yield "lz4", 3, zeros_lz4(size)[: 900 * 1024]
    yield "zstd", 4, zeros_zstd(size)


BOMBS = list(bombs())


@pytest.mark.parametrize("codec, payload", [each[1:] for each in BOMBS], ids=[each[0] for each in BOMBS])
@pytest.mark.caps(peak_mb=40, slow_seconds=2.0)
def test_bombs(target, codec, payload):
    """A gigabyte in some kilobytes: refused, whatever the header's count says."""
    for count in (1, 2**31 - 1):
        with target.peer() as peer:
            found = targets.produce(peer, "attacked", (0, frames.batch(payload, count, codec)))
        assert found is not None and found[0][0] in (INVALID_RECORD, TOO_LARGE, CORRUPT), found


def valid_bomb():
    """A batch of one valid record: 100 MB of zeroes, in gzip."""
    body = b"\0" + frames.varint(0) + frames.varint(0) + frames.varint(-1) + frames.varint(100 * MB)
    record = frames.varint(len(body) + 100 * MB + 1) + body
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    payload = packer.compress(record) + b"".join(packer.compress(bytes(MB)) for _ in range(100))
    payload += packer.compress(b"\0") + packer.flush()
    return frames.batch(payload, 1, 1)


@pytest.mark.caps(peak_mb=64, slow_seconds=3.0)
def test_many_bombs_in_one_request(target):
    """Fifteen times in one request."""
    with target.peer(timeout=60) as peer:
        assert targets.produce(peer, "attacked", *[(2, valid_bomb())] * 15) is not None


@pytest.mark.parametrize("codec", ("uncompressed", "zstd"))
@pytest.mark.caps(peak_mb=64, slow_seconds=3.0)
def test_bombs_that_must_be_recompressed(target, codec):
    """On the way to another codec it is never in memory as a whole, and nobody else waits for it."""
    topic = f"recompressed-{codec}"
    with target.connection() as connection:
        assert connection.create_topic(topic, 1) == 0
    rows = [{"Name": "compression.type", "ConfigOperation": 0, "Value": codec},
            {"Name": "compression.zstd.level", "ConfigOperation": 0, "Value": "22"}]
    resource = {"ResourceType": 2, "ResourceName": topic, "Configs": rows}
    with target.peer(timeout=60) as peer:
        assert peer.ask("IncrementalAlterConfigs", 0, Resources=[resource]) is not None
        found = targets.produce(peer, topic, *[(0, valid_bomb())] * 5)
    assert found == {0: [TOO_LARGE if codec == "uncompressed" else 0] * 5} or target.broker.kind == "stock"


WRONG = {
    "crc": (frames.batch(PLAIN, crc=1), CORRUPT),
    "codec 5": (frames.batch(PLAIN, codec=5), UNSUPPORTED),
    "codec 7": (frames.batch(PLAIN, codec=7), UNSUPPORTED),
    "magic 3": (frames.batch(PLAIN)[:16] + b"\x03" + frames.batch(PLAIN)[17:], CORRUPT),
    "empty": (b"", INVALID_RECORD),
    "cut": (frames.batch(PLAIN)[:-1], INVALID_RECORD),
    "header only": (frames.batch(PLAIN)[:61], INVALID_RECORD),
    "two batches": (frames.batch(PLAIN) * 2, INVALID_RECORD),
    "no records": (frames.batch(b"", count=0), INVALID_RECORD),
    "count too high": (frames.batch(PLAIN, count=2), INVALID_RECORD),
    "count 2^31-1": (frames.batch(PLAIN, count=2**31 - 1), INVALID_RECORD),
    "bytes behind": (frames.batch(PLAIN + b"x"), INVALID_RECORD),
    "control": (frames.batch(PLAIN, codec=32), INVALID_RECORD),
    "not gzip": (frames.batch(PLAIN, codec=1), INVALID_RECORD),
    "cut gzip": (frames.batch(gzip.compress(PLAIN)[:-9], codec=1), INVALID_RECORD),
    "too large": (frames.batch(frames.record(bytes(2 * MB))), TOO_LARGE),
    "length -1": (struct.pack(">qi", 0, -1) + frames.batch(PLAIN)[12:], CORRUPT),
    "length 2^31-1": (struct.pack(">qi", 0, 2**31 - 1) + frames.batch(PLAIN)[12:], INVALID_RECORD),
    "record length": (frames.batch(b"\xff\xff\xff\xff\x0f" + PLAIN), INVALID_RECORD),
}


@pytest.mark.parametrize("records, error", WRONG.values(), ids=WRONG)
def test_wrong_batches(target, records, error):
    """Kafka's code; the partition stays as it is; the connection goes on. With acks=0 it is closed.

    Where Kafka fails with UNKNOWN_SERVER_ERROR, we say what is wrong: that one makes producers try again.
    """
    allowed = [{1: [error]}] + [{1: [-1]}] * (target.broker.kind == "stock")
    end = target.end_offset("attacked", 1)
    with target.peer() as peer:
        assert targets.produce(peer, "attacked", (1, records)) in allowed
        assert targets.produce(peer, "attacked", (3, frames.batch(PLAIN))) == {3: [0]}
    assert target.end_offset("attacked", 1) == end
    with target.peer() as peer:
        assert targets.produce(peer, "attacked", (1, records), acks=0) is None
    assert target.end_offset("attacked", 1) == end


def test_one_bad_among_good(target):
    ends = [target.end_offset("attacked", number) for number in range(4)]
    good, bad = frames.batch(PLAIN), frames.batch(PLAIN, crc=1)
    with target.peer() as peer:
        found = targets.produce(peer, "attacked", (0, good), (1, bad), (2, good), (-1, good), (2**31 - 1, good))
    assert found == {0: [0], 1: [CORRUPT], 2: [0], -1: [3], 2**31 - 1: [3]}
    assert [target.end_offset("attacked", number) for number in range(4)] == [
        ends[0] + 1, ends[1], ends[2] + 1, ends[3]
    ]


def test_odd_acks(target):
    with target.peer() as peer:
        for acks in (2, -2, 32767, -32768):
            assert targets.produce(peer, "attacked", (0, frames.batch(PLAIN)), acks=acks) == {0: [21]}


def test_internal_topic(target):
    with target.peer() as peer:
        found = targets.produce(peer, "__consumer_offsets", (0, frames.batch(PLAIN)))
        assert found is not None and found[0][0] in (3, 17)


def partition_fetch(target, offset, partition=0, size=1 << 20, wait=0, epoch=-1, max_bytes=1 << 20, topic="kept"):
    part = {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": size, "CurrentLeaderEpoch": epoch,
            "LogStartOffset": -1}
    with target.peer() as peer:
        answer = peer.ask(
            "Fetch", 11, ReplicaId=-1, MaxWaitMs=wait, MinBytes=1, MaxBytes=max_bytes, SessionEpoch=-1,
            Topics=[{"Topic": topic, "Partitions": [part]}], RackId="",
        )
    assert answer is not None
    answer.take("i")
    assert (answer.take("h"), answer.take("i"), answer.take("i")) == (0, 0, 1)
    answer.string()
    answer.take("i")
    index, error = answer.take("i"), answer.take("h")
    assert index == partition
    answer.raw(24)
    answer.raw(16 * max(0, answer.take("i")) + 4)
    return error, answer.take("i")


def test_odd_fetches(target):
    end = target.end_offset("kept", 0)
    for offset in (-1, -2, -(2**63), 2**63 - 1, end + 1):
        assert partition_fetch(target, offset) == (1, 0), offset
    assert partition_fetch(target, end) == (0, 0)
    for size, max_bytes in ((0, 1 << 20), (-1, 1 << 20), (1 << 20, 0), (1 << 20, -1), (-(2**31), -(2**31))):
        error, got = partition_fetch(target, 0, size=size, max_bytes=max_bytes)
        assert target.broker.kind == "stock" or error == 0 and got >= 0, (size, max_bytes)
    for partition in (-1, 2, 2**31 - 1):
        assert partition_fetch(target, 0, partition=partition)[0] == 3
    assert partition_fetch(target, 0, epoch=2**31 - 1)[0] == 76 - 1
    assert partition_fetch(target, 0, epoch=-5)[0] in (0, 74)
    assert partition_fetch(target, end, wait=-1) == (0, 0)
    assert partition_fetch(target, end, wait=-(2**31)) == (0, 0)
    for topic in ("", ".", "..", "../kept", "kept/0", "kept\0", "\xe9" * 200, "x" * 32767):
        assert partition_fetch(target, 0, topic=topic)[0] in (3, 17), topic


def list_offset(target, timestamp, partition=0, version=7):
    part = {"PartitionIndex": partition, "Timestamp": timestamp, "CurrentLeaderEpoch": -1}
    with target.peer() as peer:
        answer = peer.ask("ListOffsets", version, ReplicaId=-1, Topics=[{"Name": "kept", "Partitions": [part]}])
    assert answer is not None, timestamp
    answer.raw(1 + 4 + 1 + 1 + len("kept") + 1)
    assert answer.take("i") == partition
    error = answer.take("h")
    answer.take("q")
    return error, answer.take("q")


def test_odd_timestamps(target):
    for timestamp in (-1, -2, -3, -4, -5, -6, -7, -(2**63), 2**63 - 1, 0, 1):
        error, offset = list_offset(target, timestamp)
        print(timestamp, error, offset)
        assert error in (0, 35, 42, 43) and offset <= target.end_offset("kept", 0)
    assert list_offset(target, -1, partition=-1)[0] == 3
    assert list_offset(target, -1, partition=2**31 - 1)[0] == 3


def test_delete_records_beyond(target):
    with target.peer() as peer:
        for offset, error in ((2**63 - 1, 1), (-2, 1), (-(2**63), 1), (target.end_offset("kept", 0) + 1, 1), (0, 0)):
            part = {"PartitionIndex": 0, "Offset": offset}
            answer = peer.ask("DeleteRecords", 1, Topics=[{"Name": "kept", "Partitions": [part]}], TimeoutMs=1000)
            answer.raw(4 + 4 + 2 + len("kept") + 4 + 4 + 8)
            assert answer.take("h") == error, offset


def test_truncated_and_flipped_batches(target):
    """A good batch with each byte spoilt in turn, and cut at each byte: an answer to each."""
    good = frames.batch(PLAIN + frames.record(b"second", 1, b"key"), 2)
    with target.peer() as peer:
        for at in range(len(good)):
            spoilt = good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]
            assert targets.produce(peer, "attacked", (1, spoilt)) is not None, at
            assert targets.produce(peer, "attacked", (1, good[:at])) is not None, at
    for codec, packed in ((1, gzip.compress(PLAIN)),):
        with target.peer() as peer:
            for at in range(len(packed)):
                spoilt = packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]
                assert targets.produce(peer, "attacked", (1, frames.batch(spoilt, 1, codec))) is not None, at
