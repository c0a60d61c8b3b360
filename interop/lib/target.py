"""A broker under attack: what it must keep, a neighbour that must notice nothing, its memory, and peers that misbehave.

The memory is read from /proc: `peak_mb` is the highest resident set since `mark()`. Under AddressSanitizer (ASAN_OPTIONS is
set) and with stock Kafka there is no cap to hold.
"""

import os
import pathlib
import socket
import struct
import threading
import time

from interop.lib import frames, wire

KEPT = [f"record {number}".encode() for number in range(3)]
PATIENCE_SECONDS = 60


class Peer:
    """A socket that sends anything; answers come back whole, or as None when the broker has closed."""

    def __init__(self, port, timeout=PATIENCE_SECONDS):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self):
        self.socket.close()

    def vanish(self):
        """Closes with a reset, as a host that was cut off and came back."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        """False: the broker has closed already."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _take(self, size):
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self.socket.recv(size - len(parts))
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            parts += part
        return bytes(parts)

    def answer(self):
        """What follows the correlation id, as a Reader; None: closed."""
        size = self._take(4)
        if size is None:
            return None
        data = self._take(struct.unpack(">i", size)[0])
        assert data is not None, "closed in the middle of an answer"
        reader = wire.Reader(data)
        reader.take("i")
        return reader

    def ask(self, api, version, **values):
        self.send(frames.framed(frames.request(api, version, **values)))
        return self.answer()

    def is_closed(self):
        """Waits until the broker closes; nothing may come before."""
        return self._take(1) is None


def produce(peer, topic, *parts, acks=-1, version=7):
    """[(partition, records)] at once; returns {partition: [error, ...]}, or None when closed."""
    data = [{"Index": index, "Records": records} for index, records in parts]
    answer = peer.ask(
        "Produce", version, Acks=acks, TimeoutMs=1000, TopicData=[{"Name": topic, "PartitionData": data}]
    )
    if answer is None:
        return None
    found = {}

    def partition():
        index, error = answer.take("i"), answer.take("h")
        answer.raw(8 + 8 + 8)
        found.setdefault(index, []).append(error)

    answer.array(lambda: (answer.string(), answer.array(partition)))
    return found


class Neighbour(threading.Thread):
    """A well-behaved client on a connection of its own: produces and reads back, all the time."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.failure, self.slowest, self.turns, self.ended = port, None, 0.0, 0, False

    def run(self):
        try:
            with wire.Connection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS) as connection:
                while not self.ended:
                    self.turn(connection)
                    time.sleep(0.02)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def turn(self, connection):
        start = time.monotonic()
        batch = frames.batch(frames.record(b"neighbour %d" % self.turns))
        part = struct.pack(">hii", -1, 1000, 1) + wire.text("neighbour") + struct.pack(">iii", 1, 0, len(batch)) + batch
        answer = connection.ask(0, 3, struct.pack(">h", -1) + part)
        answer.raw(4 + 2 + len("neighbour") + 4 + 4)
        error, offset = answer.take("h"), answer.take("q")
        assert error == 0, f"the neighbour's produce: error {error}"
        assert b"neighbour %d" % self.turns in connection.fetch("neighbour", 0, offset)
        self.turns += 1
        self.slowest = max(self.slowest, time.monotonic() - start)


class Target:
    """The broker with what it holds."""

    def __init__(self, broker):
        self.broker, self.port = broker, broker.port
        with self.connection() as connection:
            assert connection.create_topic("kept", 2) == 0
            assert connection.create_topic("neighbour", 1) == 0
            assert connection.create_topic("attacked", 4) == 0
        with self.peer() as peer:
            for value in KEPT:
                assert produce(peer, "kept", (0, frames.batch(frames.record(value)))) == {0: [0]}
        self.kept = self.read("kept")
        self.neighbour = Neighbour(self.port)
        self.neighbour.start()
        self.log_start = 0
        self.start_kb = 0

    def connection(self):
        return wire.Connection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def peer(self, timeout=PATIENCE_SECONDS):
        return Peer(self.port, timeout)

    def read(self, topic, partition=0):
        with self.connection() as connection:
            return connection.fetch(topic, partition, 0)

    def end_offset(self, topic, partition):
        part = {"PartitionIndex": partition, "Timestamp": -1}
        with self.peer() as peer:
            answer = peer.ask("ListOffsets", 1, ReplicaId=-1, Topics=[{"Name": topic, "Partitions": [part]}])
        answer.raw(4 + 2 + len(topic) + 4 + 4 + 2 + 8)
        return answer.take("q")

    def measured(self):
        return self.broker.kind == "barnabas" and "ASAN_OPTIONS" not in os.environ

    def _status_kb(self, name):
        status = pathlib.Path(f"/proc/{self.broker.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name + ":"))

    def mark(self):
        """From here on memory, log lines and the neighbour's pace are looked at."""
        self.log_start = len(self.broker.log)
        self.neighbour.slowest = 0.0
        if self.measured():
            pathlib.Path(f"/proc/{self.broker.process.pid}/clear_refs").write_text("5")
            self.start_kb = self._status_kb("VmRSS")

    def peak_mb(self):
        return (self._status_kb("VmHWM") - self.start_kb) / 1024

    def settled_mb(self, least):
        """What is left over `mark()`, after some time for what goes with a delay."""
        deadline = time.monotonic() + 5
        while (left := (self._status_kb("VmRSS") - self.start_kb) / 1024) > least and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    @property
    def said(self):
        """The log lines since mark()."""
        return self.broker.log[self.log_start :]

    def says(self, text, seconds=5):
        deadline = time.monotonic() + seconds
        while text not in self.said and time.monotonic() < deadline:
            time.sleep(0.02)
        return text in self.said

    def check_unharmed(self, peak_mb, left_mb, slow_seconds):
        tail = self.broker.log[-4000:]
        assert self.broker.alive(), f"the broker is gone:\n{tail}"
        turns, deadline = self.neighbour.turns, time.monotonic() + PATIENCE_SECONDS
        while self.neighbour.turns < turns + 2 and self.neighbour.failure is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.neighbour.failure is None, f"the neighbour noticed: {self.neighbour.failure!r}\n{tail}"
        assert self.neighbour.turns >= turns + 2, f"the neighbour stands still\n{tail}"
        assert self.read("kept") == self.kept, "what was stored has changed"
        if self.measured():
            # Where others use the machine, too, everybody waits for a core.
            slow_seconds *= max(1, 2 * os.getloadavg()[0] / os.cpu_count())
            assert self.neighbour.slowest < slow_seconds, f"the neighbour waited {self.neighbour.slowest:.2f} s"
            peak, left = self.peak_mb(), self.settled_mb(left_mb)
            print(f"slowest {self.neighbour.slowest:.3f} s, peak {peak:.1f} MB, left {left:.1f} MB")
            assert peak < peak_mb, f"{peak:.1f} MB more at the peak"
            assert left < left_mb, f"{left:.1f} MB more than before are left"
