import os
from pathlib import Path

import pytest

from equitr_coder.adapters.git import ignored_files
from equitr_coder.adapters.git.meter import measured
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.ids import TreeId
from equitr_coder.ports import IgnoredFiles
from tests.adapters.git.stage import Checkout, FileJournal


async def names(repository: GitRepository, found: IgnoredFiles) -> list[str]:
    return sorted(await repository.list_tree(found.tree))


async def test_all_ignored_files_and_no_others_are_in_the_tree(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("a.log", "a\n")
    checkout.write("build/out/x.o", "x\n")
    checkout.write("src/deep/b.log", "b\n")
    checkout.write("src/deep/new.txt", "untracked\n")
    checkout.write("build/ä\n€.o", "odd\n")
    checkout.link("build/link", "../a.log")
    checkout.write("kept.log", "tracked all the same\n")
    checkout.git("add", "-f", "kept.log")

    found = await repository.ignored_files(checkout.root)

    assert await names(repository, found) == sorted(
        ["a.log", "build/link", "build/out/x.o", "build/ä\n€.o", "src/deep/b.log"]
    )
    assert found.left == ()
    assert await repository.show_file(found.tree, "build/out/x.o") == b"x\n"
    assert "a.log" not in checkout.git("ls-files")


async def test_what_tools_make_again_and_other_repositories_are_named_and_left(
    checkout: Checkout, repository: GitRepository
) -> None:
    checkout.write(".gitignore", "*.log\nbuild/\nnode_modules/\n__pycache__/\ntarget/\nenv/\nclone/\ncache/\n")
    for path in (
        "node_modules/a/x.js", "web/node_modules/b.js", "src/__pycache__/a.pyc", "target/CACHEDIR.TAG",
        "target/debug/a", "env/pyvenv.cfg", "env/bin/python", "build/kept.o", "build/node_modules/x.js",
        "build/c/CACHEDIR.TAG", "build/c/x",
    ):  # fmt: skip
        checkout.write(path, "x\n")
    (checkout.root / "clone").mkdir()
    checkout.git("init", "-q", "clone")

    found = await repository.ignored_files(checkout.root)

    assert await names(repository, found) == ["build/kept.o"]
    assert found.left == ("__pycache__/", "build/c/", "clone/", "env/", "node_modules/", "target/")


async def test_a_file_or_a_folder_above_the_bounds_is_named_and_left(
    checkout: Checkout, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MOST", 8), ("MOST_IN_FOLDER", 3), ("LARGE", 100), ("MOST_BYTES", 150)):
        monkeypatch.setattr(ignored_files, name, value)
    checkout.write("large.log", "x" * 101)
    checkout.write("b.log", "x" * 90)
    checkout.write("c.log", "x" * 70)
    checkout.write("d.log", "small\n")
    for number in range(4):
        checkout.write(f"build/{number}.o", "x\n")

    first = await repository.ignored_files(checkout.root)
    checkout.remove("build/3.o")
    second = await repository.ignored_files(checkout.root)
    for number in range(3, 6):
        checkout.write(f"build/{number}.o", "x\n")
    third = await repository.ignored_files(checkout.root)

    assert await names(repository, first) == ["c.log", "d.log"]
    assert first.left == ("b.log", "build/", "large.log")
    assert await names(repository, second) == ["build/0.o", "build/1.o", "build/2.o", "c.log", "d.log"]
    assert third == IgnoredFiles(second.tree, first.left), "what was held stays held, however many others come"


async def test_every_change_is_seen_also_within_one_tick_of_the_clock(
    checkout: Checkout, repository: GitRepository
) -> None:
    trees: list[TreeId] = []
    for text in ("one\n", "two\n", "six\n", "one\n"):
        checkout.write("a.log", text)
        trees.append((await repository.ignored_files(checkout.root)).tree)
    checkout.remove("a.log")
    checkout.write("a.log/now", "a folder\n")
    now = await repository.ignored_files(checkout.root)

    assert trees[0] == trees[3]
    assert len(set(trees)) == 3
    assert await names(repository, now) == ["a.log/now"]


async def test_files_that_did_not_change_are_not_read_again(
    checkout: Checkout, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ignored_files, "_TICK_NS", 0)  # as if the file were old
    checkout.write("a.log", "a\n")
    first = await repository.ignored_files(checkout.root)

    with measured() as spent:
        again = await repository.ignored_files(checkout.root)

    assert first == again
    assert spent.commands == 0


@pytest.mark.parametrize(
    ("change", "names_then"),
    [
        ("echo b > src/b.log", ["a.log", "src/b.log"]),
        ("rm a.log", []),
        ("printf '*.py\\n' > src/.gitignore; git rm -q --cached src/app.py", ["a.log", "src/app.py"]),
        ("echo '!a.log' >> .gitignore", []),
        ("echo README.md >> .git/info/exclude; git rm -q --cached README.md", ["README.md", "a.log"]),
        ("git add -f a.log", []),
        ("git config core.excludesFile rules; echo new.txt > rules; echo > new.txt", ["a.log", "new.txt"]),
        ("mkdir -p build/x && echo x > build/x/y", ["a.log", "build/x/y"]),
        ("mv src sources; echo c > sources/c.log", ["a.log", "sources/c.log"]),
    ],
)
async def test_what_git_ignores_now_is_seen(
    checkout: Checkout,
    repository: GitRepository,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    names_then: list[str],
) -> None:
    monkeypatch.setattr(ignored_files, "_TICK_NS", 0)
    checkout.write("a.log", "a\n")
    assert await names(repository, await repository.ignored_files(checkout.root)) == ["a.log"]
    assert await names(repository, await repository.ignored_files(checkout.root)) == ["a.log"]

    checkout.shell(change)

    assert await names(repository, await repository.ignored_files(checkout.root)) == names_then


async def test_another_process_sees_the_same(
    checkout: Checkout, repository: GitRepository, home: Path, journal: FileJournal
) -> None:
    checkout.write("a.log", "a\n")
    checkout.write("b.log", "b\n")
    await repository.ignored_files(checkout.root)
    checkout.remove("a.log")
    other = GitRepository(checkout.root, home=home, store=journal)
    there = await other.ignored_files(checkout.root)
    checkout.write("c.log", "c\n")
    here = await repository.ignored_files(checkout.root)

    assert await names(repository, there) == ["b.log"]
    assert await names(repository, here) == ["b.log", "c.log"]


async def test_a_tree_that_git_threw_away_is_made_again(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("a.log", "a\n")
    before = await repository.ignored_files(checkout.root)
    checkout.git("gc", "-q", "--prune=now")

    again = await repository.ignored_files(checkout.root)

    assert again == before
    assert await repository.show_file(again.tree, "a.log") == b"a\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_what_nobody_may_read_stops_nothing(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("secret.log", "x\n")
    checkout.write("build/x.o", "x\n")
    (checkout.root / "secret.log").chmod(0)
    (checkout.root / "build").chmod(0)

    found = await repository.ignored_files(checkout.root)
    (checkout.root / "build").chmod(0o755)

    assert found.left == ("build/", "secret.log")


async def test_without_ignored_files_there_is_an_empty_tree(checkout: Checkout, repository: GitRepository) -> None:
    found = await repository.ignored_files(checkout.root)

    assert await names(repository, found) == []
    assert found.left == ()
