"""Keeps a tool call that arrives as text from being shown: text is held from the mark that may open one."""

import re

_MARKS = (
    "<tool_call",
    "<tool_use",
    "<function",
    "<invoke",
    "<antml:",
    "<minimax:",
    "<|tool_call",
    "<|python_tag|>",
    "<|channel|>",
    "<|start|>",
    "<｜tool",
    "[TOOL_CALLS]",
    "<<<<<",
    "*** Begin Patch",
    "```diff",
    "```patch",
    "```udiff",
    "```json",
    "```tool",
    "```xml",
    "```\n{",
    "```\n[",
    "```\n---",
    "```\n<",
)
_LONGEST = max(len(mark) for mark in _MARKS)
_FIRST = re.compile(r"[<\[`*]")
_MARK = re.compile("|".join(re.escape(mark) for mark in _MARKS))
_FENCE_END = re.compile(r"\n[ \t]*```[ \t]*\n\s*(?=\S)")


class HoldBack:
    """Feed it the text as it streams; it hands on what can be shown. At the end ask `rest`."""

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._held = ""
        self._is_holding = False
        self._has_begun = False
        self._looked = 0
        """Up to where a held code block has no end."""

    def feed(self, piece: str) -> str:
        """What can be shown by now; may be empty."""
        self._held += piece
        free = ""
        while ready := self._ready():
            free += self._held[:ready]
            self._held = self._held[ready:]
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
        """How much of what is held can go: what comes before any mark, and before what may grow into one."""
        if self._is_holding:
            return self._past_code()
        if not self._has_begun:
            begun = self._held.lstrip()
            inner = begun.removeprefix("[").lstrip()
            if not inner:
                return 0
            self._has_begun = True
            if inner[0] == "{":  # an answer that is nothing but JSON may be a call
                self._is_holding = True
                return 0
        if mark := _MARK.search(self._held):
            self._is_holding = True
            return mark.start()
        for first in _FIRST.finditer(self._held, max(0, len(self._held) - _LONGEST)):
            if any(mark.startswith(self._held[first.start() :]) for mark in _MARKS):
                return first.start()
        return len(self._held)

    def _past_code(self) -> int:
        """Length of a held code block that is followed by other text, and so is no call; else 0."""
        closing = self._held.find("\n```", self._looked) if self._held.startswith("```") else -1
        while closing >= 0:
            end = _FENCE_END.match(self._held, closing)
            if end is None and not self._held[closing + 4 :].strip():
                return 0
            if end is not None:
                if any(mark.startswith(self._held[end.end() :][: len(mark)]) for mark in _MARKS):
                    return 0
                self._is_holding, self._looked = False, 0
                return end.end()
            closing = self._held.find("\n```", closing + 4)
        self._looked = max(0, len(self._held) - 3)
        return 0
