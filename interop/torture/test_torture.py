"""Transactions under kill -9, pauses and zombies, in the style of Jepsen's list-append.

Workers append values to the partitions of a topic in transactions, each under a transactional id, while the broker is
killed and started, or stopped for a moment; now and then a new producer takes a worker's id over in the middle of a
transaction, and the old one goes on as a zombie. In the end everything is read, read_committed:

- a transaction that was committed, to its producer's knowledge, is there: whole, once, in its order;
- one that was aborted, or whose producer was fenced before it asked for the commit, is not;
- one of which nobody knows is there whole, or not at all;
- nothing hangs: every partition can be read to its end.

TORTURE_SECONDS says how long, TORTURE_SEED repeats the choices (not the moments).
"""

import collections
import os
import random
import signal
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from interop.lib import wire
from interop.lib.clients import wait_until

PARTITIONS = 3
WORKERS = 4
SECONDS = float(os.environ.get("TORTURE_SECONDS", "10"))
SEED = int(os.environ.get("TORTURE_SEED", str(random.SystemRandom().randrange(1 << 30))))
CHANGES = {
    "transaction.state.log.num.partitions": "3",
    "offsets.topic.num.partitions": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}


class Worker(threading.Thread):
    """Transactions one after the other under one id; `outcomes` has each one's values and what became of it."""

    def __init__(self, bootstrap, number, over):
        super().__init__(daemon=True)
        self.bootstrap, self.number, self.over = bootstrap, number, over
        self.dice = random.Random(SEED * 100 + number)
        self.outcomes = {}
        self.failure = None
        self.producer = None

    def run(self):
        try:
            while not self.over.is_set():
                self._transact()
            self._renew()
        except Exception as failure:  # pylint: disable=broad-exception-caught
            self.failure = failure

    def _new_producer(self):
        settings = {
            "bootstrap.servers": self.bootstrap,
            "transactional.id": f"worker-{self.number}",
            "transaction.timeout.ms": 10000,
            "linger.ms": 0,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
        }
        return Producer(settings)

    def _renew(self):
        """A producer that has the id; whatever was open under it is aborted."""
        deadline = time.monotonic() + 90
        while True:
            self.producer = self._new_producer()
            try:
                self.producer.init_transactions(20)
                return
            except KafkaException:
                if time.monotonic() > deadline:
                    raise

    def _transact(self):
        if self.producer is None:
            self._renew()
        label = f"{self.number}.{len(self.outcomes)}"
        values = [(self.dice.randrange(PARTITIONS), f"{label}.{i}") for i in range(self.dice.randint(1, 4))]
        self.outcomes[label] = [values, "aborted"]
        try:
            self.producer.begin_transaction()
            for partition, value in values:
                self.producer.produce("t", value.encode(), partition=partition)
            if self.dice.random() < 0.5:
                self.producer.flush(10)
            if self.dice.random() < 0.05:
                self._become_a_zombie()
            else:
                self._end(label, self.dice.random() < 0.8)
        except KafkaException as failure:
            self._give_up(label, failure)

    def _become_a_zombie(self):
        """Another takes the id; the old producer goes on and must not get through."""
        old = self.producer
        self._renew()
        try:
            old.commit_transaction(10)
        except KafkaException:
            return
        raise AssertionError("a fenced producer has committed")

    def _end(self, label, commit):
        if not commit:
            self._abort()
            return
        self.outcomes[label][1] = "unknown"
        while True:
            try:
                self.producer.commit_transaction(10)
                self.outcomes[label][1] = "committed"
                return
            except KafkaException as failure:
                if not failure.args[0].retriable() or self.over.is_set():
                    raise

    def _abort(self):
        while True:
            try:
                self.producer.abort_transaction(10)
                return
            except KafkaException as failure:
                if not failure.args[0].retriable() or self.over.is_set():
                    raise

    def _give_up(self, label, failure):
        if failure.args[0].txn_requires_abort():
            try:
                self._abort()
                self.outcomes[label][1] = "aborted"
                return
            except KafkaException:
                pass
        self.producer = None


def torment(broker, dice):
    """Kills and pauses, until the time is over."""
    end = time.monotonic() + SECONDS
    kills = 0
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.2, 2))  # what is between two kills is up to chance
        if dice.random() < 0.3:
            broker.process.send_signal(signal.SIGSTOP)
            time.sleep(dice.uniform(0.1, 1))
            broker.process.send_signal(signal.SIGCONT)
        else:
            broker.kill()
            broker.start()
            kills += 1
    return kills


def read_all(broker):
    """{partition: values}, read_committed, to the end of what was ever written."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.partition.eof": True, "log_level": 0})
    consumer.assign([TopicPartition("t", number, 0) for number in range(PARTITIONS)])
    ends = {number: consumer.get_watermark_offsets(TopicPartition("t", number), 20)[1] for number in range(PARTITIONS)}
    read, deadline = collections.defaultdict(list), time.monotonic() + 60
    while any(at.offset < ends[at.partition] for at in consumer.position(consumer.assignment())):
        message = consumer.poll(1)
        if message is not None and not message.error():
            read[message.partition()].append(message.value().decode())
        assert time.monotonic() < deadline, f"a transaction hangs: {consumer.position(consumer.assignment())} of {ends}"
    consumer.close()
    return read


def complaints(workers, read):
    """What is wrong with it."""
    seen = collections.Counter(value for values in read.values() for value in values)
    wrong = [f"{value} was read {count} times" for value, count in seen.items() if count > 1]
    for worker in workers:
        for label, (values, outcome) in worker.outcomes.items():
            there = [value in seen for _, value in values]
            if outcome == "committed" and not all(there):
                wrong.append(f"{label} was committed: {values}, {there}")
            if outcome == "aborted" and any(there):
                wrong.append(f"{label} was aborted: {values}, {there}")
            if len(set(there)) > 1:
                wrong.append(f"{label} is torn: {values}, {there}")
        for partition, values in read.items():
            mine = [tuple(map(int, value.split("."))) for value in values if value.startswith(f"{worker.number}.")]
            if mine != sorted(mine):
                wrong.append(f"worker {worker.number} in partition {partition}: out of order")
    return wrong


@pytest.mark.timeout(SECONDS + 400)
@pytest.mark.parametrize("flush", ["by time", "before each answer"])
def test_transactions_are_whole_whatever_happens(new_broker, flush):
    durable = {"log.flush.interval.messages": "1"} if flush == "before each answer" else {}
    broker = new_broker(changes={**CHANGES, **durable})
    broker.start()
    wire.create_topic(broker.bootstrap, "t", PARTITIONS)
    over = threading.Event()
    workers = [Worker(broker.bootstrap, number, over) for number in range(WORKERS)]
    for each in workers:
        each.start()
    kills = torment(broker, random.Random(SEED))
    # A slow machine, or a slow start, may not have let anything through yet.
    wait_until([], lambda: any(outcome == "committed" for each in workers for _, outcome in list(each.outcomes.values())), "a commit", 120)
    over.set()
    for each in workers:
        each.join(150)
    assert [each.failure for each in workers if each.failure] == [], f"seed {SEED}"
    assert not any(each.is_alive() for each in workers), f"a worker hangs, seed {SEED}"
    counted = collections.Counter(outcome for each in workers for _, outcome in each.outcomes.values())
    print(f"seed {SEED}: {kills} kills, {dict(counted)}")
    assert counted["committed"] > 0
    assert complaints(workers, read_all(broker)) == [], f"seed {SEED}"
