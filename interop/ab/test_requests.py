"""Odd but legal requests to both brokers: nothing named, null, the same twice, what is not there, old versions."""

import re
import time

import pytest

pytestmark = [pytest.mark.xdist_group("ab-pair"), pytest.mark.timeout(180)]

ZERO_ID = "00000000-0000-0000-0000-000000000000"
NOWHERE_ID = "11111111-2222-3333-4444-555555555555"
LONG = "x" * 300
TOPICS = {"reqone": 1, "reqtwo": 3, "req.odd": 2, **{f"reqgone{n}": 1 for n in range(1, 6)}}


class Id:
    """A topic's id, which is another in each broker."""

    def __init__(self, topic):
        self.topic = topic

    def __repr__(self):
        return f"Id({self.topic})"


def raw_id(text):
    return bytes.fromhex(text.replace("-", ""))


class World:
    """The pair with some topics and a group."""

    def __init__(self, pair):
        self.pair = pair
        for name, partitions in TOPICS.items():
            pair.create(name, partitions)
        self.ids = [self._ids(asker) for asker in pair.askers]
        self._commit()

    @staticmethod
    def _ids(asker):
        answer = asker.ask("Metadata", 12, Topics=None, AllowAutoTopicCreation=0)
        return {each["Name"]: each["TopicId"] for each in answer["Topics"]}

    def _commit(self):
        part = {"PartitionIndex": 0, "CommittedOffset": 5, "CommittedLeaderEpoch": -1, "CommittedMetadata": "m"}
        for asker in self.pair.askers:
            for _ in range(200):
                asker.ask("FindCoordinator", 3, Key="reqgroup")
                answer = asker.ask(
                    "OffsetCommit", 7, GroupId="reqgroup", GenerationIdOrMemberEpoch=-1, MemberId="",
                    Topics=[{"Name": "reqtwo", "Partitions": [part]}],
                )
                if answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 0:
                    break
                time.sleep(0.05)
            else:
                raise AssertionError(answer)

    def asked(self, api, version, values):
        """Both answers, made equal in what may differ."""
        return [
            self.plain(asker.ask(api, version, **self.filled(values, number)), number)
            for number, asker in enumerate(self.pair.askers)
        ]

    def filled(self, value, number):
        if isinstance(value, Id):
            known = {"zero": ZERO_ID, "nowhere": NOWHERE_ID}
            return raw_id(known.get(value.topic) or self.ids[number][value.topic])
        if isinstance(value, dict):
            return {key: self.filled(each, number) for key, each in value.items()}
        return [self.filled(each, number) for each in value] if isinstance(value, list) else value

    def plain(self, value, number, key=""):
        if isinstance(value, dict):
            return {name: self.plain(each, number, name) for name, each in value.items()}
        if isinstance(value, list):
            return self.rows(value, number, key)
        if key == "Port" and value == self.pair.brokers[number].port:
            return "PORT"
        if key in OWN_PROGRESS and value > 0:
            return "SOME"
        if key == "ClusterId":
            return "CLUSTER"
        if key == "TopicId":
            names = {each: name for name, each in self.ids[number].items()}
            return names.get(value, value if value in (ZERO_ID, NOWHERE_ID) else "NEW")
        return re.sub(r"(?<!\d)%d(?!\d)" % self.pair.brokers[number].port, "PORT", value) if isinstance(value, str) else value


    def rows(self, value, number, key):
        """Apache Kafka tells of a topic once that is named twice, and not at all when none of its partitions is named.
        Nobody fetches metadata from us, so there is no listener for it."""
        if key == "Listeners":
            return []
        kept = []
        for each in value:
            if isinstance(each, dict) and (each.get("Name") in OWN_CONFIGS or key == "Topics" and each.get("Partitions") == [] and "ErrorCode" not in each):
                continue
            row = self.plain(each, number)
            if key != "Topics" or row not in kept:
                kept.append(row)
        return kept if key in ORDERED else sorted(kept, key=repr)


