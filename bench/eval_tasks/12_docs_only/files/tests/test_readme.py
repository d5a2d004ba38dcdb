import hashlib
import re
import unittest
from pathlib import Path

from backup import make_parser

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| `(--[a-z-]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
CODE = "1c803bf248baed4ed44f433d5b87f881572933ceaf4a54e49053277d14f64d9d"


def shown(action):
    """How a default stands in the table."""
    if action.default is False:
        return "off"
    return "none" if action.default == [] else "`%s`" % action.default


class ReadmeTest(unittest.TestCase):
    def setUp(self):
        self.readme = (ROOT / "README.md").read_text(encoding="utf-8")

    def test_the_table_says_what_the_program_takes(self):
        actions = [action for action in make_parser()._actions if action.dest != "help"]
        wanted = [(action.option_strings[0], shown(action), action.help) for action in actions]
        self.assertEqual(ROW.findall(self.readme), wanted)

    def test_the_other_sections_stand(self):
        self.assertTrue(self.readme.startswith("# Backup\n\nCopies a folder and keeps the last copies.\n\n## Options\n"))
        self.assertTrue(self.readme.endswith("## Restoring\n\nUnpack the newest copy where you want it.\n"))
        self.assertIn("| option | default | meaning |\n|---|---|---|\n", self.readme)

    def test_the_program_is_not_touched(self):
        self.assertEqual(hashlib.sha256((ROOT / "backup.py").read_bytes()).hexdigest(), CODE)
