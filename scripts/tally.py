#!/usr/bin/env python3
"""Counts tests: tally.py make DIR | tally.py junit FILE [AGAIN] | tally.py one NAME STATUS [LOG] | tally.py again FILE

Prints "passed failed skipped", and on standard error the names of what failed or was skipped, each failure with its
reason in one line. `make DIR` reads the logs that `make check` left in a build: each test function of a cmocka program
counts, each unittest, and a program of another kind as one. `junit` reads pytest's report, and that of a second run of
what had failed: what passed then has passed, but is told as unstable. `again` prints what may have a second run. `one` is
a single test by its exit status, 77 meaning skipped; its reason is what LOG says. With TALLY_REASONS=FILE failures and
what is unstable go to that file's end, too.
"""
import os
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path


REASON_LENGTH_MAX = 300
# What tells most comes first. A sanitizer's summary has the place, which its first line lacks.
TELLING = [
    r'^(?:crash|power): FAILED.*',
    r'^lint: .* is in no .*',
    r'^FATAL .*',
    r'.*\bWARNING: ThreadSanitizer: .*',
    r'^SUMMARY: (?!libFuzzer: deadly signal).*',
    r'.*\bruntime error: .*',
    r'.*\bERROR: (?:Address|Leak)Sanitizer.*',
    r'^==\d+== ?ERROR: libFuzzer.*',
    r'.*[:\s](?:fatal )?error: .*',
    r'^(?:[\w.]+\.)?\w*(?:Error|Exception|Expired|Interrupt)\b.*',
    r'^E  +.*',
    r'^(?:ERROR|FAILED)\b.*',
    r'.*\*\*\* .*',
]


# A record that is lost or read twice once has been lost: these have no second run.
JUDGED_ONCE = ('torture', 'streams')
AGAIN_MAX = 8  # as many failures are no accident


# Of the power cuts without a socket: what to run again, and where it went wrong.
PLACE = r'^(?:sweep|faults): seed .*|^BROKEN: .*|^(?:after )?(?:once|twice): .*|.*seed of the round.*'


