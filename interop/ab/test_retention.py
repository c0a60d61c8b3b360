"""Rolling and retention on Apache Kafka and on us: the same batches and settings, then the segments that survive.

Each topic below is one rule. Its batches are written with the timestamps given (in minutes before now, as each broker is
filled within seconds of the other), one batch a segment where SMALL is set. Both brokers check every half second; once
Apache Kafka has come to rest, our segments and log start must become the same.
"""

import time

import pytest

from interop.lib.plain import create, delete_records, earliest, produce

SMALL = {"internal.segment.bytes": "100"}
DAY = 24 * 60
NONE = object()  # a record without a timestamp
MINUTE_MS = 60_000
REST_SECONDS = 3
PATIENCE_SECONDS = 60

SETTINGS = {
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    "log.cleaner.backoff.ms": "500",  # this thread of Kafka's retains what is both compacted and deleted
    "log.segment.delete.delay.ms": "100",
}

# topic: (settings, ages of its batches, from where DeleteRecords then cuts)
TOPICS = {
    "by-time": ({**SMALL, "retention.ms": "3600000"}, [180, 120, 30, 120, 0], None),
    "all-too-old": ({**SMALL, "retention.ms": "3600000"}, [180, 120, 90], None),
    "default-week": (SMALL, [8 * DAY, 7 * DAY + 1, 7 * DAY - 60, 0], None),
    "for-ever": ({**SMALL, "retention.ms": "-1"}, [800 * DAY, 8 * DAY, 0], None),
    "at-once": ({**SMALL, "retention.ms": "0"}, [3, 2, 1], None),
    "from-the-future": ({**SMALL, "retention.ms": "60000"}, [-50, 180, 120], None),
    "no-time": ({**SMALL, "retention.ms": "3600000"}, [NONE, NONE, NONE], None),
    "no-time-at-once": ({**SMALL, "retention.ms": "0"}, [NONE, NONE, NONE], None),
    "by-size": ({**SMALL, "retention.bytes": "220", "retention.ms": "-1"}, [5, 4, 3, 2, 1], None),
    "by-size-and-time": ({**SMALL, "retention.bytes": "220", "retention.ms": "12600000"}, [300, 240, 180, 120, 60], None),
    "no-size": ({**SMALL, "retention.bytes": "0", "retention.ms": "-1"}, [5, 4, 3], None),
    "by-start": ({**SMALL, "retention.ms": "-1"}, [5, 4, 3, 2], 2),
    "compacted": ({**SMALL, "cleanup.policy": "compact", "retention.ms": "1000", "retention.bytes": "0"}, [800, 700, 0], None),
    "both": ({**SMALL, "cleanup.policy": "compact,delete", "retention.ms": "3600000"}, [180, 120, 30, 0], None),
    "rolled-by-time": ({"segment.ms": "60000", "retention.ms": "-1"}, [10, 9.5, 9, 8.9, 9.9, 7, 8, 5, 4.01, 4, NONE, 3], None),
    "rolled-by-index": ({"segment.index.bytes": "36", "index.interval.bytes": "0", "retention.ms": "-1"}, list(range(20, 0, -1)), None),
    "one-active": ({"retention.ms": "3600000"}, [180, 120], None),
    "one-active-kept": ({"retention.ms": "3600000"}, [180, 120, 0], None),
}


def fill(broker):
    for topic, (settings, ages, cut) in TOPICS.items():
        create(broker, topic, settings)
        now = int(time.time() * 1000)
        for number, age in enumerate(ages):
            produce(broker, topic, b"value", b"k%d" % number, -1 if age is NONE else now - int(age * MINUTE_MS))
        if cut is not None:
            delete_records(broker, topic, cut)


def segments(broker, topic):
    return sorted(int(path.stem) for path in (broker.data / f"{topic}-0").glob("*.log"))


def survivors(broker):
    """{topic: (its segments, its first offset)}"""
    return {topic: (segments(broker, topic), earliest(broker, topic)) for topic in TOPICS}


def at_rest(broker):
    """What survives once nothing has changed for a while."""
    seen, since = survivors(broker), time.monotonic()
    while time.monotonic() - since < REST_SECONDS:
        time.sleep(0.2)
        now = survivors(broker)
        if now != seen:
            seen, since = now, time.monotonic()
    return seen


pytestmark = pytest.mark.xdist_group("ab-retention")


@pytest.mark.timeout(300)
def test_the_same_segments_survive(kind, tools, new_broker):
    stock, ours = new_broker("stock", SETTINGS).start(), new_broker(kind, SETTINGS).start()
    fill(stock)
    fill(ours)
    wanted = at_rest(stock)
    # Each rule did something, or nothing, as it says.
    assert wanted["by-time"] == ([2, 3, 4], 2)
    assert wanted["all-too-old"] == ([3], 3)
    assert wanted["for-ever"][1] == 0
    assert len(wanted["rolled-by-time"][0]) > 3
    assert len(wanted["rolled-by-index"][0]) > 3
    assert_comes_to(ours, wanted)

    # Settings that change while they run: of a topic, and of all brokers for topics that have none of their own.
    for each in (stock, ours):
        alter(tools, each, "--entity-type topics --entity-name for-ever --add-config retention.ms=3600000")
        alter(tools, each, "--entity-type topics --entity-name by-size --add-config retention.bytes=100")
        alter(tools, each, "--entity-type topics --entity-name compacted --add-config cleanup.policy=delete")
        alter(tools, each, "--entity-type brokers --entity-default --add-config log.retention.ms=1000")
        alter(tools, each, "--entity-type brokers --entity-default --add-config log.retention.bytes=1")
    wanted = at_rest(stock)
    assert wanted["for-ever"] == ([2], 2)
    assert wanted["default-week"] == ([4], 4)
    assert_comes_to(ours, wanted)

    # And after a start, where times come from the files.
    stock.stop()
    ours.stop()
    assert at_rest(ours.start()) == at_rest(stock.start())


def alter(tools, broker, words):
    tools.must("configs", "--bootstrap-server", broker.bootstrap, "--alter", *words.split())


def assert_comes_to(broker, wanted):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while survivors(broker) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    assert at_rest(broker) == wanted


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", ["stock", "ours"])
def test_the_other_broker_retains_what_one_has_written(kind, new_broker, first):
    """Swap: the log starts of one hold for the other, and it goes on to retain by the same times."""
    quiet = {**SETTINGS, "log.initial.task.delay.ms": "3600000", "log.cleaner.backoff.ms": "3600000"}
    kinds = ("stock", kind) if first == "stock" else (kind, "stock")
    written, whole = new_broker(kinds[0], quiet), new_broker("stock", SETTINGS)
    written.start()
    fill(written)
    assert earliest(written, "by-start") == 2
    written.stop()
    written.changes = dict(SETTINGS)
    written.become(kinds[1]).start()
    assert earliest(written, "by-start") == 2
    whole.start()
    fill(whole)
    wanted = at_rest(whole)
    assert_comes_to(written, wanted)
    written.stop()
    written.become(kinds[0]).start()
    assert {topic: start for topic, (_, start) in at_rest(written).items()} == {
        topic: start for topic, (_, start) in wanted.items()
    }
