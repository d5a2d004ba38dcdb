"""Keeps a tool call that arrives as text from being shown: text is held from the mark that may open one."""

import re

_MARKS = (
    "<tool_call",
    "<function_call",
    "<function=",
    "<function name=",
    "<invoke ",
    "<tool_use",
    "<minimax:tool_call",
    "<|tool_call",
    "<|python_tag|>",
    "<|channel|>commentary to=",
    "<|start|>assistant",
    "<｜tool",
    "[TOOL_CALLS]",
    "```json",
    "```tool",
    "```\n{",
    "```\n[",
)
_LONGEST = max(len(mark) for mark in _MARKS)
_MARK = re.compile("|".join(re.escape(mark) for mark in _MARKS))
_FENCE_END = re.compile(r"\n[ \t]*```[ \t]*\n\s*(?=\S)")


class HoldBack:
    """Feed it the text as it streams; it hands on what can be shown. At the end ask `rest`."""

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._held = ""
        self._is_holding = False
        self._has_begun = False

    def feed(self, piece: str) -> str:
        """What can be shown by now; may be empty."""
        self._held += piece
        free = ""
        while True:
            ready = self._ready()
            free += self._held[:ready]
            self._held = self._held[ready:]
            if not self._is_holding or not self._is_over():
                break
        self._shown.append(free)
        return free

    def rest(self, text: str) -> str:
        """What is still to be shown when the answer's text is `text` (which may lack the calls)."""
        shown = "".join(self._shown)
        if text.startswith(shown):
            return text[len(shown) :]
        shown = shown.rstrip()
        return text[len(shown) :] if text.startswith(shown) else ""

    def _ready(self) -> int:
        """How much of what is held comes before any mark, or before what may grow into one."""
        if self._is_holding:
            return 0
        if not self._has_begun:
            begun = self._held.lstrip()
            if not begun:
                return 0
            self._has_begun = True
            if begun[0] in "{[":  # an answer that is nothing but JSON may be a call
                self._is_holding = True
                return 0
        if mark := _MARK.search(self._held):
            self._is_holding = True
            return mark.start()
        tail = max(0, len(self._held) - _LONGEST)
        for start in range(tail, len(self._held)):
            if any(mark.startswith(self._held[start:]) for mark in _MARKS):
                return start
        return len(self._held)

    def _is_over(self) -> bool:
        """Whether a code block that was held is followed by other text, and so is no call."""
        if not self._held.startswith("```"):
            return False
        end = _FENCE_END.search(self._held)
        if end is None or any(mark.startswith(self._held[end.end() :][: len(mark)]) for mark in _MARKS):
            return False
        self._shown.append(self._held[: end.end()])
        self._held = self._held[end.end() :]
        self._is_holding = False
        return True