# Lists whose order means something; others are put in order before they are compared.
ORDERED = ("Synonyms",)
# How far each broker's own metadata log has come.
OWN_PROGRESS = ("LeaderEpoch", "HighWatermark", "LogEndOffset", "LastFetchTimestamp", "LastCaughtUpTimestamp")
# Configs whose default is ours on purpose.
OWN_CONFIGS = ("flush.ms", "log.flush.interval.ms", "num.io.threads", "num.network.threads", "queued.max.request.bytes")


@pytest.fixture(scope="module", name="world")
def _world(pair):
    return World(pair)


def topic(name, *parts, **more):
    return {"Name": name, "Partitions": [{"PartitionIndex": n, **more} for n in parts]}


def metadata():
    every = range(0, 14)
    yield every, {"Topics": []}
    yield range(1, 14), {"Topics": None}
    for names in (["reqone"], ["reqone", "reqone"], ["reqone", "reqtwo"]):
        yield every, {"Topics": [{"Name": name} for name in names], "AllowAutoTopicCreation": 0}
    for names in (["nowhere1"], [""], ["a/b"], [LONG], ["reqone", "nowhere1", "", "reqtwo"], [".."]):  # made before v4
        yield range(4, 14), {"Topics": [{"Name": name} for name in names], "AllowAutoTopicCreation": 0}
    for rows in (
        [{"TopicId": Id("reqone"), "Name": None}],
        [{"TopicId": Id("reqone"), "Name": "reqtwo"}],
        [{"TopicId": Id("reqone"), "Name": None}, {"TopicId": Id("reqone"), "Name": None}],
        [{"TopicId": Id("nowhere"), "Name": None}],
        [{"TopicId": Id("nowhere"), "Name": "reqone"}],
    ):
        yield range(10, 14), {"Topics": rows, "AllowAutoTopicCreation": 0}
    for flag in ("IncludeTopicAuthorizedOperations", "IncludeClusterAuthorizedOperations"):
        yield range(8, 11), {"Topics": [{"Name": "reqone"}], "AllowAutoTopicCreation": 0, flag: 1}


def offset_commit():
    def row(index, offset=1, **more):
        return {"PartitionIndex": index, "CommittedOffset": offset, "CommittedMetadata": "", **more}

    for rows in ([], [row(0)], [row(0), row(0, 2)], [row(5)], [row(-1)], [row(0, -1)], [row(0, -5)], [row(0, 2**62)], [row(0, CommittedMetadata=None)], [row(0, CommittedMetadata="x" * 5000), row(1)]):
        yield range(2, 10), {"GroupId": "reqcommit", "Topics": [{"Name": "reqtwo", "Partitions": rows}], "GenerationIdOrMemberEpoch": -1}
        yield range(10, 11), {"GroupId": "reqcommit", "Topics": [{"TopicId": Id("reqtwo"), "Partitions": rows}], "GenerationIdOrMemberEpoch": -1}
    for group, generation, member in (("", -1, ""), ("reqcommit", 0, ""), ("reqcommit", 7, "m"), ("reqcommit", -1, "m"), ("reqcommit", -5, ""), ("no-such", 3, "x"), ("no-such", 3, ""), ("no-such", -2, "")):
        yield range(2, 10), {"GroupId": group, "Topics": [topic("reqtwo", 0, CommittedMetadata="")], "GenerationIdOrMemberEpoch": generation, "MemberId": member}
    yield range(2, 11), {"GroupId": "reqcommit", "Topics": [], "GenerationIdOrMemberEpoch": -1}
    yield range(2, 10), {"GroupId": "reqcommit", "Topics": [topic("nowhere1", 0, CommittedMetadata=""), topic("reqone", 0, CommittedMetadata="")], "GenerationIdOrMemberEpoch": -1}
    yield range(2, 10), {"GroupId": "reqcommit", "Topics": [topic("reqone", 0, CommittedMetadata=""), topic("reqone", 0, CommittedMetadata="")], "GenerationIdOrMemberEpoch": -1}
    yield range(7, 10), {"GroupId": "reqcommit", "GroupInstanceId": "i", "Topics": [topic("reqone", 0, CommittedMetadata="")], "GenerationIdOrMemberEpoch": -1}
    for which in ("nowhere", "zero"):
        yield range(10, 11), {"GroupId": "reqcommit", "Topics": [{"TopicId": Id(which), "Partitions": [row(0)]}, {"TopicId": Id("reqone"), "Partitions": [row(0)]}], "GenerationIdOrMemberEpoch": -1}


