import sqlite3
import unittest

from shop import queries


class OverviewTest(unittest.TestCase):
    def setUp(self):
        self.connection = sqlite3.connect(":memory:")
        self.addCleanup(self.connection.close)
        self.connection.executescript(queries.SCHEMA)
        self.statements = []
        self.connection.set_trace_callback(self.statements.append)

    def fill(self, table, *rows):
        for row in rows:
            marks = ", ".join("?" * len(row))
            self.connection.execute("INSERT INTO %s VALUES (%s)" % (table, marks), row)
        self.connection.commit()
        self.statements.clear()

    def test_a_customer_without_orders_or_complaints_is_listed_with_zeros(self):
        self.fill("customers", (1, "Ada"))
        self.assertEqual(queries.overview(self.connection), [("Ada", 0, 0, 0)])

    def test_orders_and_complaints_do_not_multiply_each_other(self):
        self.fill("customers", (1, "Ada"), (2, "Bob"))
        self.fill("orders", (1, 1, 500), (2, 1, 500), (3, 1, 30), (4, 2, 7))
        self.fill("complaints", (1, 1, "late"), (2, 1, "broken"))
        self.assertEqual(queries.overview(self.connection), [("Ada", 3, 1030, 2), ("Bob", 1, 7, 0)])

    def test_two_customers_of_one_name_are_two_rows(self):
        self.fill("customers", (2, "Ada"), (1, "Ada"))
        self.fill("orders", (1, 2, 10))
        self.assertEqual(queries.overview(self.connection), [("Ada", 0, 0, 0), ("Ada", 1, 10, 0)])

    def test_it_is_one_statement(self):
        self.fill("customers", (1, "Ada"), (2, "Bob"))
        queries.overview(self.connection)
        self.assertEqual(len(self.statements), 1)
