"""Which offsets and groups grow old (KIP-211), against Apache Kafka.

Both brokers start on copies of one data directory, into whose __consumer_offsets groups of all kinds were written with
the times that it takes. Nothing here looks at how long it takes: an offset that expires at once tells that a broker has
looked through all its groups, since it looks through all of them at once; what is there then has stayed.

What differs: when Apache Kafka has looked, ids that were given out to members of a new group (MEMBER_ID_REQUIRED) are
unknown. Here they are good.
"""

import os
import struct
import time

import pytest

from interop.lib import batches, broker, duel, frames
from interop.lib.answers import Asker

pytestmark = [pytest.mark.xdist_group("ab-expiry"), pytest.mark.timeout(300)]

HOUR_MS = 3600000
CHANGES = {
    **duel.CONFIG,
    "transaction.state.log.num.partitions": "1",
    "offsets.retention.minutes": "1440",
    "offsets.retention.check.interval.ms": "500",
    "group.min.session.timeout.ms": "100",
    "group.consumer.max.session.timeout.ms": "1800000",
    "group.consumer.session.timeout.ms": "1800000",
}
SESSION_MS = 1800000
PATIENCE_SECONDS = 120
OFFSETS = "__consumer_offsets"
TOPICS = ("wanted", "other")
NOW = int(time.time() * 1000)
OLD, NEW, EXPIRED, LATER = NOW - 100 * HOUR_MS, NOW - HOUR_MS, NOW - HOUR_MS, NOW + 100 * HOUR_MS
SUBSCRIBED = struct.pack(">hi", 0, 1) + b"\0\6wanted" + b"\xff\xff\xff\xff"


def key(kind, group, **more):
    return frames.stored(f"{kind}Key", **{"Group" if kind in ("OffsetCommit", "GroupMetadata") else "GroupId": group}, **more)


def offset(group, topic, partition, commit, expire=None):
    value = {"Offset": 7, "LeaderEpoch": -1, "Metadata": "m", "CommitTimestamp": commit}
    if expire is not None:
        value["ExpireTimestamp"] = expire
    version = 3 if expire is None else 1
    return key("OffsetCommit", group, Topic=topic, Partition=partition), frames.stored("OffsetCommitValue", version, **value)


def classic(group, since=None, kind="consumer", metadata=None):
    """With a member that sent this metadata, or empty since then."""
    member = {"MemberId": f"{group}-member", "GroupInstanceId": None, "ClientId": "c", "ClientHost": "/127.0.0.1", "RebalanceTimeout": SESSION_MS,
              "SessionTimeout": SESSION_MS, "Subscription": metadata, "Assignment": b"\0\0\0\0\0\0\xff\xff\xff\xff"}
    value = {"ProtocolType": kind, "Generation": 3, "Protocol": None if metadata is None else "range", "Leader": None if metadata is None else f"{group}-member",
             "CurrentStateTimestamp": since, "Members": [] if metadata is None else [member]}
    return key("GroupMetadata", group), frames.stored("GroupMetadataValue", 3, **value)


def consumer(group, member=None):
    """A group of the consumer protocol; `member` is what its only one subscribes to."""
    yield key("ConsumerGroupMetadata", group), frames.stored("ConsumerGroupMetadataValue", Epoch=3)
    if member is not None:
        told = {"InstanceId": None, "RackId": None, "ClientId": "c", "ClientHost": "/127.0.0.1", "SubscribedTopicNames": [], "SubscribedTopicRegex": None,
                "RebalanceTimeoutMs": SESSION_MS, "ServerAssignor": None, **member}
        yield key("ConsumerGroupMemberMetadata", group, MemberId="m"), frames.stored("ConsumerGroupMemberMetadataValue", **told)
    yield key("ConsumerGroupTargetAssignmentMetadata", group), frames.stored("ConsumerGroupTargetAssignmentMetadataValue", AssignmentEpoch=3)
    if member is not None:
        has = {"MemberEpoch": 3, "PreviousMemberEpoch": 2, "State": 0, "AssignedPartitions": [], "PartitionsPendingRevocation": []}
        yield key("ConsumerGroupTargetAssignmentMember", group, MemberId="m"), frames.stored("ConsumerGroupTargetAssignmentMemberValue", TopicPartitions=[])
        yield key("ConsumerGroupCurrentMemberAssignment", group, MemberId="m"), frames.stored("ConsumerGroupCurrentMemberAssignmentValue", **has)


