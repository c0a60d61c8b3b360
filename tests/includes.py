#!/usr/bin/env python3
"""No room includes a room above it: includes.py [the tree's root, else $srcdir]

The rooms stand in the order of DESIGN's picture; a room may use those to its left. Headers are included by their room,
as "store/plog.h"; generated ones, "proto/...", belong to wire.
"""
import os
import re
import sys
from pathlib import Path

SPINE = ['base', 'wire', 'record', 'store', 'meta', 'partition', 'group', 'txn', 'coord', 'api', 'main']
ALLOWED = {room: set(SPINE[:i + 1]) for i, room in enumerate(SPINE)}
ALLOWED['auth'] = {'base', 'wire', 'meta', 'auth'}
ALLOWED['net'] = {'base', 'wire', 'net'}
ALLOWED['api'] |= {'auth'}
ALLOWED['main'] |= {'auth', 'net'}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def complaints(root):
    for path in sorted((root / 'src').rglob('*')):
        if path.suffix not in ('.c', '.h', '.def'):
            continue
        room = path.relative_to(root / 'src').parts[0]
        text = path.read_text(encoding='utf-8')
        for included in INCLUDE.findall(text):
            other = included.split('/')[0]
            where = f'{path.relative_to(root)} includes "{included}"'
            if '/' not in included:
                # autoconf's config.h is found by its name, unless the room has one of its own
                if included != 'config.h' or (path.parent / 'config.h').exists():
                    yield f'{where}, which does not name its room'
            elif other != 'proto' and other not in ALLOWED.get(room, set()):
                yield f'{where}, which is above {room}'
            elif other == 'proto' and 'wire' not in ALLOWED.get(room, set()) or room == 'base' and other == 'proto':
                yield f'{where}, which belongs to wire'


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get('srcdir', '.'))
    found = list(complaints(root))
    for line in found:
        print(line)
    if not any((root / 'src').rglob('*.h')):
        found = ['no sources']
        print(f'{root}/src has no sources')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
