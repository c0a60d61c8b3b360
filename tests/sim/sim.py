#!/usr/bin/env python3
"""The simulations of tests/sim, seed after seed, for as long as there is time: `make sim MINUTES=10`.

Each program gets the same share of the time, and as many run at once as there are cores. SIM_SEED is the first seed
(else a random one, which is told); each run takes the next. A failure ends it and tells the command that replays it.
"""

import argparse
import collections
import os
import random
import subprocess
import sys
import time

# Steps of one run: about as long for each program, and long enough for what only a long life brings.
STEPS = {"sim_group": 100000, "sim_consumer": 20000, "sim_txn": 2000000}
RUN_SECONDS = 600  # far beyond what any takes, under a sanitizer too


class Runs:
    """What is running, and what it has come to."""

    def __init__(self, programs, seed):
        self.programs, self.seed = programs, seed
        self.running = []
        self.seconds = collections.Counter()
        self.steps = collections.Counter()
        self.failures = []

    def begin(self):
        """One more run, of the program that has had the least time."""
        now = time.monotonic()
        used = {each: self.seconds[each] + sum(now - began for name, _, began, _ in self.running if name == each) for each in self.programs}
        program = min(self.programs, key=lambda each: (used[each], sum(name == each for name, *_ in self.running)))
        steps = STEPS[os.path.basename(program)]
        command = [program, str(self.seed), str(steps)]
        self.seed += 1
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.running.append((program, command, now, process))

    def end_one(self):
        """Waits for the oldest run."""
        program, command, began, process = self.running.pop(0)
        try:
            said = process.communicate(timeout=RUN_SECONDS)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            said = f"no end in {RUN_SECONDS} s\n" + process.communicate()[1]
        self.seconds[program] += time.monotonic() - began
        self.steps[program] += int(command[2])
        if process.returncode != 0:
            self.failures.append(f"{' '.join(command)}: ended with {process.returncode}\n{said[-4000:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("programs", nargs="+")
    options = parser.parse_args()
    first = int(os.environ.get("SIM_SEED") or random.SystemRandom().randrange(1 << 40))
    print(f"simulating for {options.minutes:g} minutes, SIM_SEED={first}", flush=True)
    runs, end = Runs(options.programs, first), time.monotonic() + 60 * options.minutes
    while not runs.failures and time.monotonic() < end:
        while len(runs.running) < (os.cpu_count() or 1):
            runs.begin()
        runs.end_one()
    while runs.running:
        runs.end_one()
    for each in options.programs:
        print(f"{os.path.basename(each)}: {runs.steps[each]} steps in {runs.seconds[each]:.0f} s")
    for each in runs.failures:
        print(f"FAILED {each}", file=sys.stderr)
    return 1 if runs.failures else 0


if __name__ == "__main__":
    sys.exit(main())
