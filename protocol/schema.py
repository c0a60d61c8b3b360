"""The schema language, as README.md tells it: reads .msg files into Message, Struct and Field."""

import re
from pathlib import Path

SIZES = {'bool': 1, 'int8': 1, 'int16': 2, 'uint16': 2, 'int32': 4, 'uint32': 4, 'int64': 8,
         'float64': 8, 'uuid': 16}
BLOBS = ('string', 'bytes', 'records')
BASE = set(SIZES) | set(BLOBS)


class SchemaError(Exception):
    pass


class Range:
    """Versions lo to hi, both included."""

    def __init__(self, lo, hi):
        self.lo, self.hi = lo, hi

    def __eq__(self, other):
        return other is not None and (self.lo, self.hi) == (other.lo, other.hi)

    def __iter__(self):
        return iter(range(self.lo, self.hi + 1))

    def __contains__(self, version):
        return self.lo <= version <= self.hi

    def within(self, other):
        return other.lo <= self.lo <= self.hi <= other.hi

    def __str__(self):
        return str(self.lo) if self.lo == self.hi else f'{self.lo}-{self.hi}'


class Field:
    def __init__(self, name, base, is_array, versions):
        self.name, self.base, self.is_array, self.versions = name, base, is_array, versions
        self.nullable = None   # Range
        self.tag = None
        self.classic = False
        self.secret = False
        self.default = None    # as written, or None
        self.struct = None     # set when base names one

    def is_pointer(self):
        """A struct that may be null is a pointer."""
        return self.struct is not None and not self.is_array and self.nullable is not None


class Struct:
    def __init__(self, name, versions):
        self.name, self.versions, self.fields = name, versions, []

    def plain(self):
        return [f for f in self.fields if f.tag is None]

    def tagged(self):
        return sorted((f for f in self.fields if f.tag is not None), key=lambda f: f.tag)

    def has_records(self):
        return any(f.base == 'records' or f.struct and f.struct.has_records() for f in self.fields)

    def min_size(self, version, flexible):
        """Bytes of the smallest encoding."""
        compact = flexible is not None and version >= flexible
        size = 1 if compact else 0
        for f in self.plain():
            if version in f.versions:
                size += field_min_size(f, version, compact, flexible)
        return size


def field_min_size(f, version, compact, flexible):
    compact = compact and not f.classic
    if f.is_array:
        return 1 if compact else 4
    if f.base in BLOBS:
        return 1 if compact else 2 if f.base == 'string' else 4
    if f.is_pointer():
        return 1
    return f.struct.min_size(version, flexible) if f.struct else SIZES[f.base]


class Message:
    """A request, a response or a record."""

    def __init__(self, kind, api, name, head):
        self.kind = kind       # 'request', 'response', 'record'
        self.api = api         # the API's name, or None
        self.name = name       # Kafka's name of the message
        self.key = head.get('key')
        self.versions = head['versions']
        self.unstable = head.get('unstable')
        self.flexible = head.get('flexible')
        self.listeners = head.get('on', [])
        self.comment, self.path = '', None
        self.root = Struct(name, self.versions)
        self.structs = {}      # nested ones by name, in order of appearance

    def served(self):
        """The versions that are stable."""
        hi = self.versions.hi if self.unstable is None else self.unstable - 1
        return Range(self.versions.lo, hi)

    def ordered(self):
        """All structs, each behind those that it uses, the root last."""
        done = []

        def visit(struct, above):
            if struct in above:
                raise SchemaError(f'{self.name}: {struct.name} contains itself')
            for f in struct.fields:
                if f.struct and f.struct not in done:
                    visit(f.struct, above + [struct])
            if struct not in done:
                done.append(struct)

        visit(self.root, [])
        return done


def parse_range(text, outer):
    m = re.fullmatch(r'(\d+)(\+|-(\d+))?', text)
    if not m:
        raise SchemaError(f'not a range of versions: {text}')
    lo = int(m[1])
    hi = lo if m[2] is None else outer.hi if m[2] == '+' else int(m[3])
    if lo > hi:
        raise SchemaError(f'empty range of versions: {text}')
    return Range(lo, hi)


def parse_head(words):
    """`key 0 versions 3-13 flexible 9+ on broker`, as a dict."""
    head, words = {}, list(words)
    while words:
        word = words.pop(0)
        if word == 'on':
            head['on'], words = words, []
        elif word in ('key', 'unstable'):
            head[word] = int(words.pop(0))
        elif word == 'versions':
            head[word] = parse_range(words.pop(0), None)
        elif word == 'flexible':
            head[word] = int(words.pop(0).removesuffix('+'))
        else:
            raise SchemaError(f'unknown word: {word}')
    if 'versions' not in head:
        raise SchemaError('no versions')
    return head