def offset_fetch():
    for topics in (None, [], [{"Name": "reqtwo", "PartitionIndexes": []}], [{"Name": "reqtwo", "PartitionIndexes": [0, 1, 0, -1, 9]}], [{"Name": "nowhere1", "PartitionIndexes": [0]}], [{"Name": "reqtwo", "PartitionIndexes": [0]}] * 2):
        for group in ("reqgroup", "no-such", ""):
            yield range(1 if topics is not None else 2, 8), {"GroupId": group, "Topics": topics}
            yield range(8, 10), {"Groups": [{"GroupId": group, "Topics": topics}]}
    for member, epoch in ((None, -1), ("m", -1), ("m", 5), (None, 5), ("", -1)):
        yield range(9, 10), {"Groups": [{"GroupId": "reqgroup", "MemberId": member, "MemberEpoch": epoch, "Topics": None}]}
    for topics in (None, [], [{"TopicId": Id("reqtwo"), "PartitionIndexes": [0, 7]}], [{"TopicId": Id("nowhere"), "PartitionIndexes": [0]}, {"TopicId": Id("reqtwo"), "PartitionIndexes": [0]}], [{"TopicId": Id("zero"), "PartitionIndexes": [0]}]):
        yield range(10, 11), {"Groups": [{"GroupId": "reqgroup", "Topics": topics}]}
    yield range(8, 11), {"Groups": []}
    yield range(8, 11), {"Groups": [{"GroupId": "reqgroup", "Topics": None}, {"GroupId": "reqgroup", "Topics": None}, {"GroupId": "no-such", "Topics": None}]}


def find_coordinator():
    for key in ("reqgroup", "", LONG):
        yield range(0, 4), {"Key": key}
        for kind in (0, 2, 3, -1):
            yield range(1, 4), {"Key": key, "KeyType": kind}
            yield range(4, 7), {"CoordinatorKeys": [key], "KeyType": kind}
    yield range(4, 7), {"CoordinatorKeys": []}
    yield range(4, 7), {"CoordinatorKeys": ["a", "b", "a"]}


def groups():
    for names in ([], ["no-such"], ["reqgroup"], ["reqgroup", "reqgroup"], [""]):
        for flag in (0, 1):
            yield range(3, 7), {"Groups": names, "IncludeAuthorizedOperations": flag}
        yield range(0, 3), {"Groups": names}


def list_groups():
    yield range(0, 4), {}
    for states in ([], ["Empty"], ["empty"], ["Stable"], ["no-such"], [""], ["Empty", "Empty"]):
        yield range(4, 6), {"StatesFilter": states}
        for types in ([], ["classic"], ["Classic"], ["consumer"], ["no-such"]):
            yield range(5, 6), {"StatesFilter": states, "TypesFilter": types}


