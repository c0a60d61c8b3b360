"""Two named listeners, as of a broker that is reached from its host and from containers: each client is told the
address of the listener that it came by, and no other, and works by that alone.

The outer listener advertises a port on which a relay of the test's own listens. A client that is given the wrong address is
seen by the relay's count, or fails.
"""

import select
import socket
import sys
import threading

import pytest

from interop.lib import places, wire
from interop.lib.broker import Broker, free_ports
from interop.lib.clients import DriverClient, Record, wait_until


pytestmark = pytest.mark.xdist_group("listeners")  # one broker for all of them


class Relay:
    """Passes bytes between its port and a target, and counts its connections."""

    def __init__(self, port, target):
        self.port = port
        self.target = target
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    @staticmethod
    def _pass(near, far):
        with near, far:
            while True:
                for each in select.select([near, far], [], [])[0]:
                    try:
                        data = each.recv(65536)
                        (far if each is near else near).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return

    def close(self):
        self.listener.close()


@pytest.fixture(scope="module", name="doors")
def _doors(kind, tmp_path_factory):
    """A broker with two listeners, and the relay before the outer one."""
    outer, relay_port = free_ports(2)
    broker = Broker(
        kind,
        tmp_path_factory.mktemp("doors") / "node",
        {
            "listeners": "INNER://127.0.0.1:{port},OUTER://127.0.0.1:%d,CONTROLLER://127.0.0.1:{controller_port}" % outer,
            "advertised.listeners": "INNER://localhost:{port},OUTER://127.0.0.1:%d" % relay_port,
            "listener.security.protocol.map": "INNER:PLAINTEXT,OUTER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "INNER",
        },
    )
    relay = Relay(relay_port, outer)
    with broker:
        yield broker, relay
        broker.stop()
    relay.close()


@pytest.fixture(name="two_doors")
def _two_doors(doors):
    """(broker, its inner address, the relay's address, the relay, its count at 0)"""
    broker, relay = doors
    relay.connections = 0
    return broker, f"127.0.0.1:{broker.port}", f"127.0.0.1:{relay.port}", relay


def told(address):
    host, port = address.split(":")
    with wire.Connection(host, int(port)) as connection:
        brokers, _ = connection.metadata()
    return brokers


def test_metadata_names_the_listener_that_was_asked(two_doors):
    broker, inner, outer, _ = two_doors
    assert told(inner) == {1: ("localhost", broker.port)}
    assert told(outer) == {1: ("127.0.0.1", int(outer.split(":")[1]))}


CLIENTS = {
    "confluent-kafka": (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py")),
    "kafka-python": (sys.executable, str(places.INTEROP / "kafka-python/driver.py")),
    "aiokafka": (sys.executable, str(places.INTEROP / "aiokafka/driver.py")),
    "kafkajs": ("node", str(places.INTEROP / "kafkajs/driver.js")),
    "@platformatic/kafka": ("node", str(places.INTEROP / "platformatic-kafka/driver.js")),
    "sarama": (str(places.CACHE / "go/sarama"),),
    "franz-go": (str(places.CACHE / "go/franz-go"),),
}


def make(name, address):
    if CLIENTS[name][0] == "node":
        places.need_node((20, 19) if name == "@platformatic/kafka" else (18, 0))
    if CLIENTS[name][0].startswith(str(places.CACHE / "go")):
        places.need("go")
    client = DriverClient(address)
    client.command = CLIENTS[name]
    client.extra_environment = {
        "NODE_PATH": str(places.CACHE / "node/node_modules"),
        "KAFKAJS_NO_PARTITIONER_WARNING": "1",
    }
    return client


def works(client, topic):
    """Writes, reads, and reads as a group (the coordinator is found by listener, too)."""
    rows = [Record(0, b"k%d" % i, b"v%d" % i) for i in range(5)]
    client.create(topic, 1)
    client.produce(topic, rows)
    assert [each.without_offset() for each in client.consume(topic, 1, 5)] == rows
    member = client.member(topic, topic)
    try:
        wait_until([member], lambda: len(member.records) == 5, "a member reads all")
        member.commit()
        member.leave()
    finally:
        member.kill()
        client.close()


def topic_of(name, door):
    return f"{door}-{name.replace('@', '').replace('/', '-')}"


@pytest.mark.parametrize("name", CLIENTS)
def test_each_client_stays_with_its_listener(two_doors, name):
    _, inner, outer, relay = two_doors
    works(make(name, inner), topic_of(name, "inner"))
    assert relay.connections == 0, f"{name} was sent to the outer listener"
    works(make(name, outer), topic_of(name, "outer"))
    assert relay.connections >= 2, f"{name} did not stay with the outer listener"


@pytest.mark.timeout(120)
def test_console_tools_stay_with_their_listener(two_doors, tools):
    _, inner, outer, relay = two_doors
    for address in (inner, outer):
        relay.connections = 0
        where = ["--bootstrap-server", address, "--topic", "tools"]
        tools.must("topics", *where, "--create", "--if-not-exists", "--partitions", "1")
        tools.must("console-producer", *where, stdin="a\nb\n")
        said = tools.must("console-consumer", *where, "--from-beginning", "--group", address, "--max-messages", "2")
        assert said == "a\nb\n"
        assert (relay.connections > 0) == (address == outer)
