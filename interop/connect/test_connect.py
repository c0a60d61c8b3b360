"""Kafka Connect in distributed mode, two workers, with the file connectors and exactly-once sources.

Lines of a file become records of a topic, and lines of another file again. A line is `n;`, numbered from 0, so that it
is seen what is lost, twice or out of order: in the topic, read_committed, nothing; in the file of the sink, which is
written at least once, a line may come again after a kill. All tests share the workers and the broker.

CONNECT_ROUNDS says how many disasters follow those that always are, CONNECT_SEED which (`make connect ROUNDS=n`).
"""

import collections
import os
import random
import re
import threading
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from interop.lib import broker as brokers
from interop.lib import connect
from interop.lib.connect import until

pytestmark = [pytest.mark.xdist_group("connect"), pytest.mark.timeout(1200)]

ROUNDS = int(os.environ.get("CONNECT_ROUNDS", "0"))
SEED = int(os.environ.get("CONNECT_SEED", str(random.SystemRandom().randrange(1 << 30))))
CHANGES = {
    "auto.create.topics.enable": "false",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
}
SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"
SINK = "org.apache.kafka.connect.file.FileStreamSinkConnector"


@pytest.fixture(scope="module", name="home")
def _home(tmp_path_factory):
    return tmp_path_factory.mktemp("connect")


@pytest.fixture(scope="module", name="node")
def _node(kind, home):
    connect.jars()
    with brokers.Broker(kind, home / "node", CHANGES) as running:
        yield running
        running.stop()


@pytest.fixture(scope="module", name="workers")
def _workers(home, node):
    made = connect.Cluster(home, node.bootstrap, changes={"exactly.once.source.support": "enabled"})
    yield made
    made.kill()


@pytest.fixture(name="cluster")
def _cluster(workers):
    """All workers are there, at the beginning of each test."""
    return workers.start()


class Flow:
    """A file, a source, a topic, a sink, a file; all have the flow's name."""

    def __init__(self, cluster, node, home, name):
        self.cluster, self.node, self.name = cluster, node, name
        self.source, self.sink = f"{name}-source", f"{name}-sink"
        self.written, self.lock = 0, threading.Lock()
        self.input, self.output = home / f"{name}.in", home / f"{name}.out"
        self.input.touch()

    def begin(self, **settings):
        """Something has been written, so that the source makes the topic; the sink reads a topic that is there."""
        self.configure_source(**settings)
        topics = {self.source: {"topics": [self.name]}}
        until(lambda: self.cluster.ask("GET", f"/connectors/{self.source}/topics") == topics, "the source has made its topic")
        self.configure_sink()
        for each in (self.source, self.sink):
            self.cluster.wait_state(each, "RUNNING")

    def configure_source(self, **settings):
        self.cluster.configure(
            self.source,
            connector__class=SOURCE,
            tasks__max=1,
            file=self.input,
            topic=self.name,
            exactly__once__support="required",
            topic__creation__default__partitions=1,
            topic__creation__default__replication__factor=1,
            **settings,
        )

    def configure_sink(self, **settings):
        self.cluster.configure(
            self.sink,
            connector__class=SINK,
            tasks__max=1,
            file=self.output,
            topics=self.name,
            consumer__override__isolation__level="read_committed",
            consumer__override__session__timeout__ms=10000,
            **settings,
        )

    def write(self, count):
        with self.lock, open(self.input, "a", encoding="ascii") as out:
            out.write("".join(f"{number};\n" for number in range(self.written, self.written + count)))
            self.written += count

    def arrived(self):
        """The numbers in the file of the sink; a worker that was killed may have left half a line there."""
        if not self.output.exists():
            return []
        return [int(each) for each in re.findall(r"(\d+);$", self.output.read_text("ascii"), re.M)]

    def wait_arrived(self):
        """Until all that was written up to now is there."""
        missing = set(range(self.written))

        def through():
            missing.difference_update(self.arrived())
            return not missing

        until(through, lambda: f"{self.name}: {len(missing)} lines arrive, from {min(missing)}\n{self.cluster.logs()}")

    def in_topic(self):
        return [int(each.rstrip(";")) for _, each in read_topic(self.node, self.name, 0)]

    def end(self):
        for each in (self.source, self.sink):
            self.cluster.delete(each)


@pytest.fixture(name="flow")
def _flow(cluster, node, home, request):
    return Flow(cluster, node, home, re.sub(r"\W", "-", request.node.name.removeprefix("test_")))


