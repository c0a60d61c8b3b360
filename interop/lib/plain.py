"""Plain requests, one connection each: what a test says to a broker when it wants to see the error codes itself.

They ask again while a topic that is new, or a broker that has just started, has no leader yet.
"""

import struct
import time

from interop.lib import frames, wire

PATIENCE_SECONDS = 60
NO_LEADER_YET = (3, 5, 6)


def ask(broker, api, version, **values):
    message = frames.request(api, version, **values)
    with wire.Connection("127.0.0.1", broker.port, timeout=30) as connection:
        # The connection writes the header: key, version, correlation id, client id.
        key = struct.unpack_from(">h", message)[0]
        return connection.ask(key, version, message[8 + 2 + len("abuse") :])


def try_create(broker, topic, settings):
    """The error code."""
    configs = [{"Name": name, "Value": value} for name, value in settings.items()]
    wanted = {"Name": topic, "NumPartitions": 1, "ReplicationFactor": 1, "Assignments": [], "Configs": configs}
    answer = ask(broker, "CreateTopics", 2, Topics=[wanted], TimeoutMs=20000)
    answer.take("i")
    return answer.array(lambda: (answer.string(), answer.take("h"), answer.string()))[0][1]


def create(broker, topic, settings):
    assert try_create(broker, topic, settings) == 0, topic


def delete_topic(broker, topic):
    """The error code."""
    answer = ask(broker, "DeleteTopics", 1, TopicNames=[topic], TimeoutMs=20000)
    answer.take("i")
    return answer.array(lambda: (answer.string(), answer.take("h")))[0][1]


def until_led(once):
    """(error, result) of `once`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        error, result = once()
        if error not in NO_LEADER_YET or time.monotonic() > deadline:
            return error, result
        time.sleep(0.1)


def must(topic, once):
    error, result = until_led(once)
    assert error == 0, f"{topic}: error {error}"
    return result


def try_produce(broker, topic, value, key=None, timestamp=-1):
    """(error code, base offset)"""
    records = frames.batch(frames.record(value, key=key), timestamp=timestamp)
    part = {"Name": topic, "PartitionData": [{"Index": 0, "Records": records}]}

    def once():
        answer = ask(broker, "Produce", 3, Acks=-1, TimeoutMs=10000, TopicData=[part])
        answer.raw(4 + 2 + len(topic) + 4 + 4)
        return answer.take("h"), answer.take("q")

    return until_led(once)


def produce(broker, topic, value, key=None, timestamp=-1):
    error, offset = try_produce(broker, topic, value, key, timestamp)
    assert error == 0, f"{topic}: error {error}"
    return offset


def delete_records(broker, topic, offset):
    wanted = {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Offset": offset}]}

    def once():
        answer = ask(broker, "DeleteRecords", 0, Topics=[wanted], TimeoutMs=10000)
        answer.raw(4 + 4 + 2 + len(topic) + 4 + 4)
        low = answer.take("q")
        return answer.take("h"), low

    assert must(topic, once) == offset


def earliest(broker, topic):
    wanted = {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": -2}]}

    def once():
        answer = ask(broker, "ListOffsets", 1, ReplicaId=-1, Topics=[wanted])
        answer.raw(4 + 2 + len(topic) + 4 + 4)
        error = answer.take("h")
        answer.take("q")
        return error, answer.take("q")

    return must(topic, once)
