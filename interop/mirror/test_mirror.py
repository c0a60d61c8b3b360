"""MirrorMaker 2 between Apache Kafka and the broker under test, both ways in one process.

Cluster `a` is Apache Kafka, `b` is the broker under test. To b it mirrors exactly once, in transactions; to a at least
once. What must be the same: topics with their settings and partitions, records with keys, values, headers and times,
the groups' offsets, translated. All tests share the two brokers and the process.

MIRROR_ROUNDS says how many disasters follow those that always are, MIRROR_SEED which (`make mirror ROUNDS=n`).
"""

import os
import random
import subprocess
import threading
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic

from interop.lib import broker as brokers
from interop.lib import connect, places
from interop.lib.connect import until

ROUNDS = int(os.environ.get("MIRROR_ROUNDS", "0"))
SEED = int(os.environ.get("MIRROR_SEED", str(random.SystemRandom().randrange(1 << 30))))
pytestmark = [pytest.mark.xdist_group("mirror"), pytest.mark.timeout(1200 + 240 * ROUNDS)]
NOW_MS = int(time.time() * 1000)
CHANGES = {"auto.create.topics.enable": "false", "offsets.topic.num.partitions": "3", "transaction.state.log.num.partitions": "3"}
WORKER = {
    "plugin.discovery": "service_load",
    "offset.flush.interval.ms": "500",
    "session.timeout.ms": "6000",
    "heartbeat.interval.ms": "500",
    "scheduled.rebalance.max.delay.ms": "500",
}
SETTINGS = {
    "clusters": "a,b",
    "a->b.enabled": "true",
    "b->a.enabled": "true",
    "b.exactly.once.source.support": "enabled",
    "dedicated.mode.enable.internal.rest": "true",
    "listeners": "http://127.0.0.1:0",
    "tasks.max": "2",
    # Nothing of what is made is made three times.
    "replication.factor": "1",
    **{f"{each}.topic.replication.factor": "1" for each in ("checkpoints", "heartbeats", "offset-syncs")},
    **{f"{each}.storage.replication.factor": "1" for each in ("offset", "status", "config")},
    # And all at once, where the defaults are up to ten minutes.
    **{f"{each}.interval.seconds": "1" for each in ("refresh.topics", "refresh.groups", "sync.topic.configs", "sync.group.offsets")},
    **{f"emit.{each}.interval.seconds": "1" for each in ("checkpoints", "heartbeats")},
    "sync.group.offsets.enabled": "true",
    "offset.lag.max": "0",
    # What is for the workers is read as a cluster's.
    **{f"{name}.{key}": value for name in "ab" for key, value in WORKER.items()},
}


class Side:
    """One of the two clusters, by its name."""

    def __init__(self, name, node):
        self.name, self.node = name, node
        self.admin = AdminClient({"bootstrap.servers": node.bootstrap, "log_level": 0})

    def create(self, topic, partitions, **configs):
        wanted = NewTopic(topic, partitions, 1, config={key.replace("_", "."): value for key, value in configs.items()})
        self.admin.create_topics([wanted])[topic].result(60)

    def topics(self):
        """{name: partition count}"""
        try:
            found = self.admin.list_topics(timeout=20).topics
        except KafkaException:
            return {}
        return {name: len(topic.partitions) for name, topic in found.items()}

    def configs(self, topic):
        """What is set for the topic itself."""
        resource = ConfigResource("topic", topic)
        found = self.admin.describe_configs([resource])[resource].result(60)
        return {name: entry.value for name, entry in found.items() if entry.source == 1}

    def producer(self):
        return Producer({"bootstrap.servers": self.node.bootstrap, "enable.idempotence": True, "log_level": 0, "linger.ms": 5})

    def consumer(self, group):
        settings = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest", "enable.partition.eof": True}
        return Consumer({"bootstrap.servers": self.node.bootstrap, "log_level": 0, **settings})

    def read(self, topic, partition):
        """[(key, value, headers, timestamp), ...] up to what is the end now, read_committed."""
        consumer = self.consumer("nobody")
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            end = consumer.get_watermark_offsets(TopicPartition(topic, partition), 60)[1]
            found, position, deadline = [], 0, time.monotonic() + connect.PATIENCE_SECONDS
            while position < end:
                assert time.monotonic() < deadline, f"{topic}-{partition} stops at {position} of {end}: {found[-3:]}"
                message = consumer.poll(1)
                if message is not None and message.error() is None:
                    found.append((message.key(), message.value(), message.headers(), message.timestamp()))
                position = consumer.position(consumer.assignment())[0].offset
                if message is not None and message.error() is not None and message.error().name() == "_PARTITION_EOF":
                    position = max(position, message.offset())
            return found
        finally:
            consumer.close()

    def end(self, topic, partition):
        consumer = self.consumer("nobody")
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), 30)[1]
        finally:
            consumer.close()

    def committed(self, group, topic, partition):
        """None while there is nothing."""
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition)])
        try:
            found = self.admin.list_consumer_group_offsets([wanted])[group].result(30).topic_partitions[0]
        except KafkaException:
            return None
        return found.offset if found.offset >= 0 else None


