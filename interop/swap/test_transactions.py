"""Transactions over a change of brokers: what is decided stays so, what is open is ended by the other."""

import re
import sys

import pytest

from interop.lib import disk, places, wire
from interop.lib.clients import DriverClient, wait_until

CHANGES = {"transaction.state.log.num.partitions": "2", "offsets.topic.num.partitions": "2"}


class Confluent(DriverClient):
    """The driver of ../confluent-kafka, which reads committed."""

    command = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))


def transact(tools, broker, name, words):
    """The words that failed; the others did what they say."""
    shown = tools.must("transact", broker.bootstrap, name, "t", *words.split())
    return [line for line in shown.splitlines() if ":" in line and not line.startswith(("send", "offset"))]


def state(tools, broker, name):
    shown = tools.must("transactions", "--bootstrap-server", broker.bootstrap, "describe", "--transactional-id", name)
    return re.search(r"Ongoing|Empty|(Prepare|Complete)(Commit|Abort)", shown)[0]


def read(broker, count):
    client = Confluent(broker.bootstrap)
    rows = client.consume("t", 1, count)
    client.close()
    return [each.value.decode() for each in rows]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["clean", "kill"])
@pytest.mark.parametrize("direction", ["stock-first", "stock-second"])
def test_transactions_go_on_in_the_others_directory(kind, tools, new_broker, direction, how):
    first, second = ("stock", kind) if direction == "stock-first" else (kind, "stock")
    broker = new_broker(first, CHANGES)
    broker.start()
    tools.must("topics", "--bootstrap-server", broker.bootstrap, *"--create --topic t --partitions 1".split())
    assert transact(tools, broker, "done", "init begin send:a offset:g:1 commit begin send:b offset:g:2 abort") == []
    assert transact(tools, broker, "open", "init begin send:c offset:g:3 leave") == []
    assert transact(tools, broker, "done", "init begin send:d commit") == []
    assert state(tools, broker, "open") == "Ongoing"
    broker.stop() if how == "clean" else broker.kill()

    broker.become(second).start()
    assert (state(tools, broker, "done"), state(tools, broker, "open")) == ("CompleteCommit", "Ongoing")
    assert read(broker, 1) == ["a"]
    # The open one is aborted by its own producer's return, and goes on.
    assert transact(tools, broker, "open", "init begin send:e offset:g:5 commit") == []
    assert transact(tools, broker, "done", "init begin send:f abort begin send:g leave") == []
    assert read(broker, 3) == ["a", "d", "e"]
    assert wire.committed(broker.bootstrap, "g", "t", [0]) == {0: 5}
    broker.stop() if how == "clean" else broker.kill()

    broker.become(first).start()
    assert state(tools, broker, "done") == "Ongoing"
    tools.must("transactions", "--bootstrap-server", broker.bootstrap, "forceTerminateTransaction", "--transactionalId", "done")
    wait_until([], lambda: state(tools, broker, "done") != "Ongoing", "the open transaction is aborted")
    assert transact(tools, broker, "done", "init begin send:h commit") == []
    assert read(broker, 4) == ["a", "d", "e", "h"]
    broker.stop()
    assert disk.complaints(disk.dump(tools, broker.data)) == []
