"""Consumer groups (KIP-848), heartbeat by heartbeat, against Apache Kafka's coordinator: random sequences under a seed.

    DUEL_SEED=n     the seed of the first group, else a fixed one; a failure prints its own
    DUEL_GROUPS=n   how many groups, each with its own seed

All members name the `range` assignor, whose assignments are equal by rule: so every answer, and the group as it is
described after each step, has to be the same, word by word. `uniform` is compared by test_assignors.py.
Patterns have a test of their own: PCRE2 here has to take, refuse and find what RE2/J does there.

What differs, and is meant to, is kept out of it:

- A static member that has not left and comes from the beginning, under its own member id, is refused over there with
  UNRELEASED_INSTANCE_ID, and its client gives up; here it is let in: its last answer was lost (do_rejoin).
- Who joins a group whose assignment is due, and subscribes to nothing, is given partitions over there, which nobody reads
  then; here it gets none (Play.beat).
"""

import os
import random
import time

import pytest

from interop.lib import duel
from interop.lib.duel import TopicId

pytestmark = [pytest.mark.xdist_group("ab-duel-consumer"), pytest.mark.timeout(300)]

SEED = int(os.environ.get("DUEL_SEED", "20261121"))
GROUPS = int(os.environ.get("DUEL_GROUPS", "20"))
STEPS = 30
TOPICS = {"duel-a": 5, "duel-b": 2, "duel-c": 1}
SIZE_MAX = 4
CHANGES = {
    "group.consumer.max.size": str(SIZE_MAX),
    "group.consumer.assignment.interval.ms": "0",
    "group.consumer.max.session.timeout.ms": "600000",
    "group.consumer.session.timeout.ms": "600000",
    # Apache Kafka answers with the assignment that it makes, as here, and not with the one before.
    "group.consumer.assignor.offload.enable": "false",
}
LONG_MS, SHORT_MS = 300000, 100
NONE = 0
PATTERNS = (
    # what topics' names are matched with
    "duel-a", "duel-.*", "duel-[ab]", "duel-a|duel-b", "(duel-a|b)", "duel", "uel-a", ".*-c", "^duel-a$", r"\Aduel-a\z", "(?i)DUEL-A", "(?i:DUEL)-a", "DUEL-A",
    r"\Qduel-a\E", r"duel-\w", r"duel\W\w", r"duel-\p{L}", r"duel-\pL", r"duel-\p{Lu}", r"\P{L}*", "(?:duel)-a", "(?P<x>duel)-a", "[[:alpha:]]+-[[:lower:]]",
    "[^-]+-[^a]", r"duel\x2da", r"duel-\x{61}", r"duel-\141", "duel-a{1}", "duel-a{1,}", "duel-a{0,2}", "du?el-a", "d.+?l-a", "duel-(a|)", "(?s).*",
    "(?m)^duel-b$", "(?U)duel-.*", "(?i-s)duel-A", ".", "[.]", r"\.", r"\d*", r"duel-\D", r"\bduel\b-a", r"\Buel-a", "duel-[a-c&&b]", "]", "}", "{", "a{", "duel-[]a]",
    r"duel-[\w]", r"duel-[\Wa]", "duel-[[:^alpha:]]", "()duel-a", "(|duel-b)", "duel-a||", "d{0}duel-a", "(?:(?:duel-a))*", "\u00e9*duel-a",
    # what is no pattern there
    "", "*", "+", "?", "(", ")", "a)", "(a", "[", "[a", "[z-a]", "\\", "a**", "a*+", "a++", "a?+", "a{2}{3}", "x{1001}", "x{2,1}", "(?", "(?P<x", "(?P<x>a)(?P<x>b)",
    r"(d)\1", r"(?P<x>d)(?P=x)", r"\k<x>", "(?=duel).*", "(?!x).*", "(?<=d)x", "(?<!d).*", "(?>duel)-a", "(?#duel)duel-a", "(?x)duel -a", "(?R)", "(?|a|b)", "(?1)(a)",
    "(*UTF)duel-a", r"duel-a\Z", r"\Gduel-a", r"\Kduel-a", r"\R", r"\X", r"\h", r"\N", r"\e", r"\8", r"\07", r"\x", r"\x4", r"\x{}", r"\xzz", r"\y", r"\i", r"\p{Nobody}", r"\p",
    "[[:nobody:]]", r"\cA", r"\u0061", "(?<x>duel)-a", "(?'x'duel)-a", r"\Q", r"\Qa", r"\E", "(?i", "(?i)", "(?z)a", "(?ii)duel-A", "(?-)a", "a{1001,}", "((a{100}){10}){10}",
)