def create_topics():
    every = range(2, 8)

    def made(name, **more):
        return {"Name": name, "NumPartitions": 1, "ReplicationFactor": 1, **more}

    def put(*brokers):
        return [{"PartitionIndex": n, "BrokerIds": list(each)} for n, each in enumerate(brokers)]

    for rows in (
        [], [made("reqone")], [made("v"), made("v")], [made("v"), made("reqone"), made("w")], [made("")], [made(".")], [made("a b")], [made(LONG)],
        [made("v", NumPartitions=0)], [made("v", NumPartitions=-1)], [made("v", NumPartitions=-2)], [made("v", ReplicationFactor=0)], [made("v", ReplicationFactor=-1)],
        [made("v", ReplicationFactor=-2)], [made("v", ReplicationFactor=2)], [made("v", NumPartitions=100001)],
        [made("v", Assignments=put([1]))], [made("v", NumPartitions=-1, ReplicationFactor=-1, Assignments=put([1], [1]))],
        [made("v", NumPartitions=-1, ReplicationFactor=-1, Assignments=put([1, 1]))], [made("v", NumPartitions=-1, ReplicationFactor=-1, Assignments=put([]))],
        [made("v", NumPartitions=-1, ReplicationFactor=-1, Assignments=put([7]))], [made("v", NumPartitions=-1, ReplicationFactor=-1, Assignments=[{"PartitionIndex": 1, "BrokerIds": [1]}])],
        [made("v", NumPartitions=-1, ReplicationFactor=-1, Assignments=[{"PartitionIndex": 0, "BrokerIds": [1]}] * 2)],
        [made("v", Configs=[{"Name": "retention.ms", "Value": "1"}] * 2)], [made("v", Configs=[{"Name": "retention.ms", "Value": None}])],
        [made("v", Configs=[{"Name": "", "Value": "1"}])], [made("v", Configs=[{"Name": "no.such", "Value": "1"}])], [made("v", Configs=[{"Name": "cleanup.policy", "Value": ""}])],
        [made("req_odd")], [made("__consumer_offsets")], [made("__transaction_state")], [made("__cluster_metadata")], [made("v", Configs=[{"Name": "retention.ms", "Value": " 7 "}])],
    ):
        yield every, {"Topics": rows, "TimeoutMs": 5000, "ValidateOnly": 1}


def delete_topics():
    for names in ([], ["nowhere1"], ["nowhere1", "nowhere1"], [""], ["a/b"]):
        yield range(1, 6), {"TopicNames": names, "TimeoutMs": 5000}
        yield range(6, 7), {"Topics": [{"Name": name, "TopicId": Id("zero")} for name in names], "TimeoutMs": 5000}
    for rows in (
        [{"Name": None, "TopicId": Id("nowhere")}], [{"Name": None, "TopicId": Id("nowhere")}] * 2, [{"Name": None, "TopicId": Id("zero")}],
        [{"Name": "nowhere1", "TopicId": Id("nowhere")}], [{"Name": "reqgone1", "TopicId": Id("reqgone1")}], [{"Name": "reqgone1", "TopicId": Id("nowhere")}],
        [{"Name": "reqgone1", "TopicId": Id("zero")}, {"Name": None, "TopicId": Id("reqgone1")}], [{"Name": "reqgone2", "TopicId": Id("zero")}] * 2,
        [{"Name": None, "TopicId": Id("reqgone3")}] * 3, [{"Name": None, "TopicId": Id("reqgone4")}, {"Name": "nowhere1", "TopicId": Id("zero")}],
    ):
        yield range(6, 7), {"Topics": rows, "TimeoutMs": 5000}


def describe_configs():
    every = range(1, 5)

    def row(kind, name, keys=None):
        return {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}

    for rows in (
        [], [row(2, "reqone", ["retention.ms"])], [row(2, "reqone", [])], [row(2, "reqone", ["no.such", "retention.ms", "retention.ms"])], [row(2, "reqone", ["retention.ms"])] * 2,
        [row(2, "nowhere1")], [row(2, "")], [row(2, "a/b")], [row(2, LONG)], [row(4, "1", ["node.id"])], [row(4, "2")], [row(4, "")], [row(4, "x")], [row(4, "01", ["node.id"])], [row(4, "-1")],
        [row(0, "x")], [row(1, "x")], [row(3, "x")], [row(5, "x")], [row(8, "2")], [row(8, "")], [row(8, "x")], [row(16, "no-such")], [row(16, "")], [row(32, "no-such")], [row(32, "")], [row(32, "reqgroup")],
        [row(64, "x")], [row(-1, "x")], [row(2, "reqone", ["retention.ms"]), row(4, "1", ["node.id"])],
    ):
        for synonyms in (0, 1):
            yield every, {"Resources": rows, "IncludeSynonyms": synonyms}


