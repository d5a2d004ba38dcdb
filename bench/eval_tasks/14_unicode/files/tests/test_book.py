import unicodedata
import unittest

from contacts.book import Book

JOSE = "Jos\u00e9"
JOSE_APART = "Jose\u0301"
"""The accent as a character of its own, as some systems write it."""


class BookTest(unittest.TestCase):
    def setUp(self):
        self.book = Book()

    def test_both_spellings_of_an_accent_are_one_name(self):
        self.book.add(JOSE, "1")
        self.assertEqual(self.book.find(JOSE_APART), (JOSE, "1"))
        self.book.add(JOSE_APART, "2")
        self.assertEqual(self.book.find(JOSE), (JOSE_APART, "2"))

    def test_case_does_not_count_in_any_language(self):
        self.book.add("Ma\u00dfmann", "3")
        self.assertEqual(self.book.find("MASSMANN"), ("Ma\u00dfmann", "3"))
        self.book.add("\u0397\u03c1\u03cc\u03b4\u03bf\u03c4\u03bf\u03c2", "4")
        self.assertIsNotNone(self.book.find("\u0397\u03a1\u038c\u0394\u039f\u03a4\u039f\u03a3"))

    def test_names_that_differ_by_an_accent_are_two(self):
        self.book.add("Jose", "5")
        self.assertIsNone(self.book.find(JOSE))

    def test_a_label_counts_an_accented_letter_once(self):
        self.assertEqual(self.book.label(JOSE_APART, 4), JOSE_APART)
        self.assertEqual(self.book.label(JOSE, 4), JOSE)

    def test_a_label_is_not_cut_inside_a_letter(self):
        label = self.book.label(JOSE_APART + " Mar\u00eda", 5)
        self.assertEqual(unicodedata.normalize("NFC", label), JOSE + "…")
