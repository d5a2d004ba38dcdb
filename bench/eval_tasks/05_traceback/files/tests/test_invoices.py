import unittest
from datetime import date

from billing.invoices import Invoice, by_due_date, reminder

JUNE = Invoice("A-2", 20.0, date(2026, 6, 1))
MAY = Invoice("A-1", 10.5, date(2026, 5, 1))
ON_RECEIPT = Invoice("A-3", 5.0, None)
LATER = Invoice("A-0", 7.0, None)


class InvoicesTest(unittest.TestCase):
    def test_invoices_are_in_order_of_their_dates(self):
        self.assertEqual(by_due_date([JUNE, MAY]), [MAY, JUNE])

    def test_invoices_without_a_date_come_last_in_the_order_given(self):
        self.assertEqual(by_due_date([ON_RECEIPT, JUNE, LATER, MAY]), [MAY, JUNE, ON_RECEIPT, LATER])

    def test_the_reminder_says_that_they_are_due_on_receipt(self):
        self.assertEqual(
            reminder([ON_RECEIPT, MAY]), "A-1     10.50  due 2026-05-01\nA-3      5.00  due on receipt"
        )

    def test_there_may_be_nothing_to_pay(self):
        self.assertEqual(reminder([]), "")
