"""What a shell command line says, read conservatively: whatever is not certainly understood is not understood.

Runs nothing and expands nothing. The tokenizer knows less than the shell on purpose.
"""

import re
from collections.abc import Sequence
from itertools import dropwhile
from posixpath import normpath

from equitr_coder.domain.frozen import frozen

_GLOBS = "*?["
_NOT_UNDERSTOOD = frozenset("$`(){}<\n\r\v\f\0")
"""Unquoted, these expand, substitute, group, redirect or end a command."""
_AFTER_LITERAL_DOLLAR = frozenset('" |/)')
"""In double quotes a dollar before one of these is only a dollar, as at the end of a search pattern."""
_ENDS = frozenset(" \t;|&<>")
_HARMLESS_REDIRECTION = re.compile(r"(?:[12]?>&[12]|[12]?>[ \t]*/dev/null)(?=[ \t;|&]|\Z)")
_JOINS = ("&&", "||", "|", ";")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_WRAPPERS = frozenset(
    {"sudo", "doas", "env", "nohup", "nice", "ionice", "time", "timeout", "stdbuf", "xargs", "exec", "command"}
    | {"builtin", "setsid", "busybox", "eval", "then", "do", "else", "if", "while", "until", "!", "{", "("}
)
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_SEPARATORS = re.compile(r"[;&|\n\r(){}`]|\$\(")
_RUNS_NEXT = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_GIT_OPTIONS_WITH_VALUE = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"})
_CHANGES_FOLDER = frozenset({"cd", "pushd"})


@frozen
class Word:
    """One argument after quotes are removed. `glob` is the index of its first unquoted `*`, `?` or `[`, or -1."""

    text: str
    glob: int = -1


SimpleCommand = tuple[Word, ...]


def parse(line: str) -> tuple[SimpleCommand, ...] | None:
    """The simple commands of a line that joins them with `|`, `&&`, `||` or `;`.

    None when it holds anything else: substitutions, variables, subshells, jobs, here-documents, several lines, and
    every redirection but `2>&1`, `1>&2` and `> /dev/null`.
    """
    commands: list[SimpleCommand] = []
    words: list[Word] = []
    joined = False
    at = 0
    while at < len(line):
        if line[at] in " \t":
            at += 1
        elif (join := _join(line, at)) is not None:
            if not words:
                return None
            commands.append(tuple(words))
            words = []
            joined = join != ";"
            at += len(join)
        elif (end := _harmless_redirection(line, at)) is not None:
            at = end
        else:
            read = _word(line, at)
            if read is None:
                return None
            words.append(read[0])
            at = read[1]
    if words:
        commands.append(tuple(words))
    elif joined:
        return None
    return tuple(commands) or None


def _join(line: str, at: int) -> str | None:
    return next((join for join in _JOINS if line.startswith(join, at)), None)


def _harmless_redirection(line: str, at: int) -> int | None:
    """Where it ends, when a redirection that writes nowhere begins here."""
    found = _HARMLESS_REDIRECTION.match(line, at)
    return found.end() if found else None


def _word(line: str, at: int) -> tuple[Word, int] | None:
    if line[at] == "#" or line[at] in _ENDS:
        return None
    text: list[str] = []
    glob = -1
    while at < len(line) and line[at] not in _ENDS:
        char = line[at]
        if char in "'\"":
            read = _quoted(line, at)
            if read is None:
                return None
            text.append(read[0])
            at = read[1]
            continue
        if char in _NOT_UNDERSTOOD or (char.isspace() and char not in " \t"):
            return None
        if char == "\\":
            at += 1
            if at >= len(line) or line[at] in "\n\r":
                return None
        elif char in _GLOBS and glob < 0:
            glob = sum(len(part) for part in text)
        text.append(line[at])
        at += 1
    if at < len(line) and line[at] in "<>":
        return None
    return Word("".join(text), glob), at


