#!/usr/bin/env python3
"""Kafka's own code reads random frames of every message and version that test_table wrote.

Needs Java 17 and KAFKA_JARS, a folder with Kafka's jars; is skipped (77) without.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIP = 77


def main():
    jars = os.environ.get('KAFKA_JARS', '')
    if not list(Path(jars or '/nonexistent').glob('kafka-clients-*.jar')) or not shutil.which('java'):
        print('SKIPPED: needs java and KAFKA_JARS, a folder that holds Kafka\'s jars', file=sys.stderr)
        return SKIP
    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder, 'frames')
        subprocess.run(['tests/wire/test_table', frames], check=True)
        java = Path(__file__).parent / 'StockCodec.java'
        return subprocess.run(['java', '-cp', f'{jars}/*', java, frames]).returncode


if __name__ == '__main__':
    sys.exit(main())
