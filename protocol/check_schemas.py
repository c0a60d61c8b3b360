#!/usr/bin/env python3
"""Compares the schemas here with those inside Kafka's jars, field by field and version by version.

    check_schemas.py [DIR_OF_JARS]        or KAFKA_JARS=DIR check_schemas.py

Any difference in a message that is described here is an error; messages that are not described are
listed. The same run against the jars of a newer Kafka tells what is new in it. Without being told,
it looks where interop/run puts the jars, $BARNABAS_CACHE/kafka-4.3.1; without jars it is skipped
(77).
"""

import json
import os
import re
import sys
import zipfile
from pathlib import Path

import schema

SKIP = 77
VERSION = '4.3.1'
JARS = ('clients', 'metadata', 'raft', 'storage', 'group-coordinator', 'transaction-coordinator',
        'share-coordinator')
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*')
LAST = 32767


def jars_folder():
    """Where Kafka's jars are, if they are anywhere."""
    if 'KAFKA_JARS' in os.environ:
        return Path(os.environ['KAFKA_JARS'])
    caches = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(os.environ.get('BARNABAS_CACHE') or Path(caches, 'barnabas')) / f'kafka-{VERSION}'


def read_json(text):
    """Kafka's JSON has comments."""
    return json.loads(TOKEN.sub(lambda m: '' if m[0].startswith('//') else m[0], text))


def read_jars(folder):
    """All schemas by name, and the names of the jars that hold them."""
    found, jars = {}, set()
    for jar in sorted(Path(folder).glob('kafka-*.jar')):
        name = re.sub(r'^kafka-|-[\d.]+(-\w+)?\.jar$', '', jar.name)
        if name not in JARS:
            continue
        jars.add(name)
        with zipfile.ZipFile(jar) as z:
            for entry in z.namelist():
                if re.search(r'(message|metadata)/\w+\.json$', entry):
                    kafka = read_json(z.read(entry).decode())
                    if 'validVersions' in kafka:
                        found[kafka['name']] = kafka
    return found, jars


def versions(text, hi=LAST):
    """The set of versions that a range stands for, up to hi."""
    if text is None or text == 'none':
        return set()
    lo, plus, end = re.fullmatch(r'(\d+)(\+)?(?:-(\d+))?', str(text)).groups()
    return set(range(int(lo), (hi if plus else int(end or lo)) + 1))


def kafka_default(field):
    """A default in the form that our schemas have it: None for zero, false and empty."""
    value, kind = field.get('default'), field['type']
    if value is None or value == '':
        return None
    value = str(value)
    if value == 'null':
        return 'null'
    if kind == 'string':
        return f'"{value}"'
    if kind == 'bool':
        return 'true' if value.lower() == 'true' else None
    if kind == 'float64':
        return value if float(value) != 0 else None
    return str(int(value, 0)) if int(value, 0) != 0 else None


def kafka_fields(kafka, fields, version, hi, flexible):
    """What a struct looks like in one version, as comparable tuples, structs nested."""
    out = []
    common = {c['name']: c['fields'] for c in kafka.get('commonStructs', [])}
    for f in fields:
        tagged = f.get('taggedVersions')
        if version not in versions(f.get('versions', tagged), hi):
            continue
        base = f['type'].removeprefix('[]')
        inner = f.get('fields') or common.get(base)
        tag = f['tag'] if version in versions(tagged, hi) else None
        compact = flexible and (version in versions(f['flexibleVersions'], hi)
                                if 'flexibleVersions' in f else True)
        out.append((f['name'][0].upper() + f['name'][1:], f['type'],
                    version in versions(f.get('nullableVersions'), hi), tag, compact,
                    kafka_default(f),
                    kafka_fields(kafka, inner, version, hi, flexible) if inner else None))
    return out


def our_fields(struct, version, flexible):
    out = []
    for f in struct.fields:
        if version in f.versions:
            out.append((f.name, '[]' * f.is_array + f.base,
                        f.nullable is not None and version in f.nullable, f.tag,
                        flexible and not f.classic, f.default,
                        our_fields(f.struct, version, flexible) if f.struct else None))
    return out


WHAT = ('name', 'type', 'nullable', 'tag', 'compact', 'default')


def differences(kafka, ours, path):
    """Lines that tell how two lists of fields differ."""
    theirs_by, ours_by = {f[0]: f for f in kafka}, {f[0]: f for f in ours}
    for name in theirs_by:
        if name not in ours_by:
            yield f'{path}{name} is missing'
    for name in ours_by:
        if name not in theirs_by:
            yield f'{path}{name} is not in Kafka'
    if [f[0] for f in kafka if f[0] in ours_by] != [f[0] for f in ours if f[0] in theirs_by]:
        yield f'{path}: the order of fields differs'
    for name, theirs in theirs_by.items():
        mine = ours_by.get(name, theirs)
        for what, a, b in zip(WHAT, theirs, mine):
            if a != b:
                yield f'{path}{name}: {what} is {b}, in Kafka {a}'
        yield from differences(theirs[6] or [], mine[6] or [], f'{path}{name}.')


def check_head(kafka, message):
    pairs = [('key', kafka.get('apiKey'), message.key),
             ('versions', kafka['validVersions'], str(message.versions)),
             ('flexible', kafka.get('flexibleVersions', 'none'),
              'none' if message.flexible is None else f'{message.flexible}+'),
             ('unstable', str(kafka.get('latestVersionUnstable', False)).lower() == 'true',
              message.unstable is not None)]
    if message.kind == 'request':
        pairs.append(('listeners', sorted(kafka['listeners']), message.listeners))
    if message.kind == 'response':   # its head is the request's
        pairs = pairs[:3]
    return [f'{what} is {b}, in Kafka {a}' for what, a, b in pairs if a != b]


def check(kafka, message):
    """Differences of one message, each told once, with the first version that has it."""
    found = dict.fromkeys(check_head(kafka, message))
    hi = message.versions.hi
    for version in sorted(versions(kafka['validVersions'], hi) & set(message.versions)):
        flexible = version in versions(kafka.get('flexibleVersions'), hi)
        theirs = kafka_fields(kafka, kafka['fields'], version, hi, flexible)
        ours = our_fields(message.root, version,
                          message.flexible is not None and version >= message.flexible)
        for line in differences(theirs, ours, ''):
            found.setdefault(f'{line}', f' (from version {version})')
    return [f'{message.name}: {line}{since or ""}' for line, since in found.items()]


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else jars_folder()
    kafka, jars = read_jars(folder)
    if 'ProduceRequest' not in kafka:
        print(f'SKIPPED: no kafka-clients jar in {folder}; set KAFKA_JARS', file=sys.stderr)
        return SKIP
    files = schema.load(sorted(Path(__file__).parent.rglob('*.msg')))
    ours = {m.name: m for messages in files.values() for m in messages}
    lines = [line for n, m in sorted(ours.items()) if n in kafka for line in check(kafka[n], m)]
    unknown = sorted(n for n in ours if n not in kafka)
    if jars == set(JARS):
        lines += [f'{name}: not in Kafka' for name in unknown]
    elif unknown:
        print(f'not compared, for want of jars: {" ".join(unknown)}')
    print('\n'.join(lines))
    absent = [n for n, k in sorted(kafka.items()) if n not in ours and k['validVersions'] != 'none']
    print(f'{len(ours) - len(unknown)} messages compared, {len(lines)} differences; not described: '
          f'{" ".join(absent) or "none"}')
    return 1 if lines else 0


if __name__ == '__main__':
    sys.exit(main())
