"""Groups that change their protocol with members in them, on Apache Kafka and on the broker under test: the same requests,
the same answers, and the same records in the log of the coordinator.
"""

import json
import re
import struct
import time

import pytest

from interop.lib import answers, disk
from interop.lib import broker as brokers

CHANGES = {
    "offsets.topic.num.partitions": "1",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.assignment.interval.ms": "0",
    "group.consumer.min.assignment.interval.ms": "0",
}
NONE, ILLEGAL, INCONSISTENT, UNKNOWN, REBALANCE, ID_REQUIRED = 0, 22, 23, 25, 27, 79
PATIENCE_SECONDS = 60
TOPICS = {"m1": 1, "m4": 4, "m6": 6}


def named(topics):
    """A list of topics with their partitions, as the embedded consumer protocol has it."""
    rows = b"".join(
        struct.pack(">h", len(name)) + name.encode() + struct.pack(f">i{len(parts)}i", len(parts), *parts)
        for name, parts in topics.items()
    )
    return struct.pack(">i", len(topics)) + rows


def subscription(*topics, version=1, owned=None):
    """ConsumerProtocolSubscription."""
    body = struct.pack(">hi", version, len(topics))
    body += b"".join(struct.pack(">h", len(each)) + each.encode() for each in topics) + struct.pack(">i", -1)
    body += named(owned or {}) if version >= 1 else b""
    body += struct.pack(">i", -1) if version >= 2 else b""
    return body + (struct.pack(">h", -1) if version >= 3 else b"")


def assignment(version=1, user_data=None, **topics):
    """ConsumerProtocolAssignment."""
    tail = struct.pack(">i", -1) if user_data is None else struct.pack(">i", len(user_data)) + user_data
    return struct.pack(">h", version) + named(topics) + tail


