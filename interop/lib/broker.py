"""A broker as a process: stock Apache Kafka from its jars, or barnabas, from one and the same properties file.

Owns the process and its home folder (`server.properties`, `data/`, `broker.log`). Ports are drawn at random below the
range from which the kernel serves outgoing connections, so that a stopped broker finds its port free again; a port that
somebody took in the moment between is met by another try with other ports.
"""

import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time

from interop.lib import places, wire

START_SECONDS = 180
STOP_SECONDS = 120
LOG_OPTIONS = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
]
QUICK_JAVA = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


class BrokerError(Exception):
    """The broker did not start, or did not stop as it should."""


def free_ports(count):
    found = []
    for port in random.SystemRandom().sample(range(12000, 32000), 1000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise BrokerError("no free port on this machine")


def java(version, *options):
    """The command line that runs a main class out of the jars of one Kafka release."""
    jars = places.jars(version)
    return [places.need_command("java"), *QUICK_JAVA, *options, "-cp", f"{jars}/*"]


class Broker:
    """One combined-mode node. `kind` is stock or barnabas; `changes` are properties over the defaults below."""

    def __init__(self, kind, home, changes=None, dynamic_quorum=False):
        self.kind = kind
        self.home = pathlib.Path(home)
        self.changes = dict(changes or {})
        self.dynamic_quorum = dynamic_quorum
        self.process = None
        self.port, self.controller_port = free_ports(2)
        self.home.mkdir(parents=True, exist_ok=True)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def data(self):
        return self.home / "data"

    @property
    def log(self):
        path = self.home / "broker.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def properties(self):
        voters = (
            {"controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}"}
            if self.dynamic_quorum
            else {"controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}"}
        )
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            **voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            **{key: value.format(**vars(self)) for key, value in self.changes.items()},
        }

    def write_properties(self):
        path = self.home / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in self.properties().items()))
        return path

    def become(self, kind):
        """From the next start on, the same directory and properties file belong to the other broker."""
        assert self.process is None, "stop it first"
        self.kind = kind
        return self

    def start(self):
        """Starts, formatting the directory where that is an administrator's step, and waits for an answer."""
        fresh = not self.data.exists()
        for attempt in range(3):
            path = self.write_properties()
            if self.kind == "stock":
                self._format(path)
            self._spawn(path)
            try:
                self._wait_answer()
                return self
            except BrokerError:
                self.kill()
                if attempt == 2 or not fresh or not re.search("in use|BindException", self.log):
                    raise
                shutil.rmtree(self.data, ignore_errors=True)
                self.port, self.controller_port = free_ports(2)
        return self

    def _format(self, path):
        if (self.data / "meta.properties").exists():
            return
        tool = [*java(places.STOCK_VERSION, *LOG_OPTIONS), "kafka.tools.StorageTool", "format"]
        mode = ["--standalone"] if self.dynamic_quorum else []
        done = subprocess.run(
            [*tool, *mode, "-t", "Wq0aRkZfTLmY4GpyWbBxRA", "-c", str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        if done.returncode != 0:
            raise BrokerError(f"format failed:\n{done.stdout}{done.stderr}")

    def _spawn(self, path):
        if self.kind == "stock":
            command = [*java(places.STOCK_VERSION, "-Xmx768m", *LOG_OPTIONS), "kafka.Kafka", str(path)]
        else:
            command = [str(places.barnabas()), str(path)]
        with open(self.home / "broker.log", "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home
            )

    def _wait_answer(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise BrokerError(f"{self.kind} ended with {self.process.returncode}:\n{self.log[-4000:]}")
            with contextlib.suppress(OSError, wire.WireError):
                with wire.Connection("127.0.0.1", self.port, timeout=2) as connection:
                    connection.api_versions()
                    return
            time.sleep(0.02)
        raise BrokerError(f"{self.kind} did not answer in {START_SECONDS} s:\n{self.log[-4000:]}")

    def stop(self):
        """Stops it as an operator does, and insists on a clean end."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as slow:
            self.kill()
            raise BrokerError(f"{self.kind} did not stop in {STOP_SECONDS} s:\n{self.log[-4000:]}") from slow
        self.process = None
        if code not in ((0, 143) if self.kind == "stock" else (0,)):
            raise BrokerError(f"{self.kind} stopped with {code}:\n{self.log[-4000:]}")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def __enter__(self):
        return self.start()

    def __exit__(self, *failure):
        self.kill()


def environment():
    """A small environment for child processes: no proxies, no user's Kafka settings, C locale, UTC."""
    keep = ("PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
    return {**{key: os.environ[key] for key in keep if key in os.environ}, "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}
