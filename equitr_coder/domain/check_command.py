"""What a check command runs: test runners, scripts and launchers, and the paths it names. Pure; expands nothing.

Read generously: a word too many is looked for in the tree and not found there. What cannot be read at all (quotes that
do not close) has no parts.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from posixpath import basename, join, normpath

from equitr_coder.domain.frozen import frozen


class Runner(StrEnum):
    PYTEST = "pytest"
    UNITTEST = "unittest"
    NODE = "node"
    JEST = "jest"
    VITEST = "vitest"
    MOCHA = "mocha"
    GO = "go"
    CARGO = "cargo"
    RSPEC = "rspec"
    PHPUNIT = "phpunit"
    MAVEN = "maven"
    GRADLE = "gradle"
    CTEST = "ctest"
    PROVE = "prove"

    @property
    def language(self) -> str:
        match self:
            case Runner.PYTEST | Runner.UNITTEST:
                return "python"
            case Runner.NODE | Runner.JEST | Runner.VITEST | Runner.MOCHA:
                return "javascript"
            case _:
                return self.value


@frozen
class Part:
    """One program of a check with its arguments."""

    program: str
    arguments: tuple[str, ...]
    folder: str = ""
    """Where it runs, relative to the root; empty at the root."""
    runner: Runner | None = None
    script: str = ""
    """A file that is run: `check.sh`, `tools/verify.py`."""
    makes: tuple[str, ...] | None = None
    """Targets of make; empty for its first one, None when it is not make."""
    package_script: str = ""
    """The script of `package.json` that is run: `test`."""
    is_heard: bool = True
    """Whether what it prints is part of the check's output."""

    @property
    def is_launcher(self) -> bool:
        """It runs something else, which may be tests."""
        return bool(self.script or self.package_script) or self.makes is not None or self.program in _LAUNCHERS


_DEPTH = 4
_SCRIPTS = (".sh", ".bash", ".py", ".js", ".mjs", ".cjs", ".rb", ".pl", ".php")
_LAUNCHERS = frozenset(
    {"tox", "nox", "just", "task", "rake", "bazel", "buck2", "meson", "ninja", "dotnet", "swift", "mix"}
)
_OPERATORS = frozenset(
    {";", "&&", "||", "|", "|&", "&", "(", ")", "{", "}", "!", "then", "do", "else", "if", "while", "fi"}
)
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_PREFIXES = {
    "env": 0, "time": 0, "command": 0, "exec": 0, "nohup": 0, "nice": 0, "builtin": 0, "xvfb-run": 0, "stdbuf": 0,
    "sudo": 0, "npx": 0, "bunx": 0, "pipx": 0, "timeout": 1, "unbuffer": 0,
}  # fmt: skip
"""Programs that run the rest of their words, and how many words of their own come first."""
_RUN_WORDS = {
    "uv": ("run",), "poetry": ("run",), "pipenv": ("run",), "pdm": ("run",), "hatch": ("run",), "rye": ("run",),
    "bundle": ("exec",), "pnpm": ("exec", "dlx"), "yarn": ("exec", "dlx"), "npm": ("exec",), "coverage": ("run",),
    "conda": ("run",), "micromamba": ("run",),
}  # fmt: skip
_PYTHON = re.compile(r"^(?:python|pypy)(?:\d+(?:\.\d+)?)?$")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_PLAIN = {
    "pytest": Runner.PYTEST, "py.test": Runner.PYTEST, "jest": Runner.JEST, "vitest": Runner.VITEST,
    "mocha": Runner.MOCHA, "rspec": Runner.RSPEC, "phpunit": Runner.PHPUNIT, "ctest": Runner.CTEST,
    "prove": Runner.PROVE,
}  # fmt: skip
_MODULES = {"pytest": Runner.PYTEST, "unittest": Runner.UNITTEST}
_BUILD_TESTS = frozenset({"test", "verify", "check", "package", "install", "build"})
_PACKAGE_MANAGERS = frozenset({"npm", "yarn", "pnpm", "bun"})
_SILENT = re.compile(r"^-q{2,}$|^no:terminal$|^-pno:terminal$")


def parts(command: str) -> tuple[Part, ...]:
    """Every program that the command runs, in order; `sh -c TEXT` is looked into."""
    return tuple(_parts(command, folder="", depth=0))


def runners(command: str) -> tuple[Runner, ...]:
    """Runners whose output the check's output holds."""
    return tuple(part.runner for part in parts(command) if part.runner is not None and part.is_heard)


def _parts(command: str, *, folder: str, depth: int) -> Iterator[Part]:
    if depth > _DEPTH:
        return
    for words, ending in _simple_commands(command):
        plain, is_heard = _without_redirections(words)
        bare = _without_prefixes(plain)
        if not bare:
            continue
        if bare[0] in ("cd", "pushd") and len(bare) > 1:
            folder = _within(folder, bare[1])
        else:
            yield from _part(bare, folder=folder, is_heard=is_heard and ending not in ("|", "|&"), depth=depth)