class Side:
    """One of the two brokers, and all that it has said; ids that it made up are called by the order of their coming."""

    def __init__(self, kind, home):
        self.broker = brokers.Broker(kind, home, CHANGES)
        self.broker.start()
        self.asker = answers.Asker(self.broker.port)
        self.labels = {}
        self.shown = []
        self.ids = {}
        self._create()

    def _create(self):
        for name, partitions in TOPICS.items():
            topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1}
            self.asker.ask("CreateTopics", 7, Topics=[topic], TimeoutMs=20000)
        rows = self.until(
            lambda: self.asker.ask("Metadata", 12, Topics=None, AllowAutoTopicCreation=0),
            lambda answer: len(answer["Topics"]) >= len(TOPICS),
        )["Topics"]
        self.ids = {each["Name"]: each["TopicId"] for each in rows}
        self.until(
            lambda: self.asker.ask("FindCoordinator", 3, Key="any"), lambda answer: answer["ErrorCode"] == NONE
        )
        self.until(
            lambda: self.asker.ask("DescribeGroups", 5, Groups=["any"]),
            lambda answer: answer["Groups"][0]["ErrorCode"] == NONE,
        )

    @staticmethod
    def until(ask, good):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not good(answer := ask()):
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)
        return answer

    def close(self):
        self.asker.close()
        self.broker.stop()

    # -- what is said -------------------------------------------------------------------------------------------------

    def ask(self, api, version, **values):
        """Asked, noted, and given back as it is."""
        answer = self.asker.ask(api, version, **values)
        self.shown.append((api, version, self.plain(answer)))
        return answer

    def call(self, made_up):
        """A name for an id of the broker's making."""
        if made_up and made_up not in self.labels:
            self.labels[made_up] = f"ID-{len(self.labels)}"
        return made_up

    def text(self, value):
        for each, label in self.labels.items():
            value = value.replace(each, label)
        for name, each in self.ids.items():
            value = value.replace(each, f"id of {name}")
        return value

    def plain(self, value, key=""):
        if isinstance(value, dict):
            return {name: self.plain(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return sorted((self.plain(each) for each in value), key=repr)
        if key in ("ThrottleTimeMs",):
            return 0
        return self.text(value) if isinstance(value, str) else value

    # -- members ------------------------------------------------------------------------------------------------------

    def beat(self, group, member, epoch, topics=None, owned=(), **more):
        """ConsumerGroupHeartbeat; with topics it is a full one."""
        told = {"GroupId": group, "MemberId": member, "MemberEpoch": epoch, "RebalanceTimeoutMs": -1, **more}
        if topics is not None:
            told = {"RebalanceTimeoutMs": 30000, **told, "SubscribedTopicNames": list(topics)}
            if told["RebalanceTimeoutMs"] == -1:
                told["RebalanceTimeoutMs"] = 30000
        if owned is not None:
            told["TopicPartitions"] = [
                {"TopicId": bytes.fromhex(self.ids[name].replace("-", "")), "Partitions": list(parts)}
                for name, parts in dict(owned).items()
            ]
        return self.ask("ConsumerGroupHeartbeat", 1, **told)

    def join(self, group, member, metadata, version=9, names=("range",), **more):
        told = {
            "GroupId": group, "MemberId": member, "ProtocolType": "consumer", "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 60000,
            "Protocols": [{"Name": each, "Metadata": metadata} for each in names], **more,
        }
        self.asker.begin("JoinGroup", version, **told)
        answer = self.asker.end("JoinGroup", version)
        self.call(answer["MemberId"] if answer["MemberId"] != member else "")
        self.shown.append(("JoinGroup", version, self.plain(answer)))
        return answer

    def sync(self, group, member, generation, version=5, assignments=(), **more):
        rows = [{"MemberId": each, "Assignment": told} for each, told in dict(assignments).items()]
        told = {"ProtocolType": "consumer", "ProtocolName": "range", **more}
        return self.ask("SyncGroup", version, GroupId=group, MemberId=member, GenerationId=generation, Assignments=rows, **told)

    def heartbeat(self, group, member, generation, **more):
        return self.ask("Heartbeat", 4, GroupId=group, MemberId=member, GenerationId=generation, **more)["ErrorCode"]

    def leave(self, group, *members):
        rows = [dict(zip(("MemberId", "GroupInstanceId"), each)) for each in members]
        return self.ask("LeaveGroup", 5, GroupId=group, Members=rows)

    def commit(self, group, member, generation, version=9, topic="m4", partition=0):
        part = {"PartitionIndex": partition, "CommittedOffset": 1, "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}
        return self.ask(
            "OffsetCommit", version, GroupId=group, MemberId=member, GenerationIdOrMemberEpoch=generation,
            Topics=[{"Name": topic, "Partitions": [part]}],
        )

    def fetch(self, group, member, epoch):
        rows = [{"GroupId": group, "MemberId": member, "MemberEpoch": epoch, "Topics": None}]
        return self.ask("OffsetFetch", 9, Groups=rows)

    def look(self, group):
        self.ask("ConsumerGroupDescribe", 1, GroupIds=[group], IncludeAuthorizedOperations=1)
        self.ask("DescribeGroups", 6, Groups=[group])
        self.ask("DescribeGroups", 5, Groups=[group])
        answer = self.asker.ask("ListGroups", 5)
        self.shown.append(("ListGroups", group, [each for each in answer["Groups"] if each["GroupId"] == group]))

    def classic(self, group, *topics, metadata=None, told=None, **more):
        """One member, stable in generation 1 with all of m4; its id."""
        metadata = metadata or subscription(*(topics or ("m4",)))
        member = self.join(group, "", metadata, **more)["MemberId"]
        answer = self.join(group, member, metadata, **more)
        assert answer["ErrorCode"] == NONE and answer["Leader"] == member, answer
        self.sync(group, member, answer["GenerationId"], assignments={member: told or assignment(m4=(0, 1, 2, 3))})
        return member


# -- what is done -----------------------------------------------------------------------------------------------------


def upgrade(side, group):
    """A consumer joins a classic group; the classic member follows."""
    member = side.classic(group)
    side.beat(group, "new", 0, ("m4",))
    side.look(group)
    side.heartbeat(group, member, 1)
    side.heartbeat(group, member, 2)
    side.sync(group, member, 1)
    side.commit(group, member, 1)
    side.commit(group, member, 1, version=8)
    side.commit(group, member, 2)
    side.commit(group, member, 0)
    side.commit(group, "new", 2, version=8)
    side.fetch(group, member, 1)
    side.fetch(group, member, 5)
    side.fetch(group, "new", 5)
    side.join(group, member, subscription("m4"))
    side.heartbeat(group, member, 2)
    side.sync(group, member, 2)
    side.sync(group, member, 2, ProtocolName="roundrobin")
    side.sync(group, member, 2, ProtocolType="connect")
    side.sync(group, member, 2, version=4)
    side.sync(group, member, 7)
    side.sync(group, "new", 2)
    side.sync(group, "nobody", 2)
    side.heartbeat(group, "new", 2)
    side.beat(group, "new", 2)
    side.beat(group, "new", 2, owned={"m4": (2, 3)})
    side.heartbeat(group, member, 2)
    side.look(group)
    side.ask("DeleteGroups", 2, GroupsNames=[group])


def cooperative(side, group):
    """A member that keeps what it may: it gives back first, and joins again."""
    mine = {"m4": (0, 1, 2, 3)}
    member = side.classic(group, metadata=subscription("m4", version=2))
    side.beat(group, "new", 0, ("m4",))
    side.join(group, member, subscription("m4", version=2, owned=mine))
    side.heartbeat(group, member, 1)
    side.sync(group, member, 1)
    side.beat(group, "new", 2)
    side.look(group)
    side.heartbeat(group, member, 1)
    side.join(group, member, subscription("m4", version=2, owned={"m4": (0, 1)}))
    side.sync(group, member, 2)
    side.heartbeat(group, member, 2)
    side.beat(group, "new", 2)
    side.look(group)


def unreleased(side, group):
    """A classic member waits for what a consumer still has."""
    side.beat(group, "old", 0, ("m4",))
    side.join(group, "mine", subscription("m4"))
    side.sync(group, "mine", 3)
    side.heartbeat(group, "mine", 3)
    side.beat(group, "old", 2)
    side.heartbeat(group, "mine", 3)
    side.beat(group, "old", 2, owned={"m4": (0, 1)})
    side.heartbeat(group, "mine", 3)
    side.join(group, "mine", subscription("m4"))
    side.sync(group, "mine", 3)
    side.heartbeat(group, "mine", 3)
    side.look(group)


def joins(side, group):
    """JoinGroup in all ways to a consumer group."""
    side.beat(group, "first", 0, ("m6",))
    side.join(group, "", subscription("m6"))
    side.join(group, "made-up", subscription("m6"), ProtocolType="connect")
    side.join(group, "made-up", subscription("m6"), names=())
    side.join(group, "made-up", b"\0")
    side.join(group, "made-up", b"")
    side.join(group, "made-up", subscription("m6"), SessionTimeoutMs=10)
    side.join(group, "one", subscription("m6"), names=("range", "roundrobin"))
    side.join(group, "two", subscription("m6", version=3), names=("sticky",))
    side.join(group, "two", subscription("m6", version=3), names=("sticky", "roundrobin"))
    side.join(group, "two", subscription("m6", version=3), names=("roundrobin", "sticky"))
    side.join(group, "first", subscription("m6"), names=("roundrobin",))
    side.look(group)
    side.leave(group, ("one",), ("nobody",), ("two",))
    side.beat(group, "first", 0, ("m6",))
    side.look(group)
    side.join(group, "old", subscription("m1"), version=3, names=("range",))
    side.leave(group, ("old",), ("first",))
    side.look(group)


def downgrade(side, group):
    """The last consumer leaves."""
    member = side.classic(group, names=("range", "roundrobin"))
    side.beat(group, "new", 0, ("m4",))
    side.join(group, member, subscription("m4"), names=("range", "roundrobin"))
    side.sync(group, member, 2)
    side.beat(group, "new", -1)
    side.look(group)
    side.heartbeat(group, member, 2)
    side.commit(group, member, 2)
    side.beat(group, "new", 2)
    side.join(group, member, subscription("m4"), names=("range", "roundrobin"))
    side.sync(group, member, 3, assignments={member: assignment(m4=(0, 1, 2, 3))})
    side.look(group)
    side.beat(group, "again", 0, ("m4",), **{"ServerAssignor": "range"})
    side.leave(group, ("again",))
    side.look(group)
    side.join(group, member, subscription("m4"), names=("roundrobin",))
    side.leave(group, (member,))
    side.look(group)


def rejected(side, group):
    """What cannot be upgraded."""
    side.classic(group + "-data", told=assignment(user_data=b"x", m4=(0,)))
    side.beat(group + "-data", "new", 0, ("m4",))
    side.classic(group + "-bad", told=b"\0\1\0")
    side.beat(group + "-bad", "new", 0, ("m4",))
    side.classic(group + "-empty", told=b"")
    side.beat(group + "-empty", "new", 1)
    side.beat(group + "-empty", "new", -1)
    side.beat(group + "-empty", "new", 0, ("m4",), **{"ServerAssignor": "none"})
    side.look(group + "-empty")
    side.beat(group + "-empty", "new", 0, ("m4",))
    side.look(group + "-empty")


def other_types(side, group):
    """A group of another protocol type is not for consumers."""
    member = side.join(group, "", b"x", ProtocolType="connect", names=("compatible",))["MemberId"]
    side.join(group, member, b"x", ProtocolType="connect", names=("compatible",))
    side.beat(group, "new", 0, ("m4",))
    side.heartbeat(group, member, 1)


def statics(side, group):
    """Static members of both protocols, each in the other's place."""
    own = {"GroupInstanceId": "i"}
    member = side.join(group, "", subscription("m4"), **own)["MemberId"]
    side.sync(group, member, 1, assignments={member: assignment(m4=(0, 1, 2, 3))}, **own)
    side.beat(group, "new", 0, ("m4",), InstanceId="i")
    side.look(group)
    side.heartbeat(group, member, 1, **own)
    side.heartbeat(group, "new", 1, **own)
    side.beat(group, "newer", 0, ("m4",), InstanceId="i")
    side.beat(group, "new", -2, InstanceId="i")
    back = side.join(group, "", subscription("m4"), **own)
    side.look(group)
    side.sync(group, back["MemberId"], back["GenerationId"], **own)
    side.heartbeat(group, back["MemberId"], back["GenerationId"], **own)
    side.beat(group, "third", 0, ("m4",), InstanceId="k")
    side.join(group, back["MemberId"], subscription("m4"), **own)
    side.join(group, "nobody", subscription("m4"), **own)
    side.join(group, "nobody", subscription("m4"), GroupInstanceId="unknown")
    side.join(group, "third", subscription("m4"), GroupInstanceId="k")
    side.look(group)


def statics_with_more(side, group):
    """A static member comes back with other topics, as a classic one, as the last consumer."""
    side.beat(group, "new", 0, ("m4",), InstanceId="i")
    back = side.join(group, "", subscription("m4", "m1"), GroupInstanceId="i")
    side.look(group)
    side.sync(group, back["MemberId"], back["GenerationId"], GroupInstanceId="i")
    side.heartbeat(group, back["MemberId"], back["GenerationId"], GroupInstanceId="i")


def converts(side, group):
    """A member says in the other protocol that it is there."""
    side.beat(group, "other", 0, ("m4",))
    side.join(group, "mine", subscription("m4"))
    side.join(group, "other", subscription("m4"))
    side.look(group)
    side.beat(group, "mine", 3, ("m4",))
    side.look(group)


def other_topics(side, group):
    """A member gives up a topic, and takes it again."""
    side.beat(group, "mine", 0, ("m4", "m1"))
    side.beat(group, "mine", 2, ("m1",))
    side.beat(group, "mine", 2, owned={"m1": (0,)})
    side.beat(group, "mine", 3, ("m4", "m1"), owned={"m1": (0,)})
    side.look(group)


def sessions(side, group):
    """A consumer falls silent, and leaves a classic group."""
    side.ask(
        "IncrementalAlterConfigs", 1, Resources=[{
            "ResourceType": 32, "ResourceName": group,
            "Configs": [
                {"Name": "consumer.heartbeat.interval.ms", "ConfigOperation": 0, "Value": "1000"},
                {"Name": "consumer.session.timeout.ms", "ConfigOperation": 0, "Value": "3500"},
            ],
        }],
    )
    side.beat(group, "silent", 0, ("m4",))
    side.join(group, "mine", subscription("m4"))
    side.sync(group, "mine", 3)
    side.until(
        lambda: side.asker.ask("DescribeGroups", 6, Groups=[group]),
        lambda answer: answer["Groups"][0]["GroupState"] != "Dead",
    )
    side.look(group)


SCENARIOS = (
    upgrade, cooperative, unreleased, joins, downgrade, rejected, other_types, statics, statics_with_more,
    converts, other_topics, sessions,
)


class Run:
    """All scenarios on one broker, and what its coordinator has written."""

    def __init__(self, kind, home, tools):
        side = Side(kind, home)
        self.shown = {}
        try:
            for each in SCENARIOS:
                side.shown = []
                each(side, each.__name__)
                self.shown[each.__name__] = side.shown
        finally:
            side.close()
        log = next(iter((side.broker.data / "__consumer_offsets-0").glob("*.log")))
        self.written = self._records(side, tools.must("dump-log", "--offsets-decoder", "--files", str(log)))
        self.complaints = disk.complaints(disk.dump(tools, side.broker.data))

    @staticmethod
    def _records(side, shown):
        """{group: its records}, without offsets and times."""
        found = {}
        for key, value in re.findall(r"(?m) key: (\{.*?\}) payload: (.*)$", shown):
            key = json.loads(key)
            told = key["data"].get("groupId", key["data"].get("group"))
            value = value if value.startswith(("NULL", "<")) else json.loads(value)
            found.setdefault(told, []).append((side.plain(key), steady(side.plain(value))))
        return found


def steady(value, key=""):
    """Without what is another in each broker: times, hashes (which are made of topic ids)."""
    if isinstance(value, dict):
        return {name: steady(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return sorted((steady(each, key) for each in value), key=repr)
    if key in ("currentStateTimestamp", "assignmentTimestamp", "commitTimestamp", "timestamp", "metadataHash", "topicId"):
        return value and "SOME"
    return value


pytestmark = [pytest.mark.xdist_group("ab-migration"), pytest.mark.timeout(400)]


@pytest.mark.parametrize("name", [each.__name__ for each in SCENARIOS])
def test_answers_as_apache_kafka_answers(runs, name):
    stock, ours = (run.shown[name] for run in runs)
    for number, both in enumerate(zip(ours, stock)):
        assert both[0] == both[1], f"answer {number}"
    assert len(ours) == len(stock)


@pytest.mark.parametrize("name", [each.__name__ for each in SCENARIOS])
def test_writes_what_apache_kafka_writes(runs, name):
    """Whatever the order of the records of one request, which are written together."""
    stock, ours = (sorted(map(repr, run.written.get(name, []))) for run in runs)
    assert ours == stock


def test_leaves_files_that_kafka_can_read(runs):
    assert [run.complaints for run in runs] == [[], []]
