import contextlib
import io
import os
import tempfile
import unittest

from wordcount.cli import main

TEXT = "the cat and the dog and the bird\nA dog\n"


def run(*arguments):
    """Exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "text.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(TEXT)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main([*arguments, path])
            except SystemExit as stopped:
                code = stopped.code
    return code, out.getvalue(), err.getvalue()


class TopTest(unittest.TestCase):
    def test_without_the_flag_only_the_total_is_printed(self):
        self.assertEqual(run(), (0, "10\n", ""))

    def test_top_prints_the_most_frequent_words_and_not_the_total(self):
        self.assertEqual(run("--top", "1"), (0, "3 the\n", ""))

    def test_words_of_one_frequency_are_in_alphabetical_order(self):
        self.assertEqual(run("--top", "4"), (0, "3 the\n2 and\n2 dog\n1 a\n", ""))

    def test_more_than_there_are_prints_all(self):
        self.assertEqual(len(run("--top", "99")[1].splitlines()), 6)

    def test_a_number_below_one_is_refused_as_a_usage_error(self):
        for number in ("0", "-1", "many"):
            code, out, err = run("--top=" + number)
            self.assertEqual((code, out), (2, ""), number)
            self.assertIn("--top", err)
