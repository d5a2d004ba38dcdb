import ast
import unittest
from datetime import date
from pathlib import Path

from sales import report

SOURCE = Path(report.__file__).read_text(encoding="utf-8")
PUBLIC = ("daily_totals", "weekly_totals", "monthly_totals")


def sale(day, cents, refunded=False):
    return {"day": day, "cents": cents, "refunded": refunded}


SALES = [
    sale(date(2026, 2, 10), 500),
    sale(date(2026, 1, 1), 100),
    sale(date(2026, 1, 1), 250),
    sale(date(2025, 12, 30), 75),
    sale(date(2026, 2, 11), 900, refunded=True),
]


class BehaviourTest(unittest.TestCase):
    def test_totals(self):
        self.assertEqual(
            list(report.daily_totals(SALES).items()), [("2025-12-30", 75), ("2026-01-01", 350), ("2026-02-10", 500)]
        )
        self.assertEqual(list(report.weekly_totals(SALES).items()), [("2026-W01", 425), ("2026-W07", 500)])
        self.assertEqual(
            list(report.monthly_totals(SALES).items()), [("2025-12", 75), ("2026-01", 350), ("2026-02", 500)]
        )

    def test_edges(self):
        for name in PUBLIC:
            totals = getattr(report, name)
            self.assertEqual(totals([]), {})
            self.assertEqual(totals(iter([sale(date(2026, 1, 1), 0)])).popitem()[1], 0)
            self.assertEqual(totals([sale(date(2026, 1, 1), -5, refunded=True)]), {})
            with self.assertRaisesRegex(ValueError, "cannot be negative"):
                totals([sale(date(2026, 1, 1), -5)])


class StructureTest(unittest.TestCase):
    def setUp(self):
        self.functions = {n.name: n for n in ast.walk(ast.parse(SOURCE)) if isinstance(n, ast.FunctionDef)}

    def test_the_loop_and_the_rule_are_written_once(self):
        tree = ast.parse(SOURCE)
        loops = [node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While))]
        texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value == "a sale cannot be negative"]
        self.assertLessEqual(len(loops), 1)
        self.assertEqual(len(texts), 1)
        self.assertEqual(SOURCE.count('"refunded"') + SOURCE.count("'refunded'"), 1)

    def test_what_is_public_stays_and_keeps_its_docstring(self):
        for name in PUBLIC:
            function = self.functions[name]
            self.assertIn("Cents by", ast.get_docstring(function) or "")
            self.assertEqual([argument.arg for argument in function.args.args], ["sales"])
            self.assertLessEqual(len(function.body), 3, name)