def streams(group):
    yield key("StreamsGroupMetadata", group), frames.stored("StreamsGroupMetadataValue", Epoch=3, ValidatedTopologyEpoch=-1)
    yield key("StreamsGroupTargetAssignmentMetadata", group), frames.stored("StreamsGroupTargetAssignmentMetadataValue", AssignmentEpoch=3)
    yield key("StreamsGroupTopology", group), frames.stored("StreamsGroupTopologyValue", Epoch=1)


def regex(group, pattern, topics):
    return (frames.stored("ConsumerGroupRegularExpressionKey", GroupId=group, RegularExpression=pattern),
            frames.stored("ConsumerGroupRegularExpressionValue", Topics=topics, Version=1, Timestamp=NOW))


def seeds():
    """All groups as records. What becomes of them is in STAY."""
    yield from (classic("empty-old", OLD), offset("empty-old", "wanted", 0, NEW), offset("empty-old", "other", 0, OLD))
    yield from (classic("empty-new", NEW), offset("empty-new", "wanted", 0, OLD), offset("empty-new", "other", 0, OLD))
    yield from (classic("empty-untimed", -1), offset("empty-untimed", "wanted", 0, OLD), offset("empty-untimed", "other", 0, NEW))
    yield from (classic("empty-nothing", NEW), classic("empty-connect", OLD, "connect"), offset("empty-connect", "other", 0, NEW))
    yield from (offset("simple", "wanted", 0, OLD), offset("simple", "other", 0, NEW))
    yield from (offset("simple-old", "wanted", 0, OLD), offset("simple-old", "other", 0, OLD))
    yield classic("stable", NEW, metadata=SUBSCRIBED)
    yield from (offset("stable", "wanted", 0, OLD), offset("stable", "other", 0, OLD), offset("stable", "other", 1, NEW), offset("stable", "gone", 0, OLD))
    yield from (classic("stable-all-old", OLD, metadata=SUBSCRIBED), offset("stable-all-old", "other", 0, OLD))
    yield from (classic("garbled", OLD, metadata=b"?"), offset("garbled", "wanted", 0, OLD), offset("garbled", "other", 0, OLD))
    yield from (classic("connect", OLD, "connect", SUBSCRIBED), offset("connect", "other", 0, OLD), offset("connect", "wanted", 0, OLD, EXPIRED))
    yield from (offset("stamped", "wanted", 0, NEW, EXPIRED), offset("stamped", "wanted", 1, OLD, LATER), offset("stamped", "other", 0, OLD, -1), offset("stamped", "other", 1, NEW, -1))
    yield from (classic("stamped-empty", NEW), offset("stamped-empty", "wanted", 0, OLD), offset("stamped-empty", "other", 0, NEW, EXPIRED))
    yield from (classic("stamped-empty-old", OLD), offset("stamped-empty-old", "wanted", 0, OLD), offset("stamped-empty-old", "other", 0, OLD, LATER))
    yield from (classic("stamped-stable", OLD, metadata=SUBSCRIBED), offset("stamped-stable", "wanted", 0, NEW, EXPIRED), offset("stamped-stable", "other", 0, NEW, EXPIRED))
    yield from consumer("next", {"SubscribedTopicNames": ["wanted"]})
    yield from (offset("next", "wanted", 0, OLD), offset("next", "other", 0, OLD), offset("next", "other", 1, NEW))
    yield from consumer("next-regex", {"SubscribedTopicRegex": "wan.*"})
    yield from (regex("next-regex", "wan.*", ["wanted"]), offset("next-regex", "wanted", 0, OLD), offset("next-regex", "other", 0, OLD))
    yield from consumer("next-all-old", {"SubscribedTopicNames": ["wanted"]})
    yield offset("next-all-old", "other", 0, OLD)
    yield from consumer("next-empty")
    yield from (offset("next-empty", "wanted", 0, OLD), offset("next-empty", "other", 0, NEW))
    yield from consumer("next-empty-old")
    yield from (offset("next-empty-old", "wanted", 0, OLD), offset("next-empty-old", "other", 0, NEW, EXPIRED))
    yield from consumer("next-nothing")
    yield from (*streams("streams"), offset("streams", "wanted", 0, OLD), offset("streams", "other", 0, NEW))
    yield from (*streams("streams-old"), offset("streams-old", "wanted", 0, OLD))
    yield key("ShareGroupMetadata", "share"), frames.stored("ShareGroupMetadataValue", Epoch=3)


