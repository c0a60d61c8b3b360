#!/usr/bin/env python3
"""Kafka's own code reads random frames of every message and version that test_table wrote.

Needs Java 17 and Kafka's jars, found as protocol/check_schemas.py finds them; else it is skipped (77).
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / 'protocol'))
from check_schemas import SKIP, jars_folder  # noqa: E402


def main():
    jars = jars_folder()
    if not list(jars.glob('kafka-clients-*.jar')) or not shutil.which('java'):
        print(f'SKIPPED: needs java, and kafka-clients in {jars} or KAFKA_JARS', file=sys.stderr)
        return SKIP
    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder, 'frames')
        subprocess.run(['tests/wire/test_table', frames], check=True)
        java = Path(__file__).parent / 'StockCodec.java'
        return subprocess.run(['java', '-cp', f'{jars}/*', java, frames]).returncode


if __name__ == '__main__':
    sys.exit(main())
