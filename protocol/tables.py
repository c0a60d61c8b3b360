"""Writes proto/tables.c: the schemas as data, for src/wire/table.c."""

from names import Names, field_name

HEAD = """/*
 * The schemas as tables. Written by gen.py: change protocol/ instead.
 */
#include "wire/table.h"

"""

NO_FIELDS = 'static const struct table_field no_fields[1];\n\n'

# What a wrapper is for: calling through a pointer of another type is undefined.
WRAPPERS = """
#define WRAP(name)                                                                                 \\
	static enum err name##_table_decode(void *m, struct rd *rd, int version, struct arena *a)  \\
	{                                                                                          \\
		return name##_decode(m, rd, version, a);                                           \\
	}                                                                                          \\
	static void name##_table_encode(void *m, struct wr *wr, int version)                       \\
	{                                                                                          \\
		name##_encode(m, wr, version);                                                     \\
	}                                                                                          \\
	static void name##_table_init(void *m)                                                     \\
	{                                                                                          \\
		name##_init(m);                                                                    \\
	}
"""


def number(f):
    """A field's default as a number."""
    if f.default in (None, 'null') or f.is_array or f.struct:
        return None
    return {'true': '1', str(-2**31): 'INT32_MIN'}.get(f.default, f.default)


def field(names, struct, f):
    c, member = names.struct(struct), field_name(f)
    parts = [f'"{f.name}"', f'TABLE_{"STRUCT" if f.struct else f.base.upper()}',
             f'offsetof(struct {c}, {member})', str(f.versions.lo), str(f.versions.hi)]
    if f.is_array:
        parts.append(f'.is_array = true, .len_offset = offsetof(struct {c}, {member}_len)')
    if f.struct:
        parts.append(f'.sub = &{names.struct(f.struct)}_table')
    if f.nullable:
        parts.append(f'.null_min = {f.nullable.lo}, .null_max = {f.nullable.hi}')
    else:
        parts.append('.null_max = -1')
    parts.append(f'.tag = {-1 if f.tag is None else f.tag}')
    if f.default == 'null' or f.is_pointer():
        parts.append('.default_null = true')
    if number(f):
        parts.append(f'.default_number = {number(f)}')
    parts += [f'.{word} = true' for word in ('classic', 'secret') if getattr(f, word)]
    return '\t{' + ', '.join(parts) + '},\n'


def struct_table(names, struct):
    c = names.struct(struct)
    fields = ''.join(field(names, struct, f) for f in struct.fields)
    out = f'static const struct table_field {c}_fields[] = {{\n{fields}}};\n' if fields else ''
    pair = f'{c}_fields, {len(struct.fields)}' if fields else 'no_fields, 0'
    return (f'{out}static const struct table_struct {c}_table = {{\n'
            f'\t"{struct.name}", sizeof(struct {c}), {pair}}};\n\n')


def entry(message):
    c, kind = Names(message).prefix, message.kind.upper()
    served, flexible = message.served(), message.flexible
    key = -1 if message.key is None else message.key
    flexible = 'INT16_MAX' if flexible is None else flexible
    return (f'\t{{"{message.name}", TABLE_{kind}, {key}, {served.lo}, {served.hi}, {flexible}, '
            f'&{c}_table,\n\t {c}_table_init, {c}_table_decode, {c}_table_encode}},\n')


def source(files):
    messages = [m for group in files.values() for m in group]
    headers = sorted({Names(m).base for m in messages})
    out = [HEAD, *(f'#include "proto/{base}.h"\n' for base in headers), WRAPPERS, '\n', NO_FIELDS]
    for message in messages:
        names = Names(message)
        out += [struct_table(names, struct) for struct in message.ordered()]
    out += [f'WRAP({Names(m).prefix})\n' for m in messages]
    out += ['\nconst struct table_message table_messages[] = {\n', *map(entry, messages), '};\n\n',
            f'const size_t table_messages_len = {len(messages)};\n']
    return ''.join(out)
