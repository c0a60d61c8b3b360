"""What Kafka's admin tools say and do, by content. (../ab compares all of their output with Apache Kafka's.)"""

import json
import re

import pytest

from interop.lib import wire


@pytest.fixture(name="run")
def _run(broker, tools):
    """run("topics", "--list"): a tool's output, the bootstrap option put in."""

    def run(tool, words, stdin=""):
        return tools.must(tool, "--bootstrap-server", broker.bootstrap, *words.split(), stdin=stdin)

    return run


@pytest.fixture(name="topic")
def _topic(run, name):
    """A topic of two partitions with eight records, key k1 three times."""
    run("topics", f"--create --topic {name} --partitions 2 --config retention.ms=7200000")
    lines = "".join(f"k{i % 4}\tv{i}\n" for i in range(8))
    run("console-producer", f"--topic {name} --reader-property parse.key=true", stdin=lines)
    return name


def ends(run, topic, when="latest"):
    shown = run("get-offsets", f"--topic {topic} --time {when}")
    return {int(number): int(offset) for number, offset in re.findall(rf"^{topic}:(\d+):(\d+)$", shown, re.M)}


def group_rows(run, group):
    """{partition: (current offset, log end offset, lag)} of consumer-groups --describe."""
    shown = run("consumer-groups", f"--describe --group {group}")
    cells = [line.split() for line in shown.splitlines() if line.startswith(group)]
    return {int(row[2]): tuple(row[3:6]) for row in cells}


def read(run, topic, group):
    return run("console-consumer", f"--topic {topic} --group {group} --from-beginning --max-messages 8").split()


def test_topics_are_created_listed_described_altered_and_deleted(run, topic):
    assert topic in run("topics", "--list").split()
    shown = run("topics", f"--describe --topic {topic}")
    assert re.search(rf"Topic: {topic}\tTopicId: \S{{22}}\tPartitionCount: 2\tReplicationFactor: 1\t", shown)
    assert "retention.ms=7200000" in shown
    assert len(re.findall(r"Partition: \d\tLeader: 1\tReplicas: 1\tIsr: 1", shown)) == 2
    run("topics", f"--alter --topic {topic} --partitions 4")
    assert "PartitionCount: 4" in run("topics", f"--describe --topic {topic}")
    assert sum(ends(run, topic).values()) == 8, "the records stay"
    run("topics", f"--delete --topic {topic}")
    assert topic not in run("topics", "--list").split()


def test_a_topic_made_anew_has_another_id_and_no_records(run, topic):
    before = re.search(r"TopicId: (\S{22})", run("topics", f"--describe --topic {topic}"))[1]
    run("topics", f"--delete --topic {topic}")
    run("topics", f"--create --topic {topic} --partitions 2")
    after = re.search(r"TopicId: (\S{22})", run("topics", f"--describe --topic {topic}"))[1]
    assert after != before
    assert ends(run, topic) == {0: 0, 1: 0}


def test_groups_are_listed_described_reset_and_deleted(run, topic):
    assert sorted(read(run, topic, topic)) == [f"v{i}" for i in range(8)]
    assert topic in run("consumer-groups", "--list").split()
    end = ends(run, topic)
    assert group_rows(run, topic) == {n: (str(offset), str(offset), "0") for n, offset in end.items()}
    run("consumer-groups", f"--reset-offsets --group {topic} --topic {topic}:0 --to-earliest --execute")
    assert group_rows(run, topic)[0] == ("0", str(end[0]), str(end[0]))
    run("consumer-groups", f"--delete-offsets --group {topic} --topic {topic}:0")
    assert sorted(group_rows(run, topic)) == [1]
    run("consumer-groups", f"--delete --group {topic}")
    assert topic not in run("consumer-groups", "--list").split()


def test_offsets_are_found_by_name_and_by_time(run, topic):
    assert sum(ends(run, topic).values()) == 8
    assert ends(run, topic, "earliest") == {0: 0, 1: 0}
    assert ends(run, topic, "1") == {0: 0, 1: 0}


