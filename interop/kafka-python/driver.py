"""kafka-python, as interop/lib/clients.py describes a driver."""

import functools
import pathlib
import sys

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.structs import OffsetAndMetadata

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from interop.lib.driverside import PollingMember, pack, say, serve, unpack  # pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]


def record(message):
    return {
        "partition": message.partition,
        "offset": message.offset,
        "key": pack(message.key),
        "value": pack(message.value),
        "headers": [[name, pack(value)] for name, value in message.headers],
    }


def create(topic, partitions):
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()


def partitions(topic):
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    count = len(consumer.partitions_for_topic(topic))
    consumer.close()
    return {"count": count}


def produce(topic, codec, records):
    producer = KafkaProducer(
        bootstrap_servers=BOOTSTRAP, compression_type=None if codec == "none" else codec, linger_ms=20, acks="all"
    )
    futures = [
        producer.send(
            topic,
            partition=each["partition"],
            key=unpack(each["key"]),
            value=unpack(each["value"]),
            headers=[(name, unpack(value)) for name, value in each["headers"]],
        )
        for each in records
    ]
    producer.flush(30)
    for each in futures:
        each.get(30)
    producer.close()


@functools.cache
def transactional_producer(transactional_id):
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=transactional_id)
    producer.init_transactions()
    return producer


def transact(transactional_id, topic, records, commit, group, offset):
    producer = transactional_producer(transactional_id)
    producer.begin_transaction()
    for each in records:
        producer.send(topic, partition=each["partition"], key=unpack(each["key"]), value=unpack(each["value"]))
    producer.flush(30)
    if group:
        producer.send_offsets_to_transaction({TopicPartition(topic, 0): OffsetAndMetadata(offset, "", -1)}, group)
    if commit:
        producer.commit_transaction()
    else:
        producer.abort_transaction()


def consume(topic, partitions, count):  # pylint: disable=redefined-outer-name
    consumer = KafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    consumer.seek_to_beginning()
    while count > 0:
        for batch in consumer.poll(1000).values():
            for each in batch:
                say(record=record(each))
                count -= 1
    consumer.close()


class Member(PollingMember, ConsumerRebalanceListener):
    """A consumer that says what it is given."""

    def __init__(self, group, topic):
        self.assigned = set()
        self.consumer = KafkaConsumer(
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=500,
            session_timeout_ms=10000,
        )
        # 3.0.12 joins before it knows the topic, and joins again when it does; if that falls on the end of a poll, it
        # forgets that it joined and sends no heartbeats. So it is made to know the topic first.
        self.consumer.partitions_for_topic(topic)
        self.consumer.subscribe([topic], listener=self)
        self.begin()

    def on_partitions_assigned(self, assigned):
        self.assigned |= {each.partition for each in assigned}
        say(assigned=sorted(self.assigned))

    def on_partitions_revoked(self, revoked):
        self.assigned -= {each.partition for each in revoked}
        say(assigned=sorted(self.assigned))

    def poll_once(self):
        for batch in self.consumer.poll(500).values():
            for each in batch:
                say(record=record(each))

    def commit_now(self):
        self.consumer.commit()

    def close_now(self):
        self.consumer.close(autocommit=False)


serve(create=create, partitions=partitions, produce=produce, transact=transact, consume=consume, member=Member)
