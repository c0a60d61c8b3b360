#!/usr/bin/env python3
"""The power-cut test: the real broker, real clients, and a disk that forgets what was not synced.

Each round is a cluster of its own, run under shim.c (LD_PRELOAD), which enters every file call into a journal. Producers
write, a consumer reads along; the broker is killed at a random moment: while it serves, recovers, or stops. Then powercut
makes the directory anew from the journal, as a disk may hold it that lost power at that moment (disk.h); the broker, now
and then cut again while it recovers, or Apache Kafka itself, opens that, and everything is read.

    power.py --client PATH --broker PATH --shim PATH --powercut PATH [--rounds N] [--seed S] [--stock-every N] [--keep]

Checked in every round:
  - flush.messages=1: each acknowledged record is there, and each that a consumer read; idempotent producers end well
  - a flush interval: each record that was acknowledged before a flush that has ended is there
  - both: offsets without a hole, contents right (client.c checks them), no record twice, none out of order
  - topics that were made are there, and the directory opens
"""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "crash"))
import crash  # noqa: E402  (it lies beside this folder)
from crash import PARTITIONS, Failed, need  # noqa: E402

NOW, LATER = "power-now", "power-later"
TOPICS = {
    NOW: {"flush.messages": "1", "segment.bytes": "1048576"},
    LATER: {"flush.ms": "200", "segment.bytes": "1048576", "index.interval.bytes": "512"},
}
FLUSH_SECONDS = 240  # for a checkpoint to come; a machine may be busy
SYNC_US = 3000
MEMORY_BYTES_MIN = 2 << 30
SETTINGS = """log.flush.offset.checkpoint.interval.ms=250
metadata.log.max.record.bytes.between.snapshots=4000
"""


class Broker(crash.Broker):
    """A broker whose file calls are entered, on a directory of which the power can be cut."""

    def __init__(self, options, jars, home):
        self.root = home / "root"
        self.root.mkdir()
        super().__init__("barnabas", options.broker, jars, home)
        self.data = self.root / "data"
        text = self.properties.read_text().replace(f"log.dirs={home}/data", f"log.dirs={self.data}")
        self.properties.write_text(text + SETTINGS)
        self.options, self.base, self.journal = options, None, home / "journal"

    def launch(self):
        if self.kind == "stock":
            super().launch()
            return
        shim = {
            "LD_PRELOAD": self.options.shim,
            "POWER_JOURNAL": str(self.journal),
            "POWER_ROOT": str(self.root),
            "POWER_SYNC_US": str(SYNC_US),
        }
        old = dict(os.environ)
        os.environ.update(shim)
        try:
            super().launch()
        finally:
            os.environ.clear()
            os.environ.update(old)

    def cut_power(self, rng):
        """Makes the directory anew. What it holds now is durable."""
        need(self.process is None, "the power goes with the process")
        if not self.journal.exists():
            return 0  # it was killed before it had done anything
        after = self.home / "after"
        loss, seed = rng.choice(["ordered", "by-dir"]), rng.randrange(1 << 60)
        base = "-" if self.base is None else str(self.base)
        command = [self.options.powercut, str(self.journal), base, str(after), loss, str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=crash.CLIENT_SECONDS)
        need(done.returncode == 0, f"powercut: {done.stderr}")
        with open(self.home / "lost", "a", encoding="utf-8") as told:
            told.write(f"{' '.join(command)}\n{done.stdout}")
        shutil.rmtree(self.root)
        after.rename(self.root)
        if self.base is not None:
            shutil.rmtree(self.base)
        self.base = self.home / "base"
        shutil.copytree(self.root, self.base)
        self.journal.unlink()
        return len(done.stdout.splitlines())

    def recovery_points(self, topic):
        points = [0] * PARTITIONS
        try:
            lines = (self.data / "recovery-point-offset-checkpoint").read_text().splitlines()[2:]
        except OSError:
            return points
        for line in lines:
            name, partition, offset = line.split()
            if name == topic:
                points[int(partition)] = int(offset)
        return points


