#!/usr/bin/env python3
"""The command line of the built program: what it prints, what it refuses, and its exit status."""
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path('barnabas').resolve()


def run(*args, file=None):
    with tempfile.TemporaryDirectory() as home:
        if file is not None:
            Path(home, 'server.properties').write_bytes(file)
            args = ('server.properties', *args)
        return subprocess.run([PROGRAM, *args], cwd=home, capture_output=True, text=True, timeout=60,
                              check=False)


class Options(unittest.TestCase):
    def refused(self, message, *args, file=None):
        done = run(*args, file=file)
        self.assertEqual(done.returncode, 1, done.stderr)
        last = done.stderr.splitlines()[-1]
        self.assertIn('ERROR', last)
        self.assertTrue(last.endswith(message), last)
        return done.stderr

    def test_says_version_and_help(self):
        self.assertRegex(run('--version').stdout, r'^barnabas \d+\.\d+')
        done = run('server.properties', '--help')
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout.startswith('usage: barnabas [server.properties] [--override key=value]...'))

    def test_refuses_what_it_does_not_know(self):
        self.refused('unknown option "--frobnicate"; see barnabas --help', '--frobnicate')
        self.refused('more than one file: "b"; see barnabas --help', 'a', 'b')
        self.refused('--override: found ""; allowed: key=value', '--override')
        self.refused('--override: found "x"; allowed: key=value', '--override', 'x')
        for level in ('loud', ''):
            self.refused(f'--log-level: found "{level}"; allowed: error, warn, info, debug, trace', '--log-level', level)

    def test_tells_the_place_of_a_bad_value(self):
        self.refused('nowhere: cannot be read: no such file or directory', 'nowhere')
        self.refused('server.properties:2: num.partitions: found "many"; allowed: an integer of 32 bits, at least 1',
                     file=b'# a comment\nnum.partitions=many\n')
        self.refused('--override: num.partitions: found "0"; allowed: an integer of 32 bits, at least 1',
                     '--override', 'num.partitions=0', file=b'num.partitions=2\n')
        self.refused('server.properties:1: found a NUL byte; allowed: key=value', file=b'a=\0\n')

    def test_warns_of_the_past_and_goes_on(self):
        said = self.refused('num.partitions: found "0"; allowed: an integer of 32 bits, at least 1',
                            '--override=num.partitions=0', file=b'zookeeper.connect=z:2181\nsome.key=1\n')
        self.assertIn('server.properties:1: zookeeper.connect: Kafka 4 has no such setting any more', said)
        self.assertIn('server.properties:2: some.key: unknown setting; it has no effect', said)


if __name__ == '__main__':
    unittest.main()
