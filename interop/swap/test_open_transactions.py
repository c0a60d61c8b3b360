"""An open transaction over a change of brokers: its own producer goes on with it, and what was decided is carried out."""

import re
import subprocess
import sys

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from interop.lib import disk, places, wire
from interop.lib.broker import environment, java
from interop.lib.clients import DriverClient, wait_until

CHANGES = {"transaction.state.log.num.partitions": "2", "offsets.topic.num.partitions": "1"}
# Longer than any start of a broker on a slow machine.
PATIENCE = {"transaction.timeout.ms": 600000, "message.timeout.ms": 600000, "reconnect.backoff.max.ms": 1000}


class Confluent(DriverClient):
    """The driver of ../confluent-kafka, which reads committed."""

    command = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))


class JavaProducer:
    """../java/Transact.java in a JVM of its own, which does one word after the other."""

    name = "java"

    def __init__(self, bootstrap):
        command = java(places.STOCK_VERSION, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
        command[-1] += f":{places.CACHE / 'java'}"
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*command, "Transact", bootstrap, self.name, "t", "heed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def tell(self, *words):
        for word in words:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline().strip() == word

    def end(self):
        self.process.kill()
        self.process.wait()


class LibrdkafkaProducer:
    """The same words, for librdkafka."""

    name = "librdkafka"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": self.name, **PATIENCE})

    def tell(self, *words):
        for word in words:
            verb, *arguments = word.split(":")
            getattr(self, verb)(*arguments)

    def init(self):
        self.producer.init_transactions(60)

    def begin(self):
        self.producer.begin_transaction()

    def send(self, value):
        failed = []
        self.producer.produce("t", value, partition=0, on_delivery=lambda error, _: error and failed.append(error))
        assert self.producer.flush(60) == 0 and not failed, failed

    def offset(self, group, offset):
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        place = TopicPartition("t", 0, int(offset))
        self.producer.send_offsets_to_transaction([place], consumer.consumer_group_metadata(), 60)
        consumer.close()

    def commit(self):
        self.producer.commit_transaction(60)

    def abort(self):
        self.producer.abort_transaction(60)

    def end(self):
        del self.producer


def describe(tools, broker, name):
    """What the tool says of the id: {column: value}, without what passes."""
    shown = tools.must("transactions", "--bootstrap-server", broker.bootstrap, "describe", "--transactional-id", name)
    names, values = (re.split(r"\s+", line.strip()) for line in shown.splitlines()[:2])
    return {key: value for key, value in zip(names, values) if key != "TransactionDurationMs"}


def state(tools, broker, name):
    return describe(tools, broker, name)["TransactionState"]


def read(broker, topic, count):
    client = Confluent(broker.bootstrap)
    rows = client.consume(topic, 1, count)
    client.close()
    return [each.value.decode() for each in rows]


def swap(broker, kind, how):
    broker.stop() if how == "clean" else broker.kill()
    broker.become(kind).start()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("direction,how", [("stock-first", "clean"), ("stock-second", "kill")])
def test_its_own_producer_goes_on_with_it(kind, tools, new_broker, direction, how):
    first, second = ("stock", kind) if direction == "stock-first" else (kind, "stock")
    broker = new_broker(first, CHANGES).start()
    tools.must("topics", "--bootstrap-server", broker.bootstrap, *"--create --topic t --partitions 1".split())
    producers = []
    try:
        producers.extend(each(broker.bootstrap) for each in (JavaProducer, LibrdkafkaProducer))
        for each in producers:
            each.tell("init", "begin", f"send:{each.name}-1", f"offset:{each.name}:1")
        before = [describe(tools, broker, each.name) for each in producers]
        assert [each["TransactionState"] for each in before] == ["Ongoing"] * 2

        # With the same producer id and epoch, in the same transaction.
        swap(broker, second, how)
        assert [describe(tools, broker, each.name) for each in producers] == before
        assert wire.committed(broker.bootstrap, "java", "t", [0]) == {}
        for each in producers:
            each.tell(f"send:{each.name}-2", "commit")
        values = ["java-1", "java-2", "librdkafka-1", "librdkafka-2"]
        assert sorted(read(broker, "t", 4)) == values
        assert [wire.committed(broker.bootstrap, each.name, "t", [0]) for each in producers] == [{0: 1}] * 2
        for each in producers:
            each.tell("begin", f"send:{each.name}-3")
        # librdkafka would wait for ever here, with either broker: it does not find the group's coordinator again.
        producers[0].tell("offset:java:2")
        before = [describe(tools, broker, each.name) for each in producers]

        swap(broker, first, how)
        assert [describe(tools, broker, each.name) for each in producers] == before
        for each in producers:
            each.tell(f"send:{each.name}-4", "abort", "begin", f"send:{each.name}-5", "commit")
        assert sorted(read(broker, "t", 6)) == sorted([*values, "java-5", "librdkafka-5"])
        assert [wire.committed(broker.bootstrap, each.name, "t", [0]) for each in producers] == [{0: 1}] * 2
    finally:
        for each in producers:
            each.end()
    broker.stop()
    assert disk.complaints(disk.dump(tools, broker.data)) == []


def forget_the_stop(broker):
    """As if there had been no clean stop, but for the leaders: see below."""
    for name in (".kafka_cleanshutdown", "recovery-point-offset-checkpoint", "replication-offset-checkpoint"):
        (broker.data / name).unlink(missing_ok=True)


def cut(broker, partition, count):
    """Takes the last batches off a log, as if the broker had been killed before it wrote them."""
    for snapshot in (broker.data / partition).glob("*.snapshot"):
        snapshot.unlink()
    path = broker.data / partition / f"{0:020}.log"
    data = path.read_bytes()
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += 12 + int.from_bytes(data[at + 8 : at + 12], "big")
    path.write_bytes(data[: starts[-count]])


def partition_of(name, partitions):
    """Java's String.hashCode, as coordinators use it."""
    value = 0
    for each in name:
        value = (value * 31 + ord(each)) & 0xFFFFFFFF
    value -= (value & 0x80000000) << 1
    return abs(value) % partitions


@pytest.mark.timeout(300)
@pytest.mark.parametrize("direction", ["stock-first", "stock-second"])
def test_what_was_decided_is_carried_out(kind, tools, new_broker, direction):
    first, second = ("stock", kind) if direction == "stock-first" else (kind, "stock")
    broker = new_broker(first, CHANGES).start()
    ids = {"commits": "commit", "aborts": "abort"}
    assert {partition_of(each, 2) for each in ids} == {0, 1}
    for name, end in ids.items():
        tools.must("topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", name, "--partitions", "1")
        words = f"init begin send:{name} offset:{name}:7 {end}".split()
        assert ":" not in tools.must("transact", broker.bootstrap, name, name, *words).splitlines()[-1]
        wait_until([], lambda n=name: state(tools, broker, n).startswith("Complete"), "it is complete")
    # Killed when both decisions were written, and nothing of what follows from them. But killed in earnest, partitions
    # have a leader in the metadata that is not there yet: Apache Kafka 4.3.1 then loads the transactions before it is
    # registered, tries in vain to reach itself, and at the moment when its registration takes the leaders away (-1) takes
    # the partitions for deleted (KRaftMetadataCache.getPartitionLeaderEndpoint): a commit without its marker.
    broker.stop()
    forget_the_stop(broker)
    cut(broker, "__consumer_offsets-0", 2)
    for name in ids:
        cut(broker, f"{name}-0", 1)
        cut(broker, f"__transaction_state-{partition_of(name, 2)}", 1)

    for each in (second, first):
        broker.become(each).start()
        wait_until([], lambda: state(tools, broker, "commits") == "CompleteCommit", "the commit is carried out")
        wait_until([], lambda: state(tools, broker, "aborts") == "CompleteAbort", "the abort is carried out")
        assert read(broker, "commits", 1) == ["commits"]
        assert wire.committed(broker.bootstrap, "commits", "commits", [0]) == {0: 7}
        assert wire.committed(broker.bootstrap, "aborts", "aborts", [0]) == {}
        broker.stop()
    # Nothing was left open, and nothing of the aborted one is seen.
    broker.start()
    transact = tools.must("transact", broker.bootstrap, "aborts", "aborts", *"init begin send:later commit".split())
    assert transact.splitlines()[-1] == "commit"
    assert read(broker, "aborts", 1) == ["later"]
    broker.stop()
    assert disk.complaints(disk.dump(tools, broker.data)) == []
