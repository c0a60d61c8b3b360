"""Valid requests of any API and version, made from the schemas of protocol/, to be spoilt by the tests of abuse/.

A request is described by what differs from the plainest one: `request("Produce", 7, Acks=1, TopicData=[...])`, arrays as
lists of dicts. What is not named is zero, empty, or null where that is the schema's default; `filled` gives every array
one element instead, so that no part of a decoder is left out.
"""

import functools
import struct
import sys

from interop.lib import places

FORMS = {"bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "int64": "q", "float64": "d"}
TEXT = "abuse"


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(value):
    return uvarint((value << 1) ^ (value >> 63))


@functools.cache
def _requests():
    sys.path.insert(0, str(places.TREE / "protocol"))
    import schema  # pylint: disable=import-error,import-outside-toplevel

    found = {}
    for messages in schema.load(sorted((places.TREE / "protocol").glob("*.msg"))).values():
        found.update({each.api: each for each in messages if each.kind == "request"})
    return found


@functools.cache
def _stored():
    """Keys and values of the coordinators' topics, by name."""
    sys.path.insert(0, str(places.TREE / "protocol"))
    import schema  # pylint: disable=import-error,import-outside-toplevel

    paths = sorted(path for room in ("group", "txn") for path in (places.TREE / "protocol" / room).glob("*.msg"))
    return {each.root.name: each for messages in schema.load(paths).values() for each in messages}


def schema_of(api):
    return _requests()[api]


def by_key(key):
    """The name of an API."""
    return next(name for name, each in _requests().items() if each.key == key)


class _Body:
    """Encodes one version of one message."""

    def __init__(self, message, version, filled):
        self.version, self.filled = version, filled
        self.flexible = message.flexible is not None and version >= message.flexible

    def length(self, size, form, compact):
        return uvarint(size + 1) if compact else struct.pack(form, size)

    def plain(self, field):
        """The value of a field that the caller did not name."""
        if field.is_array:
            return [{} if field.struct else self.scalar(field)] if self.filled else []
        if field.struct:
            return {} if self.filled or not field.is_pointer() else None
        return self.scalar(field)

    def scalar(self, field):
        if field.base in ("string", "bytes", "records") and field.default == "null" and not self.filled:
            return None
        return {"string": TEXT, "bytes": b"abuse", "records": b"", "uuid": bytes(16)}.get(field.base, 0)

    def blob(self, field, value, compact):
        data = value.encode() if isinstance(value, str) else value
        form = ">h" if field.base == "string" else ">i"
        if data is None:
            return self.length(-1, form, compact)
        return self.length(len(data), form, compact) + data

    def one(self, field, value, compact):
        if field.struct:
            mark = (b"\xff" if value is None else b"\x01") if field.is_pointer() else b""
            return mark + (b"" if value is None else self.struct(field.struct, value))
        if field.base in ("string", "bytes", "records"):
            return self.blob(field, value, compact)
        return value if field.base == "uuid" else struct.pack(">" + FORMS[field.base], value)

    def field(self, field, values):
        compact = self.flexible and not field.classic
        value = values[field.name] if field.name in values else self.plain(field)
        if not field.is_array:
            return self.one(field, value, compact)
        if value is None or isinstance(value, bytes):  # null, or count and elements by the caller
            return value or self.length(-1, ">i", compact)
        return self.length(len(value), ">i", compact) + b"".join(self.one(field, each, compact) for each in value)

    def struct(self, what, values):
        out = [self.field(each, values) for each in what.plain() if self.version in each.versions]
        unknown = set(values) - {each.name for each in what.fields}
        assert not unknown, f"{what.name} has no {unknown}"
        if self.flexible:
            tagged = [each for each in what.tagged() if self.version in each.versions]
            given = [each for each in tagged if each.name in values or self.filled]
            out.append(uvarint(len(given)))
            for each in given:
                data = self.field(each, values)
                out.append(uvarint(each.tag) + uvarint(len(data)) + data)
        return b"".join(out)


def request(api, version, correlation=1, client=b"abuse", filled=False, **values):
    """One frame without its size."""
    message = schema_of(api)
    body = _Body(message, version, filled)
    name = struct.pack(">h", -1 if client is None else len(client)) + (client or b"")
    head = struct.pack(">hhi", message.key, version, correlation) + name
    if body.flexible:
        head += b"\0"
    return head + body.struct(message.root, values)


def stored(name, version=0, **values):
    """A record's key or value as a coordinator writes it: `stored("GroupMetadataKey", Group="g")`."""
    message = _stored()[name]
    start = message.key if name.endswith("Key") else version
    return struct.pack(">h", start) + _Body(message, version, False).struct(message.root, values)


def framed(frame):
    return struct.pack(">i", len(frame)) + frame


_CRC32C = []
for _n in range(256):
    for _ in range(8):
        _n = _n >> 1 ^ (0x82F63B78 if _n & 1 else 0)
    _CRC32C.append(_n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for each in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ each) & 0xFF]
    return crc ^ 0xFFFFFFFF


def record(value, index=0, key=None):
    body = b"\0" + varint(0) + varint(index)
    body += varint(-1) if key is None else varint(len(key)) + key
    body += varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def batch(payload, count=1, codec=0, timestamp=-1, crc=None, base=0, producer=(-1, -1, -1)):
    """One record batch around encoded (and compressed) records."""
    rest = struct.pack(">hiqqqhii", codec, count - 1, timestamp, timestamp, *producer, count) + payload
    head = struct.pack(">qiib", base, len(rest) + 9, -1, 2)
    return head + struct.pack(">I", crc32c(rest) if crc is None else crc) + rest
