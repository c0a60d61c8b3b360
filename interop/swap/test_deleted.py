"""DeleteRecords: what was deleted stays deleted, after a kill and in the other broker's hands."""

import pytest

from interop.lib import answers, frames

pytestmark = pytest.mark.timeout(300)
TOPIC = "purged"


def ask(broker, api, version, **values):
    with answers.Asker(broker.port) as asker:
        return asker.ask(api, version, **values)["Topics"][0]["Partitions"][0]


def delete_before(broker, offset):
    part = {"PartitionIndex": 0, "Offset": offset}
    row = ask(broker, "DeleteRecords", 2, Topics=[{"Name": TOPIC, "Partitions": [part]}], TimeoutMs=5000)
    assert row["ErrorCode"] == 0
    return row["LowWatermark"]


def offset(broker, timestamp):
    part = {"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": timestamp}
    row = ask(broker, "ListOffsets", 7, ReplicaId=-1, IsolationLevel=0, Topics=[{"Name": TOPIC, "Partitions": [part]}])
    assert row["ErrorCode"] == 0, row
    return row["Offset"]


def begin_and_end(broker):
    return offset(broker, -2), offset(broker, -1)


def fill(broker, tools):
    tools.must("topics", "--bootstrap-server", broker.bootstrap, "--create", "--topic", TOPIC)
    with answers.Asker(broker.port) as asker:
        for _ in range(10):
            data = [{"Index": 0, "Records": frames.batch(frames.record(b"x" * 100))}]
            answer = asker.ask("Produce", 9, Acks=-1, TimeoutMs=5000, TopicData=[{"Name": TOPIC, "PartitionData": data}])
            assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0


def test_a_kill_brings_nothing_back(kind, tools, new_broker):
    broker = new_broker(kind)
    broker.start()
    fill(broker, tools)
    for at in (3, 7, -1):
        low = delete_before(broker, at)
        assert low == (10 if at == -1 else at)
        if kind == "barnabas":  # Apache Kafka writes its checkpoint once a minute
            broker.kill()
            broker.start()
        assert begin_and_end(broker) == (low, 10)
    broker.stop()
    broker.start()
    assert begin_and_end(broker) == (10, 10)


@pytest.mark.parametrize("how", ("stop", "kill"))
def test_the_other_broker_does_not_see_it_either(kind, tools, new_broker, how):
    broker = new_broker(kind)
    broker.start()
    fill(broker, tools)
    assert delete_before(broker, 4) == 4
    (broker.stop if how == "stop" or kind == "stock" else broker.kill)()
    broker.become("stock").start()
    assert begin_and_end(broker) == (4, 10)
    assert delete_before(broker, 6) == 6
    broker.stop()
    broker.become(kind).start()
    assert begin_and_end(broker) == (6, 10)
    assert delete_before(broker, -1) == 10
    getattr(broker, how)()
    broker.become("stock").start()
    assert begin_and_end(broker) == (10, 10)
    broker.stop()