def alter_configs():
    def row(kind, name, *configs):
        return {"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": key, "Value": value} for key, value in configs]}

    for rows in (  # the same resource twice makes Apache Kafka answer nothing
        [], [row(2, "reqone")], [row(2, "reqone", ("retention.ms", "1"))], [row(2, "reqone", ("retention.ms", "1"), ("retention.ms", "2"))],
        [row(2, "reqone", ("retention.ms", None))], [row(2, "reqone", ("no.such", "1"))], [row(2, "reqone", ("retention.ms", "soon"))], [row(2, "nowhere1", ("retention.ms", "1"))], [row(2, "")], [row(2, "a/b")],
        [row(4, "1", ("log.cleaner.threads", "1"))], [row(4, "1", ("node.id", "2"))], [row(4, "2", ("log.cleaner.threads", "1"))], [row(4, "x")], [row(4, "")], [row(4, "", ("log.cleaner.threads", "1"))],
        [row(0, "x")], [row(3, "x")], [row(8, "1", ("root", "INFO"))], [row(16, "m", ("interval.ms", "1000"))], [row(32, "g", ("consumer.session.timeout.ms", "50000"))], [row(32, "", ("consumer.session.timeout.ms", "50000"))],
        [row(2, "reqone", ("", "1"))], [row(2, "reqone", ("cleanup.policy", ""))], [row(2, "reqone", ("cleanup.policy", "delete")), row(2, "nowhere1", ("retention.ms", "1"))], [row(64, "x")],
    ):
        yield range(0, 3), {"Resources": rows, "ValidateOnly": 1}


def incremental_alter_configs():
    def row(kind, name, *configs):
        return {"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": key, "ConfigOperation": how, "Value": value} for key, how, value in configs]}

    for rows in (
        [], [row(2, "reqone")], [row(2, "reqone", ("retention.ms", 0, "1"))], [row(2, "reqone", ("retention.ms", 0, "1"))] * 2, [row(2, "reqone", ("retention.ms", 0, "1"), ("retention.ms", 1, None))],
        [row(2, "reqone", ("retention.ms", 0, None))], [row(2, "reqone", ("retention.ms", 1, None))], [row(2, "reqone", ("retention.ms", 1, "x"))], [row(2, "reqone", ("no.such", 1, None))], [row(2, "reqone", ("no.such", 0, "1"))],
        [row(2, "reqone", ("retention.ms", 2, "1"))], [row(2, "reqone", ("retention.ms", 3, "1"))],
        [row(2, "reqone", ("cleanup.policy", 2, "compact"))], [row(2, "reqone", ("cleanup.policy", 2, "delete"))], [row(2, "reqone", ("cleanup.policy", 2, "delete,compact,compact"))], [row(2, "reqone", ("cleanup.policy", 2, None))],
        [row(2, "reqone", ("cleanup.policy", 3, "delete"))], [row(2, "reqone", ("cleanup.policy", 3, "compact"))], [row(2, "reqone", ("cleanup.policy", 3, "nonsense"))], [row(2, "reqone", ("cleanup.policy", 0, ""))], [row(2, "reqone", ("cleanup.policy", 2, ""))],
        [row(2, "nowhere1", ("retention.ms", 0, "1"))], [row(2, "", ("retention.ms", 0, "1"))], [row(4, "2", ("log.cleaner.threads", 0, "1"))], [row(4, "x", ("log.cleaner.threads", 0, "1"))], [row(4, "1", ("node.id", 0, "2"))],
        [row(4, "1", ("log.cleaner.threads", 0, "1"))], [row(4, "", ("log.cleaner.threads", 0, "1"))], [row(4, "", ("log.cleaner.threads", 1, None))], [row(8, "1", ("root", 0, "INFO"))], [row(8, "1", ("root", 0, "NOISE"))], [row(8, "2", ("root", 0, "INFO"))],
        [row(16, "m", ("interval.ms", 0, "1000"))], [row(16, "m", ("interval.ms", 0, "1"))], [row(16, "", ("interval.ms", 0, "1000"))], [row(32, "g", ("consumer.session.timeout.ms", 0, "50000"))], [row(32, "g", ("consumer.session.timeout.ms", 0, "1"))], [row(32, "", ("consumer.session.timeout.ms", 0, "50000"))],
        [row(0, "x")], [row(64, "x")], [row(2, "reqone", ("retention.ms", 0, "1")), row(2, "nowhere1", ("retention.ms", 0, "1"))],
    ):
        yield range(0, 2), {"Resources": rows, "ValidateOnly": 1}