class Round:
    """One cluster, from its first start to the last look."""

    def __init__(self, options, home, number, rng):
        self.options, self.home, self.rng = options, home, rng
        self.jars = crash.stock_jars()
        self.stock = self.jars is not None and number % options.stock_every == 0
        self.client = options.client
        self.broker = Broker(options, self.jars, home)
        self.bootstrap = f"127.0.0.1:{self.broker.port}"
        self.topics = {name: crash.Topic(name) for name in TOPICS}
        self.running, self.said, self.acks = [], [], 0

    def run_client(self, *args):
        return crash.Test.run_client(self, *args)

    def create(self):
        self.broker.start()
        for name, config in TOPICS.items():
            self.run_client("create", self.bootstrap, name, PARTITIONS, *(f"{k}={v}" for k, v in config.items()))

    def produce(self, name):
        producer = crash.Producer(self, name, self.rng, self.stock)
        self.running.append(producer.process)
        return producer

    def read(self, name):
        topic = self.topics[name]
        lines = self.run_client("read", self.bootstrap, name, *(f"{i}=0" for i in range(PARTITIONS)))
        topic.take(lines, [0] * PARTITIONS)
        counts = [0] * PARTITIONS
        for line in lines:
            partition, offset = map(int, line.split()[:2])
            need(offset == counts[partition], f"{name}-{partition}: a hole from {counts[partition]} to {offset}")
            counts[partition] += 1

    def settle(self, acked):
        """Waits until a flush has covered them: the checkpoint says so."""
        ends = [0] * PARTITIONS
        for _, partition, offset in acked:
            ends[partition] = max(ends[partition], offset + 1)
        deadline = time.monotonic() + FLUSH_SECONDS
        while any(point < end for point, end in zip(self.broker.recovery_points(LATER), ends)):
            need(time.monotonic() < deadline, f"what was acknowledged is not flushed after {FLUSH_SECONDS} s")
            time.sleep(0.05)

    def go_down(self):
        """By a kill alone, or while it stops, or while it starts again."""
        rng, how = self.rng, self.rng.randrange(4)
        time.sleep(rng.random())
        if how == 0:
            self.broker.process.terminate()
            time.sleep(rng.random() * 0.1)
            self.said.append("cut while it stops")
        elif how == 1:
            self.broker.kill()
            self.broker.launch()
            time.sleep(rng.random() * 0.1)
            self.said.append("killed, cut while it starts")
        self.broker.kill()

    def come_up(self):
        while self.rng.random() < 0.3:
            self.broker.launch()
            time.sleep(self.rng.random() * 0.1)
            self.broker.kill()
            self.said.append(f"cut again while it starts: {self.broker.cut_power(self.rng)} things lost")
        if self.stock:
            # Stock cannot open a partition.metadata that the cut has left empty, and here it is not synced when a
            # partition is made, for there may be thousands: it is mended first.
            self.broker.start()
            self.broker.kill()
            self.broker.kind = "stock"
            self.said.append("opened by stock")
        self.broker.start()

    def run(self):
        self.create()
        now, early = self.produce(NOW), self.produce(LATER)
        time.sleep(self.rng.random() * 1.5)
        kept = early.finish()
        late = self.produce(LATER)
        self.read(NOW)
        self.settle(kept)
        self.go_down()
        late.process.kill()
        self.said.append(f"{self.broker.cut_power(self.rng)} things lost")
        self.come_up()
        time.sleep(self.rng.random() * 0.5)
        acked = now.finish()
        self.read(NOW)
        self.read(LATER)
        self.topics[NOW].expect(now.number, acked)
        self.topics[LATER].expect(early.number, kept)
        self.acks = len(acked) + len(kept)

    def end(self):
        self.broker.kill()
        for process in self.running:
            process.kill()
            process.wait()


def run_round(options, home, number):
    folder = home / f"round-{number}"
    folder.mkdir()
    round_ = Round(options, folder, number, random.Random(f"{options.seed}-{number}"))
    try:
        round_.run()
    finally:
        round_.end()
        print(f"round {number}: {'; '.join(round_.said)}; {round_.acks} acknowledged", flush=True)
    if not options.keep:
        shutil.rmtree(folder)
    return round_.acks


def memory():
    """Where syncs cost nothing, if there is room: a container may have 64 MB of it. None: where others are."""
    roomy = os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free >= MEMORY_BYTES_MIN
    return "/dev/shm" if roomy else None


def options_of():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", required=True, help="the program made from tests/crash/client.c")
    parser.add_argument("--broker", required=True, help="the barnabas to test")
    parser.add_argument("--shim", required=True, help="the library made from shim.c")
    parser.add_argument("--powercut", required=True, help="the program made from powercut.c")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--stock-every", type=int, default=10)
    parser.add_argument("--keep", action="store_true", help="leave the folders there")
    options = parser.parse_args()
    for name in ("client", "broker", "shim", "powercut"):
        setattr(options, name, os.path.abspath(getattr(options, name)))
    return options


def main():
    options = options_of()
    home = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-power-", dir=memory()))
    print(f"power: seed {options.seed}, {options.rounds} rounds, in {home}", flush=True)
    if crash.stock_jars() is None:
        print("power: NOT TESTED with stock: no jars in the cache, run interop/run once", flush=True)
    number = acks = 0
    try:
        for number in range(1, options.rounds + 1):
            acks += run_round(options, home, number)
    except Exception as why:  # whatever it is: a line says so
        if not isinstance(why, Failed):
            traceback.print_exc(file=sys.stdout)
        print(f"power: FAILED in round {number} with seed {options.seed}: {why!r}; see {home}", flush=True)
        log = home / f"round-{number}" / "broker.log"
        print(log.read_text(errors="replace")[-4000:] if log.exists() else "")
        return 1
    print(f"power: {acks} records acknowledged, all that had to be are there")
    if not options.keep:
        shutil.rmtree(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
