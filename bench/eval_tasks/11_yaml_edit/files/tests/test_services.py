import unittest
from pathlib import Path

FILE = Path(__file__).parents[1] / "deploy" / "services.yaml"
BEFORE = """\
# Services of the shop. The operators read the comments: keep them.
services:
  web:
    image: shop/web:4.2      # follows the release
    ports: ["8080:80"]
    healthcheck:
      test: ["CMD", "check", "--http"]
      interval: 30s
  worker:
    image: shop/worker:latest
    # one process for each core
    environment:
      CONCURRENCY: "4"
      QUEUE: orders
  database:
    image: postgres:16.4     # not newer: see the wiki
    volumes:
      - data:/var/lib/postgresql/data

volumes:
  data: {}
"""


def block(text, name):
    """The lines of one service, without its head."""
    lines = text.splitlines()
    start = lines.index("  %s:" % name) + 1
    end = next((n for n in range(start, len(lines)) if len(lines[n]) - len(lines[n].lstrip()) < 4), len(lines))
    return lines[start:end]


class ServicesTest(unittest.TestCase):
    def setUp(self):
        self.text = FILE.read_text(encoding="utf-8")

    def test_the_image_of_the_worker_is_pinned(self):
        self.assertIn("    image: shop/worker:4.2", self.text.splitlines())
        self.assertNotIn("latest", self.text)

    def test_the_worker_has_a_health_check(self):
        worker = block(self.text, "worker")
        start = worker.index("    healthcheck:")
        self.assertEqual(
            sorted(worker[start + 1 : start + 3]), ["      interval: 30s", '      test: ["CMD", "check", "--queue"]']
        )

    def test_its_environment_has_the_new_value_as_text(self):
        worker = block(self.text, "worker")
        start = worker.index("    environment:")
        self.assertIn('      CONCURRENCY: "8"', worker[start : start + 3])
        self.assertIn("      QUEUE: orders", worker[start : start + 3])

    def test_everything_else_stands_as_it_stood(self):
        changed = {"    image: shop/worker:latest", '      CONCURRENCY: "4"'}
        kept = [line for line in BEFORE.splitlines() if line not in changed]
        rest = iter(self.text.splitlines())
        for line in kept:
            self.assertIn(line, rest, "missing, or in another place: %r" % line)
        self.assertEqual(len(self.text.splitlines()), len(BEFORE.splitlines()) + 3)
