"""Transactions of the Java producer and kafka-transactions, on Apache Kafka and on the broker under test: the same output,
and the same records in the log of the coordinator.
"""

import re

import pytest

from interop.lib import broker as brokers
from interop.lib import disk

CHANGES = {"transaction.state.log.num.partitions": "1", "offsets.topic.num.partitions": "1"}
PRODUCER = "transact"
TOOL = "transactions"
STEPS = (
    ("create", "topics", "--create --topic t --partitions 1"),
    ("commit-and-abort", PRODUCER, "one t init begin send:a send:b offset:g:1 commit begin send:c offset:g:9 abort begin send:d commit"),
    ("list", TOOL, "list"),
    ("describe", TOOL, "describe --transactional-id one"),
    ("describe-unknown", TOOL, "describe --transactional-id nobody"),
    ("describe-producers", TOOL, "describe-producers --topic t --partition 0"),
    ("offsets", "consumer-groups", "--describe --group g"),
    ("read-committed", "console-consumer", "--topic t --from-beginning --isolation-level read_committed --max-messages 3"),
    ("fence", PRODUCER, "two t init begin send:e init old send:f commit"),
    ("end-without-begin", PRODUCER, "two t init begin abort begin commit"),
    ("open", PRODUCER, "three t init begin send:g offset:g:5 leave"),
    ("list-open", TOOL, "list"),
    ("list-pattern", TOOL, "list --transactional-id-pattern t.*e"),
    ("list-bad-pattern", TOOL, "list --transactional-id-pattern t[("),
    ("list-old", TOOL, "list --duration-filter 3600000"),
    ("describe-open", TOOL, "describe --transactional-id three"),
    ("find-hanging", TOOL, "find-hanging --broker-id 1"),
    ("read-no-further", "console-consumer", "--topic t --from-beginning --isolation-level read_committed --timeout-ms 2500"),
    ("terminate", TOOL, "forceTerminateTransaction --transactionalId three"),
    ("describe-terminated", TOOL, "describe --transactional-id three"),
    ("terminate-unknown", TOOL, "forceTerminateTransaction --transactionalId four"),
    ("open-again", PRODUCER, "five t init begin send:h leave"),
    ("abort-by-offset", TOOL, "abort --topic t --partition 0 --start-offset 14"),
    ("abort-no-such", TOOL, "abort --topic t --partition 0 --start-offset 3"),
    ("describe-producers-after", TOOL, "describe-producers --topic t --partition 0"),
    ("ends", "get-offsets", "--topic t --time latest"),
)


def normal(text, broker):
    """Times, and the ids of producers, of which the brokers give out others to others in between."""
    text = text.replace(str(broker.port), "PORT")
    text = re.sub(r"(?m)^\[[^\]]*\] (ERROR|WARN) ", r"[log] \1 ", text)
    text = re.sub(r"(?m)^\s+at .*\n", "", text)
    text = re.sub(r"\b1[0-9]{12}\b", "TIME", text)
    text = re.sub(r"(?m)(CompleteCommit|CompleteAbort|Ongoing|Empty)(\s+\d+\s+)(TIME|-1|None)(\s+)\d+", r"\1\2\3\4AGE", text)
    text = re.sub(r"adminclient-\d+", "adminclient-N", text)
    return re.sub(r"[ \t]+", " ", text)


def sorted_topics(found):
    """Kafka has them in no order."""
    return ",".join(sorted(re.findall(r"\{.*?\}", found[0]))) + "]"


class Run:
    """All steps on one broker, and what its coordinator has written."""

    def __init__(self, kind, home, tools):
        self.broker = brokers.Broker(kind, home, CHANGES)
        self.shown = {}
        with self.broker:
            for name, tool, words in STEPS:
                self.shown[name] = self._one(tools, tool, words)
            self.broker.stop()
        log = next(iter((self.broker.data / "__transaction_state-0").glob("*.log")))
        self.written = self._records(tools.must("dump-log", "--transaction-log-decoder", "--files", str(log)))
        self.complaints = disk.complaints(disk.dump(tools, self.broker.data))

    def _one(self, tools, tool, words):
        first = [self.broker.bootstrap] if tool == PRODUCER else ["--bootstrap-server", self.broker.bootstrap]
        try:
            result = tools.run(tool, *first, *words.split(), timeout=40)
        except TimeoutError:
            return "it did not end"
        rows = normal(result.out, self.broker).split("\n")
        return f"exit {result.code}\n" + "\n".join(rows) + "\n---\n" + normal(result.err, self.broker)

    @staticmethod
    def _records(shown):
        """Keys and values in their order, without offsets and times."""
        rows = [line for line in shown.split("\n") if "key" in line and "payload" in line]
        assert rows, shown[:2000]
        rows = [re.sub(r"\b1[0-9]{12}\b", "TIME", re.sub(r"^.*? key", "key", row)) for row in rows]
        return [re.sub(r'(?<="transactionPartitions":\[)\{.*?\](?=,"transactionLast)', sorted_topics, row) for row in rows]


pytestmark = [pytest.mark.xdist_group("ab-transactions"), pytest.mark.timeout(400)]


@pytest.mark.parametrize("name", [each[0] for each in STEPS])
def test_prints_what_apache_kafka_prints(runs, name):
    stock, ours = (run.shown[name] for run in runs)
    assert ours == stock


def test_writes_what_apache_kafka_writes(runs):
    stock, ours = (run.written for run in runs)
    assert [pair for pair in zip(ours, stock) if pair[0] != pair[1]] == []
    assert len(ours) == len(stock)


def test_leaves_files_that_kafka_can_read(runs):
    assert [run.complaints for run in runs] == [[], []]