def _quoted(line: str, at: int) -> tuple[str, int] | None:
    """The text between quotes, and where it ends."""
    quote = line[at]
    at += 1
    text: list[str] = []
    while at < len(line) and line[at] != quote:
        if line[at] in "\n\r\0":
            return None
        if quote == '"':
            if line[at] == "`" or (line[at] == "$" and line[at + 1 : at + 2] not in _AFTER_LITERAL_DOLLAR):
                return None
            if line[at] == "\\" and at + 1 < len(line) and line[at + 1] in '"\\$`':
                at += 1
        text.append(line[at])
        at += 1
    return ("".join(text), at + 1) if at < len(line) else None


def spellings(line: str) -> tuple[str, ...]:
    """Every form of a line that a deny rule must see: the whole, its parts, and each part without path, wrappers
    and quotes. Reads too much rather than too little.
    """
    found: dict[str, None] = {line.strip(): None}
    _collect(line, found, depth=0)
    return tuple(form for form in found if form)


def _collect(line: str, found: dict[str, None], *, depth: int) -> None:
    if depth > 4:
        return
    plain = line.replace("\\\n", " ")
    for part in (*_SEPARATORS.split(plain), *_SEPARATORS.split(_unquoted(plain))):
        words = _unquoted(part).split()
        while words:
            program = words[0].rpartition("/")[2]
            for form in (words, [program, *words[1:]], _without_git_options(program, words)):
                found[" ".join(form)] = None
            if program in _SHELLS or program == "eval":
                _collect(" ".join(_after_options(words[1:])), found, depth=depth + 1)
            starts = [index + 1 for index, word in enumerate(words) if word in _RUNS_NEXT]
            if program in _WRAPPERS or _ASSIGNMENT.match(words[0]):
                words = _after_options(words[1:])
            elif starts:
                words = words[starts[0] :]
            else:
                break


def _after_options(words: list[str]) -> list[str]:
    return list(dropwhile(lambda word: word.startswith("-") or bool(re.fullmatch(r"\d+[smhd]?", word)), words))


def _without_git_options(program: str, words: list[str]) -> list[str]:
    """`git push` for `git -C elsewhere -c a=b push`."""
    if program != "git":
        return words
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in _GIT_OPTIONS_WITH_VALUE else rest[1:]
    return ["git", *rest]


def _unquoted(text: str) -> str:
    return re.sub(r"['\"\\]", "", text)


def leaves_root(line: str, roots: Sequence[str]) -> bool:
    """Whether the line changes into a folder that is in none of `roots` (absolute paths of the same folder)."""
    commands = parse(line)
    here = "."
    for words in _loosely(line) if commands is None else [[word.text for word in words] for words in commands]:
        if not words or words[0] not in _CHANGES_FOLDER:
            continue
        targets = [word for word in words[1:] if word == "-" or not word.startswith("-")]
        if not targets or targets[0].startswith(("~", "-", "$")):
            return True
        moved = _within(targets[0], here, roots)
        if moved is None:
            return True
        here = moved
    return False


def _loosely(line: str) -> list[list[str]]:
    return [_unquoted(part).split() for part in _SEPARATORS.split(line)]


def _within(target: str, here: str, roots: Sequence[str]) -> str | None:
    """`target` as a path relative to the root, or None when it is outside."""
    if target.startswith("/"):
        path = normpath(target)
        for root in roots:
            if path == root or path.startswith(f"{root.rstrip('/')}/"):
                return path[len(root.rstrip("/")) :].lstrip("/") or "."
        return None
    moved = normpath(f"{here}/{target}")
    return None if moved == ".." or moved.startswith("../") else moved


def reaches_outside(words: Sequence[Word], roots: Sequence[str]) -> bool:
    """Whether an argument may name a path outside the root: absolute, `~`, or with `..`; also after `=` or `-X`."""
    return any(_outside(word, roots) for word in words)


def _outside(word: Word, roots: Sequence[str]) -> bool:
    for candidate in {word.text, word.text.partition("=")[2], re.sub(r"^-[A-Za-z]", "", word.text)}:
        steps = re.split(r"[/:]", candidate)
        if candidate.startswith("~") or ".." in steps:
            return True
        if word.glob >= 0 and any(re.match(r"\.\.?[*?\[]", step) for step in steps):
            return True  # `.*` may stand for `..`
        if candidate.startswith("/") and _within(candidate, ".", roots) is None:
            return True
    return False