# {group: the offsets that stay}; of the others nothing does.
STAY = {
    "empty-new": {("wanted", 0), ("other", 0)},
    "empty-untimed": {("other", 0)},
    "simple": {("other", 0)},
    "stable": {("wanted", 0), ("other", 1)},
    "stable-all-old": set(),
    "garbled": {("wanted", 0), ("other", 0)},
    "connect": {("wanted", 0), ("other", 0)},
    "stamped": {("wanted", 1), ("other", 1)},
    "stamped-empty": {("wanted", 0)},
    "stamped-empty-old": {("other", 0)},
    "stamped-stable": {("wanted", 0)},
    "next": {("wanted", 0), ("other", 1)},
    "next-regex": {("wanted", 0)},
    "next-all-old": set(),
    "next-empty": {("other", 0)},
    "streams": {("other", 0)},
    "share": set(),
}
GONE = ("empty-old", "empty-nothing", "empty-connect", "simple-old", "next-empty-old", "next-nothing", "streams-old")


def write_seeds(running):
    with Asker(running.port, PATIENCE_SECONDS) as asker:
        rows = [{"Name": name, "NumPartitions": 2, "ReplicationFactor": 1} for name in TOPICS]
        answer = asker.ask("CreateTopics", 7, Topics=rows, TimeoutMs=30000)
        assert not any(each["ErrorCode"] for each in answer["Topics"]), answer
        records = [batches.record(n, value, name) for n, (name, value) in enumerate(seeds())]
        part = [{"Index": 0, "Records": batches.batch(records, base_time=NOW)}]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            asker.ask("FindCoordinator", 3, Key="any")
            answer = asker.ask("Produce", 9, client=b"__admin_client", Acks=-1, TimeoutMs=30000, TopicData=[{"Name": OFFSETS, "PartitionData": part}])
            code = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
            if code == 0:
                return
            assert code in (3, 5, 6) and time.monotonic() < deadline, answer
            time.sleep(0.05)


@pytest.fixture(scope="module", name="both")
def _both(kind, session_home):
    home = os.path.join(session_home, "expiry")
    seed = broker.Broker(kind, f"{home}-seed", {**CHANGES, "offsets.retention.check.interval.ms": "3600000"}).start()
    write_seeds(seed)
    seed.stop()
    with duel.running(kind, home, CHANGES, seed=seed.data, patience=PATIENCE_SECONDS) as made:
        made.await_coordinators("wanted")
        yield made


@pytest.fixture(autouse=True)
def _afresh(both):
    yield
    both.forget()


def commit(both, group, version=7, retention=None, topic="wanted", partition=0, generation=-1, member=""):
    more = {} if retention is None else {"RetentionTimeMs": retention}
    part = {"PartitionIndex": partition, "CommittedOffset": 5, "CommittedMetadata": ""}
    found = both.ask("OffsetCommit", version, GroupId=group, GenerationIdOrMemberEpoch=generation, MemberId=member, Topics=[{"Name": topic, "Partitions": [part]}], **more)
    return found["Topics"][0]["Partitions"][0]["ErrorCode"]


