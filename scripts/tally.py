#!/usr/bin/env python3
"""Counts tests: tally.py make DIR | tally.py junit FILE | tally.py one NAME STATUS

Prints "passed failed skipped", and the names of what failed or was skipped on standard error. `make DIR` reads the logs
that `make check` left in a build: each test function of a cmocka program counts, each unittest, and a program of another
kind as one. `junit` reads pytest's report. `one` is a single test by its exit status, 77 meaning skipped.
"""
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, name, result):
        if result == 'PASS':
            self.passed += 1
        else:
            (self.skipped if result == 'SKIP' else self.failed).append(name)

    def cmocka(self, name, log):
        """True when it was such a program. One that ended early counts what it ran, and as failed."""
        if '[ RUN      ]' not in log:
            return False
        self.passed += len(re.findall(r'^\[ +OK \]', log, re.M))
        failed = set(re.findall(r'^\[ +FAILED +\] (\w+)$', log, re.M))
        skipped = set(re.findall(r'^\[ +SKIPPED +\] (\w+)$', log, re.M))
        self.failed += [f'{name}: {test}' for test in sorted(failed)]
        self.skipped += [f'{name}: {test}' for test in sorted(skipped)]
        return True

    def unittest(self, name, log):
        ran = re.search(r'^Ran (\d+) tests? in', log, re.M)
        if not ran:
            return False
        bad = sum(int(n) for n in re.findall(r'(?:failures|errors)=(\d+)', log))
        skipped = sum(int(n) for n in re.findall(r'skipped=(\d+)', log))
        self.passed += int(ran.group(1)) - bad - skipped
        self.failed += [name] * bad
        self.skipped += [name] * skipped
        return True

    def program(self, trs, directory):
        name = str(trs.relative_to(directory).with_suffix(''))
        log = trs.with_suffix('.log').read_text(encoding='utf-8', errors='replace')
        results = re.findall(r'^:test-result: (\w+)', trs.read_text(encoding='utf-8'), re.M)
        result = results[0] if results else 'FAIL'
        before = len(self.failed)
        if not self.cmocka(name, log) and not self.unittest(name, log):
            self.add(name, result)
        elif result not in ('PASS', 'SKIP') and len(self.failed) == before:
            self.failed.append(f'{name}: ended early')

    def junit(self, path):
        for case in ET.parse(path).iter('testcase'):
            kinds = {child.tag for child in case}
            name = f'{case.get("classname")}.{case.get("name")}'
            self.add(name, 'FAIL' if kinds & {'failure', 'error'} else
                     'SKIP' if 'skipped' in kinds else 'PASS')

    def show(self):
        for name in self.failed:
            print(f'FAILED  {name}', file=sys.stderr)
        for name in self.skipped:
            print(f'SKIPPED {name}', file=sys.stderr)
        print(self.passed, len(self.failed), len(self.skipped))


def main(kind, *args):
    tally = Tally()
    if kind == 'make':
        directory = Path(args[0])
        for trs in sorted(directory.rglob('*.trs')):
            tally.program(trs, directory)
    elif kind == 'junit':
        tally.junit(args[0])
    else:
        tally.add(args[0], {'0': 'PASS', '77': 'SKIP'}.get(args[1], 'FAIL'))
    tally.show()


if __name__ == '__main__':
    main(*sys.argv[1:])
