#!/usr/bin/env python3
"""What scripts/tally.py counts of pytest's reports, and what it lets be run again."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TALLY = pathlib.Path(os.environ.get("srcdir", ".")) / "scripts/tally.py"
CASE = '<testcase classname="{}" name="{}">{}</testcase>'
BAD = '<failure message="late &#10; again"/>'


class Reports(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(self.folder.cleanup)

    def report(self, name, *cases):
        path = pathlib.Path(self.folder.name, name)
        path.write_text(f"<testsuites><testsuite>{''.join(CASE.format(*each) for each in cases)}</testsuite></testsuites>")
        return str(path)

    def tally(self, *arguments):
        told = pathlib.Path(self.folder.name, "told")
        told.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-B", str(TALLY), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "TALLY_REASONS": str(told)},
        )
        return done.stdout.splitlines(), told.read_text().splitlines() if told.exists() else []

    def test_counts(self):
        report = self.report("a", ("ab.test_x", "one", ""), ("ab.test_x", "two", BAD), ("ab.test_x", "three", "<skipped/>"))
        self.assertEqual(self.tally("junit", report), (["1 1 1"], ["FAILED  ab.test_x.two: late again"]))

    def test_names_what_may_run_again(self):
        report = self.report(
            "a",
            ("ab.test_x", "one[a b]@pair", BAD),
            ("java-console.test_y.TestTools", "two[c@d]", BAD),
            ("ab.test_x", "three", ""),
            ("torture.test_torture", "four", BAD),
            ("streams.test_streams", "five", BAD),
        )
        wanted = ["ab/test_x.py::one[a b]", "java-console/test_y.py::TestTools::two[c@d]"]
        self.assertEqual(self.tally("again", report), (wanted, []))

    def test_excuses_no_flood(self):
        report = self.report("a", *(("ab.test_x", f"t{n}", BAD) for n in range(9)))
        self.assertEqual(self.tally("again", report), ([], []))

    def test_second_run_decides(self):
        first = self.report("a", ("ab.test_x", "one@pair", BAD), ("ab.test_x", "two", BAD), ("ab.test_x", "three", ""))
        second = self.report("b", ("ab.test_x", "one", ""), ("ab.test_x", "two", BAD))
        told = ["FAILED  ab.test_x.two: late again", "UNSTABLE, failed once: ab.test_x.one: late again"]
        self.assertEqual(self.tally("junit", first, second), (["2 1 0"], told))


if __name__ == "__main__":
    unittest.main()
