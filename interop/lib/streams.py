"""The counting application of java/StreamsCount.java: its instances as processes, what it is given, what it must have said.

Inputs are numbered, and each is one of a few words. What came out is read as a consumer does that reads committed only.
"""

import collections
import contextlib
import struct
import subprocess
import tempfile
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

from interop.lib import places, wire
from interop.lib.broker import LOG_OPTIONS, environment, java
from interop.lib.clients import Events

WORDS = ["amber", "birch", "cedar", "dusk", "ember", "fern", "grove"]
TOPICS = {"words": 4, "colours": 4, "seen": 3, "counts": 3, "windowed": 2}
RUNNING_SECONDS = 120
MOST_WAITING = 3000
QUICK = {
    "commit.interval.ms": "100",
    "session.timeout.ms": "10000",
    "heartbeat.interval.ms": "1000",
    "repartition.purge.interval.ms": "500",
    "reconnect.backoff.max.ms": "200",
}


class Instance:
    """One process of the application, with a state directory that stays when it is killed."""

    def __init__(self, bootstrap, application, state, settings=None):
        places.need("streams")
        command = java(places.STOCK_VERSION, "-Xmx160m", *LOG_OPTIONS)
        command[-1] += f":{places.CACHE / 'streams'}:{places.CACHE / 'streams'}/*"
        words = [f"{name}={value}" for name, value in {**QUICK, **(settings or {})}.items()]
        self.command = [*command, "StreamsCount", bootstrap, application, str(state), *words]
        self.said, self.process, self.errors, self.events = [], None, None, None
        self.start()

    def start(self):
        self.errors = tempfile.TemporaryFile("w+")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=environment()
        )
        self.said.append("started")
        self.events = Events(self.process.stdout, lambda line: self.said.append(line.strip()))
        return self

    def is_running(self):
        states = [line for line in list(self.said) if line.startswith(("state ", "started"))]
        return bool(states) and states[-1] == "state RUNNING"

    def wait_running(self):
        assert self.events.wait(self.is_running, RUNNING_SECONDS), f"not running:\n{self.log()}"
        return self

    def log(self):
        self.errors.seek(0)
        return "\n".join(self.said) + "\n" + self.errors.read()[-8000:]

    def failures(self):
        return [line for line in list(self.said) if line.startswith("failure")]

    def check(self):
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.check()
        self.process.stdin.close()
        assert self.process.wait(120) == 0, self.log()


class World:
    """The topics, what was put in, and what has come out so far."""

    def __init__(self, broker):
        self.broker = broker
        for topic, partitions in TOPICS.items():
            wire.create_topic(broker.bootstrap, topic, partitions)
        settings = {"bootstrap.servers": broker.bootstrap, "reconnect.backoff.max.ms": 200, "log_level": 0}
        # The words find their colours only where Java would have put them.
        self.producer = Producer({**settings, "enable.idempotence": True, "linger.ms": 5, "partitioner": "murmur2"})
        self.count = 0
        for word in WORDS:
            self.producer.produce("colours", key=word, value=f"{word}-colour")
        self.flush()
        self.out = collections.defaultdict(list)
        self.consumer = Consumer({**settings, "group.id": "reader", "isolation.level": "read_committed"})
        outputs = ["seen", "counts", "windowed"]
        self.consumer.assign([TopicPartition(topic, n, 0) for topic in outputs for n in range(TOPICS[topic])])

    def word(self, number):
        return WORDS[number * number % 31 % len(WORDS)]

    def put(self, count):
        for number in range(self.count, self.count + count):
            self.producer.produce("words", partition=number % TOPICS["words"], key=str(number), value=self.word(number))
            self.producer.poll(0)
        self.count += count

    def _feed(self, over):
        while not over.wait(0.02):
            if self.count - len(self.out["counts"]) < MOST_WAITING:
                self.put(10)

    @contextlib.contextmanager
    def fed(self):
        """Inputs keep coming, a few hundred a second, and no more where they are not read."""
        over = threading.Event()
        feeder = threading.Thread(target=self._feed, args=(over,), daemon=True)
        feeder.start()
        try:
            yield
        finally:
            over.set()
            feeder.join()
        self.flush()

    def flush(self):
        assert self.producer.flush(90) == 0, "the inputs could not be written"

    def wanted(self):
        return collections.Counter(self.word(number) for number in range(self.count))

    def read(self, seconds):
        """Takes what comes in this time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for message in self.consumer.consume(1000, min(left, 0.1)):
                if not message.error():
                    self.out[message.topic()].append((message.key().decode(), message.value()))

    def read_until(self, condition, what, instances=(), seconds=300):
        deadline = time.monotonic() + seconds
        while not condition():
            self.read(0.1)
            for each in instances:
                each.check()
            assert time.monotonic() < deadline, f"{what}: {self.sizes()} of {self.count}\n" + "\n".join(i.log() for i in instances)

    def sizes(self):
        return {topic: len(rows) for topic, rows in self.out.items()}

    def is_all_there(self):
        return all(len(self.out[topic]) >= self.count for topic in ("seen", "counts", "windowed"))

    def complaints(self):
        """What was lost, came twice or out of order."""
        wrong = []
        seen = collections.Counter(value.decode() for _, value in self.out["seen"])
        for number in range(self.count):
            line = f"{number} {self.word(number)}-colour"
            if seen.pop(line, 0) != 1:
                wrong.append(f"seen: not once: {line}")
        wrong += [f"seen: {line}" for line in seen]
        for topic in ("counts", "windowed"):
            counted = collections.defaultdict(list)
            for word, value in self.out[topic]:
                counted[word].append(struct.unpack(">q", value)[0])
            for word, total in self.wanted().items():
                if counted.pop(word, []) != list(range(1, total + 1)):
                    wrong.append(f"{topic}: {word} was not counted from 1 to {total}")
            wrong += [f"{topic}: {word}" for word in counted]
        return wrong


def last_values(broker, topic):
    """{key: value} of a topic's committed records, the last of each."""
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": "last", "isolation.level": "read_committed", "log_level": 0}
    consumer = Consumer(settings)
    count = len(consumer.list_topics(topic, timeout=60).topics[topic].partitions)
    parts = [TopicPartition(topic, number, 0) for number in range(count)]
    ends = {at.partition: consumer.get_watermark_offsets(at, 60)[1] for at in parts}
    consumer.assign(parts)
    found, deadline = {}, time.monotonic() + 90
    while any(at.offset < ends[at.partition] for at in consumer.position(parts) if ends[at.partition] > 0):
        for message in consumer.consume(1000, 0.1):
            if not message.error():
                found[message.key()] = message.value()
        assert time.monotonic() < deadline, f"a transaction hangs in {topic}: {consumer.position(parts)} of {ends}"
    consumer.close()
    return found
