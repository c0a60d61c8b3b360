"""Answers of any API and version, read by the schemas of protocol/: dicts and lists, one name for each of Kafka's fields."""

import functools
import socket
import struct
import sys
import uuid

from interop.lib import frames, places, wire

PATIENCE_SECONDS = 5


@functools.cache
def _responses():
    sys.path.insert(0, str(places.TREE / "protocol"))
    import schema  # pylint: disable=import-error,import-outside-toplevel

    found = {}
    for messages in schema.load(sorted((places.TREE / "protocol").glob("*.msg"))).values():
        found.update({each.api: each for each in messages if each.kind == "response"})
    return found


class _Body:
    """Decodes one version of one message."""

    def __init__(self, message, version, data):
        self.version, self.data = version, data
        self.flexible = message.flexible is not None and version >= message.flexible

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.data.take("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def length(self, form, compact):
        return self.uvarint() - 1 if compact else self.data.take(form)

    def one(self, field, compact):
        if field.struct:
            return None if field.is_pointer() and self.data.take("b") < 0 else self.struct(field.struct)
        if field.base in ("string", "bytes", "records"):
            size = self.length("h" if field.base == "string" else "i", compact)
            part = None if size < 0 else self.data.raw(size)
            return part.decode() if field.base == "string" and part is not None else part
        if field.base == "uuid":
            return str(uuid.UUID(bytes=self.data.raw(16)))
        return self.data.take(frames.FORMS[field.base])

    def field(self, field):
        compact = self.flexible and not field.classic
        if not field.is_array:
            return self.one(field, compact)
        count = self.length("i", compact)
        return None if count < 0 else [self.one(field, compact) for _ in range(count)]

    def tagged(self, what, found):
        known = {each.tag: each for each in what.tagged()}
        for _ in range(self.uvarint()):
            tag, size = self.uvarint(), self.uvarint()
            end = self.data.at + size
            if tag in known:
                found[known[tag].name] = self.field(known[tag])
            assert tag not in known or self.data.at == end, f"{what.name}: tag {tag} is {size} bytes"
            self.data.at = end

    def struct(self, what):
        found = {each.name: self.field(each) for each in what.plain() if self.version in each.versions}
        if self.flexible:
            self.tagged(what, found)
        return found


def decode(api, version, data):
    """`data` is a Reader behind the correlation id."""
    body = _Body(_responses()[api], version, data)
    if body.flexible and api != "ApiVersions":
        data.raw(1)
    found = body.struct(body_root(api))
    assert data.at == len(data.data), f"{api} v{version}: {len(data.data) - data.at} bytes behind the answer"
    return found


def body_root(api):
    return _responses()[api].root


class Asker:
    """One connection; what is asked is written as for frames.request, what is answered is a dict, or None: no answer."""

    def __init__(self, port, patience=PATIENCE_SECONDS):
        self.port, self.patience, self.socket = port, patience, None

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def _take(self, size):
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self.socket.recv(size - len(parts))
            except (ConnectionResetError, TimeoutError):
                part = b""
            if not part:
                return None
            parts += part
        return bytes(parts)

    def send(self, frame):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=self.patience)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(frames.framed(frame))

    def begin(self, api, version, **values):
        self.send(frames.request(api, version, **values))

    def end(self, api, version):
        """Waits for the answer to what was begun."""
        size = self._take(4)
        data = None if size is None else self._take(struct.unpack(">i", size)[0])
        if data is None:
            self.close()
            return None
        reader = wire.Reader(data)
        reader.take("i")
        return decode(api, version, reader)

    def ask(self, api, version, **values):
        self.begin(api, version, **values)
        return self.end(api, version)
