"""Classic groups, request by request, against Apache Kafka's coordinator: random sequences under a seed.

    DUEL_SEED=n     the seed of the first group, else a fixed one; a failure prints its own
    DUEL_GROUPS=n   how many groups, each with its own seed

What differs, and is meant to, is kept out of it:

- Apache Kafka never answers a JoinGroup or SyncGroup whose member has sent another meanwhile, or has left; here the client
  is told (Duel.expect_silence).
- A group that did not exist is there after a JoinGroup with protocols that cannot be, or a commit whose metadata is too
  long; here what was refused leaves nothing (Play.exists).
- A static member that comes back to a full group is refused, until its session is over; here its place is still its own.
- Who names a protocol twice, or says an instance id with an id that was only given out, gets UNKNOWN_SERVER_ERROR, the
  former for its group's later requests, too; here the group goes on.
- Who leads when the leader has left is the first of a hash map of random ids (Ambiguous); here the longest member.
"""

import os
import random
import struct

import pytest

from interop.lib import duel
from interop.lib.duel import Ambiguous, TopicId

pytestmark = [pytest.mark.xdist_group("ab-duel"), pytest.mark.timeout(300)]

SEED = int(os.environ.get("DUEL_SEED", "20261121"))
GROUPS = int(os.environ.get("DUEL_GROUPS", "40"))
STEPS = 30
TOPICS = {"duel-a": 3, "duel-b": 1}
SIZE_MAX = 4
CHANGES = {"group.max.size": str(SIZE_MAX), "group.min.session.timeout.ms": "100", "group.initial.rebalance.delay.ms": "0"}
LONG_MS = 300000
NONE, REBALANCE, REQUIRED = 0, 27, 79


@pytest.fixture(scope="module", name="both")
def _both(kind, session_home):
    with duel.running(kind, os.path.join(session_home, "duel"), CHANGES) as made:
        for name, partitions in TOPICS.items():
            made.create(name, partitions)
        made.await_coordinators("duel-a")
        yield made


def subscription(topics):
    """The consumer protocol's, version 0."""
    return struct.pack(">hi", 0, len(topics)) + b"".join(struct.pack(">h", len(t)) + t.encode() for t in topics) + struct.pack(">i", -1)


class Mate:
    """What is known of one member."""

    def __init__(self, ident, instance, offers):
        self.id, self.instance, self.offers = ident, instance, offers
        self.join = self.sync = None  # flights


