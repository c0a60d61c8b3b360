"""Transactions that one process opens and another ends, as Flink's sink does after a restart, asked of both brokers.

A process is a connection of its own here. Old and new say which protocol it speaks: new ones let Produce and TxnOffsetCommit
add what they write to, and have the epoch raised by each end (KIP-890); old ones ask first.
"""

import time

import pytest

from interop.lib import answers, frames

pytestmark = [pytest.mark.xdist_group("ab-pair"), pytest.mark.timeout(300)]

PATIENCE_SECONDS = 60
# In progress, loading, not available, not here, and Kafka's answers while it cannot ask, or has just made the partition.
AGAIN = {51, 14, 15, 16, 19, 3}
TRANSACTIONAL = 0x10
WAYS = [(first, second) for first in ("old", "new") for second in ("old", "new")]


class Process:
    """What one process says of one transactional id, on one broker; `producer` is what it thinks its id and epoch are."""

    def __init__(self, port, name, age, producer=None):
        self.asker = answers.Asker(port)
        self.name, self.new, self.producer = name, age == "new", producer
        self.sequences = {}

    def again(self, once):
        """The answer and its error code, when that is not a passing one."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = once()
            if answer[0] not in AGAIN or time.monotonic() > deadline:
                return answer
            time.sleep(0.02)

    def init(self, timeout_ms=60000, producer=(-1, -1), version=None):
        """(error, id, epoch); takes them as its own."""

        def once():
            answer = self.asker.ask(
                "InitProducerId", version or (5 if self.new else 4), TransactionalId=self.name, TransactionTimeoutMs=timeout_ms,
                ProducerId=producer[0], ProducerEpoch=producer[1],
            )
            return answer["ErrorCode"], answer["ProducerId"], answer["ProducerEpoch"]

        self.find(self.name, 1)
        found = self.again(once)
        if found[0] == 0:
            self.producer = found[1:]
        return found

    def find(self, key, kind):
        """Its topic is made for who asks first."""
        self.again(lambda: (self.asker.ask("FindCoordinator", 2, Key=key, KeyType=kind)["ErrorCode"],))

    def asks(self, api, version, **values):
        named = {"ProducerId": self.producer[0], "ProducerEpoch": self.producer[1]}
        return self.asker.ask(api, version, TransactionalId=self.name, **named, **values)

    def add(self, topic, partition):
        def once():
            answer = self.asker.ask(
                "AddPartitionsToTxn", 3, V3AndBelowTransactionalId=self.name, V3AndBelowProducerId=self.producer[0],
                V3AndBelowProducerEpoch=self.producer[1], V3AndBelowTopics=[{"Name": topic, "Partitions": [partition]}],
            )
            return (answer["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"],)

        return self.again(once)[0]

    def send(self, topic, value, partition=0):
        """The error code."""
        error = 0 if self.new else self.add(topic, partition)
        if error:
            return error
        sequence = self.sequences.get(partition, 0)
        batch = frames.batch(frames.record(value.encode()), codec=TRANSACTIONAL, producer=(*self.producer, sequence))
        part = {"Name": topic, "PartitionData": [{"Index": partition, "Records": batch}]}

        def once():
            answer = self.asker.ask(
                "Produce", 12 if self.new else 11, TransactionalId=self.name, Acks=-1, TimeoutMs=10000, TopicData=[part]
            )
            return (answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"],)

        error = self.again(once)[0]
        self.sequences[partition] = sequence + (error == 0)
        return error

    def offset(self, group, topic, offset):
        self.find(group, 0)
        if not self.new:
            error = self.again(lambda: (self.asks("AddOffsetsToTxn", 3, GroupId=group)["ErrorCode"],))[0]
            if error:
                return error
        part = {"PartitionIndex": 0, "CommittedOffset": offset, "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}

        def once():
            answer = self.asks(
                "TxnOffsetCommit", 5 if self.new else 3, GroupId=group, GenerationId=-1, MemberId="",
                Topics=[{"Name": topic, "Partitions": [part]}],
            )
            return (answer["Topics"][0]["Partitions"][0]["ErrorCode"],)

        return self.again(once)[0]

    def end(self, commit):
        """(error, epoch of the next transaction, if it was told)"""

        def once():
            answer = self.asks("EndTxn", 5 if self.new else 4, Committed=commit)
            return answer["ErrorCode"], answer.get("ProducerId", -1), answer.get("ProducerEpoch", -1)

        found = self.again(once)
        if found[0] == 0 and found[2] >= 0:
            self.producer = found[1:]
        return found[0], found[2]


class Side:
    """One of the brokers; processes are forgotten with it."""

    def __init__(self, broker):
        self.broker, self.asker, self.started = broker, answers.Asker(broker.port), []

    def process(self, name, age="new", producer=None):
        self.started.append(Process(self.broker.port, name, age, producer))
        return self.started[-1]

    def close(self):
        for each in self.started:
            each.asker.close()
        self.asker.close()

    def ends(self, topic, partition=0):
        """(last stable offset, log end)"""
        found = []
        for isolation in (1, 0):
            rows = [{"PartitionIndex": partition, "CurrentLeaderEpoch": -1, "Timestamp": -1}]
            answer = self.asker.ask("ListOffsets", 4, ReplicaId=-1, IsolationLevel=isolation, Topics=[{"Name": topic, "Partitions": rows}])
            found.append(answer["Topics"][0]["Partitions"][0]["Offset"])
        return tuple(found)

    def settle(self, topic, partition=0):
        """Until no transaction is open; False: one stays so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(set(self.ends(topic, partition))) > 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        return len(set(self.ends(topic, partition))) == 1

    def aborted(self, topic):
        """First offsets, and how many producers, of what is aborted in partition 0."""
        part = {"Partition": 0, "CurrentLeaderEpoch": -1, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}
        answer = self.asker.ask(
            "Fetch", 11, ReplicaId=-1, MaxWaitMs=100, MinBytes=1, MaxBytes=1 << 20, IsolationLevel=1, SessionEpoch=-1,
            Topics=[{"Topic": topic, "Partitions": [part]}],
        )
        rows = answer["Responses"][0]["Partitions"][0]["AbortedTransactions"] or []
        return sorted(row["FirstOffset"] for row in rows), len({row["ProducerId"] for row in rows})

    def committed(self, group, topic):
        """The offset, once no transaction may change it any more."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.asker.ask("OffsetFetch", 7, GroupId=group, Topics=[{"Name": topic, "PartitionIndexes": [0]}], RequireStable=1)
            row = answer["Topics"][0]["Partitions"][0]
            if row["ErrorCode"] == 0 or time.monotonic() > deadline:
                return row["ErrorCode"], row["CommittedOffset"]
            time.sleep(0.02)

    def state(self, name):
        for row in self.asker.ask("ListTransactions", 1, DurationFilter=-1)["TransactionStates"]:
            if row["TransactionalId"] == name:
                return row["TransactionState"]
        return None


def ended_by_another(side, topic, commit, first, second):
    """Flink's commit after a restart: the second process knows id and epoch, and says nothing but EndTxn."""
    opener = side.process(topic, first)
    said = [opener.init()[::2], opener.send(topic, "a"), opener.send(topic, "b", 1), opener.offset(topic, topic, 7)]
    said.append(side.ends(topic))
    ender = side.process(topic, second, opener.producer)
    said.append(ender.end(commit))
    said += [side.settle(topic), side.settle(topic, 1), side.ends(topic), side.aborted(topic), side.committed(topic, topic)]
    # Again, as after an answer that was lost; by a third that knows no more than the second did; and otherwise.
    said += [side.process(topic, second, opener.producer).end(commit), side.process(topic, second, opener.producer).end(not commit)]
    said += [side.process(topic, first, opener.producer).end(commit), side.process(topic, first, opener.producer).end(not commit)]
    # The opener wakes up.
    said += [opener.send(topic, "zombie"), side.state(topic)]
    return said


