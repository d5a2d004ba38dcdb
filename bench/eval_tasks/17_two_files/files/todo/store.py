"""Todos in a JSON file."""

import json
from pathlib import Path


class Store:
    def __init__(self, path):
        self._path = Path(path)

    def load(self):
        """All todos, oldest first: dicts with `text` and `done`."""
        if not self._path.exists():
            return []
        return json.loads(self._path.read_text(encoding="utf-8"))

    def add(self, text):
        todos = self.load()
        todos.append({"text": text, "done": False})
        self._path.write_text(json.dumps(todos), encoding="utf-8")
