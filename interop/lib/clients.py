"""What every client looks like to the tests: it creates, produces, consumes, and is a member of a group.

`DriverClient` is the usual one: a small program in the client's own language (its folder's `driver.*`) that takes one
JSON command a line on standard input and prints one JSON event a line. Keys, values and header values are base64, so
that nothing is lost on the way; null stays null.

    {"do": "create", "topic": t, "partitions": n}                 -> {"done": "create"}
    {"do": "partitions", "topic": t}                              -> {"done": "partitions", "count": n}
    {"do": "produce", "topic": t, "codec": c, "records": [...]}   -> {"done": "produce"}
    {"do": "transact", "id": i, "topic": t, "records": [...],     -> {"done": "transact"}
     "commit": true, "group": g, "offset": n}   one transaction of the transactional id; with a group, the group's
                                                offset of the topic's partition 0 is part of it
    {"do": "consume", "topic": t, "partitions": n, "count": n}    -> {"record": {...}} ... {"done": "consume"}
    {"do": "join", "group": g, "topic": t}                        -> {"done": "join"}, then, as it happens,
                                                                     {"assigned": [0, 2]}, {"record": {...}} ...
    {"do": "commit"}   commits what was given out so far          -> {"done": "commit"}
    {"do": "leave"}    leaves the group without another commit    -> {"done": "leave"}

A record is {"partition", "offset", "key", "value", "headers": [[name, value], ...]}. The driver ends with its input.
"""

import base64
import dataclasses
import json
import signal
import subprocess
import tempfile
import threading
import time

from interop.lib import wire
from interop.lib.broker import environment