def create_partitions():
    def row(name, count, assignments=None):
        return {"Name": name, "Count": count, "Assignments": None if assignments is None else [{"BrokerIds": each} for each in assignments]}

    for rows in (
        [], [row("reqone", 2)], [row("reqone", 2), row("reqone", 3)], [row("nowhere1", 2)], [row("", 2)], [row("reqtwo", 3)], [row("reqtwo", 1)], [row("reqone", 0)], [row("reqone", -1)],
        [row("reqone", 2, [[1]])], [row("reqone", 3, [[1]])], [row("reqone", 2, [])], [row("reqone", 2, [[]])], [row("reqone", 2, [[1, 1]])], [row("reqone", 2, [[7]])], [row("reqone", 2, [[1, 7]])],
        [row("__consumer_offsets", 60)], [row("reqone", 2), row("nowhere1", 2)],
    ):
        yield range(0, 4), {"Topics": rows, "TimeoutMs": 5000, "ValidateOnly": 1}


def delete_groups():
    for names in ([], ["no-such"], ["no-such", "no-such"], [""]):
        yield range(0, 3), {"GroupsNames": names}


def offset_delete():
    for group, topics in (("reqgroup", []), ("no-such", []), ("", []), ("no-such", [topic("reqtwo", 0)]), ("reqgroup", [topic("nowhere1", 0)]), ("reqgroup", [topic("reqtwo", 2, 2, 9)]), ("reqgroup", [topic("reqtwo")])):
        yield range(0, 1), {"GroupId": group, "Topics": topics}


def reassignments():
    for topics in (None, [], [{"Name": "reqone", "PartitionIndexes": []}], [{"Name": "reqone", "PartitionIndexes": [0, 0, 7]}], [{"Name": "nowhere1", "PartitionIndexes": [0]}], [{"Name": "", "PartitionIndexes": [0]}]):
        yield range(0, 1), {"Topics": topics, "TimeoutMs": 5000}


def elect_leaders():
    def row(name, *parts):
        return {"Topic": name, "Partitions": list(parts)}

    for topics in (None, [], [row("reqone", 0)], [row("reqone")], [row("reqtwo", 2, 0, 9, -1)], [row("nowhere1", 0)], [row("", 0)], [row("reqone", 0), row("nowhere1", 1, 0), row("reqtwo", 1)]):
        yield range(0, 3), {"TopicPartitions": topics, "TimeoutMs": 5000}
        for kind in (0, 1, 2, -1):
            yield range(1, 3), {"ElectionType": kind, "TopicPartitions": topics, "TimeoutMs": 5000}