@pytest.fixture(scope="module", name="both")
def _both(kind, session_home):
    with duel.running(kind, os.path.join(session_home, "duel-consumer"), CHANGES) as made:
        for name, partitions in TOPICS.items():
            made.create(name, partitions)
        made.await_coordinators("duel-a")
        yield made


class Mate:
    """What one member knows."""

    def __init__(self, ident, instance, topics):
        self.id, self.instance, self.topics = ident, instance, topics
        self.epoch, self.before = 0, 0
        self.owned, self.told = {}, {}
        self.impatient = False  # its time to give back is short, and it never does

    @property
    def has_to_give_back(self):
        return any(set(parts) - set(self.told.get(name, ())) for name, parts in self.owned.items())


class Play:
    """One group, from its first request to its last."""

    def __init__(self, both, seed):
        self.both, self.rnd = both, random.Random(seed)
        self.group = f"duel-{seed}"
        self.mates, self.gone = {}, []
        self.born = 0

    # -- what is sent

    def rows(self, owned):
        return [{"TopicId": TopicId(name), "Partitions": list(parts)} for name, parts in sorted(owned.items())]

    def some_topics(self):
        return sorted(self.rnd.sample([*TOPICS, "nowhere"], self.rnd.choice((0, 1, 1, 2, 2, 3))))

    def beat(self, mate, epoch, full=False, **more):
        if epoch == 0 and not mate.topics and self.shown["GroupEpoch"] > self.shown["AssignmentEpoch"]:
            mate.topics = ["duel-a"]
        values = {
            "GroupId": self.group, "MemberId": mate.id, "MemberEpoch": epoch, "InstanceId": mate.instance,
            "RebalanceTimeoutMs": -1, "SubscribedTopicNames": None, "TopicPartitions": None,
        }
        if full:
            values |= {
                "RebalanceTimeoutMs": SHORT_MS if mate.impatient else LONG_MS,
                "SubscribedTopicNames": list(mate.topics), "ServerAssignor": "range",
            }
        if full or self.rnd.random() < 0.8:
            values["TopicPartitions"] = self.rows(mate.owned)
        answer = self.both.ask("ConsumerGroupHeartbeat", 1, **values | more)
        if answer["ErrorCode"] == NONE and epoch >= 0:
            self.heard(mate, answer)
        return answer

    def heard(self, mate, answer):
        self.mates[mate.id] = mate
        if answer["MemberEpoch"] != mate.epoch:
            mate.before, mate.epoch = mate.epoch, answer["MemberEpoch"]
        if answer["Assignment"] is not None:
            mate.told = {each["TopicId"]: sorted(each["Partitions"]) for each in answer["Assignment"]["TopicPartitions"]}
        if mate.impatient and mate.has_to_give_back:
            self.await_fenced(mate)
        elif mate.impatient or self.rnd.random() < 0.6:
            mate.owned = dict(mate.told)

    def describe(self):
        self.shown = self.both.ask("ConsumerGroupDescribe", 1, GroupIds=[self.group])["Groups"][0]

    def await_fenced(self, mate):
        self.both.settle_each(
            lambda asker: asker.ask("ConsumerGroupDescribe", 1, GroupIds=[self.group])["Groups"][0],
            lambda found: mate.id not in [each["MemberId"] for each in found["Members"]],
        )
        self.lose(mate)

    def lose(self, mate):
        self.mates.pop(mate.id, None)
        self.gone.append(mate)

    def do_join(self):
        self.born += 1
        mate = Mate(f"m{self.born}", self.rnd.choice((None, None, "i1", "i2")), self.some_topics())
        mate.impatient = self.rnd.random() < 0.15
        answer = self.beat(mate, 0, full=True, RackId=self.rnd.choice((None, "r1")))
        if answer["ErrorCode"] == NONE and mate.instance is not None:
            for each in list(self.mates.values()):
                if each.instance == mate.instance and each is not mate:
                    self.lose(each)

    def do_beat(self):
        mate = self.one()
        if mate is not None:
            self.beat(mate, mate.epoch, full=self.rnd.random() < 0.2)

    def do_obey(self):
        mate = self.one()
        if mate is not None:
            mate.owned = dict(mate.told)
            self.beat(mate, mate.epoch)

    def do_all_obey(self):
        for mate in list(self.mates.values()):
            if mate.id in self.mates:
                mate.owned = dict(mate.told)
                self.beat(mate, mate.epoch)

    def do_wrong_epoch(self):
        mate = self.one()
        if mate is not None and not mate.impatient:
            epoch = self.rnd.choice((mate.before, mate.before, mate.epoch + 1, mate.epoch - 1, -3, 99))
            owned = self.rnd.choice((mate.owned, mate.told, {}, {"duel-a": [0, 1, 2, 3, 4]}))
            if epoch > 0:
                self.beat(mate, epoch, TopicPartitions=self.rows(owned))

    def do_subscribe(self):
        mate = self.one()
        if mate is not None:
            mate.topics = self.some_topics()
            self.beat(mate, mate.epoch, full=self.rnd.random() < 0.3, SubscribedTopicNames=list(mate.topics))

    def do_rejoin(self):
        mate = self.one()
        if mate is not None and mate.instance is None:
            mate.owned, mate.told = {}, {}
            if self.rnd.random() < 0.3:
                mate.topics = self.some_topics()
            if self.rnd.random() < 0.2:
                mate.impatient = not mate.impatient
            self.beat(mate, 0, full=True)

    def do_come_back(self):
        """One that left, or was lost: by its old epoch, or from the beginning."""
        if self.gone:
            mate = self.rnd.choice(self.gone)
            epoch = self.rnd.choice((0, 0, mate.epoch))
            if epoch == 0:
                mate.owned, mate.told = {}, {}
            if self.beat(mate, epoch, full=True)["ErrorCode"] == NONE:
                self.gone.remove(mate)
                for each in list(self.mates.values()):
                    if mate.instance is not None and each.instance == mate.instance and each is not mate:
                        self.lose(each)

    def do_leave(self):
        mate = self.one()
        if mate is None:
            return
        epoch = -1 if mate.instance is None else self.rnd.choice((-1, -2, -2))
        if self.rnd.random() < 0.1:
            epoch = -3 - epoch
        instance = mate.instance if self.rnd.random() < 0.9 else self.rnd.choice(("i1", "nobody", None))
        if self.beat(mate, epoch, InstanceId=instance)["ErrorCode"] == NONE:
            self.lose(mate)

    def do_replace(self):
        """Under another member id, its place being free or not."""
        old = self.one() if self.rnd.random() < 0.4 else self.rnd.choice(self.gone or [None])
        if old is None or old.instance is None:
            return
        self.born += 1
        mate = Mate(f"m{self.born}", old.instance, old.topics if self.rnd.random() < 0.7 else self.some_topics())
        if self.beat(mate, 0, full=True)["ErrorCode"] == NONE:
            for each in list(self.mates.values()):
                if each.instance == mate.instance and each is not mate:
                    self.lose(each)

    def do_odd(self):
        """What cannot be."""
        mate = self.one() or Mate("nobody", None, ["duel-a"])
        more = self.rnd.choice((
            {"MemberId": ""}, {"MemberId": " "}, {"GroupId": ""}, {"GroupId": "  "}, {"InstanceId": ""}, {"RackId": ""}, {"ServerAssignor": "odd"},
            {"ServerAssignor": ""}, {"SubscribedTopicRegex": "(["}, {"MemberId": "stranger"}, {"GroupId": "nobodys"}, {"InstanceId": "nobody"},
            {"MemberId": "stranger", "InstanceId": "i1"}, {"MemberEpoch": -2, "InstanceId": None}, {"MemberEpoch": -5}, {"InstanceId": "i1"},
        ))
        self.beat_odd(mate, mate.epoch or 1, more)

    def do_odd_join(self):
        mate = Mate(f"x{self.born}", self.rnd.choice((None, "i1", "i9")), self.some_topics())
        more = self.rnd.choice((
            {"RebalanceTimeoutMs": -1}, {"RebalanceTimeoutMs": 0}, {"RebalanceTimeoutMs": -2}, {"TopicPartitions": None},
            {"TopicPartitions": self.rows({"duel-a": [1]})}, {"SubscribedTopicNames": None}, {"SubscribedTopicRegex": "(["},
            {"ServerAssignor": "odd"}, {"RackId": " "},
        ))
        self.beat_odd(mate, 0, more, full=True)

    def beat_odd(self, mate, epoch, more, full=False):
        answer = self.beat(mate, more.pop("MemberEpoch", epoch), full=full, **more)
        self.reconsider(answer)

    def reconsider(self, answer):
        """Somebody got in, or went: who is a member is asked."""
        if answer["ErrorCode"] == NONE:
            self.describe()
            there = {each["MemberId"] for each in self.shown["Members"]}
            for mate in list(self.mates.values()):
                if mate.id not in there:
                    self.lose(mate)

    def do_commit(self):
        mate = self.one()
        version = self.rnd.choice((8, 9, 9, 10, 10))
        rows = [{"PartitionIndex": self.rnd.choice((0, 1, 2, 4)), "CommittedOffset": self.rnd.randint(0, 99), "CommittedMetadata": ""}]
        name = self.rnd.choice(("duel-a", "duel-a", "duel-b"))
        topic = {"TopicId": TopicId(name)} if version == 10 else {"Name": name}
        epoch = self.rnd.choice((mate.epoch, mate.epoch, mate.before, mate.epoch + 1, mate.epoch - 1, -1)) if mate else -1
        self.both.ask(
            "OffsetCommit", version, GroupId=self.group, GenerationIdOrMemberEpoch=epoch,
            MemberId=mate.id if mate else self.rnd.choice(("", "nobody")), Topics=[{**topic, "Partitions": rows}],
            **({"GroupInstanceId": self.rnd.choice((mate.instance, mate.instance, "nobody"))} if mate else {}),
        )

    def do_fetch(self):
        mate = self.one()
        epoch = self.rnd.choice((mate.epoch, mate.before, mate.epoch + 1, -1)) if mate else -1
        group = {"GroupId": self.group, "MemberId": mate.id if mate else None, "MemberEpoch": epoch, "Topics": None}
        self.both.ask("OffsetFetch", 9, Groups=[group])

    def do_list(self):
        self.both.ask("ListGroups", 5, StatesFilter=self.rnd.choice(([], ["Stable"], ["reconciling", "Empty"])), TypesFilter=self.rnd.choice(([], ["consumer"])))

    def do_delete_offsets(self):
        topics = [{"Name": name, "Partitions": [{"PartitionIndex": 0}]} for name in ("duel-a", "duel-b", "nowhere")]
        self.both.ask("OffsetDelete", 0, GroupId=self.group, Topics=topics)

    def do_delete_group(self):
        self.both.ask("DeleteGroups", 2, GroupsNames=[self.group])

    def one(self):
        return self.rnd.choice(list(self.mates.values())) if self.mates else None

    ACTIONS = (
        [do_join] * 6 + [do_beat] * 4 + [do_obey] * 6 + [do_all_obey] * 4 + [do_wrong_epoch] * 3 + [do_subscribe] * 3 + [do_rejoin] * 2
        + [do_come_back] * 2 + [do_leave] * 3 + [do_replace] * 2 + [do_odd] * 2 + [do_odd_join, do_commit, do_commit, do_commit, do_fetch]
        + [do_list, do_delete_offsets, do_delete_group]
    )

    def play(self):
        self.describe()
        for _ in range(STEPS):
            self.rnd.choice(self.ACTIONS)(self)
            self.describe()