ANSWER_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Record:
    """One record; key and value are bytes or None, headers a tuple of (name, bytes or None)."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple = ()
    offset: int = -1

    def without_offset(self):
        return dataclasses.replace(self, offset=-1)


def _pack(value):
    return None if value is None else base64.b64encode(value).decode()


def _unpack(text):
    return None if text is None else base64.b64decode(text)


def to_json(record):
    return {
        "partition": record.partition,
        "key": _pack(record.key),
        "value": _pack(record.value),
        "headers": [[name, _pack(value)] for name, value in record.headers],
    }


def from_json(row):
    headers = tuple((name, _unpack(value)) for name, value in row.get("headers") or ())
    return Record(row["partition"], _unpack(row["key"]), _unpack(row["value"]), headers, row["offset"])


class ClientError(Exception):
    """The client said that something failed, or ended, or was silent for too long."""


class Events:
    """A process's output lines, collected by a thread; whoever waits is woken by each line."""

    def __init__(self, stream, understand):
        self.changed = threading.Condition()
        self.ended = False
        threading.Thread(target=self._collect, args=(stream, understand), daemon=True).start()

    def _collect(self, stream, understand):
        for line in stream:
            with self.changed:
                understand(line)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, condition, seconds):
        """Until the condition holds; False when it did not in time, or can no more."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or condition(), seconds)
            return condition()


class Driver:
    """One driver process."""

    def __init__(self, command, bootstrap, extra_environment=None):
        self.answers = []
        self.records = []
        self.assigned = None
        self.error = None
        self.errors = tempfile.TemporaryFile("w+")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*command, bootstrap],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**environment(), **(extra_environment or {})},
        )
        self.events = Events(self.process.stdout, self._understand)

    def _understand(self, line):
        event = json.loads(line)
        if "record" in event:
            self.records.append(from_json(event["record"]))
        elif "assigned" in event:
            self.assigned = set(event["assigned"])
        elif "error" in event:
            self.error = event["error"]
        else:
            self.answers.append(event)

    def said(self):
        self.errors.seek(0)
        return f"{self.process.args}: {self.error or 'no answer'}\n{self.errors.read()[-4000:]}"

    def ask(self, **command):
        """Sends one command and waits for its answer."""
        before = len(self.answers)
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as gone:
            raise ClientError(self.said()) from gone
        if not self.events.wait(lambda: len(self.answers) > before or self.error, ANSWER_SECONDS) or self.error:
            raise ClientError(f"{command.get('do')}: {self.said()}")
        return self.answers[-1]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.errors.close()

    def end(self):
        """Closes its input and expects it to go."""
        self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            self.kill()


class Client:
    """The common face. Subclasses give the four verbs; the class attributes say what the client cannot do."""

    name = ""
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    headers = "each"  # a record has headers of its own; or "alike": all of a partition have the same; or None
    nulls = True
    binary = True
    chooses_partition = True
    transactions = "with offsets"  # or "alone": its transactions take no offsets without a consumer; or None

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def create(self, topic, partitions):
        raise NotImplementedError

    def partitions(self, topic):
        raise NotImplementedError

    def produce(self, topic, records, codec):
        raise NotImplementedError

    def transact(self, transactional_id, topic, records, commit, group=None, offset=-1):
        raise NotImplementedError

    def consume(self, topic, partitions, count):
        raise NotImplementedError

    def member(self, group, topic):
        raise NotImplementedError

    def close(self):
        pass


class DriverClient(Client):
    """A client behind a driver program; `command` starts it."""

    command = ()
    extra_environment = {}

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self._driver = None

    @property
    def driver(self):
        if self._driver is None:
            self._driver = Driver(self.command, self.bootstrap, self.extra_environment)
        return self._driver

    def create(self, topic, partitions):
        self.driver.ask(do="create", topic=topic, partitions=partitions)

    def partitions(self, topic):
        return self.driver.ask(do="partitions", topic=topic)["count"]

    def produce(self, topic, records, codec="none"):
        self.driver.ask(do="produce", topic=topic, codec=codec, records=[to_json(each) for each in records])

    def transact(self, transactional_id, topic, records, commit, group=None, offset=-1):
        rows = [to_json(each) for each in records]
        self.driver.ask(do="transact", id=transactional_id, topic=topic, records=rows, commit=commit, group=group, offset=offset)

    def consume(self, topic, partitions, count):
        self.driver.records.clear()
        self.driver.ask(do="consume", topic=topic, partitions=partitions, count=count)
        return list(self.driver.records)

    def member(self, group, topic):
        return DriverMember(Driver(self.command, self.bootstrap, self.extra_environment), group, topic)

    def close(self):
        if self._driver is not None:
            self._driver.end()


class ProcessMember:
    """A consumer in a group that is a command of its own, which commits by itself every moment.

    Subclasses read its output: `_records` and `_assignment` are threads over the two streams.
    """

    def __init__(self, command, bootstrap, group, topic):
        self.bootstrap, self.group, self.topic = bootstrap, group, topic
        self.records = []
        self.assigned = None
        self.said = []
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
        self.threads = [
            threading.Thread(target=self._records, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._complaints, args=(self.process.stderr,), daemon=True),
        ]
        for each in self.threads:
            each.start()

    def _records(self, stream):
        raise NotImplementedError

    def _assignment(self, line):
        """Looks at one line of standard error and may change `assigned`."""
        raise NotImplementedError

    def _complaints(self, stream):
        for line in stream:
            self.said.append(line.decode(errors="replace"))
            self._assignment(self.said[-1])

    def check(self):
        if self.process.poll() is not None:
            raise ClientError(f"{self.process.args} ended with {self.process.returncode}:\n{''.join(self.said[-40:])}")

    def commit(self):
        """Waits until the broker has what this member read; it commits by itself."""
        want = {}
        for each in self.records:
            want[each.partition] = max(want.get(each.partition, 0), each.offset + 1)
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            found = wire.committed(self.bootstrap, self.group, self.topic, sorted(want))
            if all(found.get(partition, -1) >= offset for partition, offset in want.items()):
                return
            self.check()
            assert time.monotonic() < deadline, f"{want} was not committed, only {found}"
            time.sleep(0.05)

    def leave(self):
        self.process.terminate()
        code = self.process.wait(30)
        for each in self.threads:
            each.join()
        assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM), f"ended with {code}: {''.join(self.said[-40:])}"

    def kill(self):
        self.process.kill()
        self.process.wait()


class DriverMember:
    """A consumer in a group, in a driver process of its own."""

    def __init__(self, driver, group, topic):
        self.driver = driver
        try:
            driver.ask(do="join", group=group, topic=topic)
        except BaseException:
            driver.kill()
            raise

    @property
    def records(self):
        return self.driver.records

    @property
    def assigned(self):
        return self.driver.assigned

    def check(self):
        if self.driver.error or self.driver.events.ended:
            raise ClientError(self.driver.said())

    def commit(self):
        self.driver.ask(do="commit")

    def leave(self):
        self.driver.ask(do="leave")
        self.driver.end()

    def kill(self):
        self.driver.kill()


def wait_until(members, condition, what, seconds=60):
    """Waits for a condition over several members, and fails with what each had when it did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        for each in members:
            each.check()
        if time.monotonic() > deadline:
            state = [(each.assigned, len(each.records)) for each in members]
            raise AssertionError(f"{what}: not in {seconds} s; members (assigned, records): {state}")
        time.sleep(0.02)