def alter_reassignments():
    def row(name, *parts):
        return {"Name": name, "Partitions": [{"PartitionIndex": index, "Replicas": replicas} for index, replicas in parts]}

    for topics in (
        [], [row("reqone", (0, [1]))], [row("reqone", (0, None))], [row("reqone")], [row("reqone", (7, [1]), (0, [1]))], [row("reqone", (-1, None))],
        [row("nowhere1", (0, [1]))], [row("nowhere1", (0, None))], [row("", (0, [1]))], [row("reqone", (0, []))], [row("reqone", (0, [1, 1]))], [row("reqone", (0, [7]))], [row("reqone", (0, [1, 7]))],
        [row("reqone", (0, [7, 1]))], [row("reqone", (0, [-1]))], [row("reqone", (0, [8, 7]))], [row("reqone", (0, [1])), row("nowhere1", (0, [1])), row("reqtwo", (2, None), (0, [1]))],
    ):
        yield range(0, 2), {"Topics": topics, "TimeoutMs": 5000}
        yield range(1, 2), {"Topics": topics, "TimeoutMs": 5000, "AllowReplicationFactorChange": 0}


def describe_quorum():
    def row(name, *parts):
        return {"TopicName": name, "Partitions": [{"PartitionIndex": index} for index in parts]}

    for topics in ([row("__cluster_metadata", 0)], [], [row("__cluster_metadata")], [row("__cluster_metadata", 1)], [row("__cluster_metadata", 0, 0)], [row("__cluster_metadata", 0, 1)], [row("reqone", 0)], [row("__cluster_metadata", 0), row("reqone", 0)]):
        yield range(0, 3), {"Topics": topics}


def list_config_resources():
    yield range(0, 1), {}
    for kinds in ([], [2], [4], [8], [16], [32], [2, 4], [2, 2], [0], [1], [64], [-1], [2, 0], [16, 32]):
        yield range(1, 2), {"ResourceTypes": kinds}


def describe_cluster():
    yield range(0, 3), {}
    yield range(0, 3), {"IncludeClusterAuthorizedOperations": 1}
    for kind in (0, 1, 2, 3, -1):
        yield range(1, 3), {"EndpointType": kind}
    yield range(2, 3), {"EndpointType": 1, "IncludeFencedBrokers": 1}


def describe_topic_partitions():
    names = [{"Name": each} for each in ("reqone", "reqtwo", "nowhere1")]
    for limit in (2000, 1, 2, 0, -1):
        for cursor in (None, {"TopicName": "reqtwo", "PartitionIndex": 1}, {"TopicName": "reqtwo", "PartitionIndex": 9}, {"TopicName": "reqtwo", "PartitionIndex": -1}, {"TopicName": "r", "PartitionIndex": 0}, {"TopicName": "zzz", "PartitionIndex": 0}):
            yield range(0, 1), {"Topics": names, "ResponsePartitionLimit": limit, "Cursor": cursor}
    for rows in ([names[0]] * 2, [{"Name": "a/b"}], [{"Name": LONG}]):
        yield range(0, 1), {"Topics": rows, "ResponsePartitionLimit": 2000}


def describe_acls():
    for kind in (1, 2, 6):
        yield range(1, 4), {"ResourceTypeFilter": kind, "PatternTypeFilter": 1, "Operation": 1, "PermissionType": 1}


def create_acls():
    row = {"ResourceType": 2, "ResourceName": "reqone", "ResourcePatternType": 3, "Principal": "User:x", "Host": "*", "Operation": 3, "PermissionType": 3}
    for rows in ([], [row], [row, {**row, "ResourceName": "nowhere1"}]):
        yield range(1, 4), {"Creations": rows}


def delete_acls():
    row = {"ResourceTypeFilter": 2, "PatternTypeFilter": 1, "Operation": 1, "PermissionType": 1}
    for rows in ([], [row], [row, row]):
        yield range(1, 4), {"Filters": rows}