def offsets_of(asker, group):
    found = asker.ask("OffsetFetch", 5, GroupId=group, Topics=None)
    return {(topic["Name"], part["PartitionIndex"]) for topic in found["Topics"] for part in topic["Partitions"]}


def await_look(both, name):
    """Until both have looked through all their groups at least once, from now on."""
    assert commit(both, f"sentinel-{name}", 2, 1) == 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    for asker in both.barriers:
        while offsets_of(asker, f"sentinel-{name}"):
            assert time.monotonic() < deadline, "nobody looks for old offsets"
            time.sleep(0.05)


def groups_of(asker):
    return {each["GroupId"]: each["GroupState"] for each in asker.ask("ListGroups", 4, StatesFilter=[])["Groups"]}


def written(running):
    """{key: whether its last record is a tombstone} of the coordinator's log."""
    with Asker(running.port, PATIENCE_SECONDS) as asker:
        part = {"Partition": 0, "CurrentLeaderEpoch": -1, "FetchOffset": 0, "LogStartOffset": -1, "PartitionMaxBytes": 1 << 24}
        found = asker.ask("Fetch", 4, ReplicaId=-1, MaxWaitMs=0, MinBytes=0, MaxBytes=1 << 24, Topics=[{"Topic": OFFSETS, "Partitions": [part]}])
    last = {}
    for head, payload in batches.parts(found["Responses"][0]["Partitions"][0]["Records"]):
        if not head["attributes"] & 32:
            last.update(batches.keys(payload))
    return last


def test_what_is_old_goes(both):
    await_look(both, "all")
    for asker in both.barriers:
        for group, stay in STAY.items():
            assert offsets_of(asker, group) == stay, group
        listed = groups_of(asker)
        assert {each for each in listed if not each.startswith(("sentinel", duel.BARRIER))} == set(STAY), listed
    for group in (*STAY, *GONE):
        both.ask("OffsetFetch", 5, GroupId=group, Topics=None)
        both.ask("DescribeGroups", 5, Groups=[group])
        both.ask("ConsumerGroupDescribe", 0, GroupIds=[group])
    stock, ours = (written(each) for each in both.brokers)
    assert ours == stock


GONE_MEMBER = "empty-old-member"


def test_who_comes_back_to_a_group_that_is_gone(both):
    await_look(both, "away")
    for version in (7, 8):
        assert commit(both, "empty-old", version, generation=3, member=GONE_MEMBER) == 22
    protocols = [{"Name": "range", "Metadata": SUBSCRIBED}]
    for instance in (None, "static"):
        who = {"GroupId": "empty-old", "MemberId": GONE_MEMBER, "GroupInstanceId": instance}
        both.ask("JoinGroup", 5, SessionTimeoutMs=1000, RebalanceTimeoutMs=1000, ProtocolType="consumer", Protocols=protocols, **who)
        both.ask("SyncGroup", 3, GenerationId=3, **who)
        both.ask("Heartbeat", 3, GenerationId=3, **who)
    both.ask("LeaveGroup", 2, GroupId="empty-old", MemberId=GONE_MEMBER)
    both.ask("LeaveGroup", 4, GroupId="empty-old", Members=[{"MemberId": GONE_MEMBER, "GroupInstanceId": None}])
    for group in ("empty-old", "next-empty-old"):
        both.ask("DeleteGroups", 1, GroupsNames=[group])
        both.ask("OffsetDelete", 0, GroupId=group, Topics=[{"Name": "wanted", "Partitions": [{"PartitionIndex": 0}]}])
    for version, which in ((7, 22), (9, 69)):
        assert commit(both, "next-empty-old", version, generation=3, member="m") == which
    for epoch in (3, -1, -2):
        both.ask("ConsumerGroupHeartbeat", 0, GroupId="next-empty-old", MemberId="m", MemberEpoch=epoch, InstanceId=None, RackId=None, RebalanceTimeoutMs=-1,
                 SubscribedTopicNames=None, ServerAssignor=None, TopicPartitions=None)
    for member, epoch in (("m", 3), (None, -1)):
        both.ask("OffsetFetch", 9, Groups=[{"GroupId": "next-empty-old", "MemberId": member, "MemberEpoch": epoch, "Topics": None}])


