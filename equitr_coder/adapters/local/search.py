"""Lines that match a regular expression, by ripgrep, git or Python: whichever is there, the answer is the same.

The files to search are given; an engine only finds lines in them. What a pattern means is what Python's `re` says: the
others are trusted with patterns that all of them read alike, and with lines that all of them end alike.
"""

import os
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from equitr_coder.adapters.local import scan
from equitr_coder.adapters.local.listing import GIT_OPTIONS
from equitr_coder.adapters.local.processes import run_process
from equitr_coder.adapters.local.text import is_binary
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import CommandResult, SearchHit, SearchResult

LONGEST_LINE = 300
LARGEST_FILE = 1_000_000
_SECONDS = 30.0
_ARGUMENT_BYTES = 100_000
_LINE = re.compile(rb"(\d+)[:\0](.*)", re.DOTALL)

_RIPGREP = (
    "--no-config --no-messages --line-number --no-heading --with-filename --null --color=never --text --encoding=none "
    "--crlf"
)
_GIT_GREP = "grep --no-recurse-submodules --no-color --no-column --no-textconv -naz --perl-regexp"
_READ_APART = re.compile(r"\\[<>AZav0-9]|\\b\{|\(\?(?![:=!<imP])|\{,|\[[^\]]*(?:\[|&&|--|~~|\|\|)")
"""What ripgrep or git read otherwise than Python: word marks of `grep`, anchors of the whole text, sets of sets."""
_LITERAL = re.compile(r"[\w ]+")
_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "digit": "0-9", "lower": "a-z", "punct": r"!-/:-@\[-`{-~",
    "space": r"\s", "upper": "A-Z", "word": r"\w", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


def without_posix(pattern: str) -> str:
    """`[[:space:]]` and the like, which Python does not know, in Python's words."""
    return re.sub(r"(?<=[\[\w\]^])\[:(\w+):\]", lambda found: _POSIX.get(found[1], found[0]), pattern)


def is_plain(pattern: str) -> bool:
    """Whether it means the same to every engine. Known to differ even so: what `\\w` says of combining marks and of
    superscript digits.
    """
    if _READ_APART.search(pattern):
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


class Search:
    """One search. `limit` is how many hits are kept of each file, and in all."""

    def __init__(self, root: Path, *, pattern: str, limit: int, env: Mapping[str, str]) -> None:
        self._root = root
        self._pattern = pattern
        self._limit = limit
        self._env = env
        self._hits: dict[str, list[SearchHit]] = defaultdict(list)
        self._counts: dict[str, int] = defaultdict(int)
        self._settled: frozenset[str] = frozenset()
        """Files whose hits are all known."""
        self._crlf: set[str] = set()
        """Files with hits on lines that end in CR LF."""
        self._rest = b""
        self._errors = b""
        self._is_complete = True

    async def with_ripgrep(self, program: str, files: Sequence[str]) -> bool:
        """False when it does not understand the pattern."""
        for chunk in _chunks(files):
            done = await self._run([program, *_RIPGREP.split(), f"--regexp={self._pattern}", "--", *chunk])
            if done.exit_code > 1 and self._errors:
                return False
        return True

    async def with_git(self, program: str, folder: str) -> bool:
        """False when it does not understand the pattern, or no pattern of this kind."""
        pattern = f"(*UCP)(*ANYCRLF){self._pattern}"
        # Untracked files are searched together with those tracked ones that are not ignored: hence both, in this order.
        for option in ((), ("--untracked",)):
            self._settled = frozenset(self._counts)
            argv = [program, *GIT_OPTIONS, *_GIT_GREP.split(), *option, "-e", pattern, "--", folder]
            if (await self._run(argv)).exit_code > 1:
                return False
        return True

    async def with_python(self, files: Sequence[str]) -> None:
        """Raises ToolFailure when the pattern is no regular expression."""
        for chunk in _chunks(files) or [[]]:
            self._errors = b""
            done = await self._run([sys.executable, "-I", "-S", scan.__file__, self._pattern, *chunk])
            if done.exit_code != 0 and not done.timed_out:
                raise ToolFailure(
                    f"The pattern is not a valid regular expression: {self._errors.decode(errors='replace')}. "
                    f"To search for it as plain text, escape it: {re.escape(self._pattern)}"
                )

    def forget(self, files: Sequence[str]) -> None:
        """Start again with another engine, on these."""
        for path in files:
            self._hits.pop(path, None)
            self._counts.pop(path, None)
        self._settled = frozenset()
        self._rest = self._errors = b""

    def doubtful(self, files: Sequence[str]) -> list[str]:
        """Files in which the CR of a line's end may have been taken for a part of the line."""
        return [] if _LITERAL.fullmatch(self._pattern) else [path for path in files if path in self._crlf]

    def result(self, files: Sequence[str]) -> SearchResult:
        """What was found in `files`; hits in others and in binary files do not count."""
        searched = set(files)
        paths = [path for path in sorted(self._counts) if path in searched and not _is_binary(self._root / path)]
        hits = [hit for path in paths for hit in sorted(self._hits[path], key=lambda hit: hit.line)]
        per_file = {path: self._counts[path] for path in paths}
        return SearchResult(
            hits=tuple(hits[: self._limit]),
            per_file=per_file,
            is_complete=self._is_complete and sum(per_file.values()) <= self._limit,
        )

    async def _run(self, argv: Sequence[str]) -> CommandResult:
        done = await run_process(
            argv,
            cwd=self._root,
            env=self._env,
            timeout=_SECONDS,
            on_output=self._take,
            on_errors=self._take_error,
            cap=2,  # what is wanted of the output is taken as it comes
        )
        if self._rest:
            self._take(b"\n")
        if done.timed_out:
            self._is_complete = False
            if not self._counts:
                raise ToolFailure(f"The search took longer than {_SECONDS:.0f} s; narrow the pattern, path or glob.")
        return done

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            path, _, found = line.partition(b"\0")
            match = _LINE.fullmatch(found)
            if match is None:
                continue
            name = os.fsdecode(path)
            if name in self._settled:
                continue
            self._counts[name] += 1
            if match[2].endswith(b"\r"):
                self._crlf.add(name)
            if len(self._hits[name]) < self._limit:
                text = match[2].decode("utf-8", "replace").removeprefix("\ufeff").removesuffix("\r")
                self._hits[name].append(SearchHit(name, int(match[1]), text[:LONGEST_LINE]))

    def _take_error(self, data: bytes) -> None:
        self._errors += data[:2_000]


def _chunks(files: Sequence[str]) -> list[list[str]]:
    """Arguments for several runs, each short enough for the system."""
    chunks: list[list[str]] = []
    room = 0
    for file in files:
        size = len(os.fsencode(file)) + 1
        if size > room or not chunks:
            chunks.append([])
            room = _ARGUMENT_BYTES
        chunks[-1].append(file)
        room -= size
    return chunks


def _is_binary(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_binary(file.read(8_000))
    except OSError:
        return True
