"""Apache Kafka and the broker under test side by side, to be asked the same."""

import contextlib
import os
import time

import pytest

from interop.lib import answers, duel
from interop.lib import broker as brokers

# Who is not used any more is forgotten at once, and a first rebalance waits.
TIMED_PATIENCE_SECONDS = 120
TIMED = {
    "group.initial.rebalance.delay.ms": "1000",
    "group.min.session.timeout.ms": "100",
    "transaction.state.log.num.partitions": "1",
    "transactional.id.expiration.ms": "1",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "300",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "300",
    "producer.id.expiration.check.interval.ms": "300",
}


class Pair:
    """Two brokers and a connection to each; `asks` gives both the same request."""

    def __init__(self, stock, ours):
        self.brokers = (stock, ours)
        self.askers = tuple(answers.Asker(each.port) for each in self.brokers)

    def close(self):
        for each in self.askers:
            each.close()

    def asks(self, api, version, **values):
        """[Apache Kafka's answer, ours]"""
        return [each.ask(api, version, **values) for each in self.askers]

    def create(self, name, partitions=1, **configs):
        """A topic on both, whose records stay however old they say they are."""
        configs = {"retention_ms": "-1"} | configs
        rows = [{"Name": key.replace("_", "."), "Value": value} for key, value in configs.items()]
        topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Configs": rows}
        for answer in self.asks("CreateTopics", 7, Topics=[topic], TimeoutMs=20000):
            assert answer["Topics"][0]["ErrorCode"] == 0, answer
        self.await_leaders(name, partitions)

    def await_leaders(self, name, partitions):
        """Apache Kafka answers a creation before its partitions are led."""
        rows = [{"PartitionIndex": n, "CurrentLeaderEpoch": -1, "Timestamp": -2} for n in range(partitions)]
        deadline = time.monotonic() + 60
        for asker in self.askers:
            while True:
                answer = asker.ask("ListOffsets", 4, ReplicaId=-1, Topics=[{"Name": name, "Partitions": rows}])
                if not any(row["ErrorCode"] for row in answer["Topics"][0]["Partitions"]):
                    break
                assert time.monotonic() < deadline, answer
                time.sleep(0.02)


@pytest.fixture(scope="session", name="pair")
def _pair(kind, session_home):
    with contextlib.ExitStack() as stack:
        home = os.path.join(session_home, "pair")
        # Neither looks for old segments meanwhile: what DeleteRecords left of a log, one would drop before the other.
        changes = {"log.initial.task.delay.ms": "3600000"}
        running = [
            stack.enter_context(brokers.Broker(each, f"{home}{n}", changes)) for n, each in enumerate(("stock", kind))
        ]
        both = Pair(*running)
        yield both
        both.close()
        for each in running:
            each.stop()


@pytest.fixture(scope="module", name="runs")
def _runs(request, kind, tools, tmp_path_factory):
    """The Run of the test's file: on Apache Kafka, and on the broker under test."""
    home = tmp_path_factory.mktemp(f"ab-{request.module.__name__.rpartition('.')[2]}")
    return [request.module.Run(each, home / f"{n}-{each}", tools) for n, each in enumerate(("stock", kind))]


@pytest.fixture(scope="session", name="timed")
def _timed(kind, session_home):
    """Both with the times of TIMED, and a topic t: for tests of the xdist group ab-timed."""
    home = os.path.join(session_home, "timed")
    with duel.running(kind, home, TIMED, patience=TIMED_PATIENCE_SECONDS) as made:
        made.create("t")
        made.await_coordinators("t")
        yield made
