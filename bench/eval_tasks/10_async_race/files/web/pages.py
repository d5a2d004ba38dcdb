"""Loads each page once and keeps it."""


class Pages:
    def __init__(self, load):
        """`load(name)` is a coroutine function; it is slow and must not be called twice for one name."""
        self._load = load
        self._pages = {}

    async def get(self, name):
        if name not in self._pages:
            self._pages[name] = await self._load(name)
        return self._pages[name]
