"""A text as lines, each with its own end. Only `\\n` and `\\r\\n` end a line: the form feeds and U+2028 that
`str.splitlines` also splits at are content here, as they are to every compiler and to git.
"""

from collections.abc import Sequence


class Source:
    """The lines of one file.

    `texts` has one entry more than there are line ends: the last one is empty when the text ends with a line end.
    `ends` has as many; its last entry is empty.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.texts = text.split("\n")
        self.ends = ["\n"] * (len(self.texts) - 1) + [""]
        self.is_mixed = "\r\n" in text
        if self.is_mixed:
            for index in range(len(self.texts) - 1):
                if self.texts[index].endswith("\r"):
                    self.texts[index] = self.texts[index][:-1]
                    self.ends[index] = "\r\n"
        self.content = "\n".join(self.texts) if self.is_mixed else text
        """The text with `\\n` for every line end."""

    @property
    def is_open(self) -> bool:
        """The last line has no end."""
        return self.texts[-1] != ""

    @property
    def size(self) -> int:
        """Lines, the empty rest after a final line end not counted."""
        return len(self.texts) if self.is_open else len(self.texts) - 1

    @property
    def usual_end(self) -> str:
        return self.ends[0] or "\n"


def joined(texts: Sequence[str], ends: Sequence[str], *, usual_end: str) -> str:
    """The text of these lines. Every line but the last gets an end where it has none; the last one has none."""
    if not texts:
        return ""
    body = "".join(f"{text}{end or usual_end}" for text, end in zip(texts[:-1], ends[:-1], strict=True))
    return body + texts[-1]
