"""Epochs that are used up, on Apache Kafka and on the broker under test: each id is brought close to the end, then looked at.

What is compared are errors, epochs, and producer ids by the order in which they come up. One thing is left out: a repeated
InitProducerId that names epoch 32765 when 32766 was its answer gets the same answer again here, and UNKNOWN_SERVER_ERROR from
Apache Kafka 4.3.1, which finds no epoch left.
"""

import time

import pytest

from interop.ab.test_two_phase import Process
from interop.lib import answers
from interop.lib import broker as brokers

CHANGES = {
    "transaction.state.log.num.partitions": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}
CLOSE = 32762
TURNS = 8
AT_ONCE = 500  # requests under way


class Side:
    """One broker, and what it said."""

    def __init__(self, kind, home):
        self.ids = {}
        with brokers.Broker(kind, home, CHANGES) as self.broker, answers.Asker(self.broker.port) as self.asker:
            self.asker.ask("CreateTopics", 7, Topics=[{"Name": "t", "NumPartitions": 1, "ReplicationFactor": 1}], TimeoutMs=20000)
            self.said = {each.__name__: each(self) for each in SCENARIOS}
            self.broker.stop()

    def known(self, producer):
        return self.ids.setdefault(producer[0], len(self.ids)), producer[1]

    def process(self, name, age, producer=None):
        return Process(self.broker.port, name, age, producer)

    def aged(self, name, age):
        """A process whose epochs are almost used up."""
        epoch = self.process(name, "old").init()[2]
        values = {"TransactionalId": name, "TransactionTimeoutMs": 60000, "ProducerId": -1, "ProducerEpoch": -1}
        while epoch < CLOSE:
            count = min(AT_ONCE, CLOSE - epoch)
            for _ in range(count):
                self.asker.begin("InitProducerId", 4, **values)
            for _ in range(count):
                answer = self.asker.end("InitProducerId", 4)
                epoch = max(epoch, answer["ProducerEpoch"])
        producer = answer["ProducerId"], answer["ProducerEpoch"]
        self.known(producer)
        return self.process(name, age, producer)

    def await_abort(self, name):
        deadline = time.monotonic() + 120
        while True:
            found = self.asker.ask("DescribeTransactions", 0, TransactionalIds=[name])["TransactionStates"][0]
            if found["TransactionState"] == "CompleteAbort" or time.monotonic() > deadline:
                return found["TransactionState"], self.known((found["ProducerId"], found["ProducerEpoch"]))
            time.sleep(0.05)


def begins(side):
    """A new producer each time, which the coordinator gives the next epoch."""
    process, said = side.aged("begins", "old"), []
    for turn in range(TURNS):
        said += [process.init()[0], side.known(process.producer)]
        process.sequences = {}
        said += [process.send("t", "x"), process.end(turn % 2 == 0)]
    return said


def ends(side):
    """Under version 2 each end takes an epoch; asked again, it says the same."""
    process, said = side.aged("ends", "new"), []
    for turn in range(TURNS):
        before, process.sequences = process.producer, {}
        said += [process.send("t", "x"), process.end(turn % 2 == 0), side.known(process.producer)]
        again = side.process("ends", "new", before)
        said += [again.end(turn % 2 == 0), side.known(again.producer)]
    return said


def ends_nothing(side):
    """An abort of what was not begun takes one, too."""
    process, said = side.aged("ends-nothing", "new"), []
    for _ in range(TURNS):
        said += [process.end(False), side.known(process.producer)]
    return said


def goes_on(side):
    """KIP-360: a producer that says who it is."""
    process, said = side.aged("goes-on", "new"), []
    for _ in range(TURNS):
        said += [process.init(producer=process.producer)[0], side.known(process.producer)]
    process.sequences = {}
    return said + [process.send("t", "x"), process.init()[0], side.known(process.producer)]


def times_out(side, age="old"):
    """The coordinator's own abort takes one."""
    name = f"times-out-{age}"
    process, said = side.aged(name, age), []
    for _ in range(4):
        said += [process.init(1000)[0], side.known(process.producer)]
        process.sequences = {}
        said += [process.send("t", "x"), side.await_abort(name)]
    return said


def times_out_anew(side):
    return times_out(side, "new")


SCENARIOS = (begins, ends, ends_nothing, goes_on, times_out, times_out_anew)


@pytest.fixture(scope="module", name="sides")
def _sides(kind, tmp_path_factory):
    home = tmp_path_factory.mktemp("epochs")
    return [Side(each, home / f"{n}-{each}") for n, each in enumerate(("stock", kind))]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_begins_anew_where_apache_kafka_does(sides, scenario):
    stock, ours = (side.said[scenario.__name__] for side in sides)
    assert ours == stock
    assert any(isinstance(part, tuple) and part[1] in (0, 1) for part in stock), "no new id came up"
