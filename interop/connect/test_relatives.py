"""What relatives of Kafka Connect ask of a broker, by requests made by hand.

Schema Registry elects its primary by a classic group of a protocol type of its own, "sr", whose metadata and assignments
are JSON that means nothing to the broker. Debezium makes its topics itself, with settings and a default replication
factor, and looks at what there is before.
"""

import concurrent.futures
import json

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from interop.lib import answers
from interop.lib.connect import until

pytestmark = pytest.mark.timeout(600)
NEVER_MS = 2**63 - 1
REBALANCE_IN_PROGRESS, MEMBER_ID_REQUIRED, INCONSISTENT_PROTOCOL, ILLEGAL_GENERATION = 27, 79, 23, 22
LOADING = (14, 15, 16)
PATIENCE_SECONDS = 120


def to_json(**fields):
    return json.dumps(fields, separators=(",", ":")).encode()


class Registry:
    """One instance of a registry: a member, with a connection of its own."""

    def __init__(self, port, group, number):
        self.group, self.host = group, f"registry{number}"
        self.asker = answers.Asker(port, PATIENCE_SECONDS)
        self.id, self.generation, self.leader, self.members = "", -1, None, {}

    def ask(self, api, version, **values):
        return self.asker.ask(api, version, GroupId=self.group, **values)

    def identity(self):
        return to_json(version=1, host=self.host, port=8081, master_eligibility=True, scheme="http")

    def try_join(self, kind="sr"):
        return self.ask(
            "JoinGroup", 9, SessionTimeoutMs=30000, RebalanceTimeoutMs=300000, MemberId=self.id, ProtocolType=kind,
            Protocols=[{"Name": "v0", "Metadata": self.identity()}], Reason="a test",
        )

    def enter(self):
        """Its id; the first answer of a group may come before its coordinator is there."""

        def once():
            self.asker.ask("FindCoordinator", 4, CoordinatorKeys=[self.group])
            answer = self.try_join()
            return answer if answer["ErrorCode"] not in LOADING else None

        answer = until(once, "a coordinator")
        assert answer["ErrorCode"] == MEMBER_ID_REQUIRED, answer
        self.id = answer["MemberId"]
        return self

    def join(self):
        answer = self.try_join()
        assert answer["ErrorCode"] == 0 and answer["ProtocolType"] == "sr" and answer["ProtocolName"] == "v0", answer
        self.generation, self.leader = answer["GenerationId"], answer["Leader"]
        self.members = {each["MemberId"]: each["Metadata"] for each in answer["Members"]}
        return self

    def sync(self, primary=None):
        """The leader says who is the primary, to all; the others are told."""
        rows = [{"MemberId": each, "Assignment": primary} for each in self.members] if primary else []
        names = {"GenerationId": self.generation, "MemberId": self.id, "ProtocolType": "sr", "ProtocolName": "v0"}
        answer = self.ask("SyncGroup", 5, Assignments=rows, **names)
        assert answer["ErrorCode"] == 0 and answer["ProtocolType"] == "sr", answer
        return answer["Assignment"]

    def heartbeat(self):
        return self.ask("Heartbeat", 4, GenerationId=self.generation, MemberId=self.id)["ErrorCode"]

    def leave(self):
        answer = self.ask("LeaveGroup", 5, Members=[{"MemberId": self.id, "Reason": "a test"}])
        assert answer["ErrorCode"] == 0 and answer["Members"][0]["ErrorCode"] == 0, answer


def all_at_once(actions):
    with concurrent.futures.ThreadPoolExecutor(len(actions)) as pool:
        return [each.result() for each in [pool.submit(action) for action in actions]]


def elect(registries):
    """One round: all come, the leader chooses, all hear of it; returns the leader."""
    all_at_once([each.join for each in registries])
    assert len({each.generation for each in registries}) == 1
    assert len({each.leader for each in registries}) == 1
    leader = next(each for each in registries if each.id == each.leader)
    assert leader.members == {each.id: each.identity() for each in registries}, "the leader alone is told of all"
    assert not any(each.members for each in registries if each is not leader)
    said = to_json(error=0, master=leader.id, master_identity=json.loads(leader.identity()))
    heard = all_at_once([lambda each=each: each.sync(said if each is leader else None) for each in registries])
    assert heard == [said] * len(registries)
    assert [each.heartbeat() for each in registries] == [0] * len(registries)
    return leader


