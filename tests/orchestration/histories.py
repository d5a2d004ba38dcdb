"""Histories of two tasks with known outcomes: what one landed, what the other hands in, what must come of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

FILE, SCRIPT, LINK, MODULE = "100644", "100755", "120000", "160000"
COMMIT = "1234567890123456789012345678901234567890"
"""A commit of another repository, as a submodule names it."""


@dataclass(frozen=True)
class Entry:
    content: bytes
    mode: str = FILE


Files = Mapping[str, Entry | None]
"""Path -> what stands there; None takes it out."""


@dataclass(frozen=True)
class History:
    name: str
    base: Files
    first: Files
    """What the first task changed, which has landed."""
    second: Files
    merged: Files = field(default_factory=dict)
    """What the branch must hold when it lands, beside what the two changed alone."""
    clash: tuple[str, ...] = ()
    """The paths that must be reported; empty when it lands."""
    check: str | None = None
    stage: str = "merge"
    how: str = ""
    """How the conflict was resolved where one was found and it lands all the same."""

    def moved(self, name: str, paths: Mapping[str, str], *, ending: str = "\n") -> "History":
        """The same with other paths, or other line ends."""

        def files(old: Files) -> dict[str, Entry | None]:
            return {
                paths.get(path, path): entry
                and (
                    replace(entry, content=entry.content.replace(b"\n", ending.encode()))
                    if entry.mode != LINK
                    else entry
                )
                for path, entry in old.items()
            }

        return replace(
            self,
            name=f"{self.name}, {name}",
            base=files(self.base),
            first=files(self.first),
            second=files(self.second),
            merged=files(self.merged),
            clash=tuple(sorted(paths.get(path, path) for path in self.clash)),
        )


def text(*lines: str) -> Entry:
    return Entry("".join(f"{line}\n" for line in lines).encode())


TEN = tuple(f"line {number}" for number in range(1, 11))
PYTHON = ("import os", "", "ROWS = [", "    1,", "]", "", "", "def one():", "    return os.name")


def changed(lines: tuple[str, ...], number: int, new: str) -> tuple[str, ...]:
    return (*lines[:number], new, *lines[number + 1 :])


def put_in(lines: tuple[str, ...], number: int, *new: str) -> tuple[str, ...]:
    return (*lines[:number], *new, *lines[number:])


README = {"README.md": text("# Shop")}

TEXTS = (
    History("disjoint files", README, {"a.txt": text("a")}, {"b.txt": text("b")}),
    History(
        "far apart in one file",
        {"a.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 0, "first"))},
        {"a.txt": text(*changed(TEN, 9, "second"))},
        merged={"a.txt": text(*changed(changed(TEN, 0, "first"), 9, "second"))},
    ),
    History(
        "the same line",
        {"a.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 4, "first"))},
        {"a.txt": text(*changed(TEN, 4, "second"))},
        clash=("a.txt",),
    ),
    History(
        "lines that touch",
        {"a.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 4, "first"))},
        {"a.txt": text(*changed(TEN, 5, "second"))},
        clash=("a.txt",),
    ),
    History(
        "the same change",
        {"a.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 4, "both"))},
        {"a.txt": text(*changed(TEN, 4, "both")), "b.txt": text("b")},
    ),
    History(
        "both append",
        {"a.txt": text(*TEN)},
        {"a.txt": text(*TEN, "first")},
        {"a.txt": text(*TEN, "second")},
        clash=("a.txt",),
    ),
    History(
        "one clash among many files",
        {"a.txt": text(*TEN), "b.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 4, "first")), "b.txt": text(*changed(TEN, 0, "first"))},
        {"a.txt": text(*changed(TEN, 4, "second")), "b.txt": text(*changed(TEN, 9, "second")), "c.txt": text("c")},
        clash=("a.txt",),
    ),
    History(
        "two clashes",
        {"a.txt": text(*TEN), "b.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 4, "first")), "b.txt": text(*changed(TEN, 0, "first"))},
        {"a.txt": text(*changed(TEN, 4, "second")), "b.txt": text(*changed(TEN, 0, "second"))},
        clash=("a.txt", "b.txt"),
    ),
    History(
        "the same new file with other words",
        README,
        {"a.txt": text("first")},
        {"a.txt": text("second")},
        clash=("a.txt",),
    ),
    History("the same new file", README, {"a.txt": text("both")}, {"a.txt": text("both"), "b.txt": text("b")}),
    History(
        "delete against edit", {"a.txt": text(*TEN)}, {"a.txt": None}, {"a.txt": text(*TEN, "x")}, clash=("a.txt",)
    ),
    History(
        "edit against delete", {"a.txt": text(*TEN)}, {"a.txt": text(*TEN, "x")}, {"a.txt": None}, clash=("a.txt",)
    ),
    History(
        "delete on both sides", {"a.txt": text(*TEN), **README}, {"a.txt": None}, {"a.txt": None, "b.txt": text("b")}
    ),
    History(
        "rename against edit",
        {"a.txt": text(*TEN)},
        {"a.txt": None, "b.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 4, "second"))},
        merged={"a.txt": None, "b.txt": text(*changed(TEN, 4, "second"))},
    ),
    History(
        "edit against rename",
        {"a.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 4, "first"))},
        {"a.txt": None, "b.txt": text(*TEN)},
        merged={"a.txt": None, "b.txt": text(*changed(TEN, 4, "first"))},
    ),
    History(
        "rename and edit against an edit of the same line",
        {"a.txt": text(*TEN)},
        {"a.txt": None, "b.txt": text(*changed(TEN, 4, "first"))},
        {"a.txt": text(*changed(TEN, 4, "second"))},
        clash=("b.txt",),
    ),
    History(
        "rename on both sides to other names",
        {"a.txt": text(*TEN)},
        {"a.txt": None, "b.txt": text(*TEN)},
        {"a.txt": None, "c.txt": text(*TEN)},
        clash=("a.txt", "b.txt", "c.txt"),
    ),
    History(
        "everything emptied against an edit",
        {"a.txt": text(*TEN)},
        {"a.txt": Entry(b"")},
        {"a.txt": text(*changed(TEN, 4, "second"))},
        clash=("a.txt",),
    ),
)
"""Plain text; played with several names and line ends."""

CODE = (
    History(
        "both add an import",
        {"a.py": text(*PYTHON)},
        {"a.py": text(*put_in(PYTHON, 1, "import json"))},
        {"a.py": text(*put_in(PYTHON, 1, "import re"))},
        merged={"a.py": text(*put_in(PYTHON, 1, "import json", "import re"))},
        how="structure",
    ),
    History(
        "both add a function at the end",
        {"a.py": text(*PYTHON)},
        {"a.py": text(*PYTHON, "", "", "def two():", "    pass")},
        {"a.py": text(*PYTHON, "", "", "def three():", "    pass")},
        merged={"a.py": text(*PYTHON, "", "", "def two():", "    pass", "", "", "def three():", "    pass")},
        how="structure",
    ),
    History(
        "both add a row",
        {"a.py": text(*PYTHON)},
        {"a.py": text(*put_in(PYTHON, 4, "    2,"))},
        {"a.py": text(*put_in(PYTHON, 4, "    3,"))},
        merged={"a.py": text(*put_in(PYTHON, 4, "    2,", "    3,"))},
        how="structure",
    ),
    History(
        "both make the file",
        README,
        {"a.py": text("def two():", "    pass")},
        {"a.py": text("def three():", "    pass")},
        merged={"a.py": text("def two():", "    pass", "", "", "def three():", "    pass")},
        how="structure",
    ),
    History(
        "a function added to a file that was renamed, and another there",
        {"a.py": text(*PYTHON)},
        {"a.py": None, "b.py": text(*PYTHON, "", "", "def two():", "    pass")},
        {"a.py": text(*PYTHON, "", "", "def three():", "    pass")},
        merged={
            "a.py": None,
            "b.py": text(*PYTHON, "", "", "def two():", "    pass", "", "", "def three():", "    pass"),
        },
        how="structure",
    ),
    History(
        "both change a function",
        {"a.py": text(*PYTHON)},
        {"a.py": text(*changed(PYTHON, 8, "    return 1"))},
        {"a.py": text(*changed(PYTHON, 8, "    return 2"))},
        clash=("a.py",),
    ),
    History(
        "both add the same name",
        {"a.py": text(*PYTHON)},
        {"a.py": text(*PYTHON, "", "", "def two():", "    return 1")},
        {"a.py": text(*PYTHON, "", "", "def two():", "    return 2")},
        clash=("a.py",),
    ),
    History(
        "structure merges one file, and another clashes",
        {"a.py": text(*PYTHON), "c.txt": text(*TEN)},
        {"a.py": text(*put_in(PYTHON, 1, "import json")), "c.txt": text(*changed(TEN, 4, "first"))},
        {"a.py": text(*put_in(PYTHON, 1, "import re")), "c.txt": text(*changed(TEN, 4, "second"))},
        clash=("a.py", "c.txt"),
    ),
    History(
        "both list a package",
        {"requirements.txt": text("a==1")},
        {"requirements.txt": text("a==1", "b==1")},
        {"requirements.txt": text("a==1", "c==1")},
        merged={"requirements.txt": text("a==1", "b==1", "c==1")},
        how="structure",
    ),
    History(
        "both list a package in two versions",
        {"requirements.txt": text("a==1")},
        {"requirements.txt": text("a==1", "b==1")},
        {"requirements.txt": text("a==1", "b==2")},
        clash=("requirements.txt",),
    ),
)
"""What structure can merge, and what it leaves; played with both line ends."""

KINDS = (
    History(
        "mode against edit",
        {"run.sh": text(*TEN)},
        {"run.sh": replace(text(*TEN), mode=SCRIPT)},
        {"run.sh": text(*changed(TEN, 4, "second"))},
        merged={"run.sh": replace(text(*changed(TEN, 4, "second")), mode=SCRIPT)},
    ),
    History(
        "edit against mode",
        {"run.sh": text(*TEN)},
        {"run.sh": text(*changed(TEN, 4, "first"))},
        {"run.sh": replace(text(*TEN), mode=SCRIPT)},
        merged={"run.sh": replace(text(*changed(TEN, 4, "first")), mode=SCRIPT)},
    ),
    History(
        "structure keeps a mode",
        {"a.py": replace(text(*PYTHON), mode=SCRIPT)},
        {"a.py": replace(text(*put_in(PYTHON, 1, "import json")), mode=SCRIPT)},
        {"a.py": replace(text(*put_in(PYTHON, 1, "import re")), mode=SCRIPT)},
        merged={"a.py": replace(text(*put_in(PYTHON, 1, "import json", "import re")), mode=SCRIPT)},
        how="structure",
    ),
    History("bytes apart", {"a.bin": Entry(b"\0a")}, {"b.bin": Entry(b"\0b")}, {"a.bin": Entry(b"\0c")}),
    History(
        "bytes on both sides",
        {"a.bin": Entry(b"\0a")},
        {"a.bin": Entry(b"\0b")},
        {"a.bin": Entry(b"\0c")},
        clash=("a.bin",),
    ),
    History(
        "bytes that end in .py",
        {"a.py": Entry(b"\0a")},
        {"a.py": Entry(b"\0b")},
        {"a.py": Entry(b"\0c")},
        clash=("a.py",),
    ),
    History(
        "bytes against delete", {"a.bin": Entry(b"\0a")}, {"a.bin": None}, {"a.bin": Entry(b"\0c")}, clash=("a.bin",)
    ),
    History("a link apart", README, {"to": Entry(b"README.md", LINK)}, {"b.txt": text("b")}),
    History(
        "a link on both sides",
        {"to": Entry(b"README.md", LINK), **README},
        {"to": Entry(b"a", LINK)},
        {"to": Entry(b"b", LINK)},
        clash=("to",),
    ),
    History(
        "a link that looks like a module",
        {"to.py": Entry(b"x.py", LINK), **README},
        {"to.py": Entry(b"a.py", LINK)},
        {"to.py": Entry(b"b.py", LINK)},
        clash=("to.py",),
    ),
    History(
        "a submodule beside",
        {"sub": Entry(COMMIT.encode(), MODULE), "a.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 0, "first"))},
        {"a.txt": text(*changed(TEN, 9, "second"))},
        merged={"a.txt": text(*changed(changed(TEN, 0, "first"), 9, "second"))},
    ),
    History(
        "a submodule beside a clash",
        {"sub": Entry(COMMIT.encode(), MODULE), "a.txt": text(*TEN)},
        {"a.txt": text(*changed(TEN, 4, "first"))},
        {"a.txt": text(*changed(TEN, 4, "second"))},
        clash=("a.txt",),
    ),
    History(
        "a submodule moved on one side",
        {"sub": Entry(COMMIT.encode(), MODULE), **README},
        {"sub": Entry(COMMIT[::-1].encode(), MODULE)},
        {"b.txt": text("b")},
    ),
    History(
        "a submodule moved on both",
        {"sub": Entry(COMMIT.encode(), MODULE), **README},
        {"sub": Entry(COMMIT[::-1].encode(), MODULE)},
        {"sub": Entry(COMMIT.replace("1", "f").encode(), MODULE)},
        clash=("sub",),
    ),
    History(
        "a file becomes a folder",
        {"a": text(*TEN), **README},
        {"a": None, "a/b.txt": text("b")},
        {"a": text(*changed(TEN, 4, "second"))},
        clash=("a",),
    ),
    History(
        "all lines end otherwise",
        {"a.txt": text(*TEN)},
        {"a.txt": Entry(text(*TEN).content.replace(b"\n", b"\r\n"))},
        {"a.txt": text(*changed(TEN, 4, "second"))},
        clash=("a.txt",),
    ),
    History(
        "one module got other line ends",
        {"a.py": text(*PYTHON)},
        {"a.py": Entry(text(*put_in(PYTHON, 1, "import json")).content.replace(b"\n", b"\r\n"))},
        {"a.py": text(*put_in(PYTHON, 1, "import re"))},
        clash=("a.py",),
    ),
    History(
        "no line end at the end",
        {"a.txt": Entry(b"a\nb")},
        {"a.txt": Entry(b"a\nb\n")},
        {"a.txt": Entry(b"a\nb c")},
        clash=("a.txt",),
    ),
    History(
        "green apart and red together",
        {
            "lib": text("old"),
            "all.sh": text('for f in *.use; do grep -qx "$(cat "$f")" lib || exit 1; done'),
            "a.use": text("old"),
        },
        {"lib": text("new"), "a.use": text("new")},
        {"b.use": text("old")},
        clash=("a.use", "lib"),
        check="sh all.sh",
        stage="check",
    ),
    History(
        "green apart and green together",
        {
            "lib": text("old"),
            "all.sh": text('for f in *.use; do grep -qx "$(cat "$f")" lib || exit 1; done'),
            "a.use": text("old"),
        },
        {"c.use": text("old")},
        {"b.use": text("old")},
        check="sh all.sh",
    ),
)
"""What is no plain text, or stands in the way of it."""

_NAMES = {
    "with spaces": {"a.txt": "a b/c d.txt", "b.txt": "a b/b .txt", "c.txt": "a b/c c.txt"},
    "with other letters": {"a.txt": "ä/日本.txt", "b.txt": "ä/ñ.txt", "c.txt": "ä/ß.txt"},
    "deep": {"a.txt": "one/two/three/a.txt", "b.txt": "one/two/b.txt", "c.txt": "one/c.txt"},
    "with quotes": {"a.txt": 'a"b.txt', "b.txt": "b'c.txt", "c.txt": "c\\d.txt"},
}


def histories() -> Iterator[History]:
    yield from TEXTS
    yield from CODE
    yield from KINDS
    for name, paths in _NAMES.items():
        yield from (history.moved(name, paths) for history in TEXTS)
    yield from (history.moved("with CRLF", {}, ending="\r\n") for history in (*TEXTS, *CODE))
