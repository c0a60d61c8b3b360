"""Transactions of three clients under kill -9, pauses, a failing network and zombies, in the style of Jepsen.

The workers (fleet.py) append to the partitions of a topic, in the style of list-append, and move records through queues with
the group's offsets in the transaction. Meanwhile the broker is killed and started, or stopped for a moment; connections are
cut (proxy.py); workers are killed, or stopped for longer than a transaction may take, or succeeded by another of the same
transactional ids and then let go on as zombies. A reader reads on all the time. What must hold is in checker.py; and the
last stable offset never goes back, and nothing hangs: in the end every partition can be read to its end.

Apache Kafka 4.3.1 does not always pass. On a busy machine, after a kill -9, it was seen to note a transaction as complete
(CompleteAbort in __transaction_state) with no marker in its partitions, and partitions without the marker of what was told
as committed; the next marker of the same producer then decides on the records: lost, read though aborted, or torn.

TORTURE_SECONDS says how long a round is, TORTURE_ROUNDS how many there are of each kind; TORTURE_SEED repeats the choices
(not the moments). `make torture ROUNDS=n` is the long form.
"""

import os
import random
import signal
import subprocess
import threading
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from interop.lib import answers, wire
from interop.lib import broker as brokers
from interop.lib import places
from interop.lib.clients import wait_until
from interop.torture import checker, fleet
from interop.torture.proxy import Proxy

PARTITIONS = 3
READ_UNCOMMITTED, READ_COMMITTED = 0, 1
INPUT = 20000  # records in each partition of a queue
SECONDS = float(os.environ.get("TORTURE_SECONDS", "10"))
ROUNDS = int(os.environ.get("TORTURE_ROUNDS", "1"))
SEED = int(os.environ.get("TORTURE_SEED") or random.SystemRandom().randrange(1 << 30))
CHANGES = {
    "transaction.state.log.num.partitions": "3",
    "offsets.topic.num.partitions": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "transactional.id.expiration.ms": "3600000",
}


# -- the place --------------------------------------------------------------------------------------------------------


def format_with(broker, version):
    """An administrator formats the directory for a transaction.version, before the first start."""
    command = [*brokers.java(places.STOCK_VERSION, *brokers.LOG_OPTIONS), "kafka.tools.StorageTool", "format"]
    options = ["-t", "Wq0aRkZfTLmY4GpyWbBxRA", "-c", str(broker.write_properties()), "--feature", f"transaction.version={version}"]
    subprocess.run([*command, *options], check=True, capture_output=True, timeout=120)


def fill(broker):
    """Topics, and what the queues begin with."""
    wire.create_topic(broker.bootstrap, "t", PARTITIONS)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0, "linger.ms": 5, "queue.buffering.max.messages": 1000000})
    for name in fleet.QUEUES:
        wire.create_topic(broker.bootstrap, f"q.{name}.in", 2)
        wire.create_topic(broker.bootstrap, f"q.{name}.out", 2)
        for number in range(2 * INPUT):
            producer.produce(f"q.{name}.in", b"x", partition=number % 2)
    assert producer.flush(120) == 0


# -- who watches ------------------------------------------------------------------------------------------------------


