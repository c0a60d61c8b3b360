"""Workers of Kafka Connect in distributed mode, as processes, and the REST interface of their cluster.

A worker takes a free port for its REST interface from the kernel and says which in its log, which is in the cluster's
folder. Where requests may be repeated they are, while workers are busy with each other or one of them is gone.
"""

import json
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from interop.lib import places
from interop.lib.broker import environment, java

PATIENCE_SECONDS = 240
BUSY = (404, 409, 500, 503)
LOG_OPTIONS = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.runtime=info",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.runtime.isolation=warn",
    # One of the jars looks for Log4j and complains when there is but half of it.
    "-Dlog4j2.StatusLogger.level=OFF",
]


class ConnectError(Exception):
    """A worker ended, or the cluster did not do what it was told."""


def jars():
    """The folder with connect-file/ and mirror/, beside Kafka's own jars; or a skip."""
    places.need("connect")
    return places.CACHE / "connect"


def until(condition, what, seconds=PATIENCE_SECONDS):
    """Waits for a condition and returns what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise ConnectError(f"not in {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return found


class Process:
    """A Java process with a log of its own, which goes on over restarts."""

    def __init__(self, home, name, main, *arguments, classpath=()):
        self.log_path = pathlib.Path(home) / f"{name}.log"
        command = [*java(places.STOCK_VERSION, "-Xmx256m", *LOG_OPTIONS), main, *map(str, arguments)]
        at = command.index("-cp") + 1
        command[at] = ":".join([command[at], *map(str, classpath)])
        self.command = command
        self.process = None
        self.paused = False
        self.log_start = 0

    @property
    def log(self):
        """What was said since the last start."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[self.log_start :].decode(errors="replace")

    def start(self):
        self.log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment()
            )

    def check(self):
        if self.process is None or self.process.poll() is not None:
            code = "never" if self.process is None else self.process.returncode
            raise ConnectError(f"{self.log_path.stem} ended: {code}\n{self.log[-6000:]}")

    def alive(self):
        """Whether it runs, and not only as one that is paused."""
        return self.process is not None and not self.paused and self.process.poll() is None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process, self.paused = None, False

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def unpause(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def tell_to_stop(self):
        self.process.send_signal(signal.SIGTERM)

    def wait_stopped(self):
        code = self.process.wait(PATIENCE_SECONDS)
        assert code in (0, 143), f"{self.log_path.stem} stopped with {code}\n{self.log[-6000:]}"
        self.process = None


class Worker(Process):
    """One worker; `url` is its REST interface once it is ready."""

    main = "org.apache.kafka.connect.cli.ConnectDistributed"

    def __init__(self, home, number, properties):
        path = pathlib.Path(home) / f"worker{number}.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        super().__init__(home, f"worker{number}", self.main, path)

    @property
    def url(self):
        said = re.search(r"advertising URL (http://127\.0\.0\.1:\d+)/", self.log)
        return said[1] if said else None

    @property
    def id(self):
        """As the cluster's status has it."""
        return self.url.removeprefix("http://") if self.url else None

    def ready(self):
        self.check()
        return "server is started and ready" in self.log


def ask(url, method="GET", body=None, timeout=30):
    """(status, answer) of one REST request; 503 when nobody listens."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode(errors="replace")
    except OSError as gone:
        return 503, str(gone)


class Cluster:
    """Workers of one group."""

    def __init__(self, home, bootstrap, count=2, changes=None):
        plugins = jars() / "connect-file"
        properties = {
            "bootstrap.servers": bootstrap,
            "group.id": "workers",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            **{f"{each}.storage.topic": f"connect-{each}" for each in ("config", "offset", "status")},
            **{f"{each}.storage.replication.factor": "1" for each in ("config", "offset", "status")},
            "offset.storage.partitions": "3",
            "status.storage.partitions": "2",
            "plugin.path": str(plugins),
            "plugin.discovery": "service_load",
            "listeners": "http://127.0.0.1:0",
            "session.timeout.ms": "5000",
            "heartbeat.interval.ms": "300",
            "scheduled.rebalance.max.delay.ms": "500",
            "offset.flush.interval.ms": "500",
            "connector.client.config.override.policy": "All",
            **(changes or {}),
        }
        self.workers = [Worker(home, number, properties) for number in range(count)]

    def start(self):
        """Starts who is not running, and waits until all are in the group."""
        for each in self.workers:
            if not each.alive():
                each.start()
        for each in self.workers:
            until(each.ready, lambda each=each: f"{each.log_path.stem} is ready\n{each.log[-6000:]}")
        return self

    def stop(self):
        running = [each for each in self.workers if each.alive()]
        for each in running:
            each.tell_to_stop()
        for each in running:
            each.wait_stopped()

    def kill(self):
        for each in self.workers:
            each.kill()

    def logs(self):
        return "\n".join(f"--- {each.log_path.stem}\n{each.log[-6000:]}" for each in self.workers)

    def try_ask(self, method, path, body=None):
        """One request to the first worker that listens."""
        answer = 503, "nobody is alive"
        for each in self.workers:
            if each.alive() and each.url:
                answer = ask(each.url + path, method, body)
                if answer[0] != 503:
                    break
        return answer

    def ask(self, method, path, body=None, expected=(200, 201, 202, 204)):
        """The answer, which must come in the end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, answer = self.try_ask(method, path, body)
            if status in expected:
                return answer
            if status not in BUSY or time.monotonic() > deadline:
                raise ConnectError(f"{method} {path}: {status} {answer}\n{self.logs()}")
            time.sleep(0.1)

    # -- connectors --------------------------------------------------------------

    def configure(self, name, **settings):
        """Makes a connector, or gives it another configuration; dots in names are written as two underscores."""
        config = {key.replace("__", "."): str(value) for key, value in settings.items()}
        return self.ask("PUT", f"/connectors/{name}/config", config)

    def status(self, name):
        """(state of the connector, {task: (state, worker id)}); None while nobody knows."""
        code, answer = self.try_ask("GET", f"/connectors/{name}/status")
        if code != 200:
            return None
        tasks = {each["id"]: (each["state"], each["worker_id"]) for each in answer["tasks"]}
        return answer["connector"]["state"], tasks

    def wait_state(self, name, state, tasks=1):
        """Until the connector and that many tasks are in the state, on workers that are alive."""

        def reached():
            found = self.status(name)
            alive = {each.id for each in self.workers if each.alive()}
            return (
                found is not None
                and found[0] == state
                and len(found[1]) == tasks
                and all(each == state and where in alive for each, where in found[1].values())
            )

        until(reached, lambda: f"{name} is {state}: {self.status(name)}\n{self.logs()}")

    def worker_of(self, name):
        """The worker that has the connector's first task."""

        def find():
            found = self.status(name)
            where = found and found[1].get(0, (None, None))[1]
            return next((each for each in self.workers if each.alive() and each.id == where), None)

        return until(find, lambda: f"a task of {name}: {self.status(name)}\n{self.logs()}")

    def offsets(self, name):
        """[(partition, offset), ...]"""
        rows = self.ask("GET", f"/connectors/{name}/offsets")["offsets"]
        return [(each["partition"], each["offset"]) for each in rows]

    def delete(self, name):
        self.ask("DELETE", f"/connectors/{name}", expected=(204, 404))
        until(lambda: self.try_ask("GET", f"/connectors/{name}")[0] == 404, f"{name} is deleted")
