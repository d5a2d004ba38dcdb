"""The project's own commands on files that were just changed: formatter, linter, type checker.

They run in the sandbox like any command. What they change in the files is kept and counts as written by the session.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field
from difflib import SequenceMatcher

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.globs import covers
from equitr_coder.ports import CommandResult, Executor, Place, Workspace
from equitr_coder.tools.excerpt import changed_lines, lines_of
from equitr_coder.tools.run_command import plain_text

FILE = "{file}"
"""Stands in a command for the changed file's path, quoted for the shell."""
_HEAD, _TAIL = 4, 8
"""Lines of a command's output that are shown."""
_WIDTH = 300
_SHOWN_LINES = 40
_COMPARED = 1000


@frozen
class EditCheck:
    """One command for the files that `glob` covers; one without a slash is about names in any folder."""

    glob: str
    command: str
    timeout: float
    """Seconds."""

    def is_for(self, path: str) -> bool:
        return covers(self.glob, path if "/" in self.glob else path.rpartition("/")[2])


@frozen
class Consequences:
    """What the commands said, in lines, and the content and SHA-256 of files that they changed."""

    told: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)


class AfterEdit:
    def __init__(self, workspace: Workspace, executor: Executor, place: Place, checks: Sequence[EditCheck]) -> None:
        self._workspace = workspace
        self._executor = executor
        self._place = place
        self._checks = tuple(checks)

    async def run(self, written: Mapping[str, str]) -> Consequences:
        """`written` is path -> SHA-256 of what was just written. Never raises for what a command does."""
        told: list[str] = []
        texts: dict[str, str] = {}
        seen: dict[str, str] = {}
        known = dict(written)
        done: set[str] = set()
        for path in written:
            for check in self._checks:
                command = check.command.replace(FILE, _quoted(path))
                if not check.is_for(path) or command in done:
                    continue
                done.add(command)  # one that names no file runs once for all of them
                result = await self._executor.run(command, self._place, timeout=check.timeout)
                told.append(_words(command, result, check.timeout))
                told += await self._changes(known, texts, seen)
        return Consequences(tuple(told), texts, seen)

    async def _changes(self, known: dict[str, str], texts: dict[str, str], seen: dict[str, str]) -> list[str]:
        """Files among those written that are another now."""
        told = []
        for path, digest in known.items():
            try:
                if await self._workspace.digest(path) in (digest, None):
                    continue
                file = await self._workspace.read(path)
            except ToolFailure as failure:
                told.append(f"It left {path} unreadable: {failure}")
                continue
            known[path] = seen[path] = file.digest
            texts[path] = file.text
            told.append(f"It changed {path}; what is shown here is the file after it.")
        return told


def differing_lines(before: str, after: str) -> tuple[tuple[int, int], ...]:
    """First and last line of each place in `after` that differs from `before`."""
    old, new = lines_of(before), lines_of(after)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(inner_old) > _COMPARED or len(inner_new) > _COMPARED:
        return ((head + 1, len(new) - tail),)
    matcher = SequenceMatcher(None, inner_old, inner_new, autojunk=False)
    return tuple((head + b + 1, head + e) for kind, _, _, b, e in matcher.get_opcodes() if kind != "equal")


def reads_now(before: str, after: str) -> str:
    return changed_lines(after, differing_lines(before, after), limit=_SHOWN_LINES)


def _quoted(path: str) -> str:
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def _words(command: str, result: CommandResult, timeout: float) -> str:
    if result.timed_out:
        ended = f"timed out after {timeout:g} s and was killed"
    else:
        ended = "passed" if result.exit_code == 0 else f"ended with exit {result.exit_code}"
    head = f"After the edit `{command}` {ended}"
    lines = [line[:_WIDTH] for line in plain_text(result.output).split("\n") if line.strip()]
    if len(lines) > _HEAD + _TAIL:
        left_out = len(lines) - _HEAD - _TAIL
        lines = [*lines[:_HEAD], f"[... {left_out} lines left out ...]", *lines[-_TAIL:]]
    if result.exit_code == 0 and not result.timed_out:
        lines = lines[-1:]
    return "\n".join([f"{head}:" if lines else f"{head}.", *lines])
