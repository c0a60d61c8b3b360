"""One scenario as data: the commands that are given, in this order, to Apache Kafka and to the broker under test."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Step:
    """One command. `{boot}` and `{tmp}` in its words are filled in; `unordered` compares sorted lines, "words" of sorted words.

    Brokers carry out some changes a moment after they answered: such a command is repeated until it prints `until`.
    """

    name: str
    tool: str
    words: tuple
    stdin: str = ""
    unordered: bool | str = False
    until: str = ""
    version: str = "4.3.1"
    files: tuple = ()


def step(name, tool, words, **more):
    return Step(name, tool, tuple(words.split()), **more)


BOOT = "--bootstrap-server {boot} "
TOPICS = [
    step("create", "topics", BOOT + "--create --topic t1 --partitions 3 --replication-factor 1 --config retention.ms=3600000"),
    step("create-defaults", "topics", BOOT + "--create --topic t2"),
    step("create-with-configs", "topics", BOOT + "--create --topic t.3 --partitions 1 --config cleanup.policy=compact,delete --config max.message.bytes=2000000"),
    step("create-assigned", "topics", BOOT + "--create --topic t4 --replica-assignment 1,1,1"),
    step("create-if-not-exists", "topics", BOOT + "--create --if-not-exists --topic t1"),
    step("create-again", "topics", BOOT + "--create --topic t1"),
    step("create-colliding", "topics", BOOT + "--create --topic t_3"),
    step("create-bad-name", "topics", BOOT + "--create --topic bad/name"),
    step("create-too-long", "topics", BOOT + "--create --topic " + "x" * 250),
    step("create-no-partitions", "topics", BOOT + "--create --topic t5 --partitions 0"),
    step("create-too-many-replicas", "topics", BOOT + "--create --topic t5 --replication-factor 3"),
    step("create-on-unknown-broker", "topics", BOOT + "--create --topic t5 --replica-assignment 7"),
    step("create-unknown-config", "topics", BOOT + "--create --topic t5 --config no.such=1"),
    step("create-bad-config", "topics", BOOT + "--create --topic t5 --config retention.ms=soon"),
    step("list", "topics", BOOT + "--list"),
    step("describe-one", "topics", BOOT + "--describe --topic t1"),
    step("describe-all", "topics", BOOT + "--describe", unordered=True),
    step("describe-pattern", "topics", BOOT + "--describe --topic t[12]", unordered=True),
    step("describe-unknown", "topics", BOOT + "--describe --topic nowhere"),
    step("describe-under-replicated", "topics", BOOT + "--describe --under-replicated-partitions"),
    step("describe-unavailable", "topics", BOOT + "--describe --unavailable-partitions"),
    step("describe-at-min-isr", "topics", BOOT + "--describe --at-min-isr-partitions", unordered=True),
    step("describe-overrides", "topics", BOOT + "--describe --topics-with-overrides", unordered=True),
    step("alter-partitions", "topics", BOOT + "--alter --topic t2 --partitions 5"),
    step("alter-fewer-partitions", "topics", BOOT + "--alter --topic t2 --partitions 2"),
    step("alter-same-partitions", "topics", BOOT + "--alter --topic t2 --partitions 5"),
    step("alter-unknown", "topics", BOOT + "--alter --topic nowhere --partitions 2"),
    step("describe-altered", "topics", BOOT + "--describe --topic t2"),
    step("old-list", "topics", BOOT + "--list", version="2.8.2"),
    step("old-describe", "topics", BOOT + "--describe --topic t1", version="2.8.2"),
    step("delete", "topics", BOOT + "--delete --topic t4"),
    step("delete-unknown", "topics", BOOT + "--delete --topic nowhere"),
    step("list-deleted", "topics", BOOT + "--list"),
]
RECORDS = [
    step("create-for-records", "topics", BOOT + "--create --topic one --partitions 1"),
    step("produce", "console-producer", BOOT + "--topic one", stdin="a\nb\nc\n"),
    step("produce-keys", "console-producer", BOOT + "--topic t1 --property parse.key=true --property key.separator=|", stdin="k1|v1\nk2|v2\nk1|v3\nk4|v4\nk5|v5\nk6|v6\n"),
    step("produce-headers", "console-producer", BOOT + "--topic t2 --reader-property parse.headers=true --reader-property parse.key=true", stdin="h:1,i:2\tk\tv\n"),
    step("old-produce", "console-producer", "--broker-list {boot} --topic one --compression-codec snappy", version="2.8.2", stdin="from 2.8\n"),
    step("produce-too-large", "console-producer", BOOT + "--topic one --command-property max.request.size=3000000 --command-property batch.size=10", stdin="x" * 1500000 + "\n"),
    step("produce-without-key", "console-producer", BOOT + "--topic t.3", stdin="no key\n"),
    step("consume", "console-consumer", BOOT + "--topic t1 --from-beginning --max-messages 6 --property print.key=true", unordered=True),
    step("consume-headers", "console-consumer", BOOT + "--topic t2 --from-beginning --max-messages 1 --formatter-property print.headers=true --formatter-property print.key=true", unordered=True),
    step("consume-partition", "console-consumer", BOOT + "--topic one --partition 0 --offset 1 --timeout-ms 1500"),
    step("consume-group", "console-consumer", BOOT + "--topic t1 --from-beginning --group g1 --max-messages 6", unordered=True),
    step("consume-group-nothing", "console-consumer", BOOT + "--topic t1 --from-beginning --group g1 --timeout-ms 2500"),
    step("consumer-protocol", "console-consumer", BOOT + "--topic t1 --from-beginning --group g848 --consumer-property group.protocol=consumer --max-messages 6", unordered=True),
    step("consumer-protocol-list", "consumer-groups", BOOT + "--list --type consumer"),
    step("consumer-protocol-describe", "consumer-groups", BOOT + "--describe --group g848", unordered=True),
    step("consumer-protocol-members", "consumer-groups", BOOT + "--describe --group g848 --members --verbose"),
    step("consumer-protocol-state", "consumer-groups", BOOT + "--describe --group g848 --state --verbose"),
    step("old-consume", "console-consumer", BOOT + "--topic t1 --from-beginning --group g2 --max-messages 6", version="2.8.2", unordered=True),
    step("consume-auto-created", "console-consumer", BOOT + "--topic fresh --from-beginning --timeout-ms 1500"),
]
OFFSETS = [
    *(
        step(f"get-offsets-{when}", "get-offsets", BOOT + f"--topic one --time {when}")
        for when in ("-1", "-2", "-3", "-4", "-5", "-6", "earliest", "earliest-local", "latest-tiered", "latest", "max-timestamp", "1500000000000", "32500000000000")
    ),
    step("get-offsets-pattern", "get-offsets", BOOT + "--topic-partitions t.*:0-1"),
    step("get-offsets-all", "get-offsets", BOOT + "--exclude-internal-topics"),
    step("get-offsets-unknown", "get-offsets", BOOT + "--topic nowhere"),
    step("old-get-offsets", "get-offsets", "--broker-list {boot} --topic t1", version="2.8.2"),
    step("delete-records", "delete-records", BOOT + "--offset-json-file {tmp}/delete.json", unordered=True, files=(("delete.json", '{"partitions":[{"topic":"t2","partition":0,"offset":0},{"topic":"one","partition":0,"offset":2}],"version":1}'),)),
    step("delete-records-beyond", "delete-records", BOOT + "--offset-json-file {tmp}/beyond.json", files=(("beyond.json", '{"partitions":[{"topic":"t2","partition":0,"offset":1000}],"version":1}'),)),
    step("get-offsets-after-delete", "get-offsets", BOOT + "--topic one --time -2"),
    step("consume-after-delete", "console-consumer", BOOT + "--topic one --from-beginning --max-messages 2"),
]
GROUPS = [
    step("groups-list", "consumer-groups", BOOT + "--list", unordered=True),
    step("groups-list-state", "consumer-groups", BOOT + "--list --state", unordered=True),
    step("groups-list-type", "consumer-groups", BOOT + "--list --type", unordered=True),
    step("groups-list-by-state", "consumer-groups", BOOT + "--list --state stable"),
    step("groups-describe", "consumer-groups", BOOT + "--describe --group g1", unordered=True),
    step("groups-describe-members", "consumer-groups", BOOT + "--describe --group g1 --members --verbose"),
    step("groups-describe-state", "consumer-groups", BOOT + "--describe --group g1 --state --verbose"),
    step("groups-describe-all", "consumer-groups", BOOT + "--describe --all-groups --offsets", unordered=True),
    step("groups-describe-unknown", "consumer-groups", BOOT + "--describe --group nobody"),
    step("old-groups-describe", "consumer-groups", BOOT + "--describe --group g1", version="2.8.2", unordered=True),
    step("live-members", "consumer-groups", BOOT + "--describe --group live --members --verbose", unordered=True),
    step("live-state", "consumer-groups", BOOT + "--describe --group live --state"),
    step("live-offsets", "consumer-groups", BOOT + "--describe --group live", unordered=True),
    step("live-list", "consumer-groups", BOOT + "--list --state Stable"),
    step("live-reset", "consumer-groups", BOOT + "--reset-offsets --group live --topic t1 --to-earliest --execute"),
    step("live-delete", "consumer-groups", BOOT + "--delete --group live"),
    step("live-delete-offsets", "consumer-groups", BOOT + "--delete-offsets --group live --topic t1"),
    step("live-all-members", "consumer-groups", BOOT + "--describe --all-groups --members --verbose", unordered=True),
    step("live-all-state", "consumer-groups", BOOT + "--describe --all-groups --state", unordered=True),
    step("live-delete-offsets-partition", "consumer-groups", BOOT + "--delete-offsets --group live --topic t1:0"),
    step("live-delete-offsets-other", "consumer-groups", BOOT + "--delete-offsets --group live --topic t2", unordered=True),
    step("live-reset-dry-run", "consumer-groups", BOOT + "--reset-offsets --group live --topic t1 --to-earliest --dry-run"),
    step("live-list-both", "consumer-groups", BOOT + "--list --state --type", unordered=True),
    *(
        step(f"modern-{name}", "consumer-groups", BOOT + words, unordered=True)
        for name, words in (
            ("offsets", "--describe --group modern --offsets"),
            ("offsets-verbose", "--describe --group modern --offsets --verbose"),
            ("members", "--describe --group modern --members"),
            ("members-verbose", "--describe --group modern --members --verbose"),
            ("state", "--describe --group modern --state"),
            ("state-verbose", "--describe --group modern --state --verbose"),
            ("all-members-verbose", "--describe --all-groups --members --verbose"),
            ("all-state-verbose", "--describe --all-groups --state --verbose"),
            ("all-offsets-verbose", "--describe --all-groups --offsets --verbose"),
            ("list", "--list --state stable,reconciling --type consumer"),
            ("list-assigning", "--list --state assigning,Empty --type Consumer"),
            ("reset", "--reset-offsets --group modern --topic t1 --to-earliest --execute"),
            ("delete", "--delete --group modern"),
            ("delete-offsets", "--delete-offsets --group modern --topic t1"),
            ("delete-offsets-other", "--delete-offsets --group modern --topic t2"),
        )
    ),
    step("modern-groups-tool", "groups", BOOT + "--list --group-type consumer", unordered=True),
    *(
        step(f"list-{'-'.join(words.replace('--', '').split()).replace(',', '+')}", "consumer-groups", BOOT + "--list " + words, unordered="words")
        for words in ("--state Empty,Dead", "--state nonsense", "--type classic", "--type classic,consumer", "--type share", "--type nonsense", "--type streams",
                      "--state Empty --type consumer", "--verbose", "--timeout 3000", "--group g1")
    ),
    *(
        step(f"describe-{name}", "consumer-groups", BOOT + "--describe " + words, unordered=True)
        for name, words in (
            ("two-groups", "--group g1 --group g848"),
            ("two-groups-state", "--group g1 --group g848 --state"),
            ("two-groups-members", "--group g1 --group g848 --members"),
            ("one-unknown", "--group g1 --group nobody"),
            ("unknown-members", "--group nobody --members"),
            ("unknown-state", "--group nobody --state"),
            ("two-views", "--group g1 --state --members"),
            ("no-group", "--offsets"),
            ("offsets-verbose", "--group g1 --offsets --verbose"),
            ("consumer-offsets-verbose", "--group g848 --offsets --verbose"),
            ("consumer-empty-members", "--group g848 --members --verbose"),
            ("all-and-one", "--all-groups --group g1"),
            ("one-state", "--group g1 --state Stable"),
        )
    ),
    *(
        step(f"validate-regex-{number}", "consumer-groups", BOOT + f"--validate-regex {regex}")
        for number, regex in enumerate(("t.*", "(t|u)[0-9]+", "(*", "[a"))
    ),
    *(
        step(f"groups-tool-{'-'.join(words.replace('--', '').split())}", "groups", BOOT + "--list " + words, unordered=True)
        for words in ("--group-type classic", "--group-type share", "--group-type nonsense", "--protocol consumer", "--protocol connect", "--consumer", "--share", "--streams",
                      "--consumer --share", "--group-type classic --protocol consumer")
    ),
    *(
        step(f"reset-{group}-{name}", "consumer-groups", BOOT + f"--reset-offsets --group {group} {words}", unordered="words")
        for group in ("g1", "g848")
        for name, words in (
            ("plan", "--topic t1 --to-earliest"),
            ("to-earliest", "--topic t1:0,1 --to-earliest --execute"),
            ("to-latest", "--topic t1:2 --to-latest --execute"),
            ("to-current", "--topic t1 --topic t2 --to-current --execute"),
            ("to-current-all", "--all-topics --to-current --dry-run"),
            ("to-offset", "--topic t1:0 --to-offset 1 --execute"),
            ("to-offset-beyond", "--topic t1 --to-offset 1000 --execute"),
            ("to-offset-negative", "--topic t1:0 --to-offset -1 --execute"),
            ("shift", "--topic t1:0 --shift-by 1 --execute"),
            ("shift-back", "--topic t1 --shift-by -1000 --execute"),
            ("shift-beyond", "--all-topics --shift-by 1000 --execute"),
            ("duration", "--all-topics --by-duration P0DT0H0M1S --dry-run"),
            ("duration-long", "--all-topics --by-duration P1000D --execute"),
            ("duration-bad", "--all-topics --by-duration soon --execute"),
            ("datetime", "--topic t1 --to-datetime 2120-01-01T00:00:00.000 --execute"),
            ("datetime-zone", "--topic t1 --to-datetime 2020-01-01T00:00:00.000+01:00 --execute"),
            ("datetime-bad", "--topic t1 --to-datetime yesterday --execute"),
            ("export", "--all-topics --to-earliest --export"),
            ("export-execute", "--topic t1 --to-latest --export --execute"),
            ("no-topic", "--to-earliest --execute"),
            ("no-way", "--topic t1 --execute"),
            ("two-ways", "--topic t1 --to-earliest --to-latest --execute"),
            ("both", "--topic t1 --to-earliest --execute --dry-run"),
            ("partition-unknown", "--topic t1:7 --to-earliest --execute"),
            ("partition-bad", "--topic t1:x --to-earliest --execute"),
        )
    ),
    *(
        step(f"reset-file-{name}", "consumer-groups", BOOT + f"--reset-offsets {words} --from-file {{tmp}}/{name}.csv", files=((f"{name}.csv", text),), unordered=True)
        for name, words, text in (
            ("one", "--group g1 --execute", "t1,0,2\nt1,1,0\n"),
            ("beyond", "--group g1 --execute", "t1,0,2000\nt1,1,-5\n"),
            ("grouped", "--group g1 --execute", "g1,t1,0,1\n"),
            ("two", "--group g1 --group g848 --execute", "g1,t1,0,1\ng848,t1,1,1\n"),
            ("two-plain", "--group g1 --group g848 --execute", "t1,0,1\n"),
            ("other-group", "--group g1 --group g848 --dry-run", "gx,t1,0,1\n"),
            ("bad", "--group g1 --execute", "t1;0;1\n"),
            ("nothing", "--group g1 --execute", ""),
            ("unknown-topic", "--group g1 --execute", "nowhere,0,1\n"),
        )
    ),
    step("reset-all-groups", "consumer-groups", BOOT + "--reset-offsets --all-groups --all-topics --to-earliest --dry-run", unordered=True),
    step("reset-all-groups-topic", "consumer-groups", BOOT + "--reset-offsets --all-groups --topic t1:1 --to-latest --execute", unordered=True),
    step("reset-all-groups-export", "consumer-groups", BOOT + "--reset-offsets --all-groups --topic t1:1 --to-current --export --dry-run", unordered=True),
    step("reset-two-groups", "consumer-groups", BOOT + "--reset-offsets --group g1 --group g848 --topic t1:1 --to-earliest --execute", unordered=True),
    step("reset-no-group", "consumer-groups", BOOT + "--reset-offsets --topic t1 --to-earliest --execute"),
    step("describe-after-resets", "consumer-groups", BOOT + "--describe --all-groups --offsets", unordered=True),
    *(
        step(f"reset-{how.split()[0]}", "consumer-groups", BOOT + f"--reset-offsets --group g1 --topic t1 --{how} --execute", unordered=True)
        for how in ("to-earliest", "to-latest", "to-offset 1", "shift-by -1", "to-current", "by-duration PT1H", "to-datetime 2020-01-01T00:00:00.000")
    ),
    step("reset-dry-run", "consumer-groups", BOOT + "--reset-offsets --group g1 --all-topics --to-earliest --dry-run", unordered=True),
    step("reset-export", "consumer-groups", BOOT + "--reset-offsets --group g1 --topic t1 --to-current --export --dry-run", unordered=True),
    step("reset-from-file", "consumer-groups", BOOT + "--reset-offsets --group g1 --from-file {tmp}/reset.csv --execute", files=(("reset.csv", "t1,0,1\n"),)),
    step("reset-new-group", "consumer-groups", BOOT + "--reset-offsets --group g3 --topic t1:0 --to-latest --execute"),
    step("reset-unknown-topic", "consumer-groups", BOOT + "--reset-offsets --group g1 --topic nowhere --to-latest --execute"),
    step("groups-describe-after-reset", "consumer-groups", BOOT + "--describe --group g3"),
    step("delete-offsets", "consumer-groups", BOOT + "--delete-offsets --group g1 --topic t1", unordered=True),
    step("delete-offsets-unknown", "consumer-groups", BOOT + "--delete-offsets --group nobody --topic t1"),
    *(
        step(f"delete-offsets-{name}", "consumer-groups", BOOT + "--delete-offsets " + words, unordered=True)
        for name, words in (
            ("consumer-partition", "--group g848 --topic t1:0"),
            ("consumer-unknown-topic", "--group g848 --topic nowhere"),
            ("consumer-two", "--group g848 --topic t1:1 --topic t2"),
            ("no-topic", "--group g1"),
            ("no-group", "--topic t1"),
            ("unknown-partition", "--group g1 --topic t1:9"),
        )
    ),
    step("groups-describe-no-offsets", "consumer-groups", BOOT + "--describe --group g1"),
    step("groups-delete", "consumer-groups", BOOT + "--delete --group g2"),
    step("groups-delete-unknown", "consumer-groups", BOOT + "--delete --group nobody"),
    step("groups-delete-two", "consumer-groups", BOOT + "--delete --group g3 --group nobody", unordered=True),
    step("groups-delete-none", "consumer-groups", BOOT + "--delete"),
    step("groups-delete-consumer", "consumer-groups", BOOT + "--delete --group g848"),
    step("groups-list-after-delete", "consumer-groups", BOOT + "--list", unordered=True),
    step("groups-delete-all", "consumer-groups", BOOT + "--delete --all-groups", unordered="words"),
    step("groups-list-after-all", "consumer-groups", BOOT + "--list", unordered=True),
    step("groups-tool", "groups", BOOT + "--list", unordered=True),
]
TOPIC = "--entity-type topics --entity-name t1 "
BROKER = "--entity-type brokers --entity-name 1 "
# Of each a value that is taken, and one that is not.
LOG_CONFIGS = [
    ("cleanup.policy", "compact"), ("cleanup.policy", "none"),
    ("compression.gzip.level", "9"), ("compression.gzip.level", "10"), ("compression.gzip.level", "0"),
    ("compression.lz4.level", "17"), ("compression.lz4.level", "0"),
    ("compression.type", "zstd"), ("compression.type", "none"),
    ("compression.zstd.level", "-131072"), ("compression.zstd.level", "23"),
    ("delete.retention.ms", "0"), ("delete.retention.ms", "-1"),
    ("file.delete.delay.ms", "0"), ("file.delete.delay.ms", "-1"),
    ("flush.messages", "1"), ("flush.messages", "0"),
    ("flush.ms", "0"), ("flush.ms", "-1"),
    ("index.interval.bytes", "0"), ("index.interval.bytes", "-1"),
    ("max.compaction.lag.ms", "1"), ("max.compaction.lag.ms", "0"),
    ("max.message.bytes", "0"), ("max.message.bytes", "-1"),
    ("message.timestamp.after.max.ms", "0"), ("message.timestamp.after.max.ms", "-1"),
    ("message.timestamp.before.max.ms", "0"), ("message.timestamp.before.max.ms", "-1"),
    ("message.timestamp.difference.max.ms", "1000"), ("message.format.version", "2.8"),
    ("message.timestamp.type", "LogAppendTime"), ("message.timestamp.type", "logappendtime"),
    ("min.cleanable.dirty.ratio", "1"), ("min.cleanable.dirty.ratio", "1.01"),
    ("min.compaction.lag.ms", "1"), ("min.compaction.lag.ms", "-1"),
    ("min.insync.replicas", "1"), ("min.insync.replicas", "0"),
    ("preallocate", "true"), ("preallocate", "yes"),
    ("retention.bytes", "-1"), ("retention.bytes", "-2"),
    ("retention.ms", "-1"), ("retention.ms", "-2"),
    ("segment.bytes", "1048576"), ("segment.bytes", "1048575"),
    ("segment.index.bytes", "4"), ("segment.index.bytes", "3"),
    ("segment.jitter.ms", "0"), ("segment.jitter.ms", "-1"),
    ("segment.ms", "1"), ("segment.ms", "0"),
    ("unclean.leader.election.enable", "true"), ("unclean.leader.election.enable", "1"),
]
CONFIGS = [
    step("topic-describe", "configs", BOOT + TOPIC + "--describe"),
    step("topic-describe-all", "configs", BOOT + TOPIC + "--describe --all", unordered=True),
    step("topic-alter", "configs", BOOT + TOPIC + "--alter --add-config retention.ms=7200000,cleanup.policy=[compact,delete]"),
    step("topic-describe-altered", "configs", BOOT + TOPIC + "--describe"),
    step("topic-delete-config", "configs", BOOT + TOPIC + "--alter --delete-config retention.ms"),
    step("topic-describe-deleted", "configs", BOOT + TOPIC + "--describe"),
    step("topic-alter-bad-value", "configs", BOOT + TOPIC + "--alter --add-config retention.ms=soon"),
    step("topic-alter-out-of-range", "configs", BOOT + TOPIC + "--alter --add-config min.insync.replicas=0"),
    step("topic-alter-unknown-key", "configs", BOOT + TOPIC + "--alter --add-config no.such=1"),
    step("topic-alter-unknown-topic", "configs", BOOT + "--entity-type topics --entity-name nowhere --alter --add-config retention.ms=1000"),
    *(
        step(f"topic-alter-{key}={value}", "configs", BOOT + TOPIC + f"--alter --add-config {key}={value}")
        for key, value in LOG_CONFIGS
    ),
    step("topic-describe-many", "configs", BOOT + TOPIC + "--describe --all", unordered=True),
    step("topic-delete-many", "configs", BOOT + TOPIC + "--alter --delete-config " + ",".join(sorted({key for key, _ in LOG_CONFIGS}))),
    step("topic-describe-none", "configs", BOOT + TOPIC + "--describe"),
    step("topics-describe", "configs", BOOT + "--entity-type topics --describe", unordered=True),
    step("broker-describe", "configs", BOOT + BROKER + "--describe"),
    step("broker-alter", "configs", BOOT + BROKER + "--alter --add-config log.cleaner.threads=2"),
    step("broker-describe-altered", "configs", BOOT + BROKER + "--describe", until="log.cleaner.threads=2 "),
    step("broker-default-alter", "configs", BOOT + "--entity-type brokers --entity-default --alter --add-config message.max.bytes=2000000"),
    step("broker-default-describe", "configs", BOOT + "--entity-type brokers --entity-default --describe", until="message.max.bytes=2000000 "),
    step("broker-describe-both", "configs", BOOT + BROKER + "--describe"),
    step("topic-follows-broker", "configs", BOOT + "--entity-type topics --entity-name t2 --describe --all", unordered=True, until="max.message.bytes=2000000 "),
    step("broker-delete-config", "configs", BOOT + BROKER + "--alter --delete-config log.cleaner.threads"),
    step("broker-alter-read-only", "configs", BOOT + BROKER + "--alter --add-config node.id=2"),
    step("broker-alter-bad-value", "configs", BOOT + BROKER + "--alter --add-config log.cleaner.threads=many"),
    step("broker-describe-all", "configs", BOOT + BROKER + "--describe --all", unordered=True),
    step("old-topic-describe", "configs", BOOT + TOPIC + "--describe", version="2.8.2"),
    step("old-topic-alter", "configs", BOOT + TOPIC + "--alter --add-config max.message.bytes=3000000", version="2.8.2"),
]
KCAT = [
    step("kcat-list", "kcat", "-b {boot} -L -t t2"),
    step("kcat-list-json", "kcat", "-b {boot} -L -J -t t1"),
    step("kcat-list-unknown", "kcat", "-b {boot} -L -t nowhere -X allow.auto.create.topics=false"),
    step("kcat-produce", "kcat", "-b {boot} -P -t t2 -p 3 -K : -H a=1 -z lz4", stdin="k:one\nk:two\n"),
    step("kcat-consume", "kcat", "-b {boot} -C -t t2 -p 3 -o beginning -e -f %p|%o|%k|%s|%h\\n"),
    step("kcat-consume-json", "kcat", "-b {boot} -C -t t2 -p 3 -o 1 -e -J"),
    step("kcat-query-start", "kcat", "-b {boot} -Q -t t2:3:-2"),
    step("kcat-query-end", "kcat", "-b {boot} -Q -t t2:3:-1"),
    step("kcat-query-time", "kcat", "-b {boot} -Q -t t2:3:1500000000000"),
    step("kcat-group", "kcat", "-b {boot} -G kg -X auto.offset.reset=earliest -e -f %p|%o|%s\\n t2", unordered=True),
    step("kcat-group-again", "kcat", "-b {boot} -G kg -X auto.offset.reset=earliest -e -f %p|%o|%s\\n t2", unordered=True),
]
STEPS = [*TOPICS, *RECORDS, *OFFSETS, *GROUPS, *CONFIGS, *KCAT]
