"""Transactional ids and producers that grow old, against Apache Kafka: who is forgotten, and what it is told then.

Nothing here looks at how long it takes. An id that expires at once tells that a broker has looked through all of them; a
producer grows old by the times of what it wrote, and those can be of any day.
"""

import time

import pytest

from interop.lib import batches, frames

pytestmark = [pytest.mark.xdist_group("ab-timed"), pytest.mark.timeout(300)]

PATIENCE_SECONDS = 120
TIMEOUT_MS = 600000
HOUR_MS = 3600000
STATE = "__transaction_state"
TRANSACTIONAL = 0x10
NOW = int(time.time() * 1000)
LONG_AGO = NOW - 100 * HOUR_MS
NOT_YET = (3, 14, 15, 16, 51)
NO_MAPPING, NOT_FOUND = 49, 105


def until(asker, name, once):
    """Its answer, once there is a coordinator."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = once()
        if found["ErrorCode"] not in NOT_YET:
            return found
        assert time.monotonic() < deadline, found
        asker.ask("FindCoordinator", 3, Key=name, KeyType=1)
        time.sleep(0.05)


def init(asker, name, producer=(-1, -1)):
    """(error, id, epoch)"""
    found = until(asker, name, lambda: asker.ask(
        "InitProducerId", 4, TransactionalId=name, TransactionTimeoutMs=TIMEOUT_MS, ProducerId=producer[0], ProducerEpoch=producer[1],
    ))
    return found["ErrorCode"], found["ProducerId"], found["ProducerEpoch"]


def add(asker, name, producer, topic="t"):
    answer = asker.ask(
        "AddPartitionsToTxn", 3, V3AndBelowTransactionalId=name, V3AndBelowProducerId=producer[0], V3AndBelowProducerEpoch=producer[1],
        V3AndBelowTopics=[{"Name": topic, "Partitions": [0]}],
    )
    return answer["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"]


def begin(asker, name):
    """The producer, with an open transaction. An id that was forgotten on the way is asked for again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        error, *producer = init(asker, name)
        assert error == 0
        error = add(asker, name, producer)
        if error == 0:
            return tuple(producer)
        assert error in (NO_MAPPING, *NOT_YET), error
    raise AssertionError(f"{name} does not begin")


def end(asker, name, producer, version=3):
    return asker.ask("EndTxn", version, TransactionalId=name, ProducerId=producer[0], ProducerEpoch=producer[1], Committed=True)["ErrorCode"]


def described(asker, name):
    row = asker.ask("DescribeTransactions", 0, TransactionalIds=[name])["TransactionStates"][0]
    return row["ErrorCode"], row["TransactionState"], len(row["Topics"])


def listed(asker):
    found = asker.ask("ListTransactions", 1, StateFilters=[], ProducerIdFilters=[], DurationFilter=-1)
    return {each["TransactionalId"]: each["TransactionState"] for each in found["TransactionStates"]}


def await_forgotten(asker, *names):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while listed(asker).keys() & set(names):
        assert time.monotonic() < deadline, f"{names} are kept"
        time.sleep(0.05)


def produce(asker, topic, producer, sequence, at, name=None, version=11):
    flags = 0 if name is None else TRANSACTIONAL
    records = frames.batch(frames.record(b"v"), codec=flags, timestamp=at, producer=(*producer, sequence))
    part = {"Name": topic, "PartitionData": [{"Index": 0, "Records": records}]}
    answer = asker.ask("Produce", version, TransactionalId=name, Acks=-1, TimeoutMs=30000, TopicData=[part])
    row = answer["Responses"][0]["PartitionResponses"][0]
    return row["ErrorCode"]


def produce_at_last(asker, *words):
    """Kafka's answer while it cannot yet ask the coordinator is another."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        error = produce(asker, *words)
        if error not in (19, *NOT_YET) or time.monotonic() > deadline:
            return error
        time.sleep(0.05)


def producers(asker, topic):
    answer = asker.ask("DescribeProducers", 0, Topics=[{"Name": topic, "PartitionIndexes": [0]}])
    return {each["ProducerId"]: each for each in answer["Topics"][0]["Partitions"][0]["ActiveProducers"]}


def written(asker):
    """{id: is it forgotten} in the coordinator's log."""
    part = {"Partition": 0, "CurrentLeaderEpoch": -1, "FetchOffset": 0, "LogStartOffset": -1, "PartitionMaxBytes": 1 << 24}
    found = asker.ask("Fetch", 4, ReplicaId=-1, MaxWaitMs=0, MinBytes=0, MaxBytes=1 << 24, Topics=[{"Topic": STATE, "Partitions": [part]}])
    last = {}
    for _, payload in batches.parts(found["Responses"][0]["Partitions"][0]["Records"]):
        last.update(batches.keys(payload))
    return {key[4:].decode(): gone for key, gone in last.items()}


