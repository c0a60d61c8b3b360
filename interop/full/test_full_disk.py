"""A log directory on a tiny file system that fills up, to the last byte and at each step.

Needs to mount one (root): where that is not allowed, these tests are skipped, and say so.
"""

import contextlib
import os
import subprocess
import time

import pytest

from interop.lib import frames, wire
from interop.lib.plain import (
    PATIENCE_SECONDS,
    ask,
    create,
    delete_records,
    delete_topic,
    earliest,
    produce,
    try_create,
    try_produce,
)

SIZE_MB = 24
VALUE_BYTES = 50000
STORAGE_ERROR = 56
SETTINGS = {
    "offsets.topic.num.partitions": "1",
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "1000",
    "log.segment.delete.delay.ms": "3600000",
}
TOPIC = {"internal.segment.bytes": "1000000"}


@pytest.fixture(name="small")
def _small(kind, new_broker):
    """A broker, not yet started, whose data directory is such a file system."""
    if kind == "stock":
        pytest.skip("a full disk takes Apache Kafka down")
    broker = new_broker(changes=SETTINGS)
    broker.data.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "barnabas-full", str(broker.data)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED: no file system can be mounted here: {done.stderr.strip()}")
    yield broker
    broker.kill()
    subprocess.run(["umount", str(broker.data)], check=True)


def value(number):
    return frames.crc32c(b"%d" % number).to_bytes(4, "big") + bytes(VALUE_BYTES - 4)


def fill(broker, topic):
    """Produces until refused; the offsets that were acknowledged."""
    acknowledged = []
    while True:
        error, offset = try_produce(broker, topic, value(len(acknowledged)))
        if error:
            assert error == STORAGE_ERROR
            return acknowledged
        acknowledged.append(offset)


def take_the_rest(broker):
    """Fills what is left of the file system, to the last byte."""
    with open(broker.data / "ballast", "ab", buffering=0) as ballast:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while ballast.write(bytes(size)):
                    pass
    assert os.statvfs(broker.data).f_bavail == 0


def give_back(broker):
    (broker.data / "ballast").unlink()


def stored(broker, topic, offset=0):
    """The offsets that can be read; each batch is whole and what was written there."""
    found = []
    with wire.Connection("127.0.0.1", broker.port, timeout=30) as connection:
        while True:
            data = connection.fetch(topic, 0, offset)
            rows = list(wire.batches(data))
            if not rows:
                return found
            found += [first for first, _, _ in rows]
            offset = rows[-1][1] + 1


def commit(broker, topic, offset):
    """The error code."""
    part = {"PartitionIndex": 0, "CommittedOffset": offset, "CommittedMetadata": ""}
    wanted = {"Name": topic, "Partitions": [part]}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        ask(broker, "FindCoordinator", 0, Key="g")
        answer = ask(
            broker, "OffsetCommit", 2, GroupId="g", GenerationIdOrMemberEpoch=-1, MemberId="", RetentionTimeMs=-1, Topics=[wanted]
        )
        answer.raw(4 + 2 + len(topic) + 4 + 4)
        error = answer.take("h")
        if error not in (14, 15, 16) or time.monotonic() > deadline:
            return error
        time.sleep(0.1)


def until_it_goes_on(broker, topic):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        error, offset = try_produce(broker, topic, value(0))
        if not error:
            return offset
        assert error == STORAGE_ERROR and time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.timeout(300)
def test_producers_are_refused_in_time_and_let_in_again(small):
    broker = small.start()
    create(broker, "t", TOPIC)
    create(broker, "other", TOPIC)
    assert commit(broker, "t", 0) == 0
    acknowledged = fill(broker, "t")
    assert len(acknowledged) > SIZE_MB * 1_000_000 / VALUE_BYTES / 2
    assert stored(broker, "t") == acknowledged
    # What is left is for these.
    assert commit(broker, "t", 7) == 0
    assert try_create(broker, "late", TOPIC) == 0
    assert wire.committed(broker.bootstrap, "g", "t", [0]) == {0: 7}
    # Files wait for nothing when space is short.
    delete_records(broker, "t", acknowledged[len(acknowledged) // 2])
    again = until_it_goes_on(broker, "other")
    assert again == 0
    acknowledged = fill(broker, "t")
    assert delete_topic(broker, "t") == 0
    assert until_it_goes_on(broker, "other") > 0
    broker.stop()
    broker.start()
    assert earliest(broker, "other") == 0
    broker.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_not_a_byte_left(small, how):
    """Another program has taken the rest: nothing acknowledged is lost, and a start needs no space."""
    broker = small.start()
    create(broker, "t", TOPIC)
    create(broker, "other", TOPIC)
    assert commit(broker, "t", 3) == 0
    acknowledged = [produce(broker, "t", value(number)) for number in range(100)]
    take_the_rest(broker)
    acknowledged += fill(broker, "t")
    assert try_create(broker, "late", TOPIC) == STORAGE_ERROR
    commit(broker, "t", 4)
    assert stored(broker, "t") == acknowledged
    assert broker.alive(), broker.log[-3000:]
    for _ in range(3):
        if how == "kill":
            broker.kill()
        else:
            end_somehow(broker)
        broker.start()
        assert broker.alive(), broker.log[-3000:]
        assert stored(broker, "t") == acknowledged
        error, offset = try_produce(broker, "t", value(1))
        if not error:
            acknowledged.append(offset)
    give_back(broker)
    acknowledged.append(until_it_goes_on(broker, "t"))
    assert stored(broker, "t") == acknowledged
    assert commit(broker, "t", 5) == 0
    create(broker, "late", TOPIC)
    assert produce(broker, "late", value(0)) == 0
    broker.stop()
    broker.start()
    assert stored(broker, "t") == acknowledged
    assert wire.committed(broker.bootstrap, "g", "t", [0]) == {0: 5}
    broker.stop()


def end_somehow(broker):
    """Without space a stop cannot leave all as a clean one does, and says so by its exit code."""
    broker.process.terminate()
    assert broker.process.wait(PATIENCE_SECONDS) in (0, 1)
    broker.process = None
