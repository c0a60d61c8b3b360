"""Compaction on Apache Kafka and on us: the same directory, cleaned by both, shows the same survivors in Kafka's dump tool.

One broker fills a directory with its cleaner turned off. Each of the two then cleans a copy of it, more is appended, and
both clean again; then each goes on with what the other has cleaned. The cleaner is off whenever something is appended, so
that both see the same dirty part at once. Cleaning has come to its end when its checkpoint reaches the active segment.
"""

import random
import re
import shutil
import sys
import time

import pytest

from interop.lib import answers, batches, frames, places
from interop.lib.broker import Broker
from interop.lib.clients import DriverClient, Record, wait_until

pytestmark = pytest.mark.timeout(900)
TOPIC = "survivors"
KEYS = 40
BASE_MS = 1_750_000_000_000
PATIENCE_SECONDS = 120
SETTINGS = {
    "cleanup.policy": "compact",
    "internal.segment.bytes": "3000",
    "index.interval.bytes": "300",
    "min.cleanable.dirty.ratio": "0.0",
    "delete.retention.ms": "1",
}
OFF = {"log.cleaner.enable": "false", "offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1"}
ON = {**OFF, "log.cleaner.enable": "true", "log.cleaner.backoff.ms": "200", "log.initial.task.delay.ms": "100"}
PRODUCER = 7_000_000


class Confluent(DriverClient):
    """The driver of ../confluent-kafka, for its transactions."""

    command = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))


# -- writing -------------------------------------------------------------------------------------


