import unittest

from bank.accounts import Bank


class TransferTest(unittest.TestCase):
    def setUp(self):
        self.bank = Bank({"ada": 1000, "bob": 50})

    def refused(self, *arguments):
        """The message of the refusal, after which nothing may have changed."""
        with self.assertRaises(ValueError) as caught:
            self.bank.transfer(*arguments)
        self.assertEqual(self.bank.balances, {"ada": 1000, "bob": 50})
        self.assertEqual(self.bank.journal, [])
        return str(caught.exception)

    def test_money_moves_and_is_written_down(self):
        self.bank.transfer("ada", "bob", 1000)
        self.assertEqual(self.bank.balances, {"ada": 0, "bob": 1050})
        self.assertEqual(self.bank.journal, [("ada", "bob", 1000)])

    def test_the_amount_must_be_a_positive_whole_number_of_cents(self):
        for amount in (0, -5, 1.5, "10", None, True):
            self.assertIn("amount", self.refused("ada", "bob", amount), amount)

    def test_both_accounts_must_exist(self):
        self.assertIn("eve", self.refused("eve", "bob", 5))
        self.assertIn("eve", self.refused("ada", "eve", 5))

    def test_they_must_be_two(self):
        self.assertIn("ada", self.refused("ada", "ada", 5))

    def test_there_must_be_enough_money(self):
        message = self.refused("bob", "ada", 51)
        self.assertIn("bob", message)
        self.assertIn("50", message)