class Mirror(connect.Process):
    """The process."""

    main = "org.apache.kafka.connect.mirror.MirrorMaker"

    def __init__(self, home, a, b):
        path = home / "mm2.properties"
        settings = {**SETTINGS, "a.bootstrap.servers": a.bootstrap, "b.bootstrap.servers": b.bootstrap}
        path.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        super().__init__(home, "mirror", self.main, path, classpath=[connect.jars() / "mirror/*"])


class Pair:
    """Both sides and what mirrors them."""

    def __init__(self, a, b, process):
        self.a, self.b, self.process = a, b, process

    def until(self, condition, what):
        self.process.check()
        return until(condition, lambda: f"{what}\n{self.process.log[-8000:]}")


@pytest.fixture(scope="module", name="pair")
def _pair(kind, tmp_path_factory):
    home = tmp_path_factory.mktemp("mirror")
    connect.jars()
    places.jars(places.STOCK_VERSION)
    nodes = [brokers.Broker("stock", home / "a", CHANGES), brokers.Broker(kind, home / "b", CHANGES)]
    process = Mirror(home, *nodes)
    try:
        for each in nodes:
            each.start()
        # Their ports may have changed at the start.
        process = Mirror(home, *nodes)
        process.start()
        yield Pair(*(Side(name, node) for name, node in zip("ab", nodes)), process)
        process.kill()
        nodes[1].stop()
    finally:
        process.kill()
        for each in nodes:
            each.kill()


def ways(pair):
    return ((pair.a, pair.b), (pair.b, pair.a))


def odd_records(count):
    """(partition, key, value, headers, timestamp): everything that a record may be."""
    for i in range(count):
        key = None if i % 5 == 0 else b"" if i % 5 == 1 else b"key-%d" % i
        value = None if i % 7 == 3 else b"" if i % 7 == 4 else bytes(range(256)) * (i % 3) + b"value-%d" % i
        headers = [("same", b"1"), ("same", b"2"), ("null", None), ("empty", b"")] if i % 4 == 0 else None
        yield i % 3, key, value, headers, 1500000000000 + i * 1000


def produce(side, topic, records):
    producer = side.producer()
    for partition, key, value, headers, timestamp in records:
        producer.produce(topic, value, key, partition=partition, headers=headers, timestamp=timestamp)
    assert producer.flush(120) == 0


def test_topics_and_records_are_the_same_on_the_other_side(pair):
    for here, _ in ways(pair):
        here.create("odd", 3, retention_ms="-1", max_message_bytes="2345678", segment_bytes="7654321")
        produce(here, "odd", odd_records(90))
    for here, there in ways(pair):
        mirrored = f"{here.name}.odd"
        pair.until(lambda: there.topics().get(mirrored) == 3, f"{mirrored} has three partitions")
        expected = [here.read("odd", number) for number in range(3)]
        assert sum(map(len, expected)) == 90
        pair.until(lambda: sum(len(there.read(mirrored, number)) for number in range(3)) >= 90, f"all records in {mirrored}")
        assert [there.read(mirrored, number) for number in range(3)] == expected
        configs = there.configs(mirrored)
        for name, value in {"retention.ms": "-1", "max.message.bytes": "2345678", "segment.bytes": "7654321"}.items():
            assert configs.get(name) == value, configs


