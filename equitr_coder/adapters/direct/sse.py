"""Server-sent events: bytes in any pieces to the payloads of `data:` fields. Knows nothing of what they say."""

import json
import re

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a \r at the very end may be half of a \r\n
_BOM = b"\xef\xbb\xbf"


class EventStream:
    """Feed it what arrives; it hands back every payload that is complete.

    Lines are decoded whole, so a character split between two pieces survives. Comments (`: keep-alive`) and other
    fields are dropped. A blank line ends an event; servers that leave it out are understood as long as each line is
    a whole JSON text.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """Pieces of the line that has not ended, joined when it ends: a long line comes in very many."""
        self._data: list[str] = []
        self._is_first = True

    def feed(self, piece: bytes) -> list[str]:
        may_end = b"\n" in piece or b"\r" in piece or (self._rest and self._rest[-1].endswith(b"\r"))
        if piece:
            self._rest.append(piece)
        if not may_end:
            return []
        *lines, rest = _LINE_END.split(b"".join(self._rest))
        self._rest = [rest] if rest else []
        return self._take(lines)

    def close(self) -> list[str]:
        """What the last bytes hold when no line end and no blank line follow."""
        line, self._rest = b"".join(self._rest).rstrip(b"\r"), []
        return self._take([line, b""])

    def _take(self, lines: list[bytes]) -> list[str]:
        payloads: list[str] = []
        for raw in lines:
            line = raw
            if self._is_first:
                line, self._is_first = raw.removeprefix(_BOM), False
            if not line:
                payloads += self._dispatch()
            elif line.startswith(b"data"):
                name, _, value = line.partition(b":")
                if name != b"data":
                    continue
                if self._data and _is_json("\n".join(self._data)):
                    payloads += self._dispatch()
                self._data.append(value.removeprefix(b" ").decode("utf-8", errors="replace"))
        return payloads

    def _dispatch(self) -> list[str]:
        data, self._data = "\n".join(self._data), []
        return [data] if data else []


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text.strip() == "[DONE]"
    return True
