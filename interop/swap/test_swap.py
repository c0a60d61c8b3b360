"""One data directory, two brokers: what one filled, the other opens with the same properties file, and back.

Everything that a client can see is looked at before and after: topics with ids, configs, every record with its offset,
the offsets by time, the committed offsets. And Kafka's dump tool and metadata shell read what is on disk.
"""

import re
import sys

import pytest

from interop.lib import disk, places, wire
from interop.lib.clients import Driver, DriverClient, DriverMember, Record, wait_until

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
DRIVER = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))
TOPICS = {"plain": 3, "codecs": 1, "compacted": 1, "again": 2}


class Confluent(DriverClient):
    """The driver of ../confluent-kafka."""

    command = DRIVER


def topics(tools, broker, *words):
    return tools.must("topics", "--bootstrap-server", broker.bootstrap, *words)


def configs(tools, broker, *words):
    return tools.must("configs", "--bootstrap-server", broker.bootstrap, *words)


def rows(first, count, partitions):
    return [Record(i % partitions, b"k%d" % i, b"v%d" % i, (("n", b"%d" % i),)) for i in range(first, first + count)]


def produce(broker, first):
    client = Confluent(broker.bootstrap)
    client.produce("plain", rows(first, 60, 3))
    for codec in CODECS:
        client.produce("codecs", rows(first, 20, 1), codec)
    client.produce("compacted", rows(first, 5, 1))
    client.produce("again", rows(first, 4, 2))
    client.close()


def read_as_group(broker, group, count):
    """Reads that many records of `plain` as a member of the group, commits, and leaves."""
    member = DriverMember(Driver(DRIVER, broker.bootstrap), group, "plain")
    try:
        wait_until([member], lambda: len(member.records) >= count, f"{group} reads {count} records")
        member.commit()
        read = sorted((each.partition, each.offset, each.value) for each in member.records)
        member.leave()
        return read
    finally:
        member.kill()


def fill(tools, broker):
    """Topics, one of them deleted and made anew, records in all codecs, configs of both kinds, committed offsets."""
    topics(tools, broker, *"--create --topic plain --partitions 3 --config retention.ms=123456789".split())
    topics(tools, broker, *"--create --topic codecs --partitions 1 --config segment.bytes=1048576".split())
    topics(tools, broker, *"--create --topic compacted --partitions 1 --config cleanup.policy=compact".split())
    topics(tools, broker, *"--create --topic again --partitions 1".split())
    wait_until([], lambda: "again" in topics(tools, broker, "--list").split(), "a topic is listed")
    topics(tools, broker, *"--delete --topic again".split())
    wait_until([], lambda: "again" not in topics(tools, broker, "--list").split(), "a deleted topic is gone")
    topics(tools, broker, *"--create --topic again --partitions 2".split())
    produce(broker, 0)
    configs(tools, broker, *"--entity-type brokers --entity-default --alter --add-config message.max.bytes=2000000".split())
    configs(tools, broker, *"--entity-type topics --entity-name codecs --alter --add-config max.message.bytes=3000000".split())
    assert len(read_as_group(broker, "readers", 60)) == 60


def append(tools, broker):
    """More of the same by the other broker, which also alters what the first had made."""
    produce(broker, 1000)
    topics(tools, broker, *"--alter --topic again --partitions 3".split())
    topics(tools, broker, *"--create --topic later --partitions 1".split())
    configs(tools, broker, *"--entity-type topics --entity-name plain --alter --delete-config retention.ms".split())