def reason_of(log, status=None):
    """The one line of a log that tells why."""
    late = ' (stopped for taking too long)' if status in ('124', '137') else ''
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if any(line.startswith('BROKEN: ') for line in lines):
        return ' / '.join(line for line in lines if re.match(PLACE, line)) + late
    for pattern in TELLING:
        for line in lines:
            if re.match(pattern, line):
                return line + late
    return (lines[-1] if lines else 'it has said nothing') + late


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped, self.unstable = 0, [], [], []

    def fail(self, name, reason):
        self.failed.append(f'{name}: {reason}'[:REASON_LENGTH_MAX])

    def add(self, name, result, reason=''):
        if result == 'PASS':
            self.passed += 1
        elif result == 'SKIP':
            self.skipped.append(name)
        else:
            self.fail(name, reason)

    def cmocka(self, name, log):
        """True when it was such a program. One that ended early counts what it ran, and as failed."""
        if '[ RUN      ]' not in log:
            return False
        self.passed += len(re.findall(r'^\[ +OK \]', log, re.M))
        failed = set(re.findall(r'^\[ +FAILED +\] (\w+)$', log, re.M))
        skipped = set(re.findall(r'^\[ +SKIPPED +\] (\w+)$', log, re.M))
        for test in sorted(failed):
            self.fail(f'{name}: {test}', self.cmocka_reason(log, test))
        self.skipped += [f'{name}: {test}' for test in sorted(skipped)]
        return True

    @staticmethod
    def cmocka_reason(log, test):
        """What the test said between its start and its end: the first complaint, and where."""
        told = re.search(rf'^\[ RUN +\] {test}$(.*?)^\[ +FAILED +\] {test}$', log, re.M | re.S)
        said = [re.sub(r'^\[ +(?:ERROR|LINE) +\] ---', '', line).strip() for line in told.group(1).splitlines()] if told else []
        said = [line for line in said if line]
        return ' '.join(said[:2]) or 'no word why'

    def unittest(self, name, log):
        ran = re.search(r'^Ran (\d+) tests? in', log, re.M)
        if not ran:
            return False
        bad = sum(int(n) for n in re.findall(r'(?:failures|errors)=(\d+)', log))
        skipped = sum(int(n) for n in re.findall(r'skipped=(\d+)', log))
        self.passed += int(ran.group(1)) - bad - skipped
        for _ in range(bad):
            self.fail(name, reason_of(log))
        self.skipped += [name] * skipped
        return True

    def program(self, trs, directory):
        name = str(trs.relative_to(directory).with_suffix(''))
        log = trs.with_suffix('.log').read_text(encoding='utf-8', errors='replace')
        results = re.findall(r'^:test-result: (\w+)', trs.read_text(encoding='utf-8'), re.M)
        result = results[0] if results else 'FAIL'
        before = len(self.failed)
        if not self.cmocka(name, log) and not self.unittest(name, log):
            self.add(name, result, reason_of(log))
        elif result not in ('PASS', 'SKIP') and len(self.failed) == before:
            self.fail(name, f'ended early: {reason_of(log)}')

    def junit(self, path, again=None):
        second = {(folder, name) for folder, name, result, _ in cases(again) if result == 'PASS'} if again else ()
        for folder, name, result, reason in cases(path):
            if result == 'FAIL' and (folder, name) in second:
                self.unstable.append(f'{folder}.{name}: {reason}'[:REASON_LENGTH_MAX])
                result = 'PASS'
            self.add(f'{folder}.{name}', result, reason)

    def show(self):
        for name in self.failed:
            print(f'FAILED  {name}', file=sys.stderr)
        for name in self.skipped:
            print(f'SKIPPED {name}', file=sys.stderr)
        for name in self.unstable:
            print(f'UNSTABLE, failed once: {name}', file=sys.stderr)
        if 'TALLY_REASONS' in os.environ:
            with open(os.environ['TALLY_REASONS'], 'a', encoding='utf-8') as reasons:
                reasons.writelines(f'FAILED  {name}\n' for name in self.failed)
                reasons.writelines(f'UNSTABLE, failed once: {name}\n' for name in self.unstable)
        print(self.passed, len(self.failed), len(self.skipped))


def cases(report):
    """Of each test in pytest's report: its file and class, with dots, its name, PASS, FAIL or SKIP, and why it failed."""
    for case in ET.parse(report).iter('testcase'):
        bad = [child for child in case if child.tag in ('failure', 'error')]
        result = 'FAIL' if bad else 'SKIP' if case.find('skipped') is not None else 'PASS'
        # Run in parallel, a test's name ends with the group that it belongs to.
        name = re.sub(r'@[\w-]+$', '', case.get('name'))
        yield case.get('classname'), name, result, ' '.join(bad[0].get('message', '').split()) if bad else ''


def again(report):
    """What pytest calls the tests that failed, a line each; nothing where a second run would excuse too much."""
    failed = {(folder, name) for folder, name, result, _ in cases(report) if result == 'FAIL'}
    failed = {each for each in failed if each[0].split('.')[0] not in JUDGED_ONCE}
    if len(failed) <= AGAIN_MAX:
        for folder, name in sorted(failed):
            file, *classes = re.sub(r'(?<=\.)(test_\w+)\.?', r'\1.py ', folder).split()
            print('::'.join([file[:-3].replace('.', '/') + '.py', *classes, name]))


def read_log(path):
    return Path(path).read_text(encoding='utf-8', errors='replace') if Path(path).exists() else ''


def main(kind, *args):
    tally = Tally()
    if kind == 'again':
        again(*args)
        return
    if kind == 'make':
        directory = Path(args[0])
        for trs in sorted(directory.rglob('*.trs')):
            tally.program(trs, directory)
    elif kind == 'junit':
        tally.junit(*args)
    else:
        name, status, *logs = args
        reason = ' '.join(reason_of(read_log(log), status) for log in logs) or f'it ended with {status}'
        tally.add(name, {'0': 'PASS', '77': 'SKIP'}.get(status, 'FAIL'), reason)
    tally.show()


if __name__ == '__main__':
    main(*sys.argv[1:])
