"""The workers, as processes that can be stopped, killed and succeeded: one program a language.

    PROGRAM BOOTSTRAP SEED INCARNATION WORKLOAD:ID...

Each WORKLOAD:ID is a transactional id with transactions one after the other, until standard input ends:

- append: one to four values into any of the partitions of `t`; a fifth is aborted;
- move: what the group QUEUE (the id up to its last dot) reads in QUEUE.in goes into QUEUE.out, record PARTITION:OFFSET into
  the partition OFFSET % 2, the group's offsets in the same transaction; a fifth is aborted, and the position set back.

They say, a JSON line each, before they do it or when they know it:

    {"try": LABEL, "values": [[PARTITION, VALUE], ...]}    LABEL is ID/INCARNATION/N, VALUE is LABEL/N
    {"read": LABEL, "rows": [[PARTITION, OFFSET, VALUE], ...]}   what a reader of its own found, within the transaction
    {"ask": LABEL}        now it asks for the commit
    {"committed": LABEL}  and was told so
    {"moved": N}          so were N records of a queue
    {"failure": TEXT}     and ends: what cannot be cured by aborting, being fenced above all, ends the process. The fleet
                          starts the next incarnation, which takes over the ids.
"""

import collections
import json
import os
import signal
import subprocess
import sys
import threading

from interop.lib import broker as brokers
from interop.lib import places

QUEUES = ("python", "java", "go")


def program(language, group_protocol):
    if language == "python":
        return [sys.executable, "-B", str(places.INTEROP / "torture" / "worker.py")]
    if language == "go":
        return [str(places.CACHE / "go" / "torture")]
    command = brokers.java(places.STOCK_VERSION, "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", f"-Dgroup.protocol={group_protocol}")
    command[-1] += f":{places.CACHE / 'java'}"
    return [*command, "Torture"]


class Incarnation:
    """One process, and what it has said."""

    def __init__(self, command, stderr):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, env=brokers.environment()
        )
        self.events = []
        self.failure = None
        self.stopped = False
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self):
        for line in self.process.stdout:
            if line.endswith("\n"):  # a kill may cut the last one
                event = json.loads(line)
                self.failure = event.get("failure", self.failure)
                self.events.append(event)

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        if self.alive():
            self.process.send_signal(number)
        self.stopped = number == signal.SIGSTOP

    def end(self, seconds):
        """By the end of its input, and by force when that takes too long; False: it was by force."""
        self.signal(signal.SIGCONT)
        self.process.stdin.close()
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            self.kill()

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()
        self.listener.join()


class Worker:
    """A place in the fleet: the present incarnation, and those before."""

    def __init__(self, language, command, words, home):
        self.language, self.command, self.words = language, command, words
        self.stderr = open(home / f"{language}.err", "ab")  # pylint: disable=consider-using-with
        self.past, self.zombies, self.present = [], [], None

    def begin(self):
        tasks = [f"append:a.{self.language}", f"move:q.{self.language}.0", f"move:q.{self.language}.1"]
        self.present = Incarnation([*self.command, *self.words, str(len(self.past)), *tasks], self.stderr)
        self.past.append(self.present)

    def mend(self):
        if not self.present.alive():
            self.begin()

    def supersede(self):
        """The present one is stopped in whatever it does; its ids go to another; then it goes on, and must not matter."""
        self.present.signal(signal.SIGSTOP)
        self.zombies.append(self.present)
        self.begin()

    def wake_zombies(self):
        for each in self.zombies:
            each.signal(signal.SIGCONT)

    def end(self, seconds):
        for each in self.past:
            if each is not self.present:
                each.kill()
        ended = self.present.end(seconds)
        self.stderr.close()
        return ended

    def kill(self):
        for each in self.past:
            each.kill()
        self.stderr.close()

    def events(self):
        for each in self.past:
            yield from list(each.events)

    def counts(self):
        """How many transactions of each workload were committed, as far as they know."""
        found = collections.Counter()
        for event in self.events():
            found["append"] += "committed" in event
            found["move"] += "moved" in event
        return found


def fleet(bootstrap, seed, home, group_protocol):
    """One worker of each language; the Java consumers' groups are of this protocol."""
    return [Worker(each, program(each, group_protocol), [bootstrap, str(seed)], home) for each in QUEUES]


def need():
    """Skips the test unless all of it can run: half of it proves little."""
    places.need_command("java")
    for part in (f"jars-{places.STOCK_VERSION}", "java", "go", "python"):
        places.need(part)
    assert os.access(program("go", "")[0], os.X_OK), "interop/run compiles it"
