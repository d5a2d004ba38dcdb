"""The text being written and the cursor in it: what moves and deletes, with undo, kill and yank. Pure.

A long paste is one character here, a *chip*, so that every rule for characters holds for it: the cursor passes over it,
Backspace deletes it, kill, yank and undo carry it. Chips are taken from a private plane of Unicode; a character of that
plane that comes from outside is never taken for one.
"""

import re
from collections.abc import Mapping

from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.text import plural

MOST_LINES = 5
MOST_CHARACTERS = 2_000
"""A paste with more lines or characters is shown as a chip."""
_FIRST_CHIP = 0xF0000
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"\w+")


@frozen
class Draft:
    text: str = ""
    """With chips as single characters."""
    cursor: int = 0

    @property
    def before(self) -> str:
        return self.text[: self.cursor]

    @property
    def after(self) -> str:
        return self.text[self.cursor :]

    @property
    def line_start(self) -> int:
        return self.text.rfind("\n", 0, self.cursor) + 1

    @property
    def line_end(self) -> int:
        end = self.text.find("\n", self.cursor)
        return len(self.text) if end < 0 else end

    @property
    def word_left(self) -> int:
        """Where the word before the cursor begins."""
        words = [match.start() for match in _WORD.finditer(self.text, 0, self.cursor)]
        return words[-1] if words else 0

    @property
    def word_right(self) -> int:
        word = _WORD.search(self.text, self.cursor)
        return len(self.text) if word is None else word.end()

    @property
    def blank_left(self) -> int:
        """Where the piece between blanks before the cursor begins."""
        return len(self.before.rstrip()) and max(
            (match.end() for match in _SPACES.finditer(self.before.rstrip())), default=0
        )


class Editing:
    def __init__(self) -> None:
        self.draft = Draft()
        self.killed = ""
        """What Ctrl+Y brings back."""
        self._chips: dict[str, str] = {}
        self._foreign: set[str] = set()
        self._undone: list[Draft] = []
        self._done: list[Draft] = []
        self._is_typing = self._is_killing = False
        self._pasted_first = ""

    @property
    def chips(self) -> Mapping[str, str]:
        """Chip -> what was pasted."""
        return self._chips

    @property
    def text(self) -> str:
        """As it is sent: the pastes in full."""
        return self.expanded(self.draft.text)

    @property
    def is_pasted(self) -> bool:
        """Whether its beginning came from the clipboard rather than from the keys."""
        text = self.draft.text
        return text[:1] in self._chips or bool(self._pasted_first and text.startswith(self._pasted_first))

    def expanded(self, text: str) -> str:
        return "".join(self._chips.get(each, each) for each in text) if self._chips else text

    def label(self, chip: str) -> str:
        pasted = self._chips[chip]
        lines = pasted.count("\n") + (not pasted.endswith("\n"))
        if lines > MOST_LINES:
            return f"[pasted {lines:,} lines]"
        return f"[pasted {plural(lines, 'line')}, {plural(len(pasted), 'character')}]"

    # -- putting in

    def type(self, text: str) -> None:
        """Letters from the keys; a run of them is undone as one."""
        self._put(self._own(text), is_typing=not text.isspace())

    def paste(self, text: str) -> None:
        """From the clipboard: CR LF and CR become line feeds; what is long becomes a chip."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        is_first = self.draft.cursor == 0
        lines = text.count("\n") + (not text.endswith("\n"))
        is_long = lines > MOST_LINES or len(text) > MOST_CHARACTERS
        text = self._chip(text) if is_long else self._own(text)
        if is_first:
            self._pasted_first = text
        self._put(text)

    def replace(self, count: int, text: str) -> None:
        """Instead of the `count` characters before the cursor."""
        start = self.draft.cursor - count
        text = self._own(text)
        self._change(Draft(self.draft.text[:start] + text + self.draft.after, start + len(text)))

    def from_outside(self, text: str) -> Draft:
        """A text that was not written here, such as an old request, with the cursor at its end."""
        text = self._own(text)
        return Draft(text, len(text))

    def become(self, draft: Draft) -> None:
        """Another draft of this editing; it can be undone."""
        self._change(draft)

    def expand(self) -> bool:
        """The chip before or after the cursor as the text it stands for; False when there is none."""
        draft = self.draft
        for place in (draft.cursor - 1, draft.cursor):
            chip = draft.text[place : place + 1] if place >= 0 else ""
            if chip in self._chips:
                pasted = self._own(self._chips[chip], but=chip)
                text = draft.text[:place] + pasted + draft.text[place + 1 :]
                if self._pasted_first == chip:
                    self._pasted_first = pasted
                self._change(Draft(text, place + len(pasted)))
                return True
        return False

    # -- moving

    def move(self, to: int) -> None:
        self._is_typing = self._is_killing = False
        self.draft = Draft(self.draft.text, min(max(to, 0), len(self.draft.text)))

    # -- taking away

    def delete(self, start: int, end: int) -> None:
        text = self.draft.text
        start, end = max(start, 0), min(end, len(text))
        if start < end:
            self._change(Draft(text[:start] + text[end:], start))

    def kill(self, start: int, end: int) -> None:
        """Deletes so that Ctrl+Y brings it back; kills without anything between them come back together."""
        draft = self.draft
        start, end = max(start, 0), min(end, len(draft.text))
        if start >= end:
            return
        piece = draft.text[start:end]
        if not self._is_killing:
            self.killed = piece
        else:
            self.killed = piece + self.killed if end <= draft.cursor else self.killed + piece
        self._change(Draft(draft.text[:start] + draft.text[end:], start))
        self._is_killing = True

    def yank(self) -> None:
        if self.killed:
            self._put(self.killed)

    def clear(self) -> None:
        """All of it, kept for Ctrl+Y."""
        self._is_killing = False
        self.kill(0, len(self.draft.text))
        self._is_killing = False

    def next(self) -> "Editing":
        """For the text after this one, which was sent: nothing to undo, but what was killed can still be yanked."""
        other = Editing()
        killed = self.expanded(self.killed)
        other.killed = other._chip(killed) if len(killed) > MOST_CHARACTERS else other._own(killed)
        return other

    # -- undo

    def undo(self) -> None:
        self._step(self._done, self._undone)

    def redo(self) -> None:
        self._step(self._undone, self._done)

    def _step(self, of: list[Draft], other: list[Draft]) -> None:
        self._is_typing = self._is_killing = False
        if of:
            other.append(self.draft)
            self.draft = of.pop()

    def _put(self, text: str, *, is_typing: bool = False) -> None:
        draft = self.draft
        self._change(Draft(draft.before + text + draft.after, draft.cursor + len(text)), is_typing=is_typing)

    def _change(self, draft: Draft, *, is_typing: bool = False) -> None:
        if not (is_typing and self._is_typing):
            self._done.append(self.draft)
        self._undone.clear()
        self._is_typing, self._is_killing = is_typing, False
        self.draft = draft

    # -- chips

    def _own(self, text: str, but: str = "") -> str:
        """The text from outside, with nothing in it that would be taken for a chip."""
        private = {each for each in text if ord(each) >= _FIRST_CHIP}
        if private & (self._chips.keys() - {but}):
            return self._chip(text)
        self._foreign |= private
        return text

    def _chip(self, text: str) -> str:
        number = _FIRST_CHIP + len(self._chips)
        while (chip := chr(number)) in self._chips or chip in self._foreign or chip in text:
            number += 1
        self._chips[chip] = text
        return chip