class Watcher(threading.Thread):
    """Reads `t`, read_committed, as it grows, and looks at its last stable offsets."""

    def __init__(self, broker, bootstrap):
        super().__init__(daemon=True)
        self.broker, self.bootstrap = broker, bootstrap
        self.over = threading.Event()
        self.seen, self.ends, self.wrong = [], {}, []

    def run(self):
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "watcher", "log_level": 0, "reconnect.backoff.max.ms": 200})
        consumer.assign([TopicPartition("t", number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
        while not self.over.is_set():
            for each in consumer.consume(500, 0.2):
                if not each.error():
                    self.seen.append((each.partition(), each.offset(), each.value().decode()))
            self._look()
        consumer.close()

    def _look(self):
        try:
            with answers.Asker(self.broker.port) as asker:
                found = ends_of(asker, "t", PARTITIONS, READ_COMMITTED)
        except OSError:
            return
        for partition, offset in found.items():
            if offset < self.ends.get(partition, 0):
                self.wrong.append(f"the last stable offset of {partition} was {self.ends[partition]}, then {offset}")
            self.ends[partition] = offset


def ends_of(asker, topic, count, isolation):
    """{partition: last stable offset, or, uncommitted, the end}; less when there is no answer."""
    partitions = [{"PartitionIndex": number, "CurrentLeaderEpoch": -1, "Timestamp": -1} for number in range(count)]
    answer = asker.ask("ListOffsets", 5, ReplicaId=-1, IsolationLevel=isolation, Topics=[{"Name": topic, "Partitions": partitions}])
    if answer is None:
        return {}
    return {each["PartitionIndex"]: each["Offset"] for each in answer["Topics"][0]["Partitions"] if each["ErrorCode"] == 0}


def read_all(broker, topic, partitions):
    """[(partition, offset, value)], read_committed, to the end of what was ever written."""
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.partition.eof": True, "log_level": 0}
    consumer = Consumer(settings)
    # Not get_watermark_offsets: read_committed, its end is the last stable offset.
    with answers.Asker(broker.port, 60) as asker:
        ends = ends_of(asker, topic, partitions, READ_UNCOMMITTED)
    assert len(ends) == partitions, ends
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    rows, deadline = [], time.monotonic() + 120
    while any(at.offset < ends[at.partition] for at in consumer.position(consumer.assignment())):
        for each in consumer.consume(1000, 0.5):
            if not each.error():
                rows.append((each.partition(), each.offset(), each.value().decode()))
        assert time.monotonic() < deadline, f"a transaction hangs in {topic}: {consumer.position(consumer.assignment())} of {ends}"
    consumer.close()
    return rows


# -- what goes wrong --------------------------------------------------------------------------------------------------


class Torment:
    """One thing after the other, until the time is over."""

    def __init__(self, broker, proxy, workers, seed):
        self.broker, self.proxy, self.workers = broker, proxy, workers
        self.dice = random.Random(seed)
        self.done = []
        self.later = []  # (when, what): stopped processes that go on

    def run(self):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(self.dice.uniform(0.1, 1.5))  # what is between two of them is up to chance
            what = self.dice.choices(
                (self.kill_broker, self.stop_broker, self.harm_network, self.kill_worker, self.stop_worker, self.supersede),
                (25, 10, 30, 10, 10, 15),
            )[0]
            self.done.append(what())
            self._go_on(time.monotonic())
            for each in self.workers:
                each.mend()
        self._go_on(end + 3600)

    def _go_on(self, now):
        due = [what for when, what in self.later if when <= now]
        self.later = [each for each in self.later if each[0] > now]
        for what in due:
            what()

    def kill_broker(self):
        self.broker.kill()
        self.broker.start()
        return "kill"

    def stop_broker(self):
        self.broker.process.send_signal(signal.SIGSTOP)
        time.sleep(self.dice.uniform(0.1, 1.5))
        self.broker.process.send_signal(signal.SIGCONT)
        return "stop"

    def harm_network(self):
        return self.proxy.harm()

    def kill_worker(self):
        worker = self.dice.choice(self.workers)
        worker.present.kill()
        return f"kill {worker.language}"

    def stop_worker(self):
        """Now and then for longer than its transaction may take."""
        worker = self.dice.choice(self.workers)
        stopped, seconds = worker.present, self.dice.choice((0.3, 1, 8))
        stopped.signal(signal.SIGSTOP)
        self.later.append((time.monotonic() + seconds, lambda: stopped.signal(signal.SIGCONT)))
        return f"stop {worker.language}"

    def supersede(self):
        worker = self.dice.choice(self.workers)
        worker.supersede()
        self.later.append((time.monotonic() + self.dice.uniform(0.5, 5), worker.wake_zombies))
        return f"zombie {worker.language}"


# -- the tests --------------------------------------------------------------------------------------------------------


def let_all_commit(workers):
    """A slow machine, or a slow start, may not have let everybody through yet: nothing goes wrong any more.

    A client that still waits for what the network has lost begins anew: that is its own affair.
    """
    patience = time.monotonic() + 60

    def done():
        nonlocal patience
        late = [each for each in workers if min(each.counts()[what] for what in ("append", "move")) == 0]
        if time.monotonic() > patience:
            patience += 60
            for each in late:
                each.present.kill()
        for each in late:
            each.mend()
        time.sleep(0.2)
        return not late

    try:
        wait_until([], done, "a commit of each", 300)
    except AssertionError as late:
        raise AssertionError(f"{late}: {[(each.language, each.counts(), failures(each)) for each in workers]}") from late


def failures(worker):
    return [each.failure for each in worker.past if each.failure][-3:]


def complaints(broker, workers, watcher):
    appends = checker.Appends(workers)
    rows = read_all(broker, "t", PARTITIONS)
    final = checker.places(rows)
    wrong = checker.fates(appends, rows) + checker.orders(rows) + checker.cycles(appends) + watcher.wrong
    wrong += checker.views(final, watcher.seen, "the watcher") + checker.gaps(rows, watcher.seen, "the watcher")
    for label, seen in appends.reads.items():
        wrong += checker.views(final, seen, label)
    for name in fleet.QUEUES:
        moved = read_all(broker, f"q.{name}.out", 2)
        wrong += checker.queue(name, moved, wire.committed(broker.bootstrap, f"q.{name}", f"q.{name}.in", (0, 1), 60))
    return appends.outcomes(), wrong


def check_version(version, broker, workers):
    """Under version 2 each end raises the epoch, for clients that know of it; under 1 only new producers and errors do."""
    appends = checker.Appends(workers)
    for worker in workers:
        name = f"a.{worker.language}"
        told = [what for label, what in appends.told.items() if label.startswith(f"{name}/")]
        with answers.Asker(broker.port, 60) as asker:
            state = asker.ask("DescribeTransactions", 0, TransactionalIds=[name])["TransactionStates"][0]
        assert state["ErrorCode"] == 0, state
        epoch, commits = state["ProducerEpoch"], told.count("committed")
        if len(told) > 30000 or commits < 50:  # the epochs may have begun anew; or it says little
            continue
        if version == 2 and worker.language == "java":
            assert epoch >= commits, f"{name}: {commits} commits, and the epoch is {epoch}"
        elif version == 1 or worker.language == "python":  # librdkafka goes by version 1; franz-go by its own age
            assert epoch < commits, f"{name}: {commits} commits, and the epoch is {epoch}"


@pytest.mark.timeout(SECONDS + 900)
@pytest.mark.xdist_group("torture")
@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("version, flush", [(2, "by time"), (1, "before each answer")])
def test_transactions_are_whole_whatever_happens(new_broker, tmp_path, number, version, flush):
    fleet.need()
    seed = SEED + number
    changes = {**CHANGES, **({"log.flush.interval.messages": "1"} if flush == "before each answer" else {})}
    broker = new_broker(changes=changes)
    with Proxy(lambda: broker.port, seed) as proxy:
        broker.changes["advertised.listeners"] = f"PLAINTEXT://127.0.0.1:{proxy.port}"
        format_with(broker, version)
        broker.start()
        fill(broker)
        workers = fleet.fleet(f"127.0.0.1:{proxy.port}", seed, tmp_path, "consumer" if version == 2 else "classic")
        watcher = Watcher(broker, f"127.0.0.1:{proxy.port}")
        try:
            watcher.start()
            for each in workers:
                each.begin()
            torment = Torment(broker, proxy, workers, seed)
            torment.run()
            let_all_commit(workers)
            slow = [each.language for each in workers if not each.end(60)]
            watcher.over.set()
            watcher.join(60)
            outcomes, wrong = complaints(broker, workers, watcher)
            said = f"seed {seed}, {torment.done}, {outcomes}, {[(each.language, dict(each.counts())) for each in workers]}, slow to end: {slow}"
            print(said)
            assert wrong == [], said
            check_version(version, broker, workers)
        finally:
            for each in workers:
                each.kill()
