"""confluent-kafka, as interop/lib/clients.py describes a driver."""

import functools
import os
import pathlib
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from interop.lib.driverside import PollingMember, pack, say, serve, unpack  # pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
# A member looks for a broker that was away sooner than its session ends.
BASE = {"bootstrap.servers": BOOTSTRAP, "socket.timeout.ms": 20000, "reconnect.backoff.max.ms": 1000}
# In the consumer protocol (KIP-848) the broker sets the times.
PROTOCOL = (
    {"group.protocol": "consumer"}
    if os.environ.get("GROUP_PROTOCOL") == "consumer"
    else {"heartbeat.interval.ms": 500, "session.timeout.ms": int(os.environ.get("SESSION_TIMEOUT_MS", "10000"))}
)
# A static member (KIP-345).
INSTANCE = {"group.instance.id": os.environ["GROUP_INSTANCE_ID"]} if "GROUP_INSTANCE_ID" in os.environ else {}


def record(message):
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": pack(message.key()),
        "value": pack(message.value()),
        "headers": [[name, pack(value)] for name, value in message.headers() or ()],
    }


def create(topic, partitions):
    admin = AdminClient(BASE)
    admin.create_topics([NewTopic(topic, partitions, 1)], request_timeout=20)[topic].result()


def partitions(topic):
    return {"count": len(AdminClient(BASE).list_topics(topic, timeout=20).topics[topic].partitions)}


@functools.cache
def producer_of(codec):
    """One for each codec; an idempotent librdkafka takes half a second to begin."""
    return Producer({**BASE, "compression.type": codec, "linger.ms": 20, "enable.idempotence": True})


def produce(topic, codec, records):
    failed = []
    producer = producer_of(codec)
    for each in records:
        producer.produce(
            topic,
            partition=each["partition"],
            key=unpack(each["key"]),
            value=unpack(each["value"]),
            headers=[(name, unpack(value)) for name, value in each["headers"]],
            on_delivery=lambda error, _: error and failed.append(error),
        )
    if producer.flush(30) or failed:
        raise RuntimeError(f"not delivered: {failed or 'timed out'}")


@functools.cache
def transactional_producer(transactional_id):
    producer = Producer({**BASE, "transactional.id": transactional_id})
    producer.init_transactions(30)
    return producer


def transact(transactional_id, topic, records, commit, group, offset):
    producer = transactional_producer(transactional_id)
    producer.begin_transaction()
    for each in records:
        producer.produce(topic, partition=each["partition"], key=unpack(each["key"]), value=unpack(each["value"]))
    producer.flush(30)
    if group:
        consumer = Consumer({**BASE, "group.id": group})
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, offset)], consumer.consumer_group_metadata(), 30)
        consumer.close()
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def take(message):
    """The message as a record, None when there is none."""
    if message is None:
        return None
    if message.error():
        if message.error().code() == KafkaError._PARTITION_EOF:  # pylint: disable=protected-access
            return None
        raise RuntimeError(message.error())
    return record(message)


def consume(topic, partitions, count):  # pylint: disable=redefined-outer-name
    consumer = Consumer({**BASE, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    while count:
        row = take(consumer.poll(1))
        if row:
            say(record=row)
            count -= 1
    consumer.close()


class Member(PollingMember):
    """A consumer that says what it is given."""

    def __init__(self, group, topic):
        self.assigned = set()
        self.consumer = Consumer(
            {
                **BASE,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **PROTOCOL,
                **INSTANCE,
            }
        )
        self.consumer.subscribe([topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)
        self.begin()

    def _assign(self, _, given):
        self.assigned |= {each.partition for each in given}
        say(assigned=sorted(self.assigned))

    def _revoke(self, _, taken):
        self.assigned -= {each.partition for each in taken}
        say(assigned=sorted(self.assigned))

    def poll_once(self):
        row = take(self.consumer.poll(0.1))
        if row:
            say(record=row)

    def commit_now(self):
        try:
            self.consumer.commit(asynchronous=False)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError._NO_OFFSET:  # pylint: disable=protected-access
                raise

    def close_now(self):
        self.consumer.close()


serve(create=create, partitions=partitions, produce=produce, transact=transact, consume=consume, member=Member)
