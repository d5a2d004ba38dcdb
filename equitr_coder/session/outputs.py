"""Long outputs, kept as blobs; a model opens one with `read_file("output:ID")`."""

from equitr_coder.ports import EventStore

_ID_LENGTH = 12


class KeptOutputs:
    """Implements `ports.Outputs`. An id is the beginning of the content's SHA-256: the same after a restart."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def keep(self, text: str) -> str:
        return await self._store.put_blob(text.encode("utf-8", errors="surrogateescape"))

    async def open(self, output: str) -> str | None:
        if len(output) < _ID_LENGTH or any(c not in "0123456789abcdef" for c in output):
            return None
        data = await self._store.get_blob(output)
        return data.decode("utf-8", errors="replace") if data is not None else None
