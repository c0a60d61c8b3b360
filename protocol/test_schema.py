#!/usr/bin/env python3
"""What the schema reader accepts and refuses."""

import tempfile
import unittest
from pathlib import Path

import gen
import names
import schema

HEAD = 'api Test key 7 versions 1-5 flexible 3+ on broker\n\nrequest\n'


def parse(text, head=HEAD):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, '07_test.msg')
        path.write_text(head + text)
        return schema.Parser(path).parse()


class Accepts(unittest.TestCase):
    def test_a_field_with_all_there_is(self):
        f = parse('    Name  []string?4+  3-4  tag 2  secret  = null\n')[0].root.fields[0]
        self.assertTrue(f.is_array and f.secret)
        self.assertEqual((f.base, str(f.versions), str(f.nullable)), ('string', '3-4', '4'))
        self.assertEqual((f.tag, f.default), (2, 'null'))

    def test_nested_structs_by_indent(self):
        m = parse('    A  []B  2+\n        C  D\n            E  int8\n        F  int8\n'
                  '    G  bool\n')[0]
        b, d = m.structs['B'], m.structs['D']
        self.assertEqual([f.name for f in m.root.fields], ['A', 'G'])
        self.assertEqual([f.name for f in b.fields], ['C', 'F'])
        self.assertEqual([f.name for f in d.fields], ['E'])
        self.assertEqual(str(d.fields[0].versions), '2-5')
        self.assertEqual([s.name for s in m.ordered()], ['D', 'B', 'TestRequest'])

    def test_structs_that_are_shared(self):
        m = parse('    A  S\n    B  []S\n\n    struct S\n        X  int32\n')[0]
        self.assertIs(m.root.fields[0].struct, m.root.fields[1].struct)

    def test_smallest_sizes(self):
        m = parse('    A  int32\n    B  string  2+\n    C  []int8\n')[0]
        self.assertEqual([m.root.min_size(v, m.flexible) for v in (1, 2, 3)], [8, 10, 7])


class Refuses(unittest.TestCase):
    def refuses(self, text, what, head=HEAD):
        with self.assertRaisesRegex(schema.SchemaError, what):
            parse(text, head)

    def test_what_is_not_a_field(self):
        self.refuses('    Name string, 3\n', r'07_test.msg:4: not a field')

    def test_unknown_types(self):
        self.refuses('    Name  strng\n', 'Name: unknown type strng')

    def test_versions_out_of_range(self):
        self.refuses('    Name  string  3-9\n', 'versions 3-9 are not within 1-5')
        self.refuses('    Name  string  4-3\n', 'empty range')

    def test_bad_tags(self):
        self.refuses('    Name  string  tag 0\n', 'not flexible')
        self.refuses('    A  int8  3+  tag 0\n    B  int8  3+  tag 0\n', 'bad tags')
        self.refuses('    A  records  3+  tag 0\n', 'cannot be tagged')

    def test_bad_defaults(self):
        self.refuses('    A  string  = null\n', 'null is not allowed')
        self.refuses('    A  int8?\n', 'int8 cannot be null')

    def test_structs_in_themselves(self):
        self.refuses('    A  []S\n    struct S\n        B  []S\n', 'contains itself')

    def test_unknown_words(self):
        self.refuses('', 'unknown word: flexibel', 'record A versions 1 flexibel 3+\n')
        self.refuses('', 'no versions', 'record A key 1\n')


class Writes(unittest.TestCase):
    def test_lines_that_fit(self):
        line = '\t' + 'call(' + ', '.join(f'argument_number_{i}' for i in range(12)) + ');'
        self.assertTrue(all(len(part.expandtabs(8)) <= 100 for part in gen.wrap(line).split('\n')))
        self.assertEqual(gen.wrap(line).replace('\n\t    ', ' '), line)

    def test_names(self):
        for kafka, c in (('IsrNodes', 'isr_nodes'), ('KRaftVersionRecord', 'kraft_version_record'),
                         ('TopicID', 'topic_id'), ('V3AndBelowTopics', 'v3_and_below_topics')):
            self.assertEqual(names.snake(kafka), c)


if __name__ == '__main__':
    unittest.main()
