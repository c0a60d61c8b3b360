"""Frames that are none, or not what they claim: Kafka's error code, or a closed connection and one log line."""

import struct
import time

import pytest

from interop.lib import frames

pytestmark = pytest.mark.xdist_group("abuse")
TLS_HELLO = bytes.fromhex("160301020001 0001fc0303".replace(" ", "")) + bytes(32)
SIZES = [0, -1, -(2**31), 2**31 - 1, 104857601]


def refused(target, data, *said):
    """Closed, with one line that says so; tried again, since lines of a kind are limited to ten a second."""
    for _ in range(20):
        before = len(target.broker.log)
        with target.peer() as peer:
            peer.send(data)
            assert peer.is_closed()
        if target.broker.kind != "barnabas":
            return
        time.sleep(0.1)
        lines = target.broker.log[before:].splitlines()
        if lines and "left out" not in lines[0]:
            break
    assert len(lines) == 1 and len(lines[0]) < 2100
    assert all(each in lines[0] for each in ("127.0.0.1", *said)), lines[0]
    assert lines[0].isprintable()


def served(target):
    with target.connection() as connection:
        return connection.api_versions()


@pytest.mark.parametrize("size", SIZES)
def test_size_that_cannot_be(target, size):
    limit = "the limit (socket.request.max.bytes) is 104857600"
    refused(target, struct.pack(">i", size) + b"x", f"a request of {size} bytes, {limit}")


@pytest.mark.parametrize(
    "bytes_sent, hint", [(TLS_HELLO, "TLS handshake"), (b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", "HTTP request")],
    ids=["tls", "http"],
)
def test_other_protocols(target, bytes_sent, hint):
    refused(target, bytes_sent, hint)


def test_every_version_truncated(target):
    """Each request with all its parts, cut after every byte: closed, or, where a cut leaves it whole, an answer."""
    for key, (low, high) in served(target).items():
        api = frames.by_key(key)
        for version in range(max(low, 3) if key == 0 else low, high + 1):
            whole = frames.request(api, version, filled=True)
            for size in range(1, len(whole)):
                with target.peer() as peer:
                    peer.send(frames.framed(whole[:size]))
                    peer.socket.shutdown(1)
                    peer.answer()


def test_truncated_frames_are_logged(target):
    refused(target, frames.framed(frames.request("Metadata", 1, filled=True)[:-3]), "Metadata (3) version 1")


def test_unknown_apis_and_versions(target):
    known = served(target)
    asked = [(key, 0) for key in (-1, 4, 5, 6, 7, 999, 32767) if key not in known]
    asked += [(key, version) for key, (_, high) in known.items() if key != 18 for version in (-1, high + 1, 32767)]
    for key, version in asked:
        with target.peer() as peer:
            peer.send(frames.framed(struct.pack(">hhih", key, version, 7, 1) + b"a" + bytes(64)))
            assert peer.is_closed(), (key, version)


def test_unknown_api_versions_version(target):
    for version in (-1, 5, 99, 32767):
        with target.peer() as peer:
            peer.send(frames.framed(struct.pack(">hhih", 18, version, 7, 1) + b"a\0"))
            answer = peer.answer()
            assert answer is not None and answer.take("h") == 35, version


def test_counts_without_elements(target):
    """Every array of every request claims a million elements, then two thousand million, and has none."""
    for key, (_, high) in served(target).items():
        api = frames.by_key(key)
        message = frames.schema_of(api)
        for field in message.root.plain():
            if not field.is_array or high not in field.versions:
                continue
            compact = message.flexible is not None and high >= message.flexible
            for count in (1_000_000, 2**31 - 1):
                claim = frames.uvarint(count + 1) if compact else struct.pack(">i", count)
                with target.peer() as peer:
                    peer.send(frames.framed(frames.request(api, high, **{field.name: claim})))
                    peer.socket.shutdown(1)
                    assert peer.answer() is None, (api, field.name)


def test_long_client_ids(target):
    """32 KB of control characters: the log stays readable and bounded."""
    client = b"\x1b[2J\n" * 6553
    with target.peer() as peer:
        assert peer.ask("Metadata", 1, client=client, Topics=[]) is not None
    refused(target, frames.framed(frames.request("Metadata", 1, client=client)[:-2]), "Metadata")


def test_null_client_id(target):
    for version in (0, 1, 9, 12):
        with target.peer() as peer:
            assert peer.ask("Metadata", version, client=None, Topics=[]) is not None


def test_byte_by_byte(target):
    with target.peer() as peer:
        for each in frames.framed(frames.request("Metadata", 1, Topics=[{"Name": "kept"}])):
            peer.send(bytes([each]))
            time.sleep(0.001)
        assert peer.answer() is not None


@pytest.mark.caps(peak_mb=24)
def test_many_silent_and_half_open(target):
    """Four hundred that say nothing, as many that claim 60 KB or 30 MB and send a little."""
    peers = [target.peer() for _ in range(400)]
    for number in range(400):
        peer = target.peer()
        peer.send(struct.pack(">i", 60000 if number % 2 else 30 << 20) + b"x" * 100)
        peers.append(peer)
    with target.peer() as peer:
        assert peer.ask("Metadata", 1, Topics=[]) is not None
    for peer in peers:
        peer.vanish()


@pytest.mark.caps(peak_mb=24, left_mb=20, slow_seconds=6.0)
def test_reserve_used_up(target):
    """Three hundred small frames of which the last byte does not come: more than the reserve for small ones."""
    peers = [target.peer() for _ in range(300)]
    for peer in peers:
        peer.send(struct.pack(">i", 60000) + bytes(59999))
    turns, deadline = target.neighbour.turns, time.monotonic() + 10
    while target.neighbour.turns < turns + 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    for peer in peers:
        peer.vanish()


@pytest.mark.caps(peak_mb=64)
def test_pipelining_without_reading(target):
    """Metadata of all topics, asked until the socket is full; nothing is read."""
    frame = frames.framed(frames.request("Metadata", 1, Topics=None)) * 200
    peers = [target.peer(timeout=0.5) for _ in range(8)]
    for peer in peers:
        try:
            for _ in range(200):
                if not peer.send(frame):
                    break
        except TimeoutError:
            pass
    for peer in peers:
        peer.vanish()


def test_deep_pipeline_in_order(target):
    """Two thousand requests in one write are all answered, in order."""
    with target.peer() as peer:
        asked = b"".join(
            frames.framed(frames.request("Metadata", 1, correlation=number, Topics=[])) for number in range(2000)
        )
        peer.send(asked)
        for number in range(2000):
            size = struct.unpack(">i", peer._take(4))[0]  # pylint: disable=protected-access
            data = peer._take(size)  # pylint: disable=protected-access
            assert struct.unpack_from(">i", data)[0] == number


def test_random_bytes(target):
    """Well-formed headers, random bodies."""
    import random  # pylint: disable=import-outside-toplevel

    draw = random.Random(4711)
    for key, (low, high) in served(target).items():
        for _ in range(20):
            version = draw.randint(low, high)
            head = struct.pack(">hhih", key, version, 7, 1) + b"a\0"
            with target.peer() as peer:
                peer.send(frames.framed(head + draw.randbytes(draw.randint(0, 200))))
                peer.socket.shutdown(1)
                peer.answer()



