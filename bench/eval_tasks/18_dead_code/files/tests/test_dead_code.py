import ast
import unittest
from pathlib import Path

from tables import app, exporters

ROWS = [["a", 1], ["b<", 2]]
GONE = {"old_format", "_old_row", "_LEGACY_SEPARATOR", "debug_dump", "export_xml", "_xml_row"}
USED = {"export_csv", "export_json", "export"}


class DeadCodeTest(unittest.TestCase):
    def test_what_is_used_still_works(self):
        self.assertEqual(app.run("csv", ROWS), "a,1\nb<,2\n")
        self.assertEqual(app.run("json", ROWS), '[["a", 1], ["b<", 2]]')
        with self.assertRaisesRegex(ValueError, "unknown format xml"):
            app.run("xml", ROWS)
        self.assertTrue(USED <= set(vars(exporters)))

    def test_what_nothing_uses_is_gone(self):
        self.assertEqual(GONE & (set(vars(exporters)) | set(vars(app))), set())

    def test_no_import_is_left_over(self):
        for module in (exporters, app):
            tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
            imported = {
                (alias.asname or alias.name).split(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, (ast.Import, ast.ImportFrom))
                for alias in node.names
            }
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            self.assertEqual(imported - used, set(), module.__name__)

    def test_the_documentation_of_both_modules_stands(self):
        self.assertIn("looks the writer up by name", exporters.__doc__ or "")
        self.assertIn("formats are on offer", app.__doc__ or "")