FIELD = re.compile(r'(?P<name>[A-Z]\w*) +(?P<array>\[\])?(?P<base>\w+)'
                   r'(?P<null>\?(?P<nullv>[\d+-]+)?)?'
                   r'( +(?P<versions>\d[\d+-]*))?( +tag (?P<tag>\d+))?(?P<classic> +classic)?'
                   r'(?P<secret> +secret)?( += (?P<default>.+))?')


def parse_field(text, outer):
    m = FIELD.fullmatch(text)
    if not m:
        raise SchemaError(f'not a field: {text}')
    versions = parse_range(m['versions'], outer) if m['versions'] else outer
    if not versions.within(outer):
        raise SchemaError(f'{m["name"]}: versions {versions} are not within {outer}')
    f = Field(m['name'], m['base'], m['array'] is not None, versions)
    if m['null']:
        f.nullable = parse_range(m['nullv'], versions) if m['nullv'] else versions
    f.tag = int(m['tag']) if m['tag'] else None
    f.classic = m['classic'] is not None
    f.secret = m['secret'] is not None
    f.default = m['default']
    return f


class Parser:
    def __init__(self, path):
        self.path, self.messages, self.api = path, [], None
        self.stack = []        # (indent, struct) of the open structs

    def parse(self):
        comment = []
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            try:
                if line.startswith('#') and not self.messages:
                    comment.append(line[1:].strip())
                elif line.split('#')[0].strip():
                    self.line(line.split('#')[0].rstrip())
            except SchemaError as e:
                raise SchemaError(f'{self.path}:{number}: {e}') from None
        for message in self.messages:
            message.comment, message.path = '\n'.join(comment), self.path
            resolve(message)
        return self.messages

    def line(self, line):
        indent, text = len(line) - len(line.lstrip()), line.strip()
        if indent == 0:
            self.top(text.split())
        elif text.startswith('struct '):
            struct = self.nested(text.split()[1], self.messages[-1].versions)
            self.stack = [self.stack[0], (indent, struct)]
        else:
            self.field(indent, text)

    def top(self, words):
        if words[0] == 'api':
            self.api = words[1], parse_head(words[2:])
            return
        if words[0] == 'record':
            message = Message('record', None, words[1], parse_head(words[2:]))
        elif words[0] in ('request', 'response') and self.api:
            message = Message(words[0], self.api[0], self.api[0] + words[0].title(), self.api[1])
        else:
            raise SchemaError(f'unknown word: {words[0]}')
        self.messages.append(message)
        self.stack = [(0, message.root)]

    def nested(self, name, versions):
        message = self.messages[-1]
        if name in message.structs:
            raise SchemaError(f'struct {name} comes twice')
        message.structs[name] = Struct(name, versions)
        return message.structs[name]

    def field(self, indent, text):
        while len(self.stack) > 1 and self.stack[-1][0] >= indent:
            self.stack.pop()
        level, owner = self.stack[-1]
        if owner.fields and indent > level + 4:   # the first field of a struct that was just named
            last = owner.fields[-1]
            owner = self.nested(last.base, last.versions)
            self.stack.append((indent - 4, owner))
        owner.fields.append(parse_field(text, owner.versions))


def resolve(message):
    """Ties fields to their structs and checks what can be checked."""
    for struct in [message.root, *message.structs.values()]:
        tags = [f.tag for f in struct.fields if f.tag is not None]
        if len(set(tags)) != len(tags) or any(t > 31 for t in tags):
            raise SchemaError(f'{message.name}: {struct.name}: bad tags {tags}')
        for f in struct.fields:
            f.struct = message.structs.get(f.base)
            check_field(message, f)
    message.ordered()


def check_field(message, f):
    where = f'{message.name}: {f.name}'
    if f.struct is None and f.base not in BASE:
        raise SchemaError(f'{where}: unknown type {f.base}')
    if f.tag is not None and (message.flexible is None or f.versions.lo < message.flexible):
        raise SchemaError(f'{where}: a tag in versions that are not flexible')
    if f.tag is not None and (f.base == 'records' or f.struct and f.struct.has_records()):
        raise SchemaError(f'{where}: records cannot be tagged')
    if f.is_pointer() and f.nullable != f.versions:
        raise SchemaError(f'{where}: a struct that may be null must be so in all its versions')
    if f.nullable and f.base in SIZES and not f.is_array:
        raise SchemaError(f'{where}: {f.base} cannot be null')
    if f.default == '""' or f.default not in (None, 'null') and (f.is_array or f.base in BLOBS):
        raise SchemaError(f'{where}: this type has no defaults but null')
    if f.default == 'null' and not f.nullable:
        raise SchemaError(f'{where}: null is not allowed as its default')


def load(paths):
    """All messages, by file."""
    return {Path(path): Parser(Path(path)).parse() for path in paths}
