"""Record batches as data: made in any codec, and taken apart again."""

import gzip
import struct

import lz4.frame
import snappy
import zstandard

from interop.lib import frames

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
APPEND_TIME = 8
XERIAL = b"\x82SNAPPY\0"
NAMES = ("base", "length", "epoch", "magic", "crc", "attributes", "last", "base_time", "max_time", "producer", "producer_epoch", "sequence", "count")


def record(index, value=b"value", key=b"key", delta=0, headers=()):
    """`index` is the offset delta, `delta` the timestamp's."""
    body = b"\0" + frames.varint(delta) + frames.varint(index)
    for each in (key, value):
        body += frames.varint(-1) if each is None else frames.varint(len(each)) + each
    body += frames.varint(len(headers))
    for name, each in headers:
        body += frames.varint(len(name)) + name + frames.varint(len(each)) + each
    return frames.varint(len(body)) + body


def pack(codec, payload):
    if codec == SNAPPY:
        packed = snappy.compress(payload)
        return XERIAL + struct.pack(">iii", 1, 1, len(packed)) + packed
    if codec == LZ4:
        return lz4.frame.compress(payload, block_linked=False)
    if codec == ZSTD:
        return zstandard.ZstdCompressor().compress(payload)
    return gzip.compress(payload) if codec == GZIP else payload


def _unpack_snappy(packed):
    if not packed.startswith(XERIAL):
        return snappy.uncompress(packed)
    out, at = b"", 16
    while at < len(packed):
        size = struct.unpack_from(">i", packed, at)[0]
        out += snappy.uncompress(packed[at + 4 : at + 4 + size])
        at += 4 + size
    return out


def unpack(codec, packed):
    if codec == SNAPPY:
        return _unpack_snappy(packed)
    if codec == LZ4:
        return lz4.frame.decompress(packed)
    if codec == ZSTD:
        return zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    return gzip.decompress(packed) if codec == GZIP else packed


def batch(records, codec=NONE, base_time=-1, max_time=None, producer=(-1, -1, -1), attributes=0, **more):
    """Around encoded records; `attributes` beside the codec; base, crc and count may be given."""
    payload = pack(codec, b"".join(records))
    head = {"count": len(records), "base": 0, "last": None, "crc": None, **more}
    last = head["count"] - 1 if head["last"] is None else head["last"]
    top = base_time if max_time is None else max_time
    rest = struct.pack(">hiqqqhii", codec | attributes, last, base_time, top, *producer, head["count"]) + payload
    crc = frames.crc32c(rest) if head["crc"] is None else head["crc"]
    return struct.pack(">qiib", head["base"], len(rest) + 9, -1, 2) + struct.pack(">I", crc) + rest


def parts(data):
    """[(header as a dict, records as they are without the codec)] of whole batches."""
    found, at = [], 0
    while at + 61 <= len(data):
        head = dict(zip(NAMES, struct.unpack_from(">qiibIhiqqqhii", data, at)))
        end = at + 12 + head["length"]
        if end > len(data):
            break
        assert head["crc"] == frames.crc32c(data[at + 21 : end]), "a wrong CRC"
        found.append((head, unpack(head["attributes"] & 7, data[at + 61 : end])))
        at = end
    return found


def _varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return (value >> 1) ^ -(value & 1), at


def keys(payload):
    """(key, is it a tombstone) of each of a batch's records."""
    at = 0
    while at < len(payload):
        size, at = _varint(payload, at)
        end = at + size
        _, at = _varint(payload, at + 1)
        _, at = _varint(payload, at)
        size, at = _varint(payload, at)
        name, at = payload[at : at + size], at + size
        size, _ = _varint(payload, at)
        yield name, size < 0
        at = end