def _simple_commands(command: str) -> Iterator[tuple[list[str], str]]:
    """Words between operators, each with the operator after it."""
    lexer = shlex.shlex(command.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=";&|()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for token in lexer:
            if token in _OPERATORS or not set(token) - set(";&|()"):
                yield words, token
                words = []
            else:
                words.append(token)
    except ValueError:  # a quote that does not close
        return
    yield words, ""


def _without_redirections(words: Sequence[str]) -> tuple[list[str], bool]:
    """The words themselves, and whether what is printed still goes where it went."""
    kept: list[str] = []
    is_heard = True
    rest = iter(words)
    for word in rest:
        if not set(word) - set("<>&") and set(word) & set("<>"):
            if kept and kept[-1].isdigit():
                kept.pop()
            target = next(rest, "")  # of `2>&1` it is the digit
            is_heard = is_heard and not (">" in word and not target.isdigit())
        else:
            kept.append(word)
    return kept, is_heard


def _without_prefixes(words: Sequence[str]) -> list[str]:
    """Without assignments, wrappers (`timeout 60`, `env`) and starters of environments (`uv run`, `npx`)."""
    kept = list(words)
    while kept:
        name = basename(kept[0])
        if _ASSIGNMENT.match(kept[0]):
            kept = kept[1:]
        elif name in _PREFIXES:
            kept = _after_options(kept[1:])[_PREFIXES[name] :]
        elif name in _RUN_WORDS and (after := _after_options(kept[1:])) and after[0] in _RUN_WORDS[name]:
            kept = _after_options(after[1:])
            if name == "coverage" and kept != after[1:] and "-m" in after:
                kept = ["python", "-m", *kept]
            elif name == "coverage":
                kept = ["python", *kept]
        else:
            break
    return kept


def _after_options(words: Sequence[str]) -> list[str]:
    kept = list(words)
    while kept and kept[0].startswith("-"):
        kept = kept[1:]
    return kept


def _part(words: Sequence[str], *, folder: str, is_heard: bool, depth: int) -> Iterator[Part]:
    program, arguments = basename(words[0]), tuple(words[1:])
    bare = Part(program, arguments, folder, is_heard=is_heard)
    if program in _SHELLS and any(re.fullmatch(r"-[a-z]*c", word) for word in arguments[:2]):
        text = next((word for word in arguments if not word.startswith("-")), "")
        for found in _parts(text, folder=folder, depth=depth + 1):
            yield found if is_heard else replace(found, is_heard=False)
    elif program in _SHELLS or program in (".", "source"):
        rest = _after_options(arguments)
        yield replace(bare, script=rest[0] if rest else "", arguments=tuple(rest[1:]))
    elif _PYTHON.match(program) or (program.startswith("$") and "-m" in arguments):
        yield _python(bare)
    elif program in _PLAIN:
        is_quiet = any(_SILENT.match(word) for word in arguments)
        yield replace(bare, runner=_PLAIN[program], is_heard=is_heard and not is_quiet)
    elif program in ("node", "nodejs"):
        yield _node(bare)
    elif program in ("make", "gmake"):
        targets = [word for word in arguments if not word.startswith("-") and not _ASSIGNMENT.match(word)]
        yield replace(bare, makes=tuple(targets))
    elif program in _PACKAGE_MANAGERS:
        yield replace(bare, package_script=_package_script(program, arguments))
    elif runner := _built_runner(program, arguments):
        yield replace(bare, runner=runner, arguments=tuple(word for word in arguments if word != "test"))
    else:
        is_file = "/" in words[0] and ("." not in program or program.endswith(_SCRIPTS))
        yield replace(bare, script=words[0] if is_file else "")


def _built_runner(program: str, arguments: Sequence[str]) -> Runner | None:
    """Of tools for which testing is one of many things that they do."""
    last_steps = {word.rsplit(":", 1)[-1] for word in arguments}
    match program:
        case "go":
            return Runner.GO if arguments[:1] == ("test",) else None
        case "cargo":
            return Runner.CARGO if {"test", "t", "nextest"} & set(arguments) else None
        case "mvn" | "mvnw":
            return Runner.MAVEN if _BUILD_TESTS & last_steps else None
        case "gradle" | "gradlew":
            return Runner.GRADLE if _BUILD_TESTS & last_steps else None
        case _:
            return None


def _node(bare: Part) -> Part:
    if any(word == "--test" or word.startswith("--test-") for word in bare.arguments):
        return replace(bare, runner=Runner.NODE)
    return replace(bare, script=next((word for word in bare.arguments if not word.startswith("-")), ""))


def _python(bare: Part) -> Part:
    arguments = bare.arguments
    for number, word in enumerate(arguments):
        if word == "-c":
            return bare
        if word.startswith("-m"):
            module = word[2:] or (arguments[number + 1] if number + 1 < len(arguments) else "")
            rest = arguments[number + (1 if word[2:] else 2) :]
            if module not in _MODULES:
                return replace(bare, script=module.replace(".", "/") + ".py", arguments=rest)
            is_quiet = module == "pytest" and any(_SILENT.match(other) for other in rest)
            return replace(bare, runner=_MODULES[module], arguments=rest, is_heard=bare.is_heard and not is_quiet)
        if not word.startswith("-"):
            return replace(bare, script=word, arguments=arguments[number + 1 :])
    return bare


def _package_script(program: str, arguments: Sequence[str]) -> str:
    words = [word for word in arguments if not word.startswith("-")]
    if not words:
        return ""
    if words[0] in ("run", "run-script") and len(words) > 1:
        return words[1]
    if words[0] in ("t", "tst"):
        return "test"
    return words[0] if words[0] in ("test", "start") or program in ("yarn", "pnpm") else ""


def _within(folder: str, path: str) -> str:
    joined = normpath(join(folder, path))
    return "" if joined == "." else joined
