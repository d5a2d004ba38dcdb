import unittest

from logs.logfmt import parse_line


class LogfmtTest(unittest.TestCase):
    def test_plain_fields(self):
        self.assertEqual(parse_line("level=info n=3"), {"level": "info", "n": "3"})
        self.assertEqual(list(parse_line("b=1 a=2 c=3")), ["b", "a", "c"])

    def test_any_white_space_separates(self):
        self.assertEqual(parse_line("  a=1 \t b=2  \n"), {"a": "1", "b": "2"})
        self.assertEqual(parse_line(""), {})
        self.assertEqual(parse_line("   "), {})

    def test_quoted_values(self):
        self.assertEqual(parse_line('msg="two words" a=1'), {"msg": "two words", "a": "1"})
        self.assertEqual(parse_line('q="a=b c=d"'), {"q": "a=b c=d"})
        self.assertEqual(parse_line('empty="" none='), {"empty": "", "none": ""})

    def test_escapes(self):
        self.assertEqual(parse_line(r'm="say \"hi\"" p="C:\\new" l="1\n2"'), {"m": 'say "hi"', "p": r"C:\new", "l": "1\n2"})

    def test_a_backslash_outside_quotes_is_itself(self):
        self.assertEqual(parse_line(r"p=C:\new"), {"p": r"C:\new"})

    def test_bare_keys_are_true(self):
        self.assertEqual(parse_line("retry a=1 last"), {"retry": "true", "a": "1", "last": "true"})

    def test_an_equals_sign_in_a_plain_value_belongs_to_it(self):
        self.assertEqual(parse_line("q=a=b"), {"q": "a=b"})

    def test_the_later_field_wins(self):
        self.assertEqual(parse_line("a=1 a=2"), {"a": "2"})

    def test_faults_name_their_position(self):
        for line, position in (('ok=1 msg="open', 9), ("a=1 =5", 4), ('a="b"c', 5)):
            with self.assertRaisesRegex(ValueError, r"\b%d\b" % position, msg=line):
                parse_line(line)