def test_random_groups(both):
    for seed in range(SEED, SEED + GROUPS):
        try:
            Play(both, seed).play()
        except AssertionError as failure:
            raise AssertionError(f"DUEL_SEED={seed} DUEL_GROUPS=1: {failure}") from None
        both.forget()
    print(f"{both.numbers} requests")


class Fan:
    """A group of one member, which subscribes to a pattern."""

    def __init__(self, both, number, pattern):
        self.both, self.pattern, self.epochs = both, pattern, [0, 0]
        self.group = f"fan-{number}"

    def beat(self, side):
        """The error's code, and the topics that the member has."""
        answer = self.both.barriers[side].ask(
            "ConsumerGroupHeartbeat", 1, GroupId=self.group, MemberId="fan", MemberEpoch=self.epochs[side], InstanceId=None, RackId=None,
            RebalanceTimeoutMs=LONG_MS, SubscribedTopicNames=[], SubscribedTopicRegex=self.pattern, ServerAssignor="range", TopicPartitions=[],
        )
        self.epochs[side] = answer["MemberEpoch"]
        rows = answer["Assignment"]["TopicPartitions"] if answer["Assignment"] else []
        return answer["ErrorCode"], sorted(self.both.plain(each["TopicId"], side) for each in rows)


def test_patterns(both):
    """Apache Kafka looks for the topics of a pattern in the background: what it finds is waited for."""
    fans = [Fan(both, number, pattern) for number, pattern in enumerate(PATTERNS)]
    found = {fan: fan.beat(1) for fan in fans}
    wrong = [fan for fan in fans if fan.beat(0)[0] != found[fan][0]]
    fans = [fan for fan in fans if fan not in wrong and found[fan][0] == NONE]
    deadline = time.monotonic() + 120
    while waiting := [fan for fan in fans if fan.beat(0) != found[fan]]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    late = [fan for fan in fans if fan.beat(0) != found[fan]]
    text = [f"{fan.pattern!r}: stock {fan.beat(0)}, ours {found[fan]}" for fan in wrong + late]
    assert not text, "\n" + "\n".join(text)
