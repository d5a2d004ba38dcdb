import re
import unittest
from pathlib import Path

import accounts
from accounts.greeting import greet
from accounts.report import report

ROOT = Path(__file__).parents[1]
OLD = "get_" + "usr"


class NamesTest(unittest.TestCase):
    def test_the_new_name_works_everywhere(self):
        self.assertEqual(accounts.find_user(1), "Ada")
        self.assertIsNone(accounts.find_user(9))
        self.assertEqual(greet(2), "Hello, Grace!")
        self.assertEqual(report(), "1 Ada\n2 Grace\n3 Barbara")
        self.assertIn("find_user", accounts.__all__)

    def test_the_error_names_the_function_as_it_is_called_now(self):
        with self.assertRaisesRegex(LookupError, "^find_user knows no user 9$"):
            greet(9)

    def test_the_old_name_is_nowhere(self):
        files = [*ROOT.glob("accounts/*.py"), ROOT / "README.md"]
        found = [path.name for path in files if re.search(r"\b%s\b" % OLD, path.read_text(encoding="utf-8"))]
        self.assertEqual(found, [])
        self.assertFalse(hasattr(accounts, OLD))
        self.assertIn("`find_user(number)`", (ROOT / "README.md").read_text(encoding="utf-8"))

    def test_the_count_keeps_its_name(self):
        self.assertEqual(getattr(accounts, OLD + "_count")(), 3)