def test_topic_settings_are_altered_described_and_removed(run, topic):
    who = f"--entity-type topics --entity-name {topic}"
    run("configs", f"{who} --alter --add-config max.message.bytes=2222222,cleanup.policy=[compact,delete]")
    shown = run("configs", f"{who} --describe")
    for each in ("max.message.bytes=2222222", "cleanup.policy=compact,delete", "retention.ms=7200000"):
        assert each in shown
    run("configs", f"{who} --alter --delete-config max.message.bytes")
    assert "max.message.bytes" not in run("configs", f"{who} --describe")


def test_a_topic_setting_takes_hold(run, broker, tools, topic):
    run("configs", f"--entity-type topics --entity-name {topic} --alter --add-config max.message.bytes=1000")
    where = ["--bootstrap-server", broker.bootstrap, "--topic", topic]
    result = tools.run("console-producer", *where, stdin="x" * 5000 + "\n")
    assert "RecordTooLargeException" in result.out + result.err, str(result)
    assert sum(ends(run, topic).values()) == 8


def test_broker_settings_are_altered_described_and_removed(run):
    who = "--entity-type brokers --entity-name 1"
    run("configs", f"{who} --alter --add-config log.retention.ms=99999999")
    try:
        assert "log.retention.ms=99999999" in run("configs", f"{who} --describe")
    finally:
        run("configs", f"{who} --alter --delete-config log.retention.ms")


def test_records_are_deleted_up_to_an_offset(run, broker, topic, tmp_path):
    end = ends(run, topic)
    wanted = {"version": 1, "partitions": [{"topic": topic, "partition": n, "offset": end[n] - 1} for n in end]}
    path = tmp_path / "delete.json"
    path.write_text(json.dumps(wanted))
    shown = run("delete-records", f"--offset-json-file {path}")
    for number, offset in end.items():
        assert f"partition: {topic}-{number}\tlow_watermark: {offset - 1}" in shown
    assert ends(run, topic, "earliest") == {number: offset - 1 for number, offset in end.items()}
    assert run("console-consumer", f"--topic {topic} --from-beginning --max-messages 2").split() != []
    host, port = broker.bootstrap.split(":")
    with wire.Connection(host, int(port)) as connection:
        with pytest.raises(wire.WireError, match="error 1$"):
            connection.fetch(topic, 0, 0)


def test_old_tools_do_the_same(broker, old_tools, name):
    where = ["--bootstrap-server", broker.bootstrap]
    old_tools.must("topics", *where, "--create", "--topic", name, "--partitions", "2", "--replication-factor", "1")
    assert name in old_tools.must("topics", *where, "--list").split()
    old_tools.must("console-producer", "--broker-list", broker.bootstrap, "--topic", name, stdin="a\nb\n")
    said = old_tools.must("console-consumer", *where, "--topic", name, "--from-beginning", "--group", name, "--max-messages", "2")
    assert sorted(said.split()) == ["a", "b"]
    shown = old_tools.must("get-offsets", "--broker-list", broker.bootstrap, "--topic", name)
    assert sum(int(each) for each in re.findall(r":\d+:(\d+)$", shown, re.M)) == 2
    assert name in old_tools.must("consumer-groups", *where, "--list").split()
    assert name in old_tools.must("consumer-groups", *where, "--describe", "--group", name)
    who = ["--entity-type", "topics", "--entity-name", name]
    old_tools.must("configs", *where, *who, "--alter", "--add-config", "retention.ms=1111111")
    assert "retention.ms=1111111" in old_tools.must("configs", *where, *who, "--describe")
    old_tools.must("topics", *where, "--alter", "--topic", name, "--partitions", "3")
    assert "PartitionCount: 3" in old_tools.must("topics", *where, "--describe", "--topic", name)
    old_tools.must("topics", *where, "--delete", "--topic", name)
    assert name not in old_tools.must("topics", *where, "--list").split()
