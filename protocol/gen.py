#!/usr/bin/env python3
"""Writes C from the schemas: gen.py OUT_DIR SCHEMA_DIR FILE.msg...

A .msg file becomes one .c file; an API and each record get a header. proto/api_list.h lists the
APIs for src/wire/apis.c, proto/tables.c describes all fields for src/wire/table.c. A file that
would not change is left alone, so that little is rebuilt. The conventions of the C are told at the
top of src/wire/proto.h.
"""

import re
import sys
from pathlib import Path

import schema
import tables
from names import Names, field_name

C_TYPES = {'bool': 'bool', 'int8': 'int8_t', 'int16': 'int16_t', 'uint16': 'uint16_t',
           'int32': 'int32_t', 'uint32': 'uint32_t', 'int64': 'int64_t', 'float64': 'double',
           'uuid': 'struct uuid', 'string': 'struct str', 'bytes': 'struct bytes',
           'records': 'struct records'}
LIMITS = {str(-2**31): 'INT32_MIN', str(2**31 - 1): 'INT32_MAX', str(2**63 - 1): 'INT64_MAX'}


def wrap(line):
    """Breaks a line to fit 100 columns, tabs being 8: behind a comma, an operator or a bracket."""
    indent = '\t' * (len(line) - len(line.lstrip('\t')))
    out, rest = '', line
    while len(rest.expandtabs(8)) > 100:
        room = 100 - (len(rest.expandtabs(8)) - len(rest))
        start = len(rest) - len(rest.lstrip()) + 1
        cuts = [rest.rfind(mark, start, room) + len(mark) for mark in (', ', '&& ', '|| ', '+ ')]
        cuts = [c for c in cuts if c > start + 4] or [rest.find('(', start, room) + 1]
        if cuts[0] <= 0:
            break
        out += rest[:max(cuts)].rstrip() + '\n'
        rest = indent + '    ' + rest[max(cuts):]
    return out + rest