def membership():
    for group, member, generation in (("no-such", "m", 1), ("", "m", 1), ("reqgroup", "", -1), ("reqgroup", "m", 1)):
        yield "Heartbeat", range(0, 5), {"GroupId": group, "GenerationId": generation, "MemberId": member}
        yield "LeaveGroup", range(0, 3), {"GroupId": group, "MemberId": member}
        yield "LeaveGroup", range(3, 6), {"GroupId": group, "Members": [{"MemberId": member}]}
        yield "SyncGroup", range(0, 6), {"GroupId": group, "GenerationId": generation, "MemberId": member}
    yield "LeaveGroup", range(3, 6), {"GroupId": "reqgroup", "Members": []}
    yield "LeaveGroup", range(3, 6), {"GroupId": "reqgroup", "Members": [{"MemberId": "a"}, {"MemberId": "a"}, {"MemberId": "", "GroupInstanceId": "i"}]}
    for session in (0, -1, 1, 10**9):
        yield "JoinGroup", range(0, 10), {"GroupId": "reqjoin", "SessionTimeoutMs": session, "RebalanceTimeoutMs": 1000, "ProtocolType": "consumer", "Protocols": [{"Name": "range"}]}
    for more in ({"ProtocolType": ""}, {"Protocols": []}, {"GroupId": ""}, {"MemberId": "stranger"}):
        yield "JoinGroup", range(0, 10), {"GroupId": "reqjoin", "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 1000, "ProtocolType": "consumer", "Protocols": [{"Name": "range"}], **more}


PLAIN = {
    "Metadata": metadata, "OffsetCommit": offset_commit, "OffsetFetch": offset_fetch, "FindCoordinator": find_coordinator, "DescribeGroups": groups, "ListGroups": list_groups,
    "CreateTopics": create_topics, "DeleteTopics": delete_topics, "DescribeConfigs": describe_configs, "AlterConfigs": alter_configs, "IncrementalAlterConfigs": incremental_alter_configs,
    "CreatePartitions": create_partitions, "DeleteGroups": delete_groups, "OffsetDelete": offset_delete, "ListPartitionReassignments": reassignments, "DescribeCluster": describe_cluster,
    "ElectLeaders": elect_leaders, "AlterPartitionReassignments": alter_reassignments, "DescribeQuorum": describe_quorum, "ListConfigResources": list_config_resources,
    "DescribeTopicPartitions": describe_topic_partitions, "DescribeAcls": describe_acls, "CreateAcls": create_acls, "DeleteAcls": delete_acls,
}


def parts_of(stock, ours, path=""):
    """Where two answers differ."""
    if isinstance(stock, dict) and isinstance(ours, dict):
        return [each for key in sorted({*stock, *ours}) for each in parts_of(stock.get(key), ours.get(key), f"{path}.{key}")]
    if isinstance(stock, list) and isinstance(ours, list) and len(stock) == len(ours):
        return [each for n, (left, right) in enumerate(zip(stock, ours)) for each in parts_of(left, right, f"{path}[{n}]")]
    return [] if stock == ours else [f"  {path}: Apache Kafka {stock!r}, ours {ours!r}"]


def difference(world, api, version, values):
    """What Apache Kafka does not answer at all, or by closing, may be answered."""
    stock, ours = world.asked(api, version, values)
    found = [] if stock is None else parts_of(stock, ours)
    return "\n".join([f"{api} v{version} {values}", *found]) if found else None


@pytest.mark.parametrize("api", PLAIN)
def test_odd_requests(world, api):
    found = [difference(world, api, version, values) for versions, values in PLAIN[api]() for version in versions]
    wrong = [each for each in found if each]
    assert not wrong, f"{len(wrong)} of {len(found)} differ:\n" + "\n".join(wrong)


def test_odd_members(world):
    found = [difference(world, api, version, values) for api, versions, values in membership() for version in versions]
    wrong = [each for each in found if each]
    assert not wrong, f"{len(wrong)} of {len(found)} differ:\n" + "\n".join(wrong)


def test_features(world):
    """Of share and streams groups we say nothing."""
    stock, ours = world.asked("ApiVersions", 4, {"ClientSoftwareName": "x", "ClientSoftwareVersion": "1"})
    for key in ("SupportedFeatures", "FinalizedFeatures"):
        expected = [row for row in stock[key] if row["Name"] not in ("share.version", "streams.version")]
        assert ours[key] == expected
