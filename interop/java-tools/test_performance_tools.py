"""Kafka's performance and verification tools, with transactions where they know them: all that they wrote can be read."""

import collections
import json
import re
import subprocess

import pytest

from interop.lib import places, wire
from interop.lib.broker import environment, java
from interop.lib.clients import wait_until
from interop.lib.javatools import MAIN

PARTITIONS = 2
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(name="run")
def _run(broker, tools):
    def run(tool, *words, option="--bootstrap-server"):
        return tools.must(tool, option, broker.bootstrap, *words, timeout=120)

    return run


def rows(shown):
    return [json.loads(line) for line in shown.splitlines() if line.startswith("{")]


def read(run, topic, count):
    """The committed values."""
    words = ["--topic", topic, "--from-beginning", "--isolation-level", "read_committed", "--max-messages", str(count)]
    return run("console-consumer", *words).split()


def ends(run, topic):
    shown = run("get-offsets", "--topic", topic)
    return {int(number): int(offset) for number, offset in re.findall(rf"^{topic}:(\d+):(\d+)$", shown, re.M)}


def consume(run, topic, count, group, *words):
    """How many records consumer-perf has taken."""
    shown = run("consumer-perf", "--topic", topic, "--num-records", str(count), "--group", group, "--timeout", "60000", *words)
    header, row = shown.strip().splitlines()[-2:]
    return int(row.split(", ")[header.split(", ").index("data.consumed.in.nMsg")])


@pytest.mark.parametrize("transactions", ["without", "with"])
def test_what_the_producer_writes_the_consumer_reads(run, broker, name, transactions):
    wire.create_topic(broker.bootstrap, name, PARTITIONS)
    words = ["--topic", name, "--num-records", "20000", "--record-size", "100", "--throughput", "-1"]
    if transactions == "with":
        words += ["--transactional-id", name, "--transaction-duration-ms", "50"]
    shown = run("producer-perf", *words)
    assert re.search(r"^20000 records sent, .* ms 99\.9th\.", shown, re.M), shown
    # Each transaction ends in a marker.
    assert (sum(ends(run, name).values()) > 20000) == (transactions == "with")
    for protocol in ("classic", "consumer"):
        settings = ["--command-property", f"group.protocol={protocol}", "isolation.level=read_committed"]
        assert consume(run, name, 20000, f"{name}-{protocol}", settings[0], settings[1], settings[0], settings[2]) == 20000
    if transactions == "with":
        found = run("transactions", "describe", "--transactional-id", name)
        assert "CompleteCommit" in found, found


def test_the_way_there_and_back_is_measured(tools, broker, name):
    wire.create_topic(broker.bootstrap, name, 1)
    shown = tools.must("end-to-end-latency", broker.bootstrap, name, "200", "all", "64", timeout=120)
    assert re.search(r"^Avg latency: +\d+\.\d+ ms", shown, re.M), shown
    assert "50th = " in shown


def test_the_verifiable_tools_agree(run, broker, name):
    wire.create_topic(broker.bootstrap, name, PARTITIONS)
    # In a JVM of its own: its last lines are said while it ends.
    command = [*java(places.STOCK_VERSION), MAIN[places.STOCK_VERSION]["verifiable-producer"], "--bootstrap-server", broker.bootstrap]
    command += ["--topic", name, "--max-messages", "500", "--repeating-keys", "7"]
    sent = rows(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment()).stdout)
    acked = [(row["partition"], row["offset"], row["value"]) for row in sent if row["name"] == "producer_send_success"]
    assert [row["acked"] for row in sent if row["name"] == "tool_data"] == [500]
    for protocol in ("classic", "consumer"):
        words = ["--topic", name, "--group-id", f"{name}-{protocol}", "--group-protocol", protocol.upper(), "--max-messages", "500"]
        events = rows(run("verifiable-consumer", *words, "--verbose"))
        taken = [(row["partition"], row["offset"], row["value"]) for row in events if row["name"] == "record_data"]
        assert sorted(taken) == sorted(acked), protocol
        commits = [row for row in events if row["name"] == "offsets_committed"]
        assert commits and all(row["success"] for row in commits), commits
        assert wire.committed(broker.bootstrap, f"{name}-{protocol}", name, range(PARTITIONS)) == ends(run, name)


@pytest.mark.parametrize("mode", ["assigned", "in a group"])
def test_the_copier_copies_each_record_once(run, broker, name, mode):
    source, target = f"{name}-from", f"{name}-to"
    count = 1000
    wire.create_topic(broker.bootstrap, source, 1)
    wire.create_topic(broker.bootstrap, target, PARTITIONS)
    run("verifiable-producer", "--topic", source, "--max-messages", str(count))
    # It waits for its last answers only when its process ends, which is a warm one here.
    wait_until([], lambda: ends(run, source) == {0: count}, "all is produced")
    words = ["--input-topic", source, "--input-partition", "0", "--output-topic", target, "--consumer-group", name]
    words += ["--transactional-id", name, "--transaction-size", "37", "--enable-random-aborts"]
    if mode == "in a group":
        words += ["--group-mode", "--use-group-metadata"]
    shown = run("message-copier", *words, option="--broker-list")
    assert rows(shown)[-1]["remaining"] == 0, shown
    copied = collections.Counter(map(int, read(run, target, count)))
    assert copied == collections.Counter(range(count))
    assert wire.committed(broker.bootstrap, name, source, [0]) == {0: count}