class Writer:
    """Seeded random batches: the same for every broker that is given them, timestamps too."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.number = seed * 10_000
        self.sequence = 0

    def value(self):
        self.number += 1
        return None if self.random.random() < 0.15 else b"value-%d-" % self.number + b"." * self.random.randrange(60)

    def key(self):
        return b"key-%d" % self.random.randrange(KEYS)

    def batch(self, codec):
        count = self.random.randrange(1, 8)
        rows = b"".join(batches.record(index, self.value(), self.key(), delta=index) for index in range(count))
        producer = (-1, -1, -1)
        if self.random.random() < 0.3:
            producer, self.sequence = (PRODUCER, 0, self.sequence), self.sequence + count
        self.number += 1
        rest = batches.pack(codec, rows)
        return _batch(rest, count, codec, BASE_MS + self.number, producer)

    def records(self):
        return [Record(0, self.key(), self.value()) for _ in range(self.random.randrange(1, 6))]


def _batch(payload, count, codec, timestamp, producer):
    """As frames.batch, for records a millisecond apart."""
    whole = bytearray(frames.batch(payload, count, codec, timestamp, producer=producer))
    whole[35:43] = (timestamp + count - 1).to_bytes(8, "big")
    whole[17:21] = frames.crc32c(bytes(whole[21:])).to_bytes(4, "big")
    return bytes(whole)


def produce(broker, batch):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with answers.Asker(broker.port) as asker:
            data = [{"Name": TOPIC, "PartitionData": [{"Index": 0, "Records": batch}]}]
            answer = asker.ask("Produce", 9, Acks=-1, TimeoutMs=5000, TopicData=data)
        error = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
        if error not in (3, 5, 6) or time.monotonic() > deadline:
            assert error == 0
            return
        time.sleep(0.1)


def append(broker, writer, count):
    for number in range(count):
        produce(broker, writer.batch(number % len(batches.CODECS)))


def fill(broker, tools, writer):
    options = [word for name, value in SETTINGS.items() for word in ("--config", f"{name}={value}")]
    tools.must("topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", TOPIC, *options)
    client = Confluent(broker.bootstrap)
    for number in range(12):
        append(broker, writer, 12)
        client.transact(f"id-{number % 3}", TOPIC, writer.records(), commit=number % 2 == 0)
    append(broker, writer, 3)
    client.close()


# -- cleaning ------------------------------------------------------------------------------------


def folder(broker):
    return broker.data / f"{TOPIC}-0"


def active_segment(broker):
    return max(int(path.stem) for path in folder(broker).glob("*.log"))


def cleaned_to(broker):
    path = broker.data / "cleaner-offset-checkpoint"
    found = re.search(rf"^{TOPIC} 0 (\d+)$", path.read_text(), re.M) if path.exists() else None
    return int(found[1]) if found else 0


def clean(broker, end=Broker.stop):
    """A start with the cleaner on, until all is clean but the active segment."""
    offset = active_segment(broker)
    broker.changes = ON
    broker.start()
    wait_until([], lambda: cleaned_to(broker) >= offset, "the log is clean", PATIENCE_SECONDS)
    end(broker)
    assert cleaned_to(broker) == offset


def more(broker, seed):
    broker.changes = OFF
    broker.start()
    append(broker, Writer(seed), 40)
    broker.stop()


# -- comparing -----------------------------------------------------------------------------------

FIELDS = re.compile(r"(\w+): (OptionalLong\[\d+\]|\[[^]]*\]|\S*)")
# What depends on when it was cleaned, or on how often a broker was started, or on who compressed it.
LEFT_OUT = {"crc", "position", "size", "partitionLeaderEpoch", "isvalid", "compresscodec"}


def survivors(broker, tools):
    """Every batch and record, in the order of the log, as the dump tool shows it."""
    found = []
    for path in sorted(folder(broker).glob("*.log")):
        shown = tools.must("dump-log", "--files", str(path), "--deep-iteration", "--print-data-log")
        for line in shown.splitlines():
            if not line.startswith(("baseOffset:", "| offset:")):
                continue
            assert "isvalid: false" not in line
            row = {name: value for name, value in FIELDS.findall(line) if name not in LEFT_OUT}
            if "deleteHorizonMs" in row:
                row["deleteHorizonMs"] = row["deleteHorizonMs"] != "OptionalLong.empty"
            found.append(row)
    return found


def aborted(broker, tools):
    found = []
    for path in sorted(folder(broker).glob("*.txnindex")):
        shown = tools.must("dump-log", "--files", str(path))
        found += [line for line in shown.splitlines() if "firstOffset" in line]
    return found


def segments(broker):
    return sorted(path.name for path in folder(broker).glob("*.log"))


def expect_the_same(one, other, tools):
    assert segments(one) == segments(other)
    mine, theirs = survivors(one, tools), survivors(other, tools)
    for left, right in zip(mine, theirs):
        assert left == right
    assert len(mine) == len(theirs)
    assert aborted(one, tools) == aborted(other, tools)
    return mine


def copy_of(broker, made, kind):
    """The same directory for another broker, at rest. Static voters are in it with their ports."""
    shutil.copytree(broker.data, made.data)
    made.port, made.controller_port = broker.port, broker.controller_port
    return made.become(kind)


@pytest.mark.parametrize("source", ("stock", "barnabas"))
def test_both_leave_the_same(source, tools, new_broker):
    origin = new_broker(source, OFF)
    origin.start()
    fill(origin, tools, Writer(1))
    origin.stop()
    before = survivors(origin, tools)
    ours = copy_of(origin, new_broker("barnabas"), "barnabas")
    stock = copy_of(origin, new_broker("stock"), "stock")

    for broker in (ours, stock):
        clean(broker)
    first = expect_the_same(ours, stock, tools)
    assert len(first) < len(before) / 2
    assert any(row.get("deleteHorizonMs") for row in first)
    assert any("payload" in row for row in first)

    for broker in (ours, stock):
        more(broker, 2)
        clean(broker)
    expect_the_same(ours, stock, tools)

    # Each goes on with what the other one has left.
    ours.become("stock")
    stock.become("barnabas")
    for broker in (ours, stock):
        more(broker, 3)
        clean(broker)
    expect_the_same(ours, stock, tools)


@pytest.mark.parametrize("kinds", (("stock", "barnabas"), ("barnabas", "stock")))
def test_what_is_clean_outlives_a_kill(kinds, tools, new_broker):
    """The recovery point is far behind then, and cleaning has left holes where segments end."""
    broker = new_broker(kinds[0], OFF)
    broker.start()
    fill(broker, tools, Writer(4))
    broker.stop()
    clean(broker, Broker.kill)
    before = survivors(broker, tools)
    broker.become(kinds[1])
    broker.changes = OFF
    broker.start()
    broker.stop()
    assert survivors(broker, tools) == before
