"""One answer as it streams: what to show of each piece, and what is missing once the whole is known.

Pieces may be lost on the way (`ShownDelta` is lossy); the stored message never is.
"""

from equitr_coder.presentation.text import prose


class StreamedText:
    def __init__(self) -> None:
        self._shown: list[str] = []
        self._held = ""
        """Space at the end, shown once something follows it."""

    def feed(self, piece: str) -> str:
        """What can be shown now: without space around the whole, made visible."""
        text = self._held + piece if self._shown else piece.lstrip()
        said = text.rstrip()
        self._held = text[len(said) :]
        if said:
            self._shown.append(said)
        return prose(said)

    def finish(self, whole: str) -> str | None:
        """What `whole` has beyond what was shown; None when the pieces do not fit it."""
        shown, whole = "".join(self._shown), whole.strip()
        return prose(whole[len(shown) :]) if whole.startswith(shown) else None
