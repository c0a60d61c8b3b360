#!/usr/bin/env python3
"""The crash test: what was acknowledged survives kill -9, once and in order.

Each round: three producers of random settings write through client.c (librdkafka, acks=all); the broker is killed at a
random moment, now and then again while it recovers, now and then with a torn tail put behind its files; it is started
again, the producers go on and end; all topics are read back. Every so many rounds the killed directory is opened by
Apache Kafka itself, appended to, killed or stopped there, and read by the broker under test again.

    crash.py --client PATH [--broker PATH | --kind stock] [--rounds N] [--seed S] [--stock-every N] [--keep]

Checked in every round, for each topic:
  - each acknowledged record is there, at the partition and offset that were acknowledged
  - no record is there twice, of any producer: they are idempotent, or do not retry
  - the records of one idempotent producer in one partition are in the order in which it sent them; librdkafka lets
    others be overtaken by their next batch while they wait to be sent again, as after an error of a broker that starts
  - what was read once is still there, at the same offset; contents are right (client.c checks them)
  - idempotent producers give up no record
Stock comes from the jars that interop/run keeps in its cache; without them its rounds are left out, and it is said.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

# All are for what hangs: a machine may be busy with other things for long.
START_SECONDS = 240
STOP_SECONDS = 240
PORT_SECONDS = 60
CLIENT_SECONDS = 400
MESSAGE_SECONDS = 300
PARTITIONS = 3
TOPICS = {
    "crash-plain": {"segment.bytes": "1048576", "index.interval.bytes": "512"},
    "crash-flush": {"flush.messages": "1", "segment.bytes": "1048576"},
    "crash-time": {"message.timestamp.type": "LogAppendTime", "segment.bytes": "1048576"},
}
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
STOCK_VERSION = "4.3.1"


class Failed(Exception):
    """The broker broke a promise, or the test could not be made."""


def need(condition, text):
    if not condition:
        raise Failed(text)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def port_range():
    """Outside of what the kernel gives to outgoing connections: the port must be free again after a kill, and a client
    that tries it meanwhile must not be connected with itself."""
    try:
        low, high = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except OSError:
        low, high = 32768, 60999
    return max(range(10000, low), range(high + 1, 65536), range(1024, min(low, 10000)), key=len)


def free_ports(count):
    ports = port_range()
    found = []
    for port in random.SystemRandom().sample(ports, min(1000, len(ports))):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise Failed("no free port")


def stock_jars():
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")) + "/barnabas"
    jars = pathlib.Path(os.environ.get("BARNABAS_CACHE", cache)) / f"kafka-{STOCK_VERSION}"
    return jars if shutil.which("java") and any(jars.glob("kafka_2.13-*.jar")) else None


class Broker:
    """One node, its folder and its process. The same folder and properties serve both kinds."""

    def __init__(self, kind, binary, jars, home):
        self.kind, self.binary, self.jars, self.home = kind, binary, jars, home
        self.process = None
        self.port, self.controller = free_ports(2)
        self.data = home / "data"
        self.properties = home / "server.properties"
        self.properties.write_text(
            f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
log.dirs={self.data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""
        )

    def _command(self):
        if self.kind == "barnabas":
            return [self.binary, str(self.properties)]
        java = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx768m"]
        return [*java, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self.jars}/*"]

    def launch(self):
        need(self.process is None, "it runs already")
        command = self._command()
        if self.kind == "stock":
            if not (self.data / "meta.properties").exists():
                tool = ["kafka.tools.StorageTool", "format", "-t", "Wq0aRkZfTLmY4GpyWbBxRA", "-c", str(self.properties)]
                subprocess.run([*command, *tool], check=True, stdout=subprocess.DEVNULL, timeout=START_SECONDS)
            command += ["kafka.Kafka", str(self.properties)]
        with open(self.home / "broker.log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home)

    def wait_for_ports(self):
        """Someone else may have taken one since the kill."""
        deadline = time.monotonic() + PORT_SECONDS
        for port in (self.port, self.controller):
            while not is_free(port):
                need(time.monotonic() < deadline, f"port {port} was taken by another process")
                time.sleep(0.05)

    def start(self):
        self.wait_for_ports()
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            code = self.process.poll()
            need(code is None, f"{self.kind} ended at start with {code}: {self.last_words()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                time.sleep(0.01)
        raise Failed(f"{self.kind} did not listen within {START_SECONDS} s")

    def last_words(self):
        lines = (self.home / "broker.log").read_text(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-3:])[-600:]

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.kind} did not stop within {STOP_SECONDS} s") from None
        self.process = None
        need(code == 0 or self.kind == "stock", f"{self.kind} stopped with {code}")


def put_torn_tail(path, rng):
    front = path.read_bytes()[:5000]
    kind = rng.randrange(3)
    if kind == 0 and len(front) >= 61:
        batch_bytes = 12 + int.from_bytes(front[8:12], "big")
        tail = front[: rng.randrange(1, min(batch_bytes, len(front)))]
    else:
        tail = (bytes if kind == 1 else rng.randbytes)(rng.randrange(1, 5000))
    with open(path, "ab") as log:
        log.write(tail)
    return True


class Producer:
    """One run of `client produce` with random settings; its numbers go on from the run before."""

    last = 0
    ordered = set()  # the numbers of those that keep their records in order

    def __init__(self, test, topic, rng, through_stock):
        Producer.last += 1
        self.topic, self.number, self.test = topic, Producer.last, test
        self.idempotent = rng.random() < 0.7
        if self.idempotent:
            Producer.ordered.add(self.number)
        self.report = test.home / f"report-{self.number}"
        settings = {
            "acks": "all",
            "enable.idempotence": str(self.idempotent).lower(),
            "compression.codec": rng.choice(CODECS),
            "linger.ms": rng.choice([0, 1, 5, 50]),
            "batch.size": rng.choice([1, 1000, 20000, 1000000]),
            "queue.buffering.max.messages": 10000,
            "message.timeout.ms": MESSAGE_SECONDS * 1000,
        }
        if through_stock:
            # Kafka's producer snapshots hold the last batch of a producer only. When the log was rolled between batches
            # whose answers the kill took away, it does not know the others again and refuses them, for good.
            settings["max.in.flight.requests.per.connection"] = 1
        if not self.idempotent:
            # More in flight would let what was never sent come behind what was.
            settings["message.send.max.retries"] = 0
            settings["max.in.flight.requests.per.connection"] = 1
        pairs = [f"{key}={value}" for key, value in settings.items()]
        self.told = f"{self.number}:{settings['compression.codec']}{'' if self.idempotent else '/once'}"
        command = [test.client, "produce", test.bootstrap, topic, str(PARTITIONS), str(self.number), "0"]
        self.process = subprocess.Popen(
            [*command, self.report, *pairs], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )

    def finish(self):
        """Waits for all that is under way, and gives (number, partition, offset) of what was acknowledged."""
        self.process.stdin.close()
        try:
            code = self.process.wait(CLIENT_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"producer {self.told} did not end within {CLIENT_SECONDS} s") from None
        need(code == 0, f"producer {self.told} ended with {code}")
        acked = []
        for line in self.report.read_text().splitlines():
            verb, *rest = line.split()
            if verb == "ack":
                acked.append(tuple(map(int, rest)))
            else:
                need(not self.idempotent, f"idempotent producer {self.told} gave up: {line}")
        self.report.unlink()
        return acked


class Topic:
    """What is known to be in one topic: per partition offset -> (producer, number)."""

    def __init__(self, name):
        self.name = name
        self.records = [{} for _ in range(PARTITIONS)]
        self.ends = [0] * PARTITIONS

    def take(self, lines, starts):
        """Adds what was read from `starts` on, after checking it against what was read before."""
        read = [{} for _ in range(PARTITIONS)]
        ends = list(starts)
        for line in lines:
            partition, offset, producer, number = map(int, line.split())
            need(offset >= ends[partition], f"{self.name}-{partition}: offset {offset} after {ends[partition] - 1}")
            ends[partition] = offset + 1
            read[partition][offset] = (producer, number)
        for partition in range(PARTITIONS):
            for offset, record in self.records[partition].items():
                if offset >= starts[partition]:
                    need(
                        read[partition].get(offset) == record,
                        f"{self.name}-{partition}@{offset}: was {record}, is {read[partition].get(offset)}",
                    )
            self.records[partition].update(read[partition])
            self.ends[partition] = max(self.ends[partition], ends[partition])
            self._check_order(partition)

    def _check_order(self, partition):
        highest, seen, records = {}, set(), self.records[partition]
        for offset in sorted(records):
            producer, number = record = records[offset]
            place = f"{self.name}-{partition}@{offset}"
            need(record not in seen, f"{place}: record {number} of producer {producer} twice")
            seen.add(record)
            before = highest.get(producer, -1)
            need(
                number > before or producer not in Producer.ordered,
                f"{place}: {number} of producer {producer} after {before}",
            )
            highest[producer] = number

    def expect(self, producer, acked):
        for number, partition, offset in acked:
            # An offset of -1 is the answer to a duplicate that has fallen out of the broker's window.
            if offset >= 0:
                found = self.records[partition].get(offset)
                place = f"{self.name}-{partition}@{offset}"
                need(
                    found == (producer, number),
                    f"{place}: {number} of producer {producer} was acknowledged, {found} is there",
                )


class Test:
    """All rounds over one directory."""

    def __init__(self, options, home):
        self.options, self.home, self.client = options, home, options.client
        self.jars = stock_jars()
        self.kind = options.kind
        need(self.kind == "barnabas" or self.jars, "no jars of stock in the cache: run interop/run once")
        self.broker = Broker(self.kind, options.broker, self.jars, home)
        self.bootstrap = f"127.0.0.1:{self.broker.port}"
        self.topics = {name: Topic(name) for name in TOPICS}
        self.acks = 0
        self.said = []
        self.running = []
        self.rounds = 0

    def run_client(self, *args):
        try:
            done = subprocess.run(
                [self.client, *map(str, args)], capture_output=True, text=True, check=False, timeout=CLIENT_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"client {args[0]} did not end within {CLIENT_SECONDS} s") from None
        need(done.returncode == 0, f"client {args[0]}: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def create(self):
        self.broker.start()
        for name, config in TOPICS.items():
            self.run_client("create", self.bootstrap, name, PARTITIONS, *(f"{k}={v}" for k, v in config.items()))

    def read(self, whole):
        for topic in self.topics.values():
            starts = [0 if whole else max(0, end - 200) for end in topic.ends]
            # A start inside what compaction or a client left out does not occur here: offsets have no gaps.
            pairs = [f"{partition}={start}" for partition, start in enumerate(starts)]
            topic.take(self.run_client("read", self.bootstrap, topic.name, *pairs), starts)

    def tear(self, rng):
        """Puts half a batch, zeros or noise behind logs, and spoils indexes, as a power cut may."""
        torn = 0
        for path in sorted(self.broker.data.glob("crash-*-*/*")):
            if path.suffix == ".log" and path == max(path.parent.glob("*.log")):
                torn += rng.random() < 0.5 and put_torn_tail(path, rng)
            elif path.suffix in (".index", ".timeindex") and rng.random() < 0.1:
                path.unlink()
                torn += 1
            elif path.suffix == ".snapshot" and rng.random() < 0.05:
                path.write_bytes(path.read_bytes()[:-1])
                torn += 1
        return torn

    def round(self, number, rng):
        stock = self.jars is not None and self.kind == "barnabas" and number % self.options.stock_every == 0
        said = self.said
        if self.broker.process is None:
            self.broker.start()
        producers = [Producer(self, name, rng, stock) for name in TOPICS]
        self.running = [producer.process for producer in producers]
        said.append("producers " + ", ".join(producer.told for producer in producers))
        for kill in range(rng.choice([1, 1, 2, 3])):
            if kill > 0:
                self.restart(rng)
            wait = rng.choice([0.1, 0.5, 1.0, 2.0]) * rng.random()
            time.sleep(wait)
            self.broker.kill()
            said.append(f"killed after {wait:.3f} s")
        if stock:
            self.broker.kind = "stock"
        self.restart(rng)
        time.sleep(rng.random() * 0.5)
        begun = time.monotonic()
        acked = [(self.topics[producer.topic], producer.number, producer.finish()) for producer in producers]
        said.append(f"producers ended after {time.monotonic() - begun:.3f} s")
        whole = stock or number % 10 == 0 or number == self.options.rounds
        self.verify(acked, whole)
        if stock:
            self.leave_stock(rng)
            self.verify(acked, True)
            said.append("through stock and back")
        if rng.random() < 0.3:
            self.broker.stop()
            said.append("stopped")
        self.acks += sum(len(records) for _, _, records in acked)

    def restart(self, rng):
        """After a kill: now and then killed again while it starts, or with damage to its files."""
        while self.broker.kind == "barnabas" and rng.random() < 0.25:
            self.broker.launch()
            time.sleep(rng.random() * 0.05)
            self.broker.kill()
            self.said.append("killed while starting")
        if not self.options.no_tear and rng.random() < 0.4:
            self.said.append(f"{self.tear(rng)} files torn")
        begun = time.monotonic()
        self.broker.start()
        self.said.append(f"up after {time.monotonic() - begun:.3f} s")

    def verify(self, acked, whole):
        self.read(whole)
        for topic, producer, records in acked:
            topic.expect(producer, records)

    def leave_stock(self, rng):
        if rng.random() < 0.5:
            self.broker.stop()
        else:
            self.broker.kill()
        self.broker.kind = self.kind
        self.broker.start()

    def end(self):
        """Leaves no process behind."""
        self.broker.kill()
        for process in self.running:
            process.kill()
            process.wait()

    def run(self):
        self.create()
        for number in range(1, self.options.rounds + 1):
            self.said = []
            try:
                self.round(number, random.Random(f"{self.options.seed}-{number}"))
                self.rounds = number
            finally:
                print(f"round {number}: {'; '.join(self.said)}; {self.acks} acknowledged so far", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", required=True, help="the program made from client.c")
    parser.add_argument("--broker", help="the barnabas to test")
    parser.add_argument("--kind", choices=["barnabas", "stock"], default="barnabas")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--stock-every", type=int, default=10)
    parser.add_argument("--no-tear", action="store_true", help="kill only, damage nothing")
    parser.add_argument("--keep", action="store_true", help="leave the folder there")
    options = parser.parse_args()
    options.client = os.path.abspath(options.client)
    if options.kind == "barnabas":
        if options.broker is None:
            parser.error("--broker is needed")
        options.broker = os.path.abspath(options.broker)
    home = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-crash-"))
    print(f"crash: seed {options.seed}, {options.rounds} rounds, in {home}", flush=True)
    test = None
    why = None
    try:
        test = Test(options, home)
        if test.jars is None:
            print("crash: NOT TESTED with stock: no jars in the cache, run interop/run once", flush=True)
        test.run()
        print(f"crash: {test.acks} records acknowledged, all are there")
    except Failed as failed:
        why = str(failed)
    except Exception as failed:  # whatever it is: the last line says so
        traceback.print_exc(file=sys.stdout)
        why = f"{type(failed).__name__}: {failed}"
    finally:
        if test is not None:
            test.end()
    if why is not None:
        log = home / "broker.log"
        print(log.read_text(errors="replace")[-4000:] if log.exists() else "")
    if options.keep or why is not None:
        print(f"crash: see {home}")
    else:
        shutil.rmtree(home)
    if why is not None:
        print(f"crash: FAILED with seed {options.seed}, after {test.rounds if test else 0} whole rounds: {why}")
    return 1 if why is not None else 0


if __name__ == "__main__":
    sys.exit(main())