def read_topic(node, topic, partition):
    """[(key, value), ...] as text or None, read_committed, up to what is the end now."""
    consumer = Consumer({"bootstrap.servers": node.bootstrap, "group.id": "reader", "enable.partition.eof": True, "log_level": 0})
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        found, deadline = [], time.monotonic() + connect.PATIENCE_SECONDS
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is not None and message.error() is None:
                found.append(tuple(each if each is None else each.decode() for each in (message.key(), message.value())))
            elif message is not None and message.error().name() == "_PARTITION_EOF":
                return found
        raise AssertionError(f"{topic}-{partition} has no end: {found[-3:]}")
    finally:
        consumer.close()


def assert_in_order(numbers):
    """Each line follows the one before it, or the reader went back."""
    for before, after in zip(numbers, numbers[1:]):
        assert after <= before + 1, f"{after} follows {before}"


def described(tools, node, tool, *words):
    return tools.must(tool, "--bootstrap-server", node.bootstrap, *words)


def test_lines_go_from_file_to_file(flow, node, tools):
    flow.write(500)
    flow.begin(topic__creation__default__retention__ms=98765432, topic__creation__default__cleanup__policy="delete")
    flow.wait_arrived()
    flow.write(500)
    flow.wait_arrived()
    assert flow.in_topic() == list(range(1000))
    assert_in_order(flow.arrived())
    # What Connect made, it made as it was told: its own topics are compacted.
    shown = described(tools, node, "topics", "--describe", "--topic", flow.name)
    assert "PartitionCount: 1\t" in shown and "retention.ms=98765432" in shown and "cleanup.policy=delete" in shown
    for what, partitions in (("config", 1), ("offset", 3), ("status", 2)):
        shown = described(tools, node, "topics", "--describe", "--topic", f"connect-{what}")
        assert f"PartitionCount: {partitions}\t" in shown and "cleanup.policy=compact" in shown
    shown = described(tools, node, "groups", "--list")
    assert re.search(r"^workers +Classic +connect *$", shown, re.M), shown
    group = f"connect-{flow.sink}"
    assert re.search(rf"^{group} +Classic +consumer *$", shown, re.M), shown
    # The group of the workers is none of consumers, of which this tool says no more.
    result = tools.run("consumer-groups", "--bootstrap-server", node.bootstrap, "--describe", "--group", "workers")
    assert "GroupId workers is not a consumer group (connect)" in result.out + result.err
    shown = described(tools, node, "consumer-groups", "--describe", "--group", group, "--members")
    assert re.search(rf"^{group} +connector-consumer-{flow.sink}-0\S* +/127.0.0.1 +connector-consumer-{flow.sink}-0 +1 *$", shown, re.M), shown
    flow.end()


def test_connectors_are_paused_changed_and_deleted(flow, cluster, node):
    flow.write(10)
    flow.begin()
    flow.wait_arrived()
    cluster.ask("PUT", f"/connectors/{flow.source}/pause")
    cluster.wait_state(flow.source, "PAUSED")
    flow.write(10)
    cluster.ask("PUT", f"/connectors/{flow.source}/resume")
    cluster.wait_state(flow.source, "RUNNING")
    flow.wait_arrived()
    # Another configuration makes new tasks, which go on where the old ones were.
    flow.configure_source(batch__size=1000)
    flow.configure_sink(consumer__override__max__poll__records=3)
    flow.write(100)
    flow.wait_arrived()
    cluster.ask("POST", f"/connectors/{flow.sink}/restart?includeTasks=true")
    flow.write(10)
    flow.wait_arrived()
    assert flow.in_topic() == list(range(130))
    flow.end()
    kept = dict(read_topic(node, "connect-config", 0))
    assert kept[f"connector-{flow.source}"] is None and kept[f"target-state-{flow.source}"] is None, "tombstones"
    with pytest.raises(connect.ConnectError, match="400"):
        cluster.configure("nonsense", connector__class=SOURCE, tasks__max="many")


def has(flow, expected):
    """Whether each line has arrived as often as that, or more often: a sink may go back."""
    return collections.Counter(expected) <= collections.Counter(flow.arrived())