def goes_on(side, topic, first, second):
    """After its commit the second goes on with what it knows, then a new process begins; both old ones are fenced."""
    opener = side.process(topic, first)
    said = [opener.init()[::2], opener.send(topic, "a")]
    ender = side.process(topic, second, opener.producer)
    said += [ender.end(True), side.settle(topic)]
    # A producer whose epoch was not raised goes on with its sequence.
    ender.sequences = dict(opener.sequences) if ender.producer == opener.producer else {}
    said += [ender.send(topic, "b"), ender.end(True), side.settle(topic)]
    third = side.process(topic, second)
    said += [third.init()[::2], opener.send(topic, "c"), ender.send(topic, "d"), opener.end(True), ender.end(True)]
    said += [third.send(topic, "e"), third.end(True), side.settle(topic), side.ends(topic), side.aborted(topic)]
    return said


def strangers(side, topic, age):
    """Ends that nobody may ask for."""
    opener = side.process(topic, age)
    said = [opener.init()[::2], opener.end(True), opener.end(False), opener.init()[::2], opener.send(topic, "a")]
    number, epoch = opener.producer
    for name, producer in (
        (topic, (number, epoch + 1)), (topic, (number, epoch - 1)), (topic, (number + 1000000, epoch)), (topic, (-1, -1)),
        (topic, (number, -1)), (topic + "-unknown", (number, epoch)), ("", (number, epoch)),
    ):
        for commit in (True, False):
            said.append(side.process(name, age, producer).end(commit))
    said += [side.state(topic), opener.end(True), side.settle(topic), side.aborted(topic)]
    return said