def test_registries_elect_a_primary(broker, name):
    group = f"schema-registry-{name[-40:]}"
    first, second, third = (Registry(broker.port, group, number) for number in range(3))
    watcher = answers.Asker(broker.port, PATIENCE_SECONDS)
    assert elect([first.enter()]) is first

    # Another comes: the first is told by its heartbeat, stays the leader.
    second.enter()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(second.join)
        until(lambda: first.heartbeat() == REBALANCE_IN_PROGRESS, "the first is told")
        first.join()
        waits.result()
    assert first.leader == second.leader == first.id
    said = to_json(error=0, master=first.id)
    assert all_at_once([lambda: first.sync(said), second.sync]) == [said] * 2

    third.enter()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(third.join)
        until(lambda: second.heartbeat() == REBALANCE_IN_PROGRESS, "the second is told")
        all_at_once([first.join, second.join])
        waits.result()
    leader = next(each for each in (first, second, third) if each.id == each.leader)
    assert leader is first, "who leads goes on leading"
    all_at_once([lambda each=each: each.sync(said if each is leader else None) for each in (first, second, third)])

    # What others see of it, and what does not get in.
    shown = watcher.ask("DescribeGroups", 5, Groups=[group])["Groups"][0]
    assert (shown["GroupState"], shown["ProtocolType"], shown["ProtocolData"]) == ("Stable", "sr", "v0")
    assert {each["MemberId"]: (each["MemberMetadata"], each["MemberAssignment"]) for each in shown["Members"]} == {
        each.id: (each.identity(), said) for each in (first, second, third)
    }
    listed = watcher.ask("ListGroups", 5, StatesFilter=["stable"], TypesFilter=["classic"])["Groups"]
    assert {"GroupId": group, "ProtocolType": "sr", "GroupState": "Stable", "GroupType": "classic"} in listed
    stranger = Registry(broker.port, group, 9)
    assert stranger.try_join("consumer")["ErrorCode"] == INCONSISTENT_PROTOCOL
    assert watcher.ask("DeleteGroups", 2, GroupsNames=[group])["Results"][0]["ErrorCode"] == 68, "not while it has members"

    # The primary goes: the others elect anew, and it can not go on as if nothing were.
    first.leave()
    until(lambda: second.heartbeat() == REBALANCE_IN_PROGRESS and third.heartbeat() == REBALANCE_IN_PROGRESS, "the others are told")
    leader = elect([second, third])
    assert leader in (second, third)
    assert first.heartbeat() == 25, "unknown member"
    second.generation -= 1
    assert second.heartbeat() == ILLEGAL_GENERATION
    for each in (second, third):
        each.leave()
    until(lambda: watcher.ask("DescribeGroups", 5, Groups=[group])["Groups"][0]["GroupState"] == "Empty", "all are gone")
    assert watcher.ask("DeleteGroups", 2, GroupsNames=[group])["Results"][0]["ErrorCode"] == 0


def described(admin, kind, name):
    resource = ConfigResource(kind, name)
    return admin.describe_configs([resource])[resource].result(60)


def test_topics_are_made_as_debezium_makes_them(broker, name):
    """Its history of schemas, which must never expire, and a topic for a table, which is compacted."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    node = next(iter(admin.list_topics(timeout=60).brokers))
    assert described(admin, "broker", str(node))["default.replication.factor"].value == "1"
    history, table = f"{name}.history", f"{name}.inventory.customers"
    settings = {
        history: {"cleanup.policy": "delete", "retention.ms": str(NEVER_MS), "retention.bytes": "-1"},
        table: {"cleanup.policy": "compact", "compression.type": "lz4", "delete.retention.ms": "2592000000"},
    }
    made = admin.create_topics([NewTopic(each, 1, -1, config=config) for each, config in settings.items()])
    for each in made.values():
        each.result(60)
    for topic, config in settings.items():
        found = described(admin, "topic", topic)
        # 1: what is set for the topic itself, and a value that is the default counts as set, too.
        assert {key: entry.value for key, entry in found.items() if entry.source == 1} == config
        assert found["min.insync.replicas"].value == "1"
    again = admin.create_topics([NewTopic(history, 1, -1)])[history]
    assert again.exception(60).args[0].name() == "TOPIC_ALREADY_EXISTS"
    change = [
        ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.APPEND),
        ConfigEntry("compression.type", None, incremental_operation=AlterConfigOpType.DELETE),
        ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET),
    ]
    resource = ConfigResource("topic", table, incremental_configs=change)
    admin.incremental_alter_configs([resource])[resource].result(60)
    found = {key: entry.value for key, entry in described(admin, "topic", table).items() if entry.source == 1}
    assert found == {"cleanup.policy": "compact,delete", "delete.retention.ms": "2592000000", "retention.ms": "86400000"}
    bad = ConfigResource("topic", table, incremental_configs=[ConfigEntry("retention.ms", "never", incremental_operation=AlterConfigOpType.SET)])
    assert admin.incremental_alter_configs([bad])[bad].exception(60).args[0].name() == "INVALID_CONFIG"