def see(tools, broker):
    """All that a client sees."""
    known = [each for each in topics(tools, broker, "--list").split() if not each.startswith("__")]
    described = [topics(tools, broker, "--describe", "--topic", each) for each in known]
    client = Confluent(broker.bootstrap)
    records = {}
    for topic in known:
        ends = offsets(tools, broker, topic, "latest")
        starts = offsets(tools, broker, topic, "earliest")
        count = sum(end - starts[partition] for partition, end in ends.items())
        read = client.consume(topic, len(ends), count) if count else []
        records[topic] = sorted(read, key=lambda each: (each.partition, each.offset))
    client.close()
    return {
        "described": described,
        "records": records,
        "codecs": wire.stored_codecs(broker.bootstrap, "codecs", 1),
        "committed": wire.committed(broker.bootstrap, "readers", "plain", [0, 1, 2]),
        "by time": {each: offsets(tools, broker, each, "max-timestamp") for each in known},
        "topic configs": {each: configs(tools, broker, "--entity-type", "topics", "--entity-name", each, "--describe") for each in known},
        "broker configs": configs(tools, broker, *"--entity-type brokers --entity-default --describe".split()),
        "groups": tools.must("consumer-groups", "--bootstrap-server", broker.bootstrap, "--list"),
        "cluster": tools.must("cluster", "cluster-id", "--bootstrap-server", broker.bootstrap),
    }


def offsets(tools, broker, topic, when):
    shown = tools.must("get-offsets", "--bootstrap-server", broker.bootstrap, "--topic", topic, "--time", when)
    return {int(number): int(offset) for number, offset in re.findall(r":(\d+):(-?\d+)$", shown, re.M)}


def end(broker, how):
    if how == "clean":
        broker.stop()
    else:
        broker.kill()


def steady(seen):
    """Without the ELR columns, which tell of the last stop, and with settings in the order of their names."""

    def one(text):
        text = re.sub(r"\tElr: .*", "", text)
        return re.sub(r"Configs: (\S*)", lambda found: "Configs: " + ",".join(sorted(found[1].split(","))), text)

    return {**seen, "described": [one(each) for each in seen["described"]]}


def assert_same(after, before):
    for what, value in before.items():
        assert after[what] == value, what


@pytest.mark.timeout(300)
@pytest.mark.parametrize("quorum,how", [("static", "clean"), ("static", "kill"), ("dynamic", "clean")])
@pytest.mark.parametrize("direction", ["stock-first", "stock-second"])
def test_nothing_is_missing_in_the_others_directory(kind, tools, new_broker, direction, quorum, how):
    first, second = ("stock", kind) if direction == "stock-first" else (kind, "stock")
    broker = new_broker(first, {"log.segment.bytes": "1048576"}, dynamic_quorum=quorum == "dynamic")
    broker.start()
    fill(tools, broker)
    before = steady(see(tools, broker))
    end(broker, how)

    broker.become(second).start()
    assert_same(steady(see(tools, broker)), before)
    append(tools, broker)
    assert read_as_group(broker, "readers", 60)[0][2] >= b"v1000"
    between = steady(see(tools, broker))
    assert len(between["records"]["codecs"]) == 200
    end(broker, how)

    broker.become(first).start()
    assert_same(steady(see(tools, broker)), between)
    produce(broker, 2000)
    broker.stop()
    assert disk.complaints(disk.dump(tools, broker.data)) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("quorum", ["static", "dynamic"])
def test_kafkas_tools_read_the_files(tools, new_broker, quorum):
    broker = new_broker(dynamic_quorum=quorum == "dynamic", changes={"log.segment.bytes": "1048576"})
    broker.start()
    fill(tools, broker)
    broker.stop()
    shown = disk.dump(tools, broker.data)
    assert disk.complaints(shown) == []
    metadata = "".join(text for name, text in shown.items() if name.startswith("__cluster_metadata"))
    for kind in ("FEATURE_LEVEL", "REGISTER_BROKER", "TOPIC_RECORD", "PARTITION_RECORD", "CONFIG_RECORD"):
        assert kind in metadata, f"no {kind} in the metadata log"
    log = shown["plain-0/00000000000000000000.log"]
    assert len(re.findall(r"^\| offset: ", log, re.M)) == 20
    assert "payload: v57" in log
    groups = "".join(text for name, text in shown.items() if name.startswith("__consumer_offsets") and name.endswith("log"))
    assert '"group":"readers"' in groups and '"topic":"plain"' in groups
    assert "plain" in disk.shell(broker.data, "ls", "/image/topics/byName").split()
    assert "partitionEpoch" in disk.shell(broker.data, "cat", "/image/topics/byName/plain/0")
