"""A fault put into tests on purpose: a check that stays green with it would stay green with anything.

Asked only of changes that hold words with which code can silence a runner (`is_bold`). Pure.
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping

from equitr_coder.domain.check_command import parts

_BOLD = re.compile(
    r"_exit|sys\.exit|SystemExit|atexit|unittest|TestCase|pytest|sys\.modules|__import__|importlib|builtins|ctypes"
    r"|os\.kill|os\.abort|\bexec[vl]?[pe]*\(|\beval\(|settrace|setprofile|\bgc\b|\binspect\b|_getframe|signal\."
    r"|process\.(?:exit|reallyExit|exitCode|kill|abort)|node:test|require\.cache|Module\._load|\bassert\.\w+ *="
    r"|excepthook|sys\.argv|__class__|setattr\(|monkeypatch|\bskip\b|SkipTest|globals\(\)|__subclasses__|sys\.stdout"
)
_WORDS = "equitrcoder: this fault must be seen"
_ASSERTIONS = {
    "assertEqual": "assertEqual(0, 1)", "assertTrue": "assertTrue(False)", "assertFalse": "assertFalse(True)",
    "assertIs": "assertIs(0, 1)", "assertIn": "assertIn(0, ())", "assertIsNone": "assertIsNone(0)",
    "assertRaises": "assertRaises(ValueError, int)", "assertIsInstance": "assertIsInstance(0, str)",
    "strictEqual": "strictEqual(0, 1)", "equal": "equal(0, 1)", "deepStrictEqual": "deepStrictEqual([0], [1])",
    "deepEqual": "deepEqual([0], [1])", "ok": "ok(false)",
}  # fmt: skip
"""Assertion -> a call of it that must fail."""
_MOST_WAYS = 5
_ENDS_ITSELF = re.compile(r"\bexit\(|\bquit\(|\.main\(|process\.exit|raise SystemExit")


def holds_bold_words(text: str) -> bool:
    """Whether any line of a file has such a word: what `is_bold` finds among the lines added to it stands in it."""
    return _BOLD.search(text) is not None


def is_bold(diff: str) -> bool:
    """Whether an added line of a unified diff holds a word with which code can silence what runs it."""
    return any(_BOLD.search(line) for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++"))


def faults(files: Mapping[str, str], *, scripts: Collection[str]) -> Iterator[dict[str, bytes]]:
    """The files with a fault each, once for every way in which their tests tell a failure; an honest runner misses
    none. Files for which nobody knows where to put one are left out.
    """
    texts = "\n".join(files.values())
    ways = ["raise", *(name for name in _ASSERTIONS if re.search(rf"\b{name}\(", texts))]
    for way in ways[:_MOST_WAYS]:
        made = {path: _with_fault(path, text, way, is_script=path in scripts) for path, text in files.items()}
        found = {path: text.encode() for path, text in made.items() if text is not None}
        if found:
            yield found


def _with_fault(path: str, text: str, way: str, *, is_script: bool) -> str | None:
    if path.endswith(".py"):
        if is_script and not _ENDS_ITSELF.search(text):
            return f'{text}\nraise AssertionError("{_WORDS}")\n'
        return _in_tests(text, way)
    if path.endswith((".js", ".mjs", ".cjs")):
        if is_script and _ENDS_ITSELF.search(text):
            return None
        fault = f'throw new Error("{_WORDS}")' if way == "raise" else f"assert.{_ASSERTIONS[way]}"
        return f"{text}\n;{fault};\n"
    return None


def command_with_fault(command: str) -> str | None:
    """The command with a fault at the end of each `python -c` text; None when there is none to be found."""
    faulty = command
    for part in parts(command):
        words = part.arguments
        if "-c" in words and part.program.startswith(("python", "pypy")):
            text = words[words.index("-c") + 1] if words.index("-c") + 1 < len(words) else ""
            if text and "\n" not in text and command.count(text) == 1 and not _ENDS_ITSELF.search(text):
                faulty = faulty.replace(text, f"{text}; raise AssertionError")
    return faulty if faulty != command else None


def chosen(tests: Collection[str], old: Collection[str], most: int = 20) -> tuple[str, ...]:
    """The files to put the fault into: those that were there first."""
    return tuple(sorted(tests, key=lambda path: (path not in old, path)))[:most]


def _in_tests(text: str, way: str) -> str | None:
    """A fault as the first statement of every test function; without any, after the imports: what the file imports has
    had its chance by then.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    lines = text.splitlines(keepends=True)
    tests = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    ]
    places = [(node.body[0].lineno - 1, node.body[0].col_offset) for node in tests if node.body[0].lineno > node.lineno]
    fault = f'raise AssertionError("{_WORDS}")' if way == "raise" else f"return self.{_ASSERTIONS[way]}"
    if not places:
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        places = [((imports[-1].end_lineno or 0) if imports else 0, 0)]
        fault = f'raise AssertionError("{_WORDS}")'
    for at, indent in sorted(places, reverse=True):
        lines[at:at] = [f"{' ' * indent}{fault}\n"]
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
