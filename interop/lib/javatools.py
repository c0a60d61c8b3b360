"""Kafka's console tools, run in one warm JVM (java/ToolServer.java), and the names of their main classes."""

import base64
import dataclasses
import queue
import subprocess
import threading

from interop.lib import places
from interop.lib.broker import environment, java

TOOL_SECONDS = 60
TOOLS = "org.apache.kafka.tools."
MAIN = {
    "4.3.1": {
        "topics": TOOLS + "TopicCommand",
        "console-producer": TOOLS + "ConsoleProducer",
        "console-consumer": TOOLS + "consumer.ConsoleConsumer",
        "consumer-groups": TOOLS + "consumer.group.ConsumerGroupCommand",
        "groups": TOOLS + "GroupsCommand",
        "get-offsets": TOOLS + "GetOffsetShell",
        "configs": "kafka.admin.ConfigCommand",
        "delete-records": TOOLS + "DeleteRecordsCommand",
        "log-dirs": TOOLS + "LogDirsCommand",
        "cluster": TOOLS + "ClusterTool",
        "broker-api-versions": TOOLS + "BrokerApiVersionsCommand",
        "dump-log": TOOLS + "DumpLogSegments",
        "transactions": TOOLS + "TransactionsCommand",
        "streams-reset": TOOLS + "StreamsResetter",
        "producer-perf": TOOLS + "ProducerPerformance",
        "consumer-perf": TOOLS + "ConsumerPerformance",
        "end-to-end-latency": TOOLS + "EndToEndLatency",
        "message-copier": TOOLS + "TransactionalMessageCopier",
        "verifiable-producer": TOOLS + "VerifiableProducer",
        "verifiable-consumer": TOOLS + "VerifiableConsumer",
        "transact": "Transact",
    },
    "2.8.2": {
        "topics": "kafka.admin.TopicCommand",
        "console-producer": "kafka.tools.ConsoleProducer",
        "console-consumer": "kafka.tools.ConsoleConsumer",
        "consumer-groups": "kafka.admin.ConsumerGroupCommand",
        "get-offsets": "kafka.tools.GetOffsetShell",
        "configs": "kafka.admin.ConfigCommand",
        "delete-records": "kafka.admin.DeleteRecordsCommand",
        "log-dirs": "kafka.admin.LogDirsCommand",
        "dump-log": "kafka.tools.DumpLogSegments",
    },
}


@dataclasses.dataclass
class Result:
    """How one run of a tool ended."""

    code: int
    out: str
    err: str

    def __str__(self):
        return f"exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


class ToolServer:
    """The JVM, started at the first command. A tool that hangs costs the JVM, not the test session."""

    def __init__(self, version):
        self.version = version
        self.process = None
        self.answers = None

    def __enter__(self):
        places.jars(self.version)
        places.need("java")
        return self

    def __exit__(self, *failure):
        self._end()

    def _end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _begin(self):
        command = java(self.version, "-Xmx384m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
        command[-1] += f":{places.CACHE / 'java'}"
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*command, "ToolServer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            text=True,
        )
        self.answers = queue.Queue()
        threading.Thread(target=self._collect, args=(self.process, self.answers), daemon=True).start()

    @staticmethod
    def _collect(process, answers):
        for line in process.stdout:
            answers.put(line)
        answers.put("")

    def run(self, tool, *arguments, stdin="", timeout=TOOL_SECONDS):
        """Runs one tool by its short name and returns its Result, whatever its exit code."""
        if self.process is None or self.process.poll() is not None:
            self._begin()
        fields = [stdin, *arguments]
        line = "\t".join([MAIN[self.version][tool], *(base64.b64encode(f.encode()).decode() for f in fields)])
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        try:
            answer = self.answers.get(timeout=timeout)
        except queue.Empty:
            answer = ""
        if not answer:
            self._end()
            raise TimeoutError(f"{tool} {' '.join(arguments)} did not end in {timeout} s, or took the JVM with it")
        code, out, err = answer.rstrip("\n").split("\t")
        return Result(int(code), *(base64.b64decode(each).decode(errors="replace") for each in (out, err)))

    def must(self, tool, *arguments, **options):
        """As run, but the tool has to end with 0; returns its standard output."""
        result = self.run(tool, *arguments, **options)
        assert result.code == 0, f"{tool} {' '.join(arguments)}: {result}"
        return result.out
