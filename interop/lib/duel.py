"""The same group requests to two coordinators, step by step, where answers may wait for what others do.

A request goes to both brokers on a connection of its own, so that it can stay open. `settle` waits until both have done
all they will do about what they were sent: a commit to the same partition of __consumer_offsets comes after everything
before it, and its answer after theirs, since both brokers run with one network thread and one such partition. Then both
must have answered the same requests, with the same, member ids made equal.
"""

import contextlib
import re
import select
import shutil
import time

from interop.lib import answers, broker

SETTLE_SECONDS = 60
# All others are answered at once, if not before what was asked on another connection.
MAY_WAIT = ("JoinGroup", "SyncGroup")
CONFIG = {
    "offsets.topic.num.partitions": "1",
    "num.network.threads": "1",
    "group.coordinator.append.linger.ms": "0",
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
UNORDERED = ("Members", "Groups", "Topics", "TopicPartitions", "Partitions", "SubscribedTopicNames")
BARRIER = "duel-barrier"


class Ambiguous(Exception):
    """Apache Kafka chose at random (who leads), and not as the other: from here on they may differ."""


class Member:
    """A member's id, which is another in each broker; stands for it in requests."""

    def __init__(self, duel, name):
        self.duel, self.name = duel, name

    def __repr__(self):
        return self.name

    def of(self, side):
        return self.duel.real_ids[side][self.name]


class Flight:
    """One request on its way to both."""

    def __init__(self, number, api, version, values, askers):
        self.number, self.api, self.version, self.values, self.askers = number, api, version, values, askers
        self.found = [None, None]
        self.never_answered = False  # Apache Kafka forgets it, see Duel.expect_silence

    def __repr__(self):
        return f"#{self.number} {self.api} v{self.version} {self.values}"

    @property
    def done(self):
        return all(each is not None for each in self.found)


class Duel:
    """Two running brokers (Apache Kafka first) and everything that was asked of them."""

    def __init__(self, brokers, patience):
        self.brokers = brokers
        self.numbers = 0
        self.idle, self.open = [], []
        self.names, self.real_ids = ({}, {}), ({}, {})
        self.topic_ids = ({}, {})
        self.history = []
        self.barriers = [answers.Asker(each.port, patience) for each in brokers]

    def close(self):
        self.forget()
        for each in self.barriers:
            each.close()
        for pair in self.idle:
            for each in pair:
                each.close()
        self.idle = []

    def forget(self):
        """Gives up what is still open, and all names: for the next group."""
        for flight in self.open:
            for each in flight.askers:
                each.close()
        self.open, self.history = [], []
        self.names, self.real_ids = ({}, {}), ({}, {})

    # -- topics

    def create(self, name, partitions=1):
        topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1}
        for side, asker in enumerate(self.barriers):
            answer = asker.ask("CreateTopics", 7, Topics=[topic], TimeoutMs=30000)
            assert answer["Topics"][0]["ErrorCode"] == 0, answer
            self.topic_ids[side][name] = answer["Topics"][0]["TopicId"]

    def await_coordinators(self, topic):
        """`topic` is one that exists."""
        self.barrier_topic = topic
        deadline = time.monotonic() + SETTLE_SECONDS
        for asker in self.barriers:
            asker.ask("FindCoordinator", 3, Key=BARRIER)
            while self._barrier(asker) != 0:
                assert time.monotonic() < deadline, "no coordinator"
                asker.ask("FindCoordinator", 3, Key=BARRIER)
                time.sleep(0.05)

    def _barrier(self, asker):
        part = {"PartitionIndex": 0, "CommittedOffset": 1, "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}
        answer = asker.ask(
            "OffsetCommit", 7, GroupId=BARRIER, GenerationIdOrMemberEpoch=-1, MemberId="",
            Topics=[{"Name": self.barrier_topic, "Partitions": [part]}],
        )
        return answer["Topics"][0]["Partitions"][0]["ErrorCode"]

    # -- asking

    def member(self, name):
        return Member(self, name)

    def _filled(self, value, side):
        if isinstance(value, Member):
            return value.of(side)
        if isinstance(value, dict):
            return {key: self._filled(each, side) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each, side) for each in value]
        return value.of(self.topic_ids[side]) if isinstance(value, TopicId) else value

    def send(self, api, version, **values):
        """Both get it; the answers come with settle()."""
        self.numbers += 1
        pair = self.idle.pop() if self.idle else [answers.Asker(each.port) for each in self.brokers]
        flight = Flight(self.numbers, api, version, values, pair)
        self.open.append(flight)
        self.history.append(flight)
        for side, asker in enumerate(pair):
            asker.begin(api, version, **self._filled(values, side))
        return flight

    def ask(self, api, version, **values):
        """As send, and settles. The answer, or None when both let it wait."""
        flight = self.send(api, version, **values)
        if api in MAY_WAIT:
            self.settle()
        else:
            self.settle_until(lambda: flight.done, f"no answer to {api}")
        return flight.found[0] if flight.done else None

    def settle(self):
        for _ in range(2):
            for asker in self.barriers:
                assert self._barrier(asker) == 0
        deadline = time.monotonic() + SETTLE_SECONDS
        self._collect()
        while not self._even():
            assert time.monotonic() < deadline, f"only one has answered {self._odd()}\n{self.story()}"
            time.sleep(0.002)
            self._collect()
        self._compare()

    def settle_until(self, condition, what):
        """For what comes by time."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            self.settle()
            if condition():
                return
            assert time.monotonic() < deadline, f"{what}\n{self.story()}"
            time.sleep(0.02)

    def settle_each(self, ask, condition):
        """For what comes by time, and is asked of each with `ask`."""
        deadline = time.monotonic() + SETTLE_SECONDS
        for asker in self.barriers:
            while not condition(found := ask(asker)):
                assert time.monotonic() < deadline, f"{found}\n{self.story()}"
                time.sleep(0.02)

    def expect_silence(self, flight):
        """Apache Kafka never answers a request whose member has asked again, or is gone; we tell its client."""
        flight.never_answered = True

    def _even(self):
        return all(flight.done or not any(flight.found) or flight.never_answered for flight in self.open)

    def _odd(self):
        return [flight for flight in self.open if any(flight.found) and not flight.done and not flight.never_answered]

    def _collect(self):
        for flight in self.open:
            for side, asker in enumerate(flight.askers):
                if flight.found[side] is None and asker.socket and select.select([asker.socket], [], [], 0)[0]:
                    answer = asker.end(flight.api, flight.version)
                    assert answer is not None, f"{self.brokers[side].kind} closed on {flight}\n{self.story()}"
                    flight.found[side] = answer

    def _compare(self):
        ready = [flight for flight in self.open if flight.done]
        for flight in ready:
            self.open.remove(flight)
            self.idle.append(flight.askers)
            self._learn(flight)
        for flight in ready:
            flight.found = [self.plain(each, side) for side, each in enumerate(flight.found)]
            if flight.found[0] != flight.found[1] and not flight.never_answered:
                self._complain(flight)
        for flight in [each for each in self.open if each.never_answered and each.found[1]]:
            self.open.remove(flight)
            for each in flight.askers:
                each.close()

    def _complain(self, flight):
        stock, ours = flight.found
        if flight.api == "JoinGroup" and stock["ErrorCode"] == ours["ErrorCode"] == 0 and stock["Leader"] != ours["Leader"]:
            raise Ambiguous
        raise AssertionError(f"{flight}\nstock: {stock}\nours:  {ours}\n{self.story()}")

    def story(self):
        rows = [f"{each}\n    -> {each.found[0] if each.found[0] == each.found[1] else each.found}" for each in self.history[-25:]]
        return re.sub(r"(\w)\1{40,}", r"\1...", "\n".join(rows))

    # -- making answers equal

    def _learn(self, flight):
        if flight.api != "JoinGroup":
            return
        for side, answer in enumerate(flight.found):
            real = answer["MemberId"]
            if UUID.search(real) and real not in self.names[side]:
                name = UUID.sub(f"<{flight.number}>", real)
                self.names[side][real] = name
                self.real_ids[side][name] = real

    def plain(self, value, side, key=""):
        if isinstance(value, dict):
            return {name: self.plain(each, side, name) for name, each in value.items()}
        if isinstance(value, list):
            rows = [self.plain(each, side, key) for each in value]
            return sorted(rows, key=repr) if key in UNORDERED else rows
        if key == "ErrorMessage" and value:  # what is wrong with a pattern is in another library's words
            value = re.sub("(not a valid regular expression: ).*", r"\1...", value)
        if isinstance(value, str) and UUID.search(value):
            known = {each: name for name, each in self.topic_ids[side].items()}
            return self.names[side].get(value) or known.get(value) or UUID.sub("<new>", value)
        return value


class TopicId:
    """A topic's id, which is another in each broker."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"TopicId({self.name})"

    def of(self, ids):
        return bytes.fromhex(ids[self.name].replace("-", "")) if self.name in ids else bytes(15) + b"\7"


@contextlib.contextmanager
def running(kind, home, changes, seed=None, patience=answers.PATIENCE_SECONDS):
    """A Duel of two brokers that end with it; each starts on a copy of the data directory `seed`, if there is one."""
    brokers = [broker.Broker(each, f"{home}{n}", {**CONFIG, **changes}) for n, each in enumerate(("stock", kind))]
    with contextlib.ExitStack() as stack:
        for each in brokers:
            stack.callback(each.kill)
            if seed is not None:
                shutil.copytree(seed, each.data)
            each.start()
        made = Duel(brokers, patience)
        yield made
        made.close()
        for each in brokers:
            each.stop()
