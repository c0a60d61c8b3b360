"""kcat on Debian's librdkafka: -L, -P, -C, -Q and -G."""

import io
import json
import re
import subprocess

import pytest

from interop.lib import places, wire
from interop.lib.broker import environment
from interop.lib.clients import Client, ClientError, ProcessMember, Record
from interop.lib.contract import PARTITIONS, Contract, plain

FORMAT = "%p %o %K %S %h\\n%k%s\\n"


def kcat(bootstrap, *arguments, stdin=b""):
    """Runs it to its end and returns what it printed."""
    done = subprocess.run(
        ["kcat", "-b", bootstrap, "-m", "20", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        env=environment(),
    )
    if done.returncode != 0:
        raise ClientError(f"kcat {' '.join(arguments)}: exit {done.returncode}\n{done.stderr.decode()}")
    return done.stdout


def read_records(stream):
    """Records out of a stream in FORMAT."""
    while True:
        head = stream.readline()
        if not head.endswith(b"\n"):
            return
        partition, offset, key_size, value_size, names = head[:-1].decode().split(" ", 4)
        key, value = (stream.read(int(n)) if int(n) > 0 else (b"", None)[int(n) < 0] for n in (key_size, value_size))
        stream.readline()
        pairs = (pair.split("=", 1) for pair in names.split(",") if pair)
        headers = tuple((name, text.encode()) for name, text in pairs)
        yield Record(int(partition), key, value, headers, int(offset))


class KcatMember(ProcessMember):
    """kcat -G; it says its assignment on standard error."""

    def __init__(self, bootstrap, group, topic):
        settings = ("auto.offset.reset=earliest", "auto.commit.interval.ms=100", "heartbeat.interval.ms=500")
        options = [word for each in (*settings, "session.timeout.ms=10000") for word in ("-X", each)]
        command = ["kcat", "-b", bootstrap, "-u", "-f", FORMAT, *options, "-G", group, topic]
        super().__init__(command, bootstrap, group, topic)

    def _records(self, stream):
        for record in read_records(stream):
            self.records.append(record)

    def _assignment(self, line):
        found = re.search(r"rebalanced \(memberid [^)]*\): (assigned|revoked)(.*)", line)
        if found:
            named = {int(number) for number in re.findall(r"\[(\d+)\]", found[2])}
            self.assigned = named if found[1] == "assigned" else set()


class Kcat(Client):
    """The command."""

    name = "kcat"
    headers = "alike"
    binary = False
    transactions = None

    def create(self, topic, partitions):
        wire.create_topic(self.bootstrap, topic, partitions)

    def partitions(self, topic):
        shown = json.loads(kcat(self.bootstrap, "-L", "-J", "-t", topic))
        return len(shown["topics"][0]["partitions"])

    def produce(self, topic, records, codec="none"):
        for partition in sorted({each.partition for each in records}):
            rows = [each for each in records if each.partition == partition]
            headers = [word for name, value in rows[0].headers for word in ("-H", f"{name}={value.decode()}")]
            lines = b"".join((each.key or b"") + b"~" + (each.value or b"") + b"\n" for each in rows)
            options = ["-X", f"compression.codec={codec}", "-X", "enable.idempotence=true", *headers]
            kcat(self.bootstrap, "-P", "-t", topic, "-p", str(partition), "-Z", "-K", "~", *options, stdin=lines)

    def consume(self, topic, partitions, count):
        read = kcat(self.bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", FORMAT)
        return list(read_records(io.BytesIO(read)))

    def member(self, group, topic):
        return KcatMember(self.bootstrap, group, topic)


@pytest.fixture(autouse=True)
def _needs_kcat():
    places.need_command("kcat")


class TestKcat(Contract):
    """All of the contract, and what only kcat has."""

    client_class = Kcat

    def test_creates_a_topic(self, client, name):
        """By writing to it: the broker creates what it is asked for."""
        client.produce(name, plain(0, 4, partitions=1))
        assert client.partitions(name) == 1
        assert [each.value for each in client.consume(name, 1, 4)] == [b"v0", b"v1", b"v2", b"v3"]

    def test_lists_brokers_and_topics(self, client, name):
        client.create(name, PARTITIONS)
        shown = json.loads(kcat(client.bootstrap, "-L", "-J"))
        assert shown["brokers"] == [{"id": 1, "name": client.bootstrap}]
        assert shown["controllerid"] == 1
        row = next(each for each in shown["topics"] if each["topic"] == name)
        wanted = [{"partition": n, "leader": 1, "replicas": [{"id": 1}], "isrs": [{"id": 1}]} for n in range(PARTITIONS)]
        assert row["partitions"] == wanted

    def test_says_that_a_topic_is_unknown(self, client, name):
        text = kcat(client.bootstrap, "-L", "-t", name, "-X", "allow.auto.create.topics=false").decode()
        assert f'topic "{name}" with 0 partitions' in text
        assert "Unknown topic or partition" in text or "UNKNOWN_TOPIC" in text or "Leader not available" in text

    def test_finds_offsets_by_time(self, client, name):
        client.create(name, 1)
        client.produce(name, plain(0, 5, partitions=1))
        times = kcat(client.bootstrap, "-C", "-t", name, "-e", "-q", "-o", "beginning", "-f", "%T\n").split()
        client.produce(name, plain(5, 5, partitions=1))

        def query(when):
            found = kcat(client.bootstrap, "-Q", "-t", f"{name}:0:{when}").decode()
            return int(re.search(r"offset (-?\d+)", found)[1])

        assert query(-2) == 0
        assert query(-1) == 10
        assert query(1) == 0
        assert query(int(times[0])) == 0
        assert query(int(times[-1]) + 3600_000) == -1

    @pytest.mark.parametrize("start,expected", [("5", 5), ("-3", 7), ("end", 10)])
    def test_reads_from_an_offset(self, client, name, start, expected):
        client.create(name, 1)
        client.produce(name, plain(0, 10, partitions=1))
        text = kcat(client.bootstrap, "-C", "-t", name, "-p", "0", "-o", start, "-e", "-q", "-f", "%o\n")
        assert [int(each) for each in text.split()] == list(range(expected, 10))

    @pytest.mark.parametrize("acks", ["0", "1", "all"])
    def test_writes_under_each_acks(self, client, name, acks):
        client.create(name, 1)
        kcat(client.bootstrap, "-P", "-t", name, "-p", "0", "-X", f"acks={acks}", stdin=b"a\nb\n")
        read = kcat(client.bootstrap, "-C", "-t", name, "-p", "0", "-o", "beginning", "-c", "2", "-q")
        assert read == b"a\nb\n"

    def test_resumes_a_group_by_itself(self, client, name):
        client.create(name, 1)
        group = ["-G", name, "-X", "auto.offset.reset=earliest", "-e", "-q", "-f", "%s ", name]
        client.produce(name, plain(0, 3, partitions=1))
        assert kcat(client.bootstrap, *group) == b"v0 v1 v2 "
        client.produce(name, plain(3, 3, partitions=1))
        assert kcat(client.bootstrap, *group) == b"v3 v4 v5 "