def test_the_retention_of_old_commits(both):
    for version in (2, 3, 4):
        assert commit(both, f"own-{version}", version, 1, "wanted", 0) == 0
        assert commit(both, f"own-{version}", version, LATER, "wanted", 1) == 0
        assert commit(both, f"own-{version}", version, -1, "other", 0) == 0
        assert commit(both, f"own-{version}", version, 0, "other", 1) == 0
        assert commit(both, f"own-{version}", version, -2 if version == 2 else -(1 << 60), "other", 0) == 0
    await_look(both, "own")
    for asker in both.barriers:
        for version in (2, 3, 4):
            assert offsets_of(asker, f"own-{version}") == {("wanted", 1)}, version


class Producer:
    """The same transactions in both, by ids that are their own."""

    def __init__(self, both, name):
        self.both, self.name, self.ids = both, name, {}
        for asker in both.barriers:
            found = self.until(asker, "InitProducerId", 4, TransactionalId=name, TransactionTimeoutMs=600000, ProducerId=-1, ProducerEpoch=-1)
            self.ids[asker] = {"ProducerId": found["ProducerId"], "ProducerEpoch": found["ProducerEpoch"]}

    @staticmethod
    def until(asker, api, version, **values):
        """Until there is a coordinator, and it has ended what was before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            asker.ask("FindCoordinator", 3, Key=values["TransactionalId"], KeyType=1)
            found = asker.ask(api, version, **values)
            if found["ErrorCode"] == 0:
                return found
            assert found["ErrorCode"] in (14, 15, 16, 51) and time.monotonic() < deadline, found
            time.sleep(0.05)

    def sends(self, *groups):
        """An offset of wanted-0 to each."""
        part = {"PartitionIndex": 0, "CommittedOffset": 9, "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}
        for asker, ids in self.ids.items():
            for group in groups:
                self.until(asker, "AddOffsetsToTxn", 3, TransactionalId=self.name, GroupId=group, **ids)
                found = asker.ask("TxnOffsetCommit", 3, TransactionalId=self.name, GroupId=group, GenerationId=-1, MemberId="", GroupInstanceId=None,
                                  Topics=[{"Name": "wanted", "Partitions": [part]}], **ids)
                assert found["Topics"][0]["Partitions"][0]["ErrorCode"] == 0, found

    def ends(self, commits, group):
        """Until it has reached the group's offsets."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        parts = [{"Name": "wanted", "PartitionIndexes": [0]}]
        for asker, ids in self.ids.items():
            self.until(asker, "EndTxn", 3, TransactionalId=self.name, Committed=commits, **ids)
            while asker.ask("OffsetFetch", 7, GroupId=group, Topics=parts, RequireStable=True)["Topics"][0]["Partitions"][0]["ErrorCode"]:
                assert time.monotonic() < deadline, "it does not end"
                time.sleep(0.05)


def test_a_transaction_holds_its_offsets_and_groups(both):
    aborted, committed = Producer(both, "aborted"), Producer(both, "committed")
    groups = ("txn-nothing-else", "txn-over", "txn-beside")
    aborted.sends(*groups)
    committed.sends("txn-committed")
    assert commit(both, "txn-over", 2, 1) == 0
    assert commit(both, "txn-beside", 2, 1, "other") == 0
    assert commit(both, "txn-committed", 2, 1) == 0
    await_look(both, "open")
    for asker in both.barriers:
        assert [offsets_of(asker, each) for each in groups] == [set(), {("wanted", 0)}, set()]
        assert groups_of(asker).keys() >= {*groups, "txn-committed"}
    aborted.ends(False, groups[-1])
    committed.ends(True, "txn-committed")
    await_look(both, "ended")
    for asker in both.barriers:
        assert not groups_of(asker).keys() & {*groups}
    both.ask("OffsetFetch", 5, GroupId="txn-committed", Topics=None)