class Writer:
    """Writes the C of one message."""

    def __init__(self, message):
        self.m, self.names, self.out = message, Names(message), []

    def put(self, depth, line):
        self.out.append(wrap('\t' * depth + line) if line else '')

    # -- expressions ---------------------------------------------------------

    def compact(self, versions):
        """Is the compact encoding used in these versions: 'true', 'false' or a test."""
        flexible = self.m.flexible
        if flexible is None or flexible > versions.hi:
            return 'false'
        return 'true' if versions.lo >= flexible else f'version >= {flexible}'

    @staticmethod
    def within(versions, outer):
        """A test that the version is in `versions`, when it is known to be in `outer`; or None."""
        tests = []
        if versions.lo > outer.lo:
            tests.append(f'version >= {versions.lo}')
        if versions.hi < outer.hi:
            tests.append(f'version <= {versions.hi}')
        if versions.lo == versions.hi and len(tests) == 2:
            tests = [f'version == {versions.lo}']
        return ' && '.join(tests) or None

    def nullable(self, f):
        if f.nullable is None:
            return 'false'
        return self.within(f.nullable, f.versions) or 'true'

    def flag(self, f, struct):
        """The compact argument of a field, where a local of that name may hold the test."""
        if f.classic:
            return 'false'
        test = self.compact(struct.versions)
        return test if test in ('true', 'false') else 'compact'

    def c_type(self, f):
        return f'struct {self.names.struct(f.struct)}' if f.struct else C_TYPES[f.base]

    def min_size(self, f):
        sizes = []
        for version in f.versions:
            if f.struct:
                sizes.append(f.struct.min_size(version, self.m.flexible))
            elif f.base in schema.SIZES:
                sizes.append(schema.SIZES[f.base])
            else:
                compact = self.m.flexible is not None and version >= self.m.flexible
                sizes.append(1 if compact else 2 if f.base == 'string' else 4)
        return max(1, min(sizes))

    # -- the header ----------------------------------------------------------

    def declare(self, struct):
        name = self.names.struct(struct)
        self.put(0, f'struct {name} {{')
        for f in struct.fields:
            self.declare_field(f, struct)
        if not struct.fields:
            self.put(1, 'char nothing; /* C wants a member */')
        self.put(0, '};')
        self.put(0, '')

    def declare_field(self, f, struct):
        notes = []
        if f.versions != struct.versions:
            open_end = f.versions.hi == self.m.versions.hi and f.versions.lo != f.versions.hi
            notes.append(f'{f.versions.lo}+' if open_end else str(f.versions))
        if f.tag is not None:
            notes.append(f'tag {f.tag}')
        if f.nullable is not None:
            part = f.nullable != f.versions
            notes.append('may be null' + (f' in {f.nullable}' if part else ''))
        note = f' /* {", ".join(notes)} */' if notes else ''
        star = '*' if f.is_array or f.is_pointer() else ''
        self.put(1, f'{self.c_type(f)} {star}{field_name(f)};{note}')
        if f.is_array:
            self.put(1, f'size_t {field_name(f)}_len;')

    def macros(self):
        base, served = self.names.base.upper(), self.m.served()
        flexible = 'INT16_MAX' if self.m.flexible is None else self.m.flexible
        if self.m.key is not None:
            self.put(0, f'#define {base}_API_KEY {self.m.key}')
        self.put(0, f'#define {base}_MIN_VERSION {served.lo}')
        self.put(0, f'#define {base}_MAX_VERSION {served.hi}')
        self.put(0, f'#define {base}_FLEXIBLE_VERSION {flexible}')
        self.put(0, '')

    def prototypes(self):
        for struct in self.m.ordered():
            name = self.names.struct(struct)
            self.put(0, f'void {name}_init(struct {name} *m);')
            if struct is not self.m.root:
                self.put(0, f'struct {name} *{name}_array(struct arena *arena, size_t n) '
                            'must_check;')
        for struct in self.elements():
            self.put(0, f'void {self.names.struct(struct)}_write({self.const(struct)}struct '
                        f'{self.names.struct(struct)} *m, struct wr *wr, int version);')
        name = self.names.prefix
        self.put(0, f'enum err {name}_decode(struct {name} *m, struct rd *rd, int version, '
                    'struct arena *arena) must_check;')
        self.put(0, f'void {name}_encode({self.const(self.m.root)}struct {name} *m, struct wr *wr, '
                    'int version);')

    @staticmethod
    def const(struct):
        return '' if struct.has_records() else 'const '

    def header(self):
        for struct in self.m.ordered():
            self.declare(struct)
        self.prototypes()

    # -- defaults ------------------------------------------------------------

    def init_value(self, f):
        """The initializer of a field, or None if zero will do."""
        if f.is_array:
            return 'PROTO_EMPTY' if f.nullable and f.default is None else None
        if f.struct or f.default == 'null':
            return None
        if f.base == 'string':
            return f'STR({f.default})' if f.default else 'STR("")'
        if f.base in ('bytes', 'records'):
            empty = '{PROTO_EMPTY, 0}'
            return f'{{.bytes = {empty}}}' if f.base == 'records' else empty
        return LIMITS.get(f.default, f.default)

    def init(self, struct):
        name = self.names.struct(struct)
        values = [(field_name(f), self.init_value(f)) for f in struct.fields]
        values = [(n, v) for n, v in values if v is not None]
        self.put(0, f'void {name}_init(struct {name} *m)')
        self.put(0, '{')
        self.put(1, f'*m = (struct {name}){{' + ('' if values else '0};'))
        for n, v in values:
            self.put(2, f'.{n} = {v},')
        if values:
            self.put(1, '};')
        for f in struct.fields:
            if f.struct and not f.is_array and not f.is_pointer():
                self.put(1, f'{self.names.struct(f.struct)}_init(&m->{field_name(f)});')
        self.put(0, '}')
        self.put(0, '')

    def array(self, struct):
        name = self.names.struct(struct)
        self.put(0, f'struct {name} *{name}_array(struct arena *arena, size_t n)')
        self.put(0, '{')
        self.put(1, f'struct {name} *all = arena_array(arena, n > 0 ? n : 1, sizeof(*all));')
        self.put(1, 'for (size_t i = 0; all != NULL && i < n; i++)')
        self.put(2, f'{name}_init(&all[i]);')
        self.put(1, 'return all;')
        self.put(0, '}')
        self.put(0, '')

    # -- decoding ------------------------------------------------------------

    def read_one(self, f, rd, flag, target):
        """A statement that reads one value (of an array: one element)."""
        null = 'false' if f.is_array else self.nullable(f)
        if f.struct:
            return f'{self.names.struct(f.struct)}_read(&{target}, {rd}, version, arena);'
        if f.base == 'string':
            return f'{target} = rd_str({rd}, {flag}, {null});'
        if f.base in ('bytes', 'records'):
            member = '.bytes' if f.base == 'records' else ''
            return f'{target}{member} = rd_bytes({rd}, {flag}, {null});'
        return f'{target} = rd_{f.base}({rd});'

    def read_array(self, depth, f, rd, flag):
        target = f'm->{field_name(f)}'
        self.put(depth, f'{target} = rd_array({rd}, arena, {flag}, {self.nullable(f)}, '
                        f'{self.min_size(f)}, sizeof(*{target}), &{target}_len);')
        self.put(depth, f'for (size_t i = 0; i < {target}_len; i++)')
        self.put(depth + 1, self.read_one(f, rd, flag, f'{target}[i]'))

    def read_field(self, depth, f, struct, rd='rd', flag=None, test=True):
        flag = flag or self.flag(f, struct)
        target, test = f'm->{field_name(f)}', test and self.within(f.versions, struct.versions)
        braces = test and (f.is_array or f.is_pointer())
        if test:
            self.put(depth, f'if ({test})' + (' {' if braces else ''))
            depth += 1
        if f.is_array:
            self.read_array(depth, f, rd, flag)
        elif f.is_pointer():
            here = f'rd_uvarint({rd}) > 0' if f.tag is not None else f'rd_int8({rd}) >= 0'
            err = 'in.err' if rd == '&in' else 'rd->err'
            self.put(depth, f'if ({here} && {err} == ERR_OK)')
            self.put(depth + 1, f'{target} = {self.names.struct(f.struct)}_read_new({rd}, version, '
                                'arena);')
        else:
            self.put(depth, self.read_one(f, rd, flag, target))
        if braces:
            self.put(depth - 1, '}')

    def read_tags(self, struct):
        compact = self.compact(struct.versions)
        if compact == 'false':
            return
        depth = 1
        if not struct.tagged():
            if compact != 'true':
                self.put(1, 'if (compact)')
                depth = 2
            self.put(depth, 'rd_skip_tags(rd);')
            return
        if compact != 'true':
            self.put(1, 'if (!compact)')
            self.put(2, 'return;')
        self.put(1, 'uint32_t seen = 0;')
        self.put(1, 'for (uint32_t n = rd_tags(rd); n > 0; n--) {')
        self.put(2, 'uint32_t tag;')
        self.put(2, 'struct rd in = rd_tag(rd, &tag);')
        self.put(2, 'switch (tag) {')
        for f in struct.tagged():
            self.read_tag(f, struct)
        self.put(2, 'default:')
        self.put(3, 'in.pos = in.end;')
        self.put(2, '}')
        self.put(2, 'rd_tag_done(rd, &in, tag, &seen);')
        self.put(1, '}')

    def read_tag(self, f, struct):
        self.put(2, f'case {f.tag}:')
        outer = schema.Range(max(struct.versions.lo, self.m.flexible), struct.versions.hi)
        test = self.within(f.versions, outer)
        if test:
            self.put(3, f'if (!({test})) {{')
            self.put(4, 'in.pos = in.end;')
            self.put(4, 'break;')
            self.put(3, '}')
        self.read_field(3, f, struct, '&in', 'true', False)
        self.put(3, 'break;')

    def local_compact(self, struct):
        """A local that holds the test, if the struct needs it."""
        test = self.compact(struct.versions)
        if test not in ('true', 'false'):
            self.put(1, f'const bool compact = {test};')
            self.put(0, '')

    def read(self, struct):
        name = self.names.struct(struct)
        self.put(0, f'static void {name}_read(struct {name} *m, struct rd *rd, int version, '
                    'struct arena *arena)')
        self.put(0, '{')
        self.local_compact(struct)
        self.put(1, f'{name}_init(m);')
        for f in struct.plain():
            self.read_field(1, f, struct)
        self.read_tags(struct)
        self.put(0, '}')
        self.put(0, '')

    def read_new(self, struct):
        name = self.names.struct(struct)
        self.put(0, f'static struct {name} *{name}_read_new(struct rd *rd, int version, '
                    'struct arena *arena)')
        self.put(0, '{')
        self.put(1, f'struct {name} *m = arena_alloc(arena, sizeof(*m));')
        self.put(1, 'if (m == NULL) {')
        self.put(2, 'rd_fail(rd, ERR_NOMEM);')
        self.put(2, 'return NULL;')
        self.put(1, '}')
        self.put(1, f'{name}_read(m, rd, version, arena);')
        self.put(1, 'return m;')
        self.put(0, '}')
        self.put(0, '')

    def decode(self):
        name, base = self.names.prefix, self.names.base.upper()
        self.put(0, f'enum err {name}_decode(struct {name} *m, struct rd *rd, int version, '
                    'struct arena *arena)')
        self.put(0, '{')
        self.put(1, f'if (version < {base}_MIN_VERSION || version > {base}_MAX_VERSION)')
        self.put(2, 'rd_fail(rd, ERR_UNSUPPORTED_VERSION);')
        self.put(1, f'{name}_read(m, rd, version, arena);')
        self.put(1, 'return rd->err;')
        self.put(0, '}')
        self.put(0, '')

    # -- encoding ------------------------------------------------------------

    def differs(self, f):
        """A test that a field is not at its default."""
        name = f'm->{field_name(f)}'
        if f.is_pointer():
            return f'{name} != NULL' if f.default == 'null' else 'true'
        if f.is_array or f.base in BLOBS:
            blob = not f.is_array
            ptr, length = (f'{name}.ptr', f'{name}.len') if blob else (name, f'{name}_len')
            if f.default == 'null':
                return f'{ptr} != NULL'
            return f'({length} > 0 || {ptr} == NULL)' if f.nullable else f'{length} > 0'
        if f.struct:
            return f'!{self.names.struct(f.struct)}_is_default(&{name})'
        if f.base == 'uuid':
            return f'!uuid_is_zero({name})'
        value = LIMITS.get(f.default, f.default) or '0'
        return {'0': name, 'true': f'!{name}'}.get(value, f'{name} != {value}') \
            if f.base == 'bool' else f'{name} != {value}'

    def is_default(self, struct):
        name = self.names.struct(struct)
        self.put(0, f'static bool {name}_is_default(const struct {name} *m)')
        self.put(0, '{')
        self.put(1, 'return !(' + ' || '.join(self.differs(f) for f in struct.fields) + ');')
        self.put(0, '}')
        self.put(0, '')

    def write_one(self, f, flag, source):
        null = 'false' if f.is_array else self.nullable(f)
        if f.struct:
            return f'{self.names.struct(f.struct)}_write(&{source}, wr, version);'
        if f.base == 'string':
            return f'wr_str(wr, {source}, {flag}, {null});'
        if f.base == 'bytes':
            return f'wr_bytes(wr, {source}, {flag}, {null});'
        if f.base == 'records':
            return f'wr_records(wr, &{source}, {flag}, {null});'
        return f'wr_{f.base}(wr, {source});'

    def write_array(self, depth, f, flag):
        source, null = f'm->{field_name(f)}', self.nullable(f)
        is_null = {'false': 'false', 'true': f'{source} == NULL'}.get(null)
        is_null = is_null or f'{null} && {source} == NULL'
        self.put(depth, f'wr_array(wr, {source}_len, {is_null}, {flag});')
        self.put(depth, f'for (size_t i = 0; i < {source}_len; i++)')
        self.put(depth + 1, self.write_one(f, flag, f'{source}[i]'))

    def write_pointer(self, depth, f):
        source, name = f'm->{field_name(f)}', self.names.struct(f.struct)
        here = (f'wr_uvarint(wr, {source} != NULL);' if f.tag is not None
                else f'wr_int8(wr, {source} != NULL ? 1 : -1);')
        self.put(depth, here)
        self.put(depth, f'if ({source} != NULL)')
        self.put(depth + 1, f'{name}_write({source}, wr, version);')

    def write_value(self, depth, f, flag):
        if f.is_array:
            self.write_array(depth, f, flag)
        elif f.is_pointer():
            self.write_pointer(depth, f)
        else:
            self.put(depth, self.write_one(f, flag, f'm->{field_name(f)}'))

    def write_field(self, f, struct):
        test = self.within(f.versions, struct.versions)
        braces = test and (f.is_array or f.is_pointer())
        if test:
            self.put(1, f'if ({test})' + (' {' if braces else ''))
        self.write_value(2 if test else 1, f, self.flag(f, struct))
        if braces:
            self.put(1, '}')

    def write_tags(self, struct):
        compact, tagged = self.compact(struct.versions), struct.tagged()
        if compact == 'false':
            return
        if not tagged:
            if compact != 'true':
                self.put(1, 'if (compact)')
            self.put(1 if compact == 'true' else 2, 'wr_uvarint(wr, 0);')
            return
        if compact != 'true':
            self.put(1, 'if (!compact)')
            self.put(2, 'return;')
        outer = schema.Range(max(struct.versions.lo, self.m.flexible), struct.versions.hi)
        for f in tagged:
            test = self.within(f.versions, outer)
            test = f'{test} && {self.differs(f)}' if test else self.differs(f)
            self.put(1, f'const bool has_{field_name(f)} = {test};')
        count = ' + '.join(f'has_{field_name(f)}' for f in tagged)
        self.put(1, f'wr_uvarint(wr, 0u + {count});')
        for f in tagged:
            self.put(1, f'if (has_{field_name(f)}) {{')
            self.put(2, f'size_t at = wr_tag(wr, {f.tag});')
            self.write_value(2, f, 'true')
            self.put(2, 'wr_tag_done(wr, at);')
            self.put(1, '}')

    def write(self, struct):
        name, static = self.names.struct(struct), '' if struct in self.elements() else 'static '
        self.put(0, f'{static}void {name}_write({self.const(struct)}struct {name} *m, '
                    'struct wr *wr, int version)')
        self.put(0, '{')
        self.local_compact(struct)
        for f in struct.plain():
            self.write_field(f, struct)
        self.write_tags(struct)
        self.put(0, '}')
        self.put(0, '')

    def elements(self):
        """Structs in arrays right below a response's root: they can be written one by one, where
        an answer is too large to be held as a whole."""
        if self.m.kind != 'response':
            return []
        return [f.struct for f in self.m.root.plain() if f.struct and f.is_array]

    def encode(self):
        name, base = self.names.prefix, self.names.base.upper()
        self.put(0, f'void {name}_encode({self.const(self.m.root)}struct {name} *m, struct wr *wr, '
                    'int version)')
        self.put(0, '{')
        self.put(1, f'must(version >= {base}_MIN_VERSION && version <= {base}_MAX_VERSION);')
        self.put(1, f'{name}_write(m, wr, version);')
        self.put(0, '}')

    # -- all of it -----------------------------------------------------------

    def source(self):
        structs = self.m.ordered()
        for struct in structs:
            self.init(struct)
        for struct in structs[:-1]:
            self.array(struct)
        pointed = [f.struct for s in structs for f in s.fields if f.is_pointer()]
        for struct in structs:
            self.read(struct)
            if struct in pointed:
                self.read_new(struct)
        self.decode()
        compared = self.compared(structs)
        for struct in structs:
            if struct in compared:
                self.is_default(struct)
        for struct in structs:
            self.write(struct)
        self.encode()

    @staticmethod
    def compared(structs):
        """Structs that stand in a tagged field, and those in them."""
        found = [f.struct for s in structs for f in s.tagged()
                 if f.struct and not f.is_array and not f.is_pointer()]
        for struct in found:
            found += [f.struct for f in struct.fields
                      if f.struct and not f.is_array and not f.is_pointer()]
        return found


