"""Transactions that hang, and what kafka-transactions makes of them, on Apache Kafka and on the broker under test.

Three of them, made by hand, and a fourth that only looks like one: records under a transactional id that never added the
partition, records of a producer that no coordinator knows, and a transaction that wrote to one partition more than it added.
Brokers would refuse them; with verification off, as before Kafka 3.6, they do not.
"""

import re
import time

import pytest

from interop.ab import test_transactions as transactions
from interop.lib import answers, batches
from interop.lib import broker as brokers

CHANGES = {**transactions.CHANGES, "transaction.partition.verification.enable": "false"}
HANG = "hang"
AGE_MS = 90 * 60 * 1000
NOBODY = 424242
TRANSACTIONAL = 0x10
TOOL = transactions.TOOL
STEPS = (
    ("create", "topics", "--create --topic h --partitions 3"),
    ("hang", HANG, "hang"),
    ("ends-while-hanging", HANG, "ends"),
    ("list", TOOL, "list"),
    ("describe", TOOL, "describe --transactional-id kept"),
    *((f"describe-producers-{number}", TOOL, f"describe-producers --topic h --partition {number}") for number in range(3)),
    ("describe-producers-elsewhere", TOOL, "describe-producers --topic h --partition 0 --broker-id 7"),
    ("describe-producers-nowhere", TOOL, "describe-producers --topic h --partition 9"),
    ("find-on-broker", TOOL, "find-hanging --broker-id 1"),
    ("find-on-no-broker", TOOL, "find-hanging --broker-id 7"),
    ("find-in-topic", TOOL, "find-hanging --topic h"),
    ("find-in-partition", TOOL, "find-hanging --topic h --partition 1"),
    ("find-in-no-topic", TOOL, "find-hanging --topic nowhere"),
    ("find-in-any", TOOL, "find-hanging"),
    ("find-partition-alone", TOOL, "find-hanging --partition 1"),
    ("find-older", TOOL, "find-hanging --broker-id 1 --max-transaction-timeout 120"),
    ("abort-half", TOOL, "abort --topic h --partition 1"),
    ("abort-old-half", TOOL, f"abort --topic h --partition 1 --producer-id {NOBODY} --producer-epoch 3"),
    ("abort-both", TOOL, f"abort --topic h --partition 1 --start-offset 0 --producer-id {NOBODY}"),
    ("abort-older-epoch", TOOL, f"abort --topic h --partition 1 --producer-id {NOBODY} --producer-epoch 2 --coordinator-epoch 0"),
    ("abort-old-way", TOOL, f"abort --topic h --partition 1 --producer-id {NOBODY} --producer-epoch 3 --coordinator-epoch 0"),
    ("abort-by-offset", TOOL, "abort --topic h --partition 0 --start-offset 0"),
    ("abort-again", TOOL, "abort --topic h --partition 0 --start-offset 0"),
    ("find-fewer", TOOL, "find-hanging --broker-id 1"),
    ("abort-the-other", TOOL, "abort --topic h --partition 0 --start-offset 1"),
    ("find-none", TOOL, "find-hanging --broker-id 1"),
    ("terminate", TOOL, "forceTerminateTransaction --transactionalId kept"),
    ("ends-after", HANG, "ends"),
    *((f"describe-after-{number}", TOOL, f"describe-producers --topic h --partition {number}") for number in range(3)),
)


class ByHand:
    """A producer of an old protocol that does not say where it writes to."""

    def __init__(self, broker):
        self.asker = answers.Asker(broker.port)

    def begin(self, name):
        """(producer id, epoch)"""
        deadline = time.monotonic() + 60
        while True:
            self.asker.ask("FindCoordinator", 2, Key=name, KeyType=1)
            answer = self.asker.ask("InitProducerId", 4, TransactionalId=name, TransactionTimeoutMs=600000, ProducerId=-1, ProducerEpoch=-1)
            if answer["ErrorCode"] == 0 or time.monotonic() > deadline:
                assert answer["ErrorCode"] == 0, answer
                return answer["ProducerId"], answer["ProducerEpoch"]
            time.sleep(0.05)

    def add(self, name, producer, partition):
        topics = [{"Name": "h", "Partitions": [partition]}]
        named = {"V3AndBelowTransactionalId": name, "V3AndBelowProducerId": producer[0], "V3AndBelowProducerEpoch": producer[1]}
        answer = self.asker.ask("AddPartitionsToTxn", 3, **named, V3AndBelowTopics=topics)
        return answer["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"]

    def write(self, name, producer, partition):
        old_ms = int(time.time() * 1000) - AGE_MS
        batch = batches.batch([batches.record(0)], base_time=old_ms, producer=(*producer, 0), attributes=TRANSACTIONAL)
        rows = [{"Name": "h", "PartitionData": [{"Index": partition, "Records": batch}]}]
        answer = self.asker.ask("Produce", 9, TransactionalId=name, Acks=-1, TimeoutMs=20000, TopicData=rows)
        return answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]


def hang(broker):
    """The error codes of all that is done."""
    hand = ByHand(broker)
    lost, kept = hand.begin("lost"), hand.begin("kept")
    return [
        hand.write("lost", lost, 0),
        hand.add("kept", kept, 2),
        hand.write("kept", kept, 0),
        hand.write("kept", kept, 2),
        hand.write("nobody", (NOBODY, 3), 1),
    ]


def aged(text):
    """Without the minutes that the tool was slow to come."""
    return re.sub(r"(?m)(-?\d+ -?\d+ TIME) \d+ $", r"\1 MINUTES ", text)


def ends(broker):
    """(last stable offset, end) of each partition"""
    partitions = [{"PartitionIndex": number, "CurrentLeaderEpoch": -1, "Timestamp": -1} for number in range(3)]
    found = []
    with answers.Asker(broker.port) as asker:
        for isolation in (1, 0):
            answer = asker.ask("ListOffsets", 5, ReplicaId=-1, IsolationLevel=isolation, Topics=[{"Name": "h", "Partitions": partitions}])
            rows = sorted(answer["Topics"][0]["Partitions"], key=lambda row: row["PartitionIndex"])
            found.append([row["Offset"] for row in rows])
    return list(zip(*found))


HANDS = {"hang": hang, "ends": ends}


class Run(transactions.Run):
    """All steps on one broker."""

    def __init__(self, kind, home, tools):  # pylint: disable=super-init-not-called
        self.broker = brokers.Broker(kind, home, CHANGES)
        self.shown = {}
        with self.broker:
            for name, tool, words in STEPS:
                self.shown[name] = HANDS[words](self.broker) if tool == HANG else aged(self._one(tools, tool, words))
            self.broker.stop()


pytestmark = [pytest.mark.xdist_group("ab-transactions"), pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", [each[0] for each in STEPS])
def test_prints_what_apache_kafka_prints(runs, name):
    stock, ours = (run.shown[name] for run in runs)
    assert ours == stock


def test_really_hangs(runs):
    """The tool finds the three that hang, and not the fourth, which looks the same."""
    for run in runs:
        assert run.shown["hang"] == [0, 0, 0, 0, 0]
        assert run.shown["ends-while-hanging"] == [(0, 2), (0, 1), (0, 1)]
        found = [row.split()[:2] for row in run.shown["find-on-broker"].split("\n") if row.startswith("h ")]
        assert sorted(found) == [["h", "0"], ["h", "0"], ["h", "1"]]
        assert not [row for row in run.shown["find-none"].split("\n") if row.startswith("h ")]
