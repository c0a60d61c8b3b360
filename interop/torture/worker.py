"""Transactions without end, through confluent-kafka: BOOTSTRAP SEED INCARNATION WORKLOAD:ID...

What the workers of all languages do and say is written in fleet.py.
"""

import json
import os
import random
import sys
import threading

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

PARTITIONS = 3
TIMEOUT_MS = 6000
over = threading.Event()


def say(**event):
    # One write each: lines of two threads do not mix, and what is said before a kill is said.
    os.write(1, (json.dumps(event) + "\n").encode())


class Worker:
    """One transactional id."""

    def __init__(self, bootstrap, transactional_id, dice):
        self.common = {"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 200, "log_level": 0}
        self.dice, self.id = dice, transactional_id
        self.producer = Producer(
            {**self.common, "transactional.id": transactional_id, "transaction.timeout.ms": TIMEOUT_MS, "linger.ms": 0}
        )
        self.retry(lambda: self.producer.init_transactions(20))

    @staticmethod
    def retry(call):
        """As long as the client says that trying again is right; any other failure ends it."""
        while True:
            try:
                return call()
            except KafkaException as failure:
                if not failure.args[0].retriable():
                    raise

    def abort(self):
        self.retry(lambda: self.producer.abort_transaction(10))

    def attempt(self, work):
        """One transaction; True when it was committed. Only what aborting does not cure is raised."""
        try:
            self.producer.begin_transaction()
            if not work():
                self.abort()
                return False
            self.retry(lambda: self.producer.commit_transaction(10))
            return True
        except KafkaException as failure:
            if not failure.args[0].txn_requires_abort():
                raise
            self.abort()
            return False


class Appender(Worker):
    """Values into any partitions of one topic; in between it looks at what others have appended."""

    def __init__(self, bootstrap, transactional_id, dice, incarnation):
        super().__init__(bootstrap, transactional_id, dice)
        self.prefix, self.count = f"{transactional_id}/{incarnation}", 0
        self.reader = Consumer({**self.common, "group.id": "nobody", "enable.auto.commit": False})
        self.reader.assign([TopicPartition("t", each, OFFSET_BEGINNING) for each in range(PARTITIONS)])

    def step(self):
        label = f"{self.prefix}/{self.count}"
        self.count += 1
        values = [(self.dice.randrange(PARTITIONS), f"{label}/{each}") for each in range(self.dice.randint(1, 4))]
        say(**{"try": label, "values": values})
        if self.attempt(lambda: self._append(label, values)):
            say(committed=label)

    def _append(self, label, values):
        for partition, value in values:
            self.producer.produce("t", value.encode(), partition=partition)
        found = [each for each in self.reader.consume(20, 0.01) if not each.error()]
        say(read=label, rows=[(each.partition(), each.offset(), each.value().decode()) for each in found])
        if self.dice.random() < 0.5:
            self.producer.flush(10)
        if self.dice.random() < 0.2:
            return False
        say(ask=label)
        return True


class Mover(Worker):
    """From one topic into another, the group's offsets in the same transaction."""

    def __init__(self, bootstrap, transactional_id, dice):
        super().__init__(bootstrap, transactional_id, dice)
        self.queue = transactional_id.rsplit(".", 1)[0]
        self.consumer = Consumer(
            {
                **self.common,
                "group.id": self.queue,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500,
            }
        )
        self.consumer.subscribe([f"{self.queue}.in"])

    def step(self):
        found = [each for each in self.consumer.consume(self.dice.randint(1, 10), 0.2) if not each.error()]
        if not found:
            return
        if self.attempt(lambda: self._move(found)):
            say(moved=len(found))
        else:
            self._rewind()

    def _move(self, found):
        ends = {each.partition(): each.offset() + 1 for each in found}
        for each in found:
            value = f"{each.partition()}:{each.offset()}"
            self.producer.produce(f"{self.queue}.out", value.encode(), partition=each.offset() % 2)
        offsets = [TopicPartition(f"{self.queue}.in", *pair) for pair in ends.items()]
        self.retry(lambda: self.producer.send_offsets_to_transaction(offsets, self.consumer.consumer_group_metadata(), 10))
        return self.dice.random() > 0.2

    def _rewind(self):
        mine = self.consumer.assignment()
        for each in self.retry(lambda: self.consumer.committed(mine, 10)) if mine else ():
            self.consumer.seek(TopicPartition(each.topic, each.partition, max(each.offset, 0)))


def work(bootstrap, seed, incarnation, task):
    workload, transactional_id = task.split(":")
    dice = random.Random(f"{seed} {incarnation} {task}")
    try:
        if workload == "append":
            worker = Appender(bootstrap, transactional_id, dice, incarnation)
        else:
            worker = Mover(bootstrap, transactional_id, dice)
        while not over.is_set():
            worker.step()
    except KafkaException as failure:
        say(failure=f"{transactional_id}: {failure}")
        os._exit(3)


def main():
    bootstrap, seed, incarnation, *tasks = sys.argv[1:]
    threads = [threading.Thread(target=work, args=(bootstrap, seed, incarnation, task)) for task in tasks]
    for each in threads:
        each.start()
    sys.stdin.read()
    over.set()
    for each in threads:
        each.join()
    os._exit(0)


main()
