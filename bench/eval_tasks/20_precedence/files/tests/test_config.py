import unittest

from service.config import DEFAULTS, load


class PrecedenceTest(unittest.TestCase):
    def test_without_anything_the_defaults_hold(self):
        self.assertEqual(load(), DEFAULTS)
        self.assertIsNot(load(), DEFAULTS)

    def test_each_place_wins_over_the_one_before(self):
        file, environ, flags = {"port": 1}, {"SERVICE_PORT": "2"}, {"port": 3}
        self.assertEqual(load(file)["port"], 1)
        self.assertEqual(load(file, environ)["port"], 2)
        self.assertEqual(load(file, environ, flags)["port"], 3)
        self.assertEqual(load(file, {}, flags)["port"], 3)

    def test_a_flag_of_none_was_not_given(self):
        self.assertEqual(load({"port": 1}, {}, {"port": None})["port"], 1)

    def test_values_that_are_false_count(self):
        self.assertEqual(load({"retries": 0})["retries"], 0)
        self.assertEqual(load({"prefix": ""})["prefix"], "")
        self.assertIs(load({"debug": True}, {}, {"debug": False})["debug"], False)
        self.assertEqual(load({}, {"SERVICE_RETRIES": "0"}, {})["retries"], 0)
        self.assertEqual(load({"retries": 5}, {"SERVICE_RETRIES": "9"}, {"retries": 0})["retries"], 0)
        self.assertEqual(load({"prefix": "/x"}, {"SERVICE_PREFIX": ""})["prefix"], "")

    def test_the_environment_speaks_of_true_and_false(self):
        for text in ("1", "true", "yes", "on", "TRUE"):
            self.assertIs(load({"debug": False}, {"SERVICE_DEBUG": text})["debug"], True, text)
        for text in ("0", "false", "no", "off", "False"):
            self.assertIs(load({}, {"SERVICE_DEBUG": text})["debug"], False, text)

    def test_what_is_neither_is_an_error_that_names_the_variable(self):
        for name, text in (("SERVICE_DEBUG", "perhaps"), ("SERVICE_PORT", "eighty"), ("SERVICE_DEBUG", "")):
            with self.assertRaisesRegex(ValueError, name):
                load({}, {name: text})

    def test_other_keys_are_left_out(self):
        self.assertEqual(set(load({"colour": "red"}, {"SERVICE_COLOUR": "red"}, {"colour": "red"})), set(DEFAULTS))
