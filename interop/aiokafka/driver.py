"""aiokafka, as interop/lib/clients.py describes a driver. One event loop in a thread; commands are run on it."""

import asyncio
import pathlib
import sys
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from interop.lib.driverside import pack, say, serve, unpack  # pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
LOOP = asyncio.new_event_loop()


def run(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(60)


def record(message):
    return {
        "partition": message.partition,
        "offset": message.offset,
        "key": pack(message.key),
        "value": pack(message.value),
        "headers": [[name, pack(value)] for name, value in message.headers],
    }


async def create(topic, partitions):
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    answer = await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()
    errors = [row for row in answer.topic_errors if row[1] != 0]
    if errors:
        raise RuntimeError(f"not created: {errors}")


async def partitions(topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    rows = await admin.describe_topics([topic])
    await admin.close()
    return {"count": len(rows[0]["partitions"])}


async def produce(topic, codec, records):
    producer = AIOKafkaProducer(
        bootstrap_servers=BOOTSTRAP,
        compression_type=None if codec == "none" else codec,
        linger_ms=20,
        enable_idempotence=True,
    )
    await producer.start()
    futures = [
        await producer.send(
            topic,
            partition=each["partition"],
            key=unpack(each["key"]),
            value=unpack(each["value"]),
            headers=[(name, unpack(value)) for name, value in each["headers"]],
        )
        for each in records
    ]
    await asyncio.gather(*futures)
    await producer.stop()


PRODUCERS = {}


async def transact(transactional_id, topic, records, commit, group, offset):
    producer = PRODUCERS.get(transactional_id)
    if producer is None:
        producer = PRODUCERS[transactional_id] = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=transactional_id)
        await producer.start()
    await producer.begin_transaction()
    futures = [
        await producer.send(topic, partition=each["partition"], key=unpack(each["key"]), value=unpack(each["value"]))
        for each in records
    ]
    await asyncio.gather(*futures)
    if group:
        await producer.send_offsets_to_transaction({TopicPartition(topic, 0): offset}, group)
    await (producer.commit_transaction() if commit else producer.abort_transaction())


async def consume(topic, partitions, count):  # pylint: disable=redefined-outer-name
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    await consumer.start()
    await consumer.seek_to_beginning()
    for _ in range(count):
        say(record=record(await consumer.getone()))
    await consumer.stop()


class Listener(ConsumerRebalanceListener):
    """Says the assignment; aiokafka takes all away before it gives anew."""

    async def on_partitions_revoked(self, revoked):
        say(assigned=[])

    async def on_partitions_assigned(self, assigned):
        say(assigned=sorted(each.partition for each in assigned))


class Member:
    """A consumer that says what it is given."""

    def __init__(self, group, topic):
        run(self._start(group, topic))

    async def _start(self, group, topic):
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=500,
            session_timeout_ms=10000,
        )
        self.consumer.subscribe([topic], listener=Listener())
        await self.consumer.start()
        self.task = asyncio.ensure_future(self._read())

    async def _read(self):
        async for message in self.consumer:
            say(record=record(message))

    async def _leave(self):
        self.task.cancel()
        await self.consumer.stop()

    def commit(self):
        run(self.consumer.commit())

    def leave(self):
        run(self._leave())


def blocking(function):
    return lambda *words, **arguments: run(function(*words, **arguments))


threading.Thread(target=LOOP.run_forever, daemon=True).start()
serve(
    create=blocking(create),
    partitions=blocking(partitions),
    produce=blocking(produce),
    transact=blocking(transact),
    consume=blocking(consume),
    member=Member,
)
