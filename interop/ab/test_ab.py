"""The same commands to Apache Kafka and to the broker under test: exit code, output and complaints are the same."""

import subprocess
import sys
import time

import pytest

from interop.lib import broker as brokers
from interop.lib import places
from interop.lib.broker import environment
from interop.lib.clients import ClientError, Driver, DriverMember, wait_until
from interop.lib.javatools import Result
from interop.lib.normal import lines, normal

sys.path.insert(0, str(places.INTEROP / "ab"))
from scenario import STEPS  # pylint: disable=import-error,wrong-import-position

STEP_SECONDS = 20
# Groups with a member, and what its driver is told.
LIVE = {"live": {}, "modern": {"GROUP_PROTOCOL": "consumer"}}

# Defaults that are ours on purpose: what a power cut can take is bounded by a second, memory by a budget.
OWN_TOPIC_VALUES = ("flush.ms",)
OWN_VALUES = {
    "log.flush.interval.ms",
    "num.io.threads",
    "num.network.threads",
    "queued.max.request.bytes",
}


class Run:
    """The scenario on one broker."""

    def __init__(self, kind, home, servers):
        self.broker = brokers.Broker(kind, home)
        self.servers = servers
        self.results = {}
        self.live = self.live_group = None

    def everything(self):
        with self.broker:
            for each in STEPS:
                self._keep_live(each)
                for name, text in each.files:
                    (self.broker.home / name).write_text(text)
                self.results[each.name] = self._one(each)
                if not self.broker.alive():
                    self.results[each.name] = f"the broker ended:\n{self.broker.log[-4000:]}"
                    break
            self._end_live()
            if self.broker.alive():
                self.broker.stop()
        return self.results

    def _keep_live(self, each):
        """Between the first and the last step about it, a member of the group `live` or `modern` is there."""
        wanted = each.name.split("-")[0]
        if self.live is not None and self.live_group != wanted:
            self._end_live()
        if wanted in LIVE and self.live is None:
            command = (sys.executable, str(places.INTEROP / "confluent-kafka/driver.py"))
            self.live = DriverMember(Driver(command, self.broker.bootstrap, LIVE[wanted]), wanted, "t1")
            self.live_group = wanted
            try:
                wait_until([self.live], lambda: self.live.assigned == {0, 1, 2}, "a member is there", STEP_SECONDS)
                wait_until([self.live], lambda: len(self.live.records) == 6, "it has read everything", STEP_SECONDS)
                self.live.commit()
            except (AssertionError, ClientError) as failure:
                self.results[f"a {wanted} member"] = str(failure)

    def _end_live(self):
        """It leaves: a session that ends by time would end at another step in each broker."""
        if self.live is None:
            return
        try:
            self.live.leave()
        except ClientError as failure:
            self.results[f"a {self.live_group} member"] = str(failure)
            self.live.kill()
        self.live = None

    def _one(self, each):
        deadline = time.monotonic() + 5
        while True:
            shown = self._once(each)
            if each.until in shown or time.monotonic() > deadline:
                return shown

    def _once(self, each):
        words = [word.format(boot=self.broker.bootstrap, tmp=self.broker.home) for word in each.words]
        try:
            if each.tool == "kcat":
                result = self._kcat(each, words)
            else:
                result = self.servers[each.version].run(each.tool, *words, stdin=each.stdin, timeout=STEP_SECONDS)
        except TimeoutError as slow:
            return str(slow)
        shown = [f"exit {result.code}"]
        for text in (result.out, result.err):
            rows = lines(normal(text, self.broker), each.unordered)
            shown += ["---", *(row for row in rows if not row.lstrip().startswith(OWN_TOPIC_VALUES))]
        return "\n".join(shown)

    @staticmethod
    def _kcat(each, words):
        try:
            done = subprocess.run(
                ["kcat", "-q" if each.name.startswith("kcat-group") else "-E", *words],
                input=each.stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=STEP_SECONDS,
                env=environment(),
            )
        except subprocess.TimeoutExpired as slow:
            raise TimeoutError(f"kcat did not end in {STEP_SECONDS} s") from slow
        return Result(done.returncode, done.stdout, done.stderr)


pytestmark = pytest.mark.xdist_group("ab")  # both runs are made once, in one process


@pytest.fixture(scope="module", name="runs")
def _runs(kind, tools, old_tools, tmp_path_factory):
    places.need_command("kcat")
    servers = {places.STOCK_VERSION: tools, places.OLD_VERSION: old_tools}
    home = tmp_path_factory.mktemp("ab")
    return [Run(each, home / f"{n}-{each}", servers).everything() for n, each in enumerate(("stock", kind))]


@pytest.mark.timeout(400)
def test_a_member_is_there_for_the_steps_about_it(runs):
    assert [run.get(f"a {group} member") for group in LIVE for run in runs] == [None] * 4


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [each.name for each in STEPS if each.name != "broker-describe-all"])
def test_prints_what_apache_kafka_prints(runs, name):
    stock, ours = (run.get(name, "the broker was gone before") for run in runs)
    assert ours == stock


def settings(shown):
    """{name: the rest of its line} of what ConfigCommand --describe --all prints."""
    rows = (line.strip().split("=", 1) for line in shown.split("\n") if " sensitive=" in line)
    return dict(rows)


@pytest.mark.timeout(400)
def test_knows_every_broker_setting_of_apache_kafka(runs):
    stock, ours = (settings(run.get("broker-describe-all", "")) for run in runs)
    assert len(stock) > 200
    assert sorted(set(stock) - set(ours)) == [], "settings that are missing"
    assert sorted(set(ours) - set(stock)) == [], "settings that Kafka does not have"
    other = {name: (ours[name], stock[name]) for name in stock if ours[name] != stock[name] and name not in OWN_VALUES}
    assert other == {}, "(ours, Kafka's)"
