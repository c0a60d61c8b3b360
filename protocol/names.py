"""How things of the schemas are called in C."""

import re

KEYWORDS = {'default', 'register', 'int', 'char', 'bool', 'struct', 'static', 'const'}


def snake(name):
    name = name.replace('KRaft', 'Kraft')
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    return re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name).lower()


class Names:
    """C names of a message."""

    def __init__(self, message):
        self.message = message
        if message.kind == 'record':
            self.base = snake(message.name)
            self.prefix = self.base
        else:
            self.base = snake(message.api)
            self.prefix = self.base + ('_req' if message.kind == 'request' else '_res')

    def struct(self, struct):
        if struct is self.message.root:
            return self.prefix
        return f'{self.prefix}_{snake(struct.name)}'


def field_name(f):
    name = snake(f.name)
    return name + '_' if name in KEYWORDS else name