BLOBS = schema.BLOBS


def comment(messages, root):
    path = messages[0].path.relative_to(root)
    text = ''.join(f' * {line}\n' for line in messages[0].comment.splitlines())
    return f'/*\n{text} *\n * Written by gen.py from protocol/{path}: change that.\n */\n'


def header(base, messages, root):
    guard = f'PROTO_{base.upper()}_H'
    out = [f'{comment(messages, root)}#ifndef {guard}\n#define {guard}\n\n'
           '#include "wire/proto.h"\n']
    for i, message in enumerate(messages):
        w = Writer(message)
        if i == 0:
            w.macros()
        w.header()
        out.append('\n'.join(w.out) + '\n')
    return '\n'.join(out) + '\n#endif\n'


def source(bases, messages, root):
    out = [comment(messages, root) + ''.join(f'#include "proto/{base}.h"\n' for base in bases)]
    for message in messages:
        w = Writer(message)
        w.source()
        out.append('\n'.join(w.out) + '\n')
    return '\n'.join(out)


def api_list(files):
    """X-macro of all APIs: key, name, versions served, first flexible version, listeners."""
    lines = []
    for message in (m for messages in files.values() for m in messages):
        if message.kind == 'request':
            served, flexible = message.served(), message.flexible
            flexible = 'INT16_MAX' if flexible is None else flexible
            on = [str('broker' in message.listeners).lower(),
                  str('controller' in message.listeners).lower()]
            lines.append(f'API({message.key}, {message.api}, {served.lo}, {served.hi}, {flexible}, '
                         f'{on[0]}, {on[1]})')
    return ('/* Written by gen.py. API(key, name, first and last version, first flexible version,\n'
            ' * on broker listeners, on controller listeners) */\n' + '\n'.join(lines) + '\n')


def c_file(path):
    """group/01_offset_commit.msg becomes group_offset_commit.c; no two objects in an archive may
    have the same name."""
    return '_'.join([*path.parent.parts, re.sub(r'^\d+_', '', path.stem)]) + '.c'


def put_file(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main(out, root, *paths):
    root = Path(root)
    files = schema.load(paths)
    for path, messages in files.items():
        bases = {}
        for message in messages:
            bases.setdefault(Names(message).base, []).append(message)
        for base, group in bases.items():
            put_file(Path(out) / 'proto' / f'{base}.h', header(base, group, root))
        put_file(Path(out) / 'proto' / c_file(path.relative_to(root)),
                 source(bases, messages, root))
    put_file(Path(out) / 'proto' / 'api_list.h', api_list(files))
    put_file(Path(out) / 'proto' / 'tables.c', tables.source(files))


if __name__ == '__main__':
    try:
        main(*sys.argv[1:])
    except schema.SchemaError as e:
        sys.exit(str(e))
