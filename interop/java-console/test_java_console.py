"""Kafka's own console producer and consumer, of the current release and of 2.8.2 (the old --broker-list form)."""

import re

import pytest

from interop.lib.clients import Client, Record
from interop.lib.console import FORMATTER_OPTION, NULL, PRINT, ConsoleMember, options, parse
from interop.lib.contract import Contract, plain


class JavaConsole(Client):
    """The tools of the current release, in one warm JVM but for members of groups."""

    name = "Java console 4.3.1"
    transactions = None
    version = "4.3.1"
    binary = False
    chooses_partition = False
    tools = None
    producer_address = "--bootstrap-server"

    def create(self, topic, partitions):
        said = self.tools.must(
            "topics", "--bootstrap-server", self.bootstrap, "--create", "--topic", topic, "--partitions", str(partitions)
        )
        assert said == f"Created topic {topic}.\n"

    def partitions(self, topic):
        said = self.tools.must("topics", "--bootstrap-server", self.bootstrap, "--describe", "--topic", topic)
        return int(re.search(r"PartitionCount: (\d+)", said)[1])

    def producer_options(self):
        return options("--reader-property", ["parse.headers=true", "parse.key=true", f"null.marker={NULL}"])

    def line(self, record):
        headers = ",".join(f"{name}:{value.decode()}" for name, value in record.headers)
        key, value = (NULL if each is None else each.decode() for each in (record.key, record.value))
        return f"{headers or NULL}\t{key}\t{value}\n"

    def produce(self, topic, records, codec="none"):
        self.tools.must(
            "console-producer",
            *(self.producer_address, self.bootstrap, "--topic", topic, "--compression-codec", codec),
            *self.producer_options(),
            stdin="".join(map(self.line, records)),
        )

    def consume(self, topic, partitions, count):
        where = ["--bootstrap-server", self.bootstrap, "--topic", topic, "--from-beginning"]
        shown = options(FORMATTER_OPTION[self.version], PRINT)
        result = self.tools.run("console-consumer", *where, "--max-messages", str(count), *shown)
        assert result.code == 0 and f"Processed a total of {count} messages" in result.err, str(result)
        return [parse(line) for line in result.out.splitlines()]

    def member(self, group, topic):
        return ConsoleMember(self.version, self.bootstrap, group, topic)


class OldJavaConsole(JavaConsole):
    """2.8.2 knows no headers and no null in its producer, and is told --broker-list."""

    name = "Java console 2.8.2"
    version = "2.8.2"
    headers = None
    nulls = False
    producer_address = "--broker-list"

    def producer_options(self):
        return ["--property", "parse.key=true"]

    def line(self, record):
        return f"{record.key.decode()}\t{record.value.decode()}\n"


class TestJavaConsole(Contract):
    """All of the contract."""

    client_class = JavaConsole

    @pytest.fixture(autouse=True)
    def _tools(self, tools):
        self.client_class.tools = tools

    def test_goes_on_in_a_group(self, client, name, tools):
        """--group alone, without --from-beginning the second time: the committed offset counts."""
        client.create(name, 1)
        client.produce(name, plain(0, 5, partitions=1))
        group = ["--bootstrap-server", client.bootstrap, "--topic", name, "--group", name, "--max-messages", "5"]
        assert tools.must("console-consumer", *group, "--from-beginning") == "v0\nv1\nv2\nv3\nv4\n"
        client.produce(name, plain(5, 5, partitions=1))
        assert tools.must("console-consumer", *group) == "v5\nv6\nv7\nv8\nv9\n"

    def test_creates_a_topic_by_writing(self, client, name, tools):
        client.produce(name, plain(0, 3))
        assert client.partitions(name) == 1
        where = ["--bootstrap-server", client.bootstrap, "--topic", name, "--partition", "0", "--offset", "1"]
        assert tools.must("console-consumer", *where, "--max-messages", "2") == "v1\nv2\n"

    @pytest.mark.parametrize("acks", ["0", "1", "all"])
    def test_writes_under_each_acks(self, client, name, tools, acks):
        client.create(name, 1)
        settings = options("--command-property", [f"acks={acks}", "enable.idempotence=false"])
        where = ["--bootstrap-server", client.bootstrap, "--topic", name]
        tools.must("console-producer", *where, *settings, stdin="a\nb\n")
        assert tools.must("console-consumer", *where, "--from-beginning", "--max-messages", "2") == "a\nb\n"


class TestOldJavaConsole(Contract):
    """All of the contract that 2.8.2 can."""

    client_class = OldJavaConsole

    @pytest.fixture(autouse=True)
    def _tools(self, old_tools):
        self.client_class.tools = old_tools

    def test_reads_headers_and_nulls_that_another_wrote(self, client, name, tools):
        writer = JavaConsole(client.bootstrap)
        JavaConsole.tools = tools
        client.create(name, 1)
        row = Record(0, b"k", None, (("a", b"1"), ("b", b"2")))
        writer.produce(name, [row], "zstd")
        assert [each.without_offset() for each in client.consume(name, 1, 1)] == [row]