def lingering(side, topic, age):
    """What a job has left open under many ids is aborted by taking them over, as Flink does before it begins."""
    left = [side.process(f"{topic}-{number}", age) for number in range(12)]
    said = []
    for each in left:
        said.append((each.init()[::2], each.send(topic, "left"), each.offset(topic, topic, 3)))
    said.append(side.ends(topic))
    for number in range(15):
        taker = side.process(f"{topic}-{number}", age)
        said += [taker.init()[::2], taker.send(topic, "taken"), taker.end(True)]
    said += [side.settle(topic), side.ends(topic), side.aborted(topic), side.committed(topic, topic)]
    said += [each.end(True) for each in left] + [each.end(False) for each in left]
    return said


def renewed(side, topic, age):
    """InitProducerId of a producer that says who it is (KIP-360): now, again, too late, with something open, and wrongly."""
    producer = side.process(topic, age)
    said = [producer.init()[::2]]
    first = producer.producer
    said += [producer.init(producer=first)[::2], producer.init(producer=first)[::2]]
    second = producer.producer
    said += [producer.init(producer=second)[::2], producer.init(producer=first)[::2], producer.init(producer=second)[::2]]
    producer.sequences = {}
    said += [producer.send(topic, "a"), producer.init(producer=producer.producer)[::2], side.settle(topic), side.ends(topic)]
    number, epoch = producer.producer
    for wrong in ((number + 1000000, 0), (number, epoch + 1), (number, -1), (-1, epoch)):
        said.append(producer.init(producer=wrong)[::2])
    said.append(producer.init()[::2])
    for timeout_ms in (0, -1, 900000, 900001):
        said.append(producer.init(timeout_ms)[::2])
    return said


def timed_out(side, topic):
    """The coordinator has given them up; the commit comes too late."""
    said = []
    openers = [side.process(f"{topic}-{age}", age) for age in ("old", "new")]
    for number, opener in enumerate(openers):
        said += [opener.init(3000)[::2], opener.send(topic, "a", number)]
    said += [side.settle(topic), side.settle(topic, 1), side.ends(topic), side.ends(topic, 1), side.aborted(topic)]
    for number, opener in enumerate(openers):
        for commit in (True, False):
            age = "new" if opener.new else "old"
            said.append(side.process(opener.name, age, opener.producer).end(commit))
        said += [opener.send(topic, "b", number), opener.init()[::2]]
        opener.sequences = {}
        said += [opener.send(topic, "c", number), opener.end(True), side.settle(topic, number), side.ends(topic, number)]
    return said


AGES = [("old",), ("new",)]
SCENARIOS = [
    *((ended_by_another, (commit, *way)) for commit in (True, False) for way in WAYS),
    *((goes_on, way) for way in WAYS),
    *((each, age) for each in (strangers, lingering, renewed) for age in AGES),
    (timed_out, ()),
]


@pytest.mark.parametrize("scenario, words", SCENARIOS, ids=lambda part: part.__name__ if callable(part) else "-".join(map(str, part)))
def test_says_what_apache_kafka_says(pair, scenario, words):
    topic = "-".join(["two", scenario.__name__, *map(str, words)])
    pair.create(topic, 2)
    said = []
    for each in pair.brokers:
        side = Side(each)
        try:
            said.append(scenario(side, topic, *words))
        finally:
            side.close()
    stock, ours = said
    assert ours == stock
    assert True in stock and any(isinstance(part, tuple) and part[0] == 0 for part in stock), stock


def test_two_phase_commit_is_not_offered_yet(pair):
    """KIP-939: version 6 of InitProducerId is known, not stable; who sends it all the same is not answered."""
    for answer in pair.asks("ApiVersions", 3, ClientSoftwareName="t", ClientSoftwareVersion="1"):
        assert [row["MaxVersion"] for row in answer["ApiKeys"] if row["ApiKey"] == 22] == [5]
    for keep in (False, True):
        for answer in pair.asks("InitProducerId", 6, TransactionalId="two", TransactionTimeoutMs=1000, ProducerId=-1, ProducerEpoch=-1,
                                Enable2Pc=True, KeepPreparedTxn=keep):  # fmt: skip
            assert answer is None
