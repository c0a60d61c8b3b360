"""The server-side assignors beside Apache Kafka's own classes: random groups through random lives, each step asked of both.

    ASSIGN_SEED=n    the seed of the first group, else a fixed one; a failure prints its own
    ASSIGN_GROUPS=n  how many groups, each with its own seed and a dozen steps

`range` has to be equal, partition by partition. `uniform` follows, over there, the order of hash maps of random ids: who
gets the one partition that is over is chance, and differs. What a user can see has to be as good: everything wanted is
given once, and what is settled stays; where all subscribe to the same, members have as many as there and as many partitions
move, at every step; where they do not, over all steps.
"""

import dataclasses
import os
import pathlib
import random
import subprocess

import pytest

from interop.lib import broker, places

SEED = int(os.environ.get("ASSIGN_SEED", "20261121"))
GROUPS = int(os.environ.get("ASSIGN_GROUPS", "150"))
STEPS = 12


class Assignor:
    """A process that answers a group a line."""

    def __init__(self, command):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=broker.environment(), text=True
        )

    def answer(self, name, topics, members):
        """[the set of (topic, partition) of each member]"""
        words = [name, len(topics), len(members), *topics]
        for each in members:
            words += [each.id, each.instance or "-", len(each.topics), *each.topics, len(each.before)]
            words += [word for pair in sorted(each.before) for word in pair]
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        numbers = iter([int(word) for word in self.process.stdout.readline().split()])
        found = [{(next(numbers), next(numbers)) for _ in range(count)} for count in numbers]
        assert len(found) == len(members), f"no answer to {words}"
        return found

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


class Member:
    """One of a group."""

    def __init__(self, rnd, topics):
        self.id = f"{rnd.getrandbits(64):016x}"
        self.instance = f"i{rnd.getrandbits(20)}" if rnd.random() < 0.3 else None
        self.topics, self.before = topics, set()


class Life:
    """One group from its first members on; `before` is what the one or the other gave, by chance."""

    def __init__(self, both, seed):
        self.both, self.rnd = both, random.Random(seed)
        self.topics = [self.rnd.randint(1, self.rnd.choice((3, 8, 20))) for _ in range(self.rnd.randint(1, 8))]
        self.alike = self.rnd.random() < 0.5
        self.members = []
        self.wanted = self.some_topics()
        for _ in range(self.rnd.randint(1, 12)):
            self.join()

    def some_topics(self):
        return sorted(self.rnd.sample(range(len(self.topics)), self.rnd.randint(1, len(self.topics))))

    def join(self):
        self.members.append(Member(self.rnd, self.wanted if self.alike else self.some_topics()))

    def change(self):
        what = self.rnd.choice(("join", "join", "leave", "leave", "many", "grow", "topics", "replace"))
        one = self.rnd.choice(self.members)
        if what == "join":
            self.join()
        elif what == "leave" and len(self.members) > 1:
            self.members.remove(one)
        elif what == "many":
            self.members = self.rnd.sample(self.members, self.rnd.randint(1, len(self.members)))
            for _ in range(self.rnd.randint(0, 3)):
                self.join()
        elif what == "grow":
            self.topics[self.rnd.randrange(len(self.topics))] += self.rnd.randint(1, 4)
        elif what == "topics":
            self.wanted = self.some_topics()
            for each in self.members if self.alike else [one]:
                each.topics = self.wanted
        elif what == "replace":  # by another with its instance id
            one.id = f"{self.rnd.getrandbits(64):016x}"

    def every_one_once(self, given):
        wanted = {(topic, each) for topic in {t for m in self.members for t in m.topics} for each in range(self.topics[topic])}
        assert sorted(pair for each in given for pair in each) == sorted(wanted)
        for member, each in zip(self.members, given):
            assert {topic for topic, _ in each} <= set(member.topics)

    def moved(self, given):
        """How many had an owner that may still have them, and got another."""
        return sum(topic in member.topics and (topic, each) not in new
                   for member, new in zip(self.members, given) for topic, each in member.before)

    def uniform(self, totals):
        given = [each.answer("uniform", self.topics, self.members) for each in self.both]
        self.every_one_once(given[1])
        sizes = [sorted(map(len, each)) for each in given]
        moved = [self.moved(each) for each in given]
        if len({tuple(each.topics) for each in self.members}) == 1:
            assert sizes[0] == sizes[1]
            assert moved[0] == moved[1]
        for side in (0, 1):
            totals[side].moved += moved[side]
            totals[side].squares += sum(size * size for size in sizes[side])
        self.keep(given[1])
        assert self.both[1].answer("uniform", self.topics, self.members) == given[1], "what is settled moves"
        self.keep(self.rnd.choice(given))

    def keep(self, given):
        for member, each in zip(self.members, given):
            member.before = each

    def live(self, totals):
        for _ in range(STEPS):
            stock, ours = (each.answer("range", self.topics, self.members) for each in self.both)
            assert stock == ours
            self.uniform(totals)
            self.change()


@pytest.fixture(scope="module", name="both")
def _both():
    mine = pathlib.Path(places.barnabas()).parent / "tests/group/test_assignor"
    if not mine.exists():
        pytest.skip(f"NOT TESTED, there is no {mine}: make check TESTS=")
    places.need("assign")
    stock = broker.java(places.STOCK_VERSION, "-Xmx256m")
    stock[-1] += f":{places.CACHE / 'assign'}"
    made = [Assignor([*stock, "Assign"]), Assignor([str(mine), "--lines"])]
    yield made
    for each in made:
        each.end()


@dataclasses.dataclass
class Total:
    """Over all steps; the fewer the better."""

    moved: int = 0
    squares: int = 0


def test_random_groups(both):
    totals = stock, ours = Total(), Total()
    for seed in range(SEED, SEED + GROUPS):
        try:
            Life(both, seed).live(totals)
        except AssertionError as failure:
            raise AssertionError(f"ASSIGN_SEED={seed} ASSIGN_GROUPS=1: {failure}") from None
    print(f"Apache Kafka: {stock}, here: {ours}")
    # Where subscriptions differ both look for something good, not the best: once the one finds it, once the other.
    assert ours.moved <= stock.moved * 1.05 + 10
    assert ours.squares <= stock.squares * 1.001 + 10