def test_offsets_are_shown_altered_and_deleted(flow, cluster, node):
    flow.write(100)
    flow.begin()
    flow.wait_arrived()
    at = {"filename": str(flow.input)}
    end = {"position": flow.input.stat().st_size}
    until(lambda: cluster.offsets(flow.source) == [(at, end)], "the source's offset is stored")
    in_topic = {"kafka_topic": flow.name, "kafka_partition": 0}
    until(lambda: cluster.offsets(flow.sink) == [(in_topic, {"kafka_offset": 100})], "the sink's offset is stored")
    for each in (flow.source, flow.sink):
        cluster.ask("PUT", f"/connectors/{each}/stop")
        cluster.wait_state(each, "STOPPED", tasks=0)
    # The source goes on at its second line, the sink at its record 90.
    cluster.ask("PATCH", f"/connectors/{flow.source}/offsets", {"offsets": [{"partition": at, "offset": {"position": 3}}]})
    assert cluster.offsets(flow.source) == [(at, {"position": 3})]
    cluster.ask("PATCH", f"/connectors/{flow.sink}/offsets", {"offsets": [{"partition": in_topic, "offset": {"kafka_offset": 90}}]})
    assert cluster.offsets(flow.sink) == [(in_topic, {"kafka_offset": 90})]
    for each in (flow.source, flow.sink):
        cluster.ask("PUT", f"/connectors/{each}/resume")
    expected = [*range(100), *range(1, 100)]
    until(lambda: has(flow, [*expected, *range(90, 100)]), lambda: f"what was altered has come: {flow.arrived()}")
    assert flow.in_topic() == expected
    for each in (flow.source, flow.sink):
        cluster.ask("PUT", f"/connectors/{each}/stop")
        cluster.wait_state(each, "STOPPED", tasks=0)
        cluster.ask("DELETE", f"/connectors/{each}/offsets")
        assert cluster.offsets(each) == []
    flow.output.unlink()
    for each in (flow.source, flow.sink):
        cluster.ask("PUT", f"/connectors/{each}/resume")
    expected += range(100)
    until(lambda: has(flow, expected), lambda: f"all has come again: {flow.arrived()}")
    assert flow.in_topic() == expected
    assert_in_order(flow.arrived())
    flow.end()


class Writer(threading.Thread):
    """Appends lines until it is told to end."""

    def __init__(self, flow):
        super().__init__(daemon=True)
        self.flow, self.over = flow, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.flow.write(5)

    def end(self):
        self.over.set()
        self.join()


def kill_worker(flow):
    """The one that has the source; the other takes its task over, and it comes back."""
    worker = flow.cluster.worker_of(flow.source)
    worker.kill()
    yield
    flow.cluster.wait_state(flow.source, "RUNNING")
    worker.start()


def pause_worker(flow):
    """For longer than its session: when it wakes up another has its task, and its producer is fenced."""
    worker = flow.cluster.worker_of(flow.source)
    worker.pause()
    flow.cluster.wait_state(flow.source, "RUNNING")
    yield
    worker.unpause()


def kill_broker(flow):
    flow.node.kill()
    flow.node.start()
    yield


def stop_broker(flow):
    flow.node.stop()
    flow.node.start()
    yield


def restart_workers(flow):
    """All of them, in good order: nothing need come again."""
    flow.cluster.stop()
    yield
    flow.cluster.start()


def kill_everything(flow):
    flow.cluster.kill()
    flow.node.kill()
    flow.node.start()
    yield
    flow.cluster.start()


def lose_one_after_the_other(flow):
    """A worker, the broker, and in good order the other worker; all are back at the end."""
    flow.cluster.worker_of(flow.source).kill()
    yield
    yield from kill_broker(flow)
    flow.cluster.stop()
    yield


ALWAYS = lose_one_after_the_other
DISASTERS = (kill_worker, pause_worker, kill_broker, stop_broker, restart_workers, kill_everything)


@pytest.mark.timeout(1200 + 240 * ROUNDS)
def test_lines_get_through_whatever_happens(flow, cluster):
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    flow.write(100)
    flow.begin()
    writer = Writer(flow)
    writer.start()
    try:
        for disaster in [ALWAYS, *(dice.choice(DISASTERS) for _ in range(ROUNDS))]:
            print(f"{time.strftime('%H:%M:%S')} {disaster.__name__} at {flow.written}", flush=True)
            for _ in disaster(flow):
                flow.write(1)
                if any(each.alive() for each in cluster.workers):
                    flow.wait_arrived()
            cluster.start()
            flow.wait_arrived()
    finally:
        writer.end()
    flow.wait_arrived()
    assert flow.in_topic() == list(range(flow.written)), "exactly once, in order"
    assert_in_order(flow.arrived())
    flow.end()
