#!/usr/bin/env python3
"""Writes barnabas.properties(5) from the table of settings, src/meta/config_rows.def.

usage: settings.py config_rows.def barnabas.properties.5.in > barnabas.properties.5

The page's text is in the .in file; @BROKER@, @TOPIC@, @GROUP@ and @METRICS@ stand for the rows.
"""
import re
import sys
from pathlib import Path

TYPES = {'BOOLEAN': 'true or false', 'STRING': 'text', 'INT': 'integer', 'SHORT': 'integer',
         'LONG': 'integer', 'DOUBLE': 'number', 'LIST': 'list', 'CLASS': 'class',
         'PASSWORD': 'password'}
UPDATES = {'READ_ONLY': 'at start', 'PER_BROKER': 'while running, for each broker',
           'CLUSTER_WIDE': 'while running', 'HIDDEN': 'at start',
           'DYNAMIC_ONLY': 'while running only'}
USES = {'HONOURED': None, 'LATER': 'accepted, without effect yet',
        'NO_EFFECT': 'accepted, without effect'}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[(),]|[^\s"(),]+')


class Row:
    """One row: its macro and arguments, each the list of its tokens."""

    def __init__(self, kind, args):
        self.kind = kind
        self.name, self.type, self.default = (text(args[1]), args[2][0], default(args[3]))
        self.check, self.fifth, self.use, self.doc = args[4], args[5], args[6][0], text(args[7])

    def allowed(self):
        name, args = self.check[0], [t for t in self.check[1:] if t not in '(),']
        if name == 'AT_LEAST':
            return f'at least {args[0]}'
        if name == 'RANGE':
            return f'{args[0]} to {args[1]}'
        if name == 'MINUS1_OR':
            return f'-1, or {args[0]} to {args[1]}'
        if name in ('ONE_OF', 'ONE_OF_ANYCASE', 'FILLED_OF'):
            return 'of ' + text(args).replace(',', ', ')
        return {'FILLED': 'not empty', 'NON_EMPTY': 'not empty', 'COUNTS': 'host:number, separated by commas'}.get(name)

    def facts(self):
        yield TYPES[self.type] + (f', {self.allowed()}' if self.allowed() else '')
        yield 'no default' if self.default is None else f'default {self.default or "empty"}'
        if self.kind == 'BROKER':
            yield f'read {UPDATES[self.fifth[0]]}' if self.fifth[0] != 'READ_ONLY' else 'read at start'
        elif USES[self.use] is None or self.use == 'LATER':
            behind = [t for t in self.fifth[1:] if t not in '(),']
            if behind:
                yield 'follows ' + ', '.join(behind)
        if USES[self.use]:
            yield USES[self.use]


def text(tokens):
    """The string that adjacent literals make."""
    return ''.join(t[1:-1] for t in tokens).replace('\\"', '"').replace('\\\\', '\\')


def default(tokens):
    return None if tokens == ['NULL'] else text(tokens)


def rows(source):
    """The table's rows, in their order."""
    source = re.sub(r'/\*.*?\*/', '', source, flags=re.S)
    tokens = TOKEN.findall(source)
    at = 0
    while at < len(tokens):
        kind, at = tokens[at], at + 2
        args, depth = [[]], 0
        while depth >= 0:
            token = tokens[at]
            depth += (token == '(') - (token == ')')
            if token == ',' and depth == 0:
                args.append([])
            elif depth >= 0:
                args[-1].append(token)
            at += 1
        yield Row(kind, args)


def escape(line):
    """For roff: backslashes, hyphens that are typed as such, and dots that begin a line."""
    line = line.replace('\\', '\\e').replace('-', '\\-')
    return '\\&' + line if line.startswith(('.', "'")) else line


def entry(row, names):
    facts = '; '.join(names.get(f, f) for f in row.facts())
    for identifier, name in names.items():
        facts = re.sub(rf'\b{identifier}\b', name, facts)
    doc = '\n'.join(escape(s) for s in re.split(r'(?<=[.:;]) (?=[A-Z])', row.doc))
    return f'.It Cm {escape(row.name)}\n{doc}\n.br\n.Em {escape(facts[0].upper() + facts[1:])}.\n'


def main(table, template):
    all_rows = list(rows(Path(table).read_text(encoding='utf-8')))
    names = {re.sub(r'[^A-Z0-9]', '_', r.name.upper()): r.name
             for r in all_rows if r.kind == 'BROKER'}
    page = Path(template).read_text(encoding='utf-8')
    for kind in ('BROKER', 'TOPIC', 'GROUP', 'METRICS'):
        page = page.replace(f'@{kind}@\n',
                            ''.join(entry(r, names) for r in all_rows if r.kind == kind))
    sys.stdout.write(page)


if __name__ == '__main__':
    main(*sys.argv[1:])