class Play:
    """One group, from its first request to its last."""

    def __init__(self, both, seed):
        self.both, self.rnd = both, random.Random(seed)
        self.group = f"duel-{seed}"
        self.mates = {}
        self.exists, self.shown = False, []
        self.generation, self.leader, self.protocol = 0, None, None
        self.type = "consumer" if self.rnd.random() < 0.85 else "connect"

    # -- what is sent

    def offers(self):
        names = self.rnd.choice((["range"], ["range", "roundrobin"], ["roundrobin", "range"], ["range", "sticky", "roundrobin"], ["sticky", "range"]))
        if self.rnd.random() < 0.05 and self.exists:
            names = self.rnd.choice(([], ["other"], ["", "range"]))
        topics = self.rnd.choice((["duel-a"], ["duel-a", "duel-b"], ["duel-b"], []))
        data = subscription(topics) if self.rnd.random() < 0.95 else b"\0"
        return [{"Name": name, "Metadata": data} for name in names]

    def kind(self):
        return self.type if self.rnd.random() < 0.96 or not self.exists else self.rnd.choice(("consumer", "connect", ""))

    def join(self, version, member, instance, offers):
        more = {"GroupInstanceId": instance} if version >= 5 and instance is not None else {}
        if version >= 8 and self.rnd.random() < 0.5:
            more["Reason"] = "because"
        return self.both.send(
            "JoinGroup", version, GroupId=self.group, SessionTimeoutMs=LONG_MS, RebalanceTimeoutMs=LONG_MS, MemberId=member,
            ProtocolType=self.kind(), Protocols=offers, **more,
        )

    def do_join_new(self):
        version = self.rnd.randint(0, 9)
        instance = self.rnd.choice((None, None, "i1", "i2")) if version >= 5 else None
        if len(self.shown) >= SIZE_MAX and instance in [each["GroupInstanceId"] for each in self.shown]:
            instance = None
        offers = self.offers()
        flight = self.join(version, "", instance, offers)
        self.settle()
        if flight.done and flight.found[0]["ErrorCode"] == REQUIRED:
            mate = self.met(flight.found[0]["MemberId"], None, offers)
            if self.rnd.random() < 0.85:
                self.rejoin(mate, version, offers)
        elif flight.done and flight.found[0]["ErrorCode"] == NONE:
            self.met(flight.found[0]["MemberId"], instance, offers)
        elif not flight.done:
            self.strangers.append((flight, instance, offers))

    def rejoin(self, mate, version, offers):
        if mate.join is not None and not mate.join.done:
            self.both.expect_silence(mate.join)
        instance = mate.instance
        if self.rnd.random() < 0.04 and mate.id in [each["MemberId"] for each in self.shown]:
            instance = self.rnd.choice(("i1", "i2", "nobody"))
        mate.offers = offers
        mate.join = self.join(version, self.both.member(mate.id), instance, offers)
        self.settle()

    def do_rejoin(self):
        mate = self.one()
        if mate is not None:
            self.rejoin(mate, self.rnd.randint(0, 9), mate.offers if self.rnd.random() < 0.6 else self.offers())

    def do_join_all(self):
        for mate in list(self.mates.values()):
            if mate.join is None or mate.join.done:
                self.rejoin(mate, self.rnd.randint(5, 9), mate.offers)

    def do_join_stranger(self):
        self.join(self.rnd.randint(0, 9), self.rnd.choice(("stranger", "x" * 300)), None, self.offers())
        self.settle()

    def do_sync(self, mate=None):
        mate = mate or self.one()
        if mate is None:
            return
        version = self.rnd.randint(0, 5)
        generation = self.generation if self.rnd.random() < 0.93 else self.rnd.choice((-1, 0, self.generation + 1))
        more = {}
        if version >= 3:
            more["GroupInstanceId"] = mate.instance if self.rnd.random() < 0.95 else self.rnd.choice(("i1", "nobody", None))
        if version >= 5:
            more["ProtocolType"] = self.type if self.rnd.random() < 0.95 else self.rnd.choice(("other", None, ""))
            more["ProtocolName"] = self.protocol if self.rnd.random() < 0.95 else self.rnd.choice(("other", None, ""))
        given = []
        if mate.id == self.leader or self.rnd.random() < 0.1:
            given = [
                {"MemberId": self.both.member(each.id), "Assignment": bytes([n]) * self.rnd.choice((0, 1, 9))}
                for n, each in enumerate(self.mates.values()) if self.rnd.random() < 0.95
            ]
            if self.rnd.random() < 0.1:
                given.append({"MemberId": "nobody", "Assignment": b"x"})
        before = mate.sync if mate.sync is not None and not mate.sync.done else None
        mate.sync = self.both.send("SyncGroup", version, GroupId=self.group, GenerationId=generation, MemberId=self.both.member(mate.id), Assignments=given, **more)
        if before is not None:
            self.both.expect_silence(before)
        self.settle()

    def do_sync_all(self):
        for mate in list(self.mates.values()):
            self.do_sync(mate)

    def do_heartbeat(self):
        mate = self.one()
        version = self.rnd.randint(0, 4)
        more = {"GroupInstanceId": self.instance_of(mate)} if version >= 3 else {}
        self.both.ask(
            "Heartbeat", version, GroupId=self.group, MemberId=self.both.member(mate.id) if mate else "nobody",
            GenerationId=self.rnd.choice((self.generation,) * 6 + (-1, self.generation + 1)), **more,
        )

    def instance_of(self, mate):
        if mate is not None and self.rnd.random() < 0.9:
            return mate.instance
        return self.rnd.choice((None, "i1", "i2", "nobody"))

    def leaver(self, mate):
        way = self.rnd.random()
        if mate is None or way < 0.05:
            return {"MemberId": "nobody", "GroupInstanceId": self.rnd.choice((None, "i1"))}
        if mate.instance is not None and way < 0.5:
            return {"MemberId": "", "GroupInstanceId": mate.instance}
        return {"MemberId": self.both.member(mate.id), "GroupInstanceId": self.instance_of(mate)}

    def do_leave(self):
        version = self.rnd.randint(0, 5)
        mates = [self.one() for _ in range(self.rnd.choice((1, 1, 1, 2)) if version >= 3 else 1)]
        for mate in mates:
            if mate is not None and mate.sync is not None and not mate.sync.done:
                self.both.expect_silence(mate.sync)
        if version < 3:
            who = self.both.member(mates[0].id) if mates[0] else "nobody"
            answer = self.both.ask("LeaveGroup", version, GroupId=self.group, MemberId=who)
            gone = mates if answer["ErrorCode"] == NONE else []
        else:
            rows = [self.leaver(mate) for mate in mates]
            answer = self.both.ask("LeaveGroup", version, GroupId=self.group, Members=rows)
            ok = [each["MemberId"] or each["GroupInstanceId"] for each in answer["Members"] if each["ErrorCode"] == NONE]
            gone = [mate for mate in mates if mate and (mate.id in ok or mate.instance in ok)]
        for mate in gone:
            if mate is not None:
                self.mates.pop(mate.id, None)
        self.after()

    def do_commit(self):
        mate = self.one() if self.rnd.random() < 0.7 else None
        version = self.rnd.randint(2, 10)
        parts = [
            {"PartitionIndex": self.rnd.choice((0, 0, 1, 2, 7)), "CommittedOffset": self.rnd.randint(0, 99),
             "CommittedMetadata": self.rnd.choice(("", "m", None, "\u00e9" * 4096, "x" * 4097) if self.exists else ("", "m"))}
            for _ in range(self.rnd.randint(1, 3))
        ]
        name = self.rnd.choice(("duel-a", "duel-b", "duel-a", "nowhere"))
        topic = {"TopicId": TopicId(name)} if version == 10 else {"Name": name}
        more = {"GroupInstanceId": self.instance_of(mate)} if version >= 7 else {}
        if version <= 4:
            more["RetentionTimeMs"] = self.rnd.choice((-1, LONG_MS))
        generation = self.rnd.choice((self.generation,) * 6 + (-1, self.generation + 1)) if mate else -1
        self.both.ask(
            "OffsetCommit", version, GroupId=self.group, GenerationIdOrMemberEpoch=generation,
            MemberId=self.both.member(mate.id) if mate else "", Topics=[{**topic, "Partitions": parts}], **more,
        )

    def do_fetch(self):
        version = self.rnd.randint(2, 10)
        indexes = [0, 1, 7]
        topics = [{"Name": "duel-a", "PartitionIndexes": indexes}, {"Name": "nowhere", "PartitionIndexes": [0]}]
        if version == 10:
            topics = [{"TopicId": TopicId(each["Name"]), "PartitionIndexes": each["PartitionIndexes"]} for each in topics]
        topics = self.rnd.choice((None, topics))
        stable = {"RequireStable": self.rnd.randint(0, 1)} if version >= 7 else {}
        if version >= 8:
            self.both.ask("OffsetFetch", version, Groups=[{"GroupId": self.group, "Topics": topics}], **stable)
        else:
            self.both.ask("OffsetFetch", version, GroupId=self.group, Topics=topics, **stable)

    def do_describe(self):
        version = self.rnd.randint(0, 6)
        more = {"IncludeAuthorizedOperations": self.rnd.randint(0, 1)} if version >= 3 else {}
        self.both.ask("DescribeGroups", version, Groups=[self.group], **more)

    def do_list(self):
        version = self.rnd.randint(0, 5)
        more = {"StatesFilter": self.rnd.choice(([], ["Stable"], ["preparingrebalance", "Empty"], ["CompletingRebalance", "Dead"]))} if version >= 4 else {}
        if version >= 5:
            more["TypesFilter"] = self.rnd.choice(([], ["classic"], ["Consumer"]))
        self.both.ask("ListGroups", version, **more)

    def do_delete_offsets(self):
        topics = [{"Name": name, "Partitions": [{"PartitionIndex": n} for n in (0, 1)]} for name in self.rnd.sample(("duel-a", "duel-b", "nowhere"), 2)]
        self.both.ask("OffsetDelete", 0, GroupId=self.group, Topics=topics)

    def do_delete_group(self):
        answer = self.both.ask("DeleteGroups", self.rnd.randint(0, 2), GroupsNames=[self.group])
        if answer["Results"][0]["ErrorCode"] == NONE:
            self.mates, self.leader = {}, None

    # -- what is known after

    def one(self):
        return self.rnd.choice(list(self.mates.values())) if self.mates else None

    def met(self, ident, instance, offers):
        mate = self.mates.setdefault(ident, Mate(ident, instance, offers))
        return mate

    def settle(self):
        self.both.settle()
        self.after()

    def after(self):
        for flight, instance, offers in list(self.strangers):
            if flight.done:
                self.strangers.remove((flight, instance, offers))
                if flight.found[0]["ErrorCode"] == NONE:
                    self.met(flight.found[0]["MemberId"], instance, offers)
                    self.formed(flight.found[0])
        for mate in list(self.mates.values()):
            if mate.join is not None and mate.join.done:
                answer, mate.join = mate.join.found[0], None
                if answer["ErrorCode"] == NONE:
                    self.formed(answer)

    def formed(self, answer):
        self.generation, self.leader, self.protocol = answer["GenerationId"], answer["Leader"], answer["ProtocolName"]

    ACTIONS = (
        [do_join_new] * 5 + [do_rejoin] * 3 + [do_join_all] * 3 + [do_sync] * 2 + [do_sync_all] * 4 + [do_heartbeat] * 3 + [do_leave] * 3
        + [do_commit] * 4 + [do_fetch] * 2 + [do_describe] * 3 + [do_list, do_delete_offsets, do_delete_offsets, do_delete_group, do_join_stranger]
    )

    def play(self):
        self.strangers = []
        for _ in range(STEPS):
            self.rnd.choice(self.ACTIONS)(self)
            found = self.both.ask("DescribeGroups", 6, Groups=[self.group])["Groups"][0]
            self.exists, self.shown = found["ErrorCode"] == NONE, found["Members"]


def test_random_groups(both):
    undecided = 0
    for seed in range(SEED, SEED + GROUPS):
        try:
            Play(both, seed).play()
        except Ambiguous:
            undecided += 1
        except AssertionError as failure:
            raise AssertionError(f"DUEL_SEED={seed} DUEL_GROUPS=1: {failure}") from None
        both.forget()
    print(f"{both.numbers} requests, {undecided} of {GROUPS} groups ended where Apache Kafka chose at random")
    assert undecided < GROUPS
