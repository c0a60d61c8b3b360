"""Kafka's console consumer as a member of a group: its command line, and what its output and its log say."""

import re

from interop.lib import javatools
from interop.lib.broker import java
from interop.lib.clients import ProcessMember, Record

# By the release that the tool is of.
FORMATTER_OPTION = {"4.3.1": "--formatter-property", "2.8.2": "--property"}
CONSUMER_OPTION = {"4.3.1": "--command-property", "2.8.2": "--consumer-property"}
CLASSIC = ("heartbeat.interval.ms=500", "session.timeout.ms=10000")
NULL = "<NULL>"
PRINT = [f"print.{each}=true" for each in ("partition", "offset", "headers", "key", "value")] + [f"null.literal={NULL}"]


def options(name, settings):
    """The settings, each behind its option."""
    return [word for each in settings for word in (name, each)]


def parse(line):
    """One line of the console consumer's."""
    partition, offset, headers, key, value = line.split("\t")
    pairs = [] if headers == "NO_HEADERS" else [each.split(":", 1) for each in headers.split(",")]
    return Record(
        int(partition.removeprefix("Partition:")),
        None if key == NULL else key.encode(),
        None if value == NULL else value.encode(),
        tuple((name, None if text == NULL else text.encode()) for name, text in pairs),
        int(offset.removeprefix("Offset:")),
    )


def numbers(text):
    """Of a list of partitions as Java prints it."""
    return {int(number) for number in re.findall(r"-(\d+)(?=[,\]\s]|$)", text)}


class ConsoleMember(ProcessMember):
    """A console consumer in a JVM of its own; its log says what it is given. Settings are those of its protocol."""

    def __init__(self, version, bootstrap, group, topic, settings=CLASSIC):
        log = "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients.consumer=info"
        tool = [*java(version, "-Xmx128m", log), javatools.MAIN[version]["console-consumer"]]
        where = ["--bootstrap-server", bootstrap, "--topic", topic, "--group", group, "--from-beginning"]
        words = options(CONSUMER_OPTION[version], ("auto.commit.interval.ms=100", *settings))
        super().__init__([*tool, *where, *words, *options(FORMATTER_OPTION[version], PRINT)], bootstrap, group, topic)

    def _records(self, stream):
        for line in stream:
            self.records.append(parse(line.decode().rstrip("\n")))

    def _assignment(self, line):
        """In the consumer protocol partitions come and go one by one; in the classic one all go first."""
        given = re.search(r"(?:Adding newly assigned partitions|Added partitions \(.*\)): (.*)", line)
        taken = re.search(r"(?:(?:Revoke|Lost|Revoking) previously assigned partitions|Revoked partitions \(.*\):) (.*)", line)
        if given:
            self.assigned = (self.assigned or set()) | numbers(given[1])
        elif taken:
            self.assigned = (self.assigned or set()) - numbers(taken[1])
