import random
import unittest

from depot.stock import missing


class Counted:
    """Rows that count how often one is read."""

    def __init__(self, rows):
        self.rows = rows
        self.reads = 0

    def __iter__(self):
        for row in self.rows:
            self.reads += 1
            yield row

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        self.reads += 1
        return self.rows[index]


class MissingTest(unittest.TestCase):
    def test_what_is_short_is_listed_in_the_order_given(self):
        stock = [("nut", 5), ("bolt", 1), ("nut", 5)]
        orders = [("screw", 1), ("nut", 10), ("bolt", 2), ("nut", 11), ("bolt", 2)]
        self.assertEqual(missing(orders, stock), [("screw", 1), ("bolt", 2), ("nut", 11), ("bolt", 2)])

    def test_edges(self):
        self.assertEqual(missing([], [("nut", 1)]), [])
        self.assertEqual(missing([("nut", 0), ("nut", 1)], []), [("nut", 1)])

    def test_stock_and_orders_are_read_once(self):
        rolls = random.Random(1)
        names = ["article %d" % number for number in range(400)]
        orders = Counted([(rolls.choice(names), rolls.randint(1, 9)) for _ in range(2000)])
        stock = Counted([(rolls.choice(names), rolls.randint(1, 4)) for _ in range(1500)])

        found = missing(orders, stock)

        self.assertLessEqual(stock.reads, 2 * len(stock))
        self.assertLessEqual(orders.reads, 2 * len(orders))
        held = {}
        for name, amount in stock.rows:
            held[name] = held.get(name, 0) + amount
        self.assertEqual(found, [order for order in orders.rows if held.get(order[0], 0) < order[1]])