def same(timed, ask):
    """What both answer, one after the other."""
    stock, ours = (ask(each) for each in timed.barriers)
    assert ours == stock
    return stock


def test_an_id_that_is_forgotten(timed):
    def life(asker):
        error, *producer = init(asker, "idle")
        assert error == 0
        await_forgotten(asker, "idle")
        ids = {"ProducerId": producer[0], "ProducerEpoch": producer[1]}
        part = {"PartitionIndex": 0, "CommittedOffset": 1, "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}
        told = [described(asker, "idle"), add(asker, "idle", producer), end(asker, "idle", producer), end(asker, "idle", producer, 5)]
        told.append(asker.ask("AddOffsetsToTxn", 3, TransactionalId="idle", GroupId="g", **ids)["ErrorCode"])
        told.append(asker.ask("TxnOffsetCommit", 3, TransactionalId="idle", GroupId="g", GenerationId=-1, MemberId="", GroupInstanceId=None,
                              Topics=[{"Name": "t", "Partitions": [part]}], **ids)["Topics"][0]["Partitions"][0]["ErrorCode"])
        told += [produce_at_last(asker, "t", producer, 0, NOW, "idle", version) for version in (11, 12)]
        told.append(written(asker)["idle"])
        # A producer that says who it was begins anew.
        error, again, epoch = init(asker, "idle", tuple(producer))
        return told, error, again != producer[0], epoch

    told, *again = same(timed, life)
    assert told[:4] == [(NOT_FOUND, "", 0), NO_MAPPING, NO_MAPPING, NO_MAPPING] and told[-1] is True
    assert again == [0, True, 0]


def test_open_transactions_are_not_forgotten(timed):
    def life(asker):
        producer = begin(asker, "open")
        assert init(asker, "another")[0] == 0
        await_forgotten(asker, "another")
        told = [described(asker, "open"), end(asker, "open", producer)]
        await_forgotten(asker, "open")
        return [*told, described(asker, "open"), {name: written(asker)[name] for name in ("open", "another")}]

    assert same(timed, life) == [(0, "Ongoing", 1), 0, (NOT_FOUND, "", 0), {"open": True, "another": True}]


def expire_after(asker, duration_ms):
    """producer.id.expiration.ms of the cluster; None: the default again."""
    row = {"Name": "producer.id.expiration.ms", "ConfigOperation": int(duration_ms is None), "Value": None if duration_ms is None else str(duration_ms)}
    answer = asker.ask("IncrementalAlterConfigs", 1, Resources=[{"ResourceType": 4, "ResourceName": "", "Configs": [row]}], ValidateOnly=False)
    assert answer["Responses"][0]["ErrorCode"] == 0, answer


def test_producers_that_are_silent(timed):
    timed.create("producers")

    def life(asker):
        made = [until(asker, "", lambda: asker.ask("InitProducerId", 4, TransactionalId=None, TransactionTimeoutMs=0, ProducerId=-1, ProducerEpoch=-1)) for _ in range(3)]
        old, new, back = [(each["ProducerId"], each["ProducerEpoch"]) for each in made]
        told = [produce(asker, "producers", who, 0, at) for who, at in ((old, LONG_AGO), (new, NOW), (back, LONG_AGO))]
        told.append(produce(asker, "producers", back, 1, NOW))
        opened = begin(asker, "holds")
        told.append(add(asker, "holds", opened, "producers"))
        told.append(produce_at_last(asker, "producers", opened, 0, LONG_AGO, "holds"))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while old[0] in producers(asker, "producers"):
            assert time.monotonic() < deadline, "it is not forgotten"
            time.sleep(0.05)
        found = producers(asker, "producers")
        names = {new[0]: "new", back[0]: "back", opened[0]: "opened"}
        told.append({names[each]: (row["LastSequence"], row["CurrentTxnStartOffset"]) for each, row in found.items()})
        # It may go on wherever it is; who is known may not.
        told += [produce(asker, "producers", who, 17, NOW) for who in (old, new)]
        # By a shorter time, set while it runs, all are old but who has an open transaction.
        expire_after(asker, 1)
        while producers(asker, "producers").keys() != {opened[0]}:
            assert time.monotonic() < deadline, "the new time does not count"
            time.sleep(0.05)
        expire_after(asker, None)
        assert end(asker, "holds", opened) == 0
        return told

    assert same(timed, life) == [0, 0, 0, 0, 0, 0, {"new": (0, -1), "back": (1, -1), "opened": (0, 4)}, 0, 45]
