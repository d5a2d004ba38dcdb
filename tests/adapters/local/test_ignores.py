import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.local.ignores import Ignores
from tests.adapters.local.conftest import git

_PIECES = [
    "a",
    "b",
    "ab",
    "*",
    "**",
    "?",
    "[ab]",
    "[!a]",
    "[a-b]",
    "[]a]",
    "[",
    "/",
    "!",
    "#",
    "\\",
    " ",
    ".",
    "[[:alpha:]]",
]
_PATHS = (
    "a",
    "b",
    "ab",
    "a b",
    "a/a",
    "a/b",
    "ab/a",
    "a/b/a",
    "a/ab/b",
    "b/a/ab",
    "#",
    "!",
    "a/!b",
    "[",
    "]a",
    ".a",
    "a ",
)


def ignored_by_git(root: Path) -> set[str]:
    asked = "\0".join(_PATHS).encode()
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "check-ignore", "--no-index", "--stdin", "-z"]
    done = subprocess.run(argv, cwd=root, env=env, input=asked, capture_output=True, check=False)
    return {path.decode() for path in done.stdout.split(b"\0") if path}


@pytest.fixture
def tree(repository: Path) -> Path:
    for path in sorted(_PATHS, key=len, reverse=True):
        if not (repository / path).exists():
            (repository / path).parent.mkdir(parents=True, exist_ok=True)
            (repository / path).write_text("")
    return repository


rules = st.lists(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5).map("".join), max_size=4).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(rules, rules)
@example("a/**", "!b")
@example("**/b\n!a/b", "")
@example("a/*\n!a/b", "a\n!a")
@example("/ab\nb/", "*")
@example("\\#\n\\!\na\\ ", "")
def test_our_reading_of_ignore_files_is_gits(tree: Path, at_root: str, in_a: str) -> None:
    (tree / ".gitignore").write_text(at_root)
    (tree / "a/.gitignore").write_text(in_a)
    ignores = Ignores(tree, [".gitignore"])

    ours = {path for path in _PATHS if ignores.covers(path, is_folder=(tree / path).is_dir())}

    assert ours == ignored_by_git(tree)


def test_the_second_name_is_stronger_than_the_first(root: Path) -> None:
    (root / ".gitignore").write_text("a\n")
    (root / ".equitrignore").write_text("!a\nb\n")
    ignores = Ignores(root, [".gitignore", ".equitrignore"])

    assert [ignores.covers(path) for path in ("a", "b", "c")] == [False, True, False]


def test_an_ignore_file_that_is_a_link_or_no_text_does_no_harm(root: Path) -> None:
    (root / "rules").write_text("a\n")
    (root / ".gitignore").symlink_to("rules")
    (root / ".equitrignore").write_bytes(b"\xff\xfe*.o\nb\n")
    ignores = Ignores(root, [".gitignore", ".equitrignore"])

    assert [ignores.covers(path) for path in ("a", "b")] == [False, True]


def test_what_git_sees_is_what_the_fixture_means(tree: Path) -> None:
    (tree / ".gitignore").write_text("b\n")
    git("add", ".", cwd=tree)

    assert ignored_by_git(tree) == {"b", "a/b", "a/b/a", "b/a/ab", "a/ab/b"}
