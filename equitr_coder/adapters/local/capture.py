"""What is kept of a command's output: its head and its tail, whatever it wrote."""

OUTPUT_CAP = 1_000_000
"""Bytes kept of one command by default."""


class Capture:
    """Takes output as it comes and holds at most `cap` bytes of it: the first half and the last half."""

    def __init__(self, cap: int = OUTPUT_CAP) -> None:
        self._head_room = cap - cap // 2
        self._tail_room = cap // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        room = self._head_room - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        # Trimmed in large steps, so that a flood of small writes does not move the tail each time.
        if len(self._tail) > 2 * self._tail_room + 65_536:
            self._trim()

    @property
    def is_truncated(self) -> bool:
        return self._dropped > 0 or len(self._tail) > self._tail_room

    def output(self) -> bytes:
        """Head and tail; a line between them says how much is missing."""
        self._trim()
        if not self._dropped:
            return bytes(self._head + self._tail)
        marker = b"\n[... %d bytes left out ...]\n" % self._dropped
        return bytes(self._head + marker + self._tail)

    def _trim(self) -> None:
        excess = len(self._tail) - self._tail_room
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess
