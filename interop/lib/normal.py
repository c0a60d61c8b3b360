"""What may differ between two runs of one command, made equal: ids, ports, times, folders."""

import re

RULES = (
    (r"(?m)^(\s+at .*|\s*\.\.\. \d+ more)\n", ""),
    (r"(?m)^\[[^\]]*\] (ERROR|WARN) [^\n]*? - ", r"[log] \1 "),
    (r"TopicId: \S{22}", "TopicId: ID"),
    (r"(CreateTime|LogAppendTime):\d+", r"\1:TIME"),
    (r'"ts":\d+', '"ts":TIME'),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"(?<= )[\w+/-]{22}(?= +/127\.0\.0\.1)", "MEMBER"),
    # A refused record's reason is told in words of our own.
    (r"(InvalidRecordException): .*", r"\1: REASON"),
    (r"adminclient-\d+", "adminclient-N"),
    (r"console-consumer-\d+", "console-consumer-N"),
    (r"rdkafka#(consumer|producer)-\d+", r"rdkafka#\1-N"),
    (r"(?m)^%\d\|[\d.]+\|", "%|TIME|"),
    (r" +", " "),
    (r" +\n", "\n"),
)


def normal(text, broker):
    """`broker` is the one that was asked."""
    text = text.replace(str(broker.home), "FOLDER")
    # As numbers of their own: the digits may stand within a longer one.
    text = re.sub(rf"(?<!\d){broker.port}(?!\d)", "PORT", text)
    text = re.sub(rf"(?<!\d){broker.controller_port}(?!\d)", "CONTROLLER_PORT", text)
    for pattern, instead in RULES:
        text = re.sub(pattern, instead, text)
    return text


def lines(text, unordered):
    """`unordered` is True for lines in any order, "words" for words in any order on each line, too."""
    rows = text.split("\n")
    if unordered == "words":
        rows = [" ".join(sorted(re.findall(r"[^\s,()\[\]]+", row))) for row in rows]
    return sorted(rows) if unordered else rows
