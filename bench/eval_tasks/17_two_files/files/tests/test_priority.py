import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path

from todo.cli import main
from todo.store import Store


class PriorityTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "todo.json"
        os.environ["TODO_FILE"] = str(self.file)
        self.addCleanup(os.environ.pop, "TODO_FILE")

    def run_todo(self, *arguments):
        """Exit code and standard output."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            try:
                code = main(list(arguments))
            except SystemExit as stopped:
                code = stopped.code
        return code, out.getvalue()

    def test_a_priority_is_stored(self):
        self.run_todo("add", "pay rent", "--priority", "high")
        self.assertEqual(
            json.loads(self.file.read_text(encoding="utf-8")), [{"text": "pay rent", "done": False, "priority": "high"}]
        )

    def test_without_one_it_is_normal(self):
        self.run_todo("add", "read")
        self.assertEqual(Store(self.file).load(), [{"text": "read", "done": False, "priority": "normal"}])

    def test_another_word_is_refused(self):
        self.assertEqual(self.run_todo("add", "x", "--priority", "urgent"), (2, ""))
        self.assertFalse(self.file.exists())
        with self.assertRaises(ValueError):
            Store(self.file).add("x", priority="urgent")

    def test_the_list_shows_the_most_urgent_first_and_the_oldest_first_among_equals(self):
        for text, priority in (("a", "low"), ("b", "normal"), ("c", "high"), ("d", "normal"), ("e", "high")):
            self.run_todo("add", text, "--priority", priority)
        self.assertEqual(
            self.run_todo("list"), (0, "[ ] c (high)\n[ ] e (high)\n[ ] b\n[ ] d\n[ ] a (low)\n")
        )

    def test_files_from_before_still_load(self):
        self.file.write_text('[{"text": "old", "done": true}]', encoding="utf-8")
        self.run_todo("add", "new", "--priority", "low")
        self.assertEqual(self.run_todo("list"), (0, "[x] old\n[ ] new (low)\n"))
        self.assertEqual(Store(self.file).load()[0], {"text": "old", "done": True, "priority": "normal"})