def test_changes_of_topics_follow(pair):
    for here, there in ways(pair):
        here.create("grows", 1)
    for here, there in ways(pair):
        pair.until(lambda: there.topics().get(f"{here.name}.grows") == 1, "the topic is there")
        here.admin.create_partitions([NewPartitions("grows", 4)])["grows"].result(60)
        entry = ConfigEntry("retention.ms", "123456789", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource("topic", "grows", incremental_configs=[entry])
        here.admin.incremental_alter_configs([resource])[resource].result(60)
    for here, there in ways(pair):
        pair.until(lambda: there.topics().get(f"{here.name}.grows") == 4, "more partitions")
        pair.until(lambda: there.configs(f"{here.name}.grows").get("retention.ms") == "123456789", "another setting")
        produce(here, "grows", [(3, b"k", b"v", None, NOW_MS)])
        pair.until(lambda: len(there.read(f"{here.name}.grows", 3)) == 1, "a record in the last partition")


def commit(side, group, topic, partition, offset):
    consumer = side.consumer(group)
    consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
    consumer.close()


def follow(pair, there, group, topic):
    """What a member of the group reads first."""
    consumer = there.consumer(group)
    consumer.subscribe([topic])
    read = []

    def more():
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            read.append(message.value())
        return read

    pair.until(more, f"{group} goes on in {topic}")
    consumer.close()
    return read


def test_groups_go_on_on_the_other_side(pair):
    for here, there in ways(pair):
        here.create("followed", 1)
        produce(here, "followed", [(0, None, b"%d" % i, None, NOW_MS) for i in range(99)])
    for here, there in ways(pair):
        mirrored = f"{here.name}.followed"
        pair.until(lambda: mirrored in there.topics() and len(there.read(mirrored, 0)) >= 99, "all records")
        # Of many records at once not each has its offset noted; of one it is.
        produce(here, "followed", [(0, None, b"99", None, NOW_MS)])
        pair.until(lambda: len(there.read(mirrored, 0)) >= 100, "the last record")
        commit(here, f"readers-of-{here.name}", "followed", 0, 100)
    for here, there in ways(pair):
        group, mirrored = f"readers-of-{here.name}", f"{here.name}.followed"
        pair.until(lambda: there.committed(group, mirrored, 0), f"offsets of {group}")
        offset = there.committed(group, mirrored, 0)
        # Between the records there may be markers of transactions; behind the last one is one.
        assert there.end(mirrored, 0) - 1 <= offset <= there.end(mirrored, 0)
        facts = mirror_client(there, here, group)
        assert f"upstream [{here.name}]" in facts and "hops 1" in facts, facts
        assert f"checkpoints [{here.name}.checkpoints.internal]" in facts, facts
        assert f"{here.name}.heartbeats" in facts, facts
        assert f"offset {mirrored}-0 {offset}" in facts, facts
        produce(here, "followed", [(0, None, b"more", None, NOW_MS)])
        assert follow(pair, there, group, mirrored) == [b"more"]


def mirror_client(there, here, group):
    command = brokers.java(places.STOCK_VERSION, *connect.LOG_OPTIONS)
    command[-1] += f":{connect.jars()}/mirror/*:{connect.jars()}/java"
    done = subprocess.run(
        [*command, "Mirror", there.node.bootstrap, here.name, group],
        capture_output=True,
        text=True,
        check=False,
        timeout=connect.PATIENCE_SECONDS,
        env=brokers.environment(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_goes_round_in_circles(pair):
    for here, there in ways(pair):
        pair.until(lambda: f"{here.name}.heartbeats" in there.topics(), "heartbeats")
    names = [*pair.a.topics(), *pair.b.topics()]
    assert "UnsupportedVersionException" not in pair.process.log, "something that MirrorMaker asks for is not there"
    assert not [each for each in names if each.startswith(("a.b.", "b.a.", "a.a.", "b.b."))], names


class Writer(threading.Thread):
    """Produces numbered records to both sides until it is told to end; what a broker that is gone misses is sent again."""

    def __init__(self, pair):
        super().__init__(daemon=True)
        self.sides, self.over, self.sent = (pair.a, pair.b), threading.Event(), 0
        self.producers = [each.producer() for each in self.sides]

    def run(self):
        while not self.over.wait(0.05):
            for each in self.producers:
                each.produce("flow", b"%d" % self.sent, partition=0)
                each.poll(0)
            self.sent += 1

    def end(self):
        self.over.set()
        self.join()
        for each in self.producers:
            assert each.flush(120) == 0


def kill_mirror(pair):
    pair.process.kill()
    pair.process.start()


def kill_broker(pair):
    pair.b.node.kill()
    pair.b.node.start()


def stop_broker(pair):
    pair.b.node.stop()
    pair.b.node.start()


def kill_both(pair):
    pair.process.kill()
    kill_broker(pair)
    pair.process.start()


def numbers(side, topic):
    return [int(value) for _, value, _, _ in side.read(topic, 0)]


def assert_in_order(found):
    """Each follows the one before it, or the mirror went back."""
    assert not found or found[0] == 0
    for before, after in zip(found, found[1:]):
        assert after <= before + 1, f"{after} follows {before}"


def test_nothing_is_lost_whatever_happens(pair):
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    for here, _ in ways(pair):
        here.create("flow", 1)
    writer = Writer(pair)
    writer.start()
    try:
        for disaster in [kill_both, *(dice.choice((kill_mirror, kill_broker, stop_broker, kill_both)) for _ in range(ROUNDS))]:
            print(f"{time.strftime('%H:%M:%S')} {disaster.__name__} at {writer.sent}", flush=True)
            disaster(pair)
            so_far = writer.sent
            for here, there in ways(pair):
                mirrored = f"{here.name}.flow"
                pair.until(lambda: mirrored in there.topics() and so_far in numbers(there, mirrored), f"{so_far} is in {mirrored}")
    finally:
        writer.end()
    for here, there in ways(pair):
        expected = list(range(writer.sent))
        assert numbers(here, "flow") == expected
        pair.until(lambda: writer.sent - 1 in numbers(there, f"{here.name}.flow"), "the last has come")
        found = numbers(there, f"{here.name}.flow")
        assert_in_order(found)
        if there is pair.b:
            assert found == expected, "exactly once"
