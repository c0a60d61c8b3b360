"""A few Kafka requests made by hand, to look at what no client shows: raw answers and the stored batches' codecs.

Only what the tests need, at one old version each: ApiVersions v0, Metadata v1, Fetch v4, OffsetFetch v1, CreateTopics v2.
"""

import socket
import struct
import time

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class WireError(Exception):
    """The broker closed the connection or answered with an error."""


class Reader:
    """Big-endian fields out of one answer."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, form):
        value = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value[0]

    def raw(self, size):
        part = self.data[self.at : self.at + size]
        self.at += size
        return part

    def string(self):
        size = self.take("h")
        return None if size < 0 else self.raw(size).decode()

    def array(self, element):
        return [element() for _ in range(self.take("i"))]


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Connection:
    """One connection; requests are sent and answered one at a time."""

    def __init__(self, host, port, timeout=10):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.socket.close()

    def _receive(self, size):
        parts = bytearray()
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                raise WireError("closed by the broker")
            parts += part
        return bytes(parts)

    def ask(self, key, version, body):
        self.correlation += 1
        frame = struct.pack(">hhi", key, version, self.correlation) + text("interop") + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        answer = Reader(self._receive(struct.unpack(">i", self._receive(4))[0]))
        if answer.take("i") != self.correlation:
            raise WireError("an answer to another request")
        return answer

    def api_versions(self):
        """{api key: (min, max)}"""
        answer = self.ask(18, 0, b"")
        error = answer.take("h")
        if error:
            raise WireError(f"ApiVersions: error {error}")
        rows = answer.array(lambda: (answer.take("h"), answer.take("h"), answer.take("h")))
        return {key: (low, high) for key, low, high in rows}

    def metadata(self, *topics):
        """({broker id: (host, port)}, {topic: partition count})"""
        answer = self.ask(3, 1, struct.pack(">i", len(topics)) + b"".join(map(text, topics)))

        def broker():
            node, host, port = answer.take("i"), answer.string(), answer.take("i")
            answer.string()
            return node, (host, port)

        def partition():
            error, index = answer.take("h"), answer.take("i")
            answer.take("i")
            answer.array(lambda: answer.take("i"))
            answer.array(lambda: answer.take("i"))
            return error, index

        def topic():
            error, name = answer.take("h"), answer.string()
            answer.take("b")
            partitions = answer.array(partition)
            return name, (error, partitions)

        brokers = dict(answer.array(broker))
        answer.take("i")
        return brokers, {name: len(found) for name, (_, found) in answer.array(topic)}

    def committed(self, group, topic, partitions):
        """{partition: committed offset}; a partition without one is left out."""
        numbers = struct.pack(f">i{len(partitions)}i", len(partitions), *partitions)
        answer = self.ask(9, 1, text(group) + struct.pack(">i", 1) + text(topic) + numbers)
        found = {}

        def partition():
            index, offset = answer.take("i"), answer.take("q")
            answer.string()
            error = answer.take("h")
            if error:
                raise WireError(f"OffsetFetch {group}: error {error}")
            if offset >= 0:
                found[index] = offset

        def one():
            answer.string()
            answer.array(partition)

        answer.array(one)
        return found

    def create_topic(self, topic, partitions):
        """Returns the error code."""
        body = struct.pack(">i", 1) + text(topic) + struct.pack(">ihiiib", partitions, 1, 0, 0, 20000, 0)
        answer = self.ask(19, 2, body)
        answer.take("i")
        return answer.array(lambda: (answer.string(), answer.take("h"), answer.string()))[0][1]

    def fetch(self, topic, partition, offset):
        """The record bytes from an offset on, as stored."""
        body = struct.pack(">iiiib", -1, 100, 1, 1 << 26, 0)
        body += struct.pack(">i", 1) + text(topic) + struct.pack(">iiqi", 1, partition, offset, 1 << 26)
        answer = self.ask(1, 4, body)
        answer.take("i")
        answer.take("i")
        answer.string()
        answer.take("i")
        answer.take("i")
        error = answer.take("h")
        if error:
            raise WireError(f"Fetch {topic}-{partition} at {offset}: error {error}")
        answer.take("q")
        answer.take("q")
        for _ in range(max(0, answer.take("i"))):
            answer.take("q")
            answer.take("q")
        return answer.raw(max(0, answer.take("i")))


def committed(bootstrap, group, topic, partitions, seconds=20):
    """As Connection.committed; asks again while a coordinator that has just started still reads its offsets."""
    host, port = bootstrap.rsplit(":", 1)
    deadline = time.monotonic() + seconds
    while True:
        try:
            with Connection(host, int(port)) as connection:
                return connection.committed(group, topic, partitions)
        except WireError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def create_topic(bootstrap, topic, partitions):
    host, port = bootstrap.rsplit(":", 1)
    with Connection(host, int(port)) as connection:
        error = connection.create_topic(topic, partitions)
    if error:
        raise WireError(f"CreateTopics {topic}: error {error}")


def batches(data):
    """(first offset, last offset, codec) of each whole batch."""
    at = 0
    while at + 61 <= len(data):
        base, size = struct.unpack_from(">qi", data, at)
        if at + 12 + size > len(data):
            return
        attributes, delta = struct.unpack_from(">hi", data, at + 21)
        yield base, base + delta, CODECS[attributes & 7]
        at += 12 + size


def stored_codecs(bootstrap, topic, partitions):
    """The set of codecs that the topic's stored batches have."""
    host, port = bootstrap.rsplit(":", 1)
    found = set()
    with Connection(host, int(port)) as connection:
        for partition in range(partitions):
            offset = 0
            while True:
                rows = list(batches(connection.fetch(topic, partition, offset)))
                if not rows:
                    break
                found.update(codec for _, _, codec in rows)
                offset = rows[-1][1] + 1
    return found
