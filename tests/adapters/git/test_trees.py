from datetime import UTC, datetime
from pathlib import Path

import pytest

from equitr_coder.adapters.git.failures import GitError
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, RunId, TreeId
from tests.adapters.git.stage import Checkout, FileJournal


@pytest.fixture
def base(checkout: Checkout) -> TreeId:
    return TreeId(checkout.tree)


async def test_files_are_put_into_a_tree_and_taken_out(
    checkout: Checkout, repository: GitRepository, base: TreeId
) -> None:
    tree = await repository.tree_with(
        base, {"docs/todos.md": b"- [ ] one\r\n", "run.sh": b"#!/bin/bash\n", "README.md": None, "not there": None}
    )

    assert checkout.listed(tree) == {
        ".gitignore": "100644",
        "docs/todos.md": "100644",
        "run.sh": "100755",
        "src/app.py": "100644",
    }
    assert await repository.show_file(tree, "docs/todos.md") == b"- [ ] one\r\n"
    assert await repository.show_file(tree, "run.sh") == b"#!/bin/bash\n"
    assert checkout.status() == ""


async def test_a_file_put_where_a_folder_was_replaces_it_and_the_other_way_round(
    checkout: Checkout, repository: GitRepository, base: TreeId
) -> None:
    tree = await repository.tree_with(base, {"src": b"file\n", "README.md/part": b"x\n", "README.md": None})

    assert set(checkout.listed(tree)) == {".gitignore", "README.md/part", "run.sh", "src"}


async def test_no_files_leave_the_tree_as_it_is(repository: GitRepository, base: TreeId) -> None:
    assert await repository.tree_with(base, {}) == base


@pytest.mark.parametrize("path", ["../out", "/abs", ".git/config", "a/.GIT/b", "a/../b", "a//b"])
async def test_a_path_that_git_does_not_take_is_refused(repository: GitRepository, base: TreeId, path: str) -> None:
    with pytest.raises(ValueError, match="no path of a tree"):
        await repository.tree_with(base, {path: b"x"})


async def test_a_commit_is_the_users_when_git_knows_her(
    checkout: Checkout, repository: GitRepository, base: TreeId
) -> None:
    commit = await repository.commit_tree(base, [checkout.head], "Änderung\n\nwith a body")

    about = checkout.git("show", "-s", "--format=%an <%ae>|%cn <%ce>|%P|%B", commit)
    assert about.strip() == f"Ada Lovelace <ada@example.org>|Ada Lovelace <ada@example.org>|{checkout.head}|" + (
        "Änderung\n\nwith a body"
    )


@pytest.mark.parametrize(
    ("author", "signed"),
    [
        ("Coder 1 <equitrcoder@localhost>", "Coder 1 <equitrcoder@localhost>"),
        ("Coder 1", "Coder 1 <equitrcoder@localhost>"),
        ("bad <> \n<name", "bad name <equitrcoder@localhost>"),
        ("", "EQUITR Coder <equitrcoder@localhost>"),
    ],
)
async def test_an_agent_is_the_author_and_the_user_the_committer(
    checkout: Checkout, repository: GitRepository, base: TreeId, author: str, signed: str
) -> None:
    commit = await repository.commit_tree(base, [], "work", author=author)

    about = checkout.git("show", "-s", "--format=%an <%ae>|%cn <%ce>", commit)
    assert about == f"{signed}|Ada Lovelace <ada@example.org>"


async def test_a_commit_made_again_with_its_time_is_the_same(
    checkout: Checkout, repository: GitRepository, base: TreeId
) -> None:
    at = datetime(2026, 3, 1, 12, 30, 45, 987_654, tzinfo=UTC)

    one = await repository.commit_tree(base, [checkout.head], "work", author="Coder 1", at=at)
    again = await repository.commit_tree(base, [checkout.head], "work", author="Coder 1", at=at)

    assert one == again
    assert checkout.git("show", "-s", "--format=%at %ct", one) == f"{int(at.timestamp())} {int(at.timestamp())}"


async def test_without_an_identity_the_products_own_is_used_and_nothing_is_configured(
    checkout: Checkout, repository: GitRepository, base: TreeId, user: Path
) -> None:
    (user / ".gitconfig").write_text("")
    before = (checkout.root / ".git/config").read_text()

    commit = await repository.commit_tree(base, [], "work")

    about = checkout.git("show", "-s", "--format=%an <%ae>|%cn <%ce>", commit)
    assert about == "EQUITR Coder <equitrcoder@localhost>|EQUITR Coder <equitrcoder@localhost>"
    assert (checkout.root / ".git/config").read_text() == before


async def test_a_clean_merge_is_forecast_as_its_tree(
    checkout: Checkout, repository: GitRepository, base: TreeId
) -> None:
    one = await repository.commit_tree(await repository.tree_with(base, {"one": b"1\n"}), [checkout.head], "one")
    two = await repository.commit_tree(await repository.tree_with(base, {"two": b"2\n"}), [checkout.head], "two")

    forecast = await repository.forecast(one, two)

    assert forecast.conflicts == ()
    assert forecast.tree == await repository.tree_with(base, {"one": b"1\n", "two": b"2\n"})


async def test_histories_without_a_common_commit_are_forecast_too(
    checkout: Checkout, repository: GitRepository, base: TreeId
) -> None:
    one = await repository.commit_tree(await repository.tree_with(base, {"one": b"1\n"}), [], "one")
    two = await repository.commit_tree(await repository.tree_with(base, {"two": b"2\n"}), [], "two")
    three = await repository.commit_tree(await repository.tree_with(base, {"one": b"3\n"}), [], "three")

    assert (await repository.forecast(one, two)).tree == await repository.tree_with(
        base, {"one": b"1\n", "two": b"2\n"}
    )
    assert (await repository.forecast(one, three)).conflicts == ("one",)


async def test_conflicts_are_forecast_by_path(checkout: Checkout, repository: GitRepository, base: TreeId) -> None:
    names = ["new\nline.txt", "ünï.txt"]
    one = await repository.commit_tree(
        await repository.tree_with(base, {"src/app.py": b"1\n", "README.md": None} | dict.fromkeys(names, b"1\n")),
        [checkout.head], "one",
    )  # fmt: skip
    two = await repository.commit_tree(
        await repository.tree_with(base, {"src/app.py": b"2\n", "README.md": b"2\n"} | dict.fromkeys(names, b"2\n")),
        [checkout.head], "two",
    )  # fmt: skip

    forecast = await repository.forecast(one, two)

    assert forecast.tree is None
    assert forecast.conflicts == ("README.md", *names[:1], "src/app.py", *names[1:])
    assert [(clash.path, clash.base is None, clash.ours is None) for clash in forecast.clashes] == [
        ("README.md", False, True),
        (names[0], True, False),
        ("src/app.py", False, False),
        (names[1], True, False),
    ]
    assert forecast.marked_tree is not None
    assert b"<<<<<<< " in (await repository.show_file(forecast.marked_tree, "src/app.py") or b"")


async def test_a_forecast_of_what_is_no_commit_is_an_error(checkout: Checkout, repository: GitRepository) -> None:
    with pytest.raises((UserError, GitError)):
        await repository.forecast(checkout.head, CommitId("0123456789012345678901234567890123456789"))


async def test_what_changed_between_two_trees(checkout: Checkout, repository: GitRepository, base: TreeId) -> None:
    checkout.write("src/app.py", "print('one')\nprint('two')\n")
    checkout.write("image.bin", b"\0\1\2")
    checkout.write("new file.txt", "a\nb\n")
    (checkout.root / "run.sh").chmod(0o644)
    checkout.remove("README.md")
    tree = await repository.snapshot(checkout.root)

    assert await repository.changed(base, tree) == {
        "README.md": "deleted",
        "image.bin": "created",
        "new file.txt": "created",
        "run.sh": "modified",
        "src/app.py": "modified",
    }
    assert await repository.file_changes(base, tree) == {
        "README.md": ("deleted", 0, 1),
        "image.bin": ("created", 0, 0),
        "new file.txt": ("created", 2, 0),
        "run.sh": ("modified", 0, 0),
        "src/app.py": ("modified", 1, 0),
    }
    diff = await repository.diff(base, tree, paths=["src/app.py"])
    assert diff.splitlines()[0] == "diff --git a/src/app.py b/src/app.py"
    assert diff.endswith(" print('one')\n+print('two')\n")
    assert await repository.diff(base, base) == ""
    assert "Binary files" in await repository.diff(checkout.head, tree)


async def test_the_users_taste_in_diffs_does_not_matter(
    checkout: Checkout, repository: GitRepository, user: Path
) -> None:
    with (user / ".gitconfig").open("a") as writing:
        writing.write("[diff]\nnoprefix = true\nmnemonicPrefix = true\nexternal = false\n[color]\nui = always\n")
    checkout.write("ünï.txt", "x\n")
    tree = await repository.snapshot(checkout.root)

    diff = await repository.diff(checkout.head, tree)

    assert diff.startswith("diff --git a/ünï.txt b/ünï.txt\n")


async def test_a_path_in_a_diff_is_a_name_and_no_pattern(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("*.py", "x\n")
    checkout.write("src/app.py", "x\n")
    tree = await repository.snapshot(checkout.root)

    assert "src/app.py" not in await repository.diff(checkout.head, tree, paths=["*.py"])


async def test_a_file_is_shown_as_stored(checkout: Checkout, repository: GitRepository) -> None:
    checkout.link("link", "src/app.py")
    commit = checkout.commit("link")

    assert await repository.show_file(commit, "src/app.py") == b"print('one')\n"
    assert await repository.show_file(commit, "link") == b"src/app.py"
    assert await repository.show_file(commit, "src") is None
    assert await repository.show_file(commit, "missing") is None


async def test_a_tree_is_listed_in_order(checkout: Checkout, repository: GitRepository, base: TreeId) -> None:
    assert await repository.list_tree(base) == [".gitignore", "README.md", "run.sh", "src/app.py"]
    assert await repository.tree_of(checkout.head) == base


async def test_a_repository_of_sha256_ids_works_as_well(tmp_path: Path, home: Path, journal: FileJournal) -> None:
    checkout = Checkout(tmp_path / "new ids")
    checkout.root.mkdir()
    checkout.git("init", "-q", "--object-format=sha256")
    checkout.write("a.txt", "a\n")
    old = checkout.commit("first")
    repository = GitRepository(checkout.root, home=home, store=journal)

    tree = await repository.tree_with(await repository.tree_of(old), {"a.txt": None, "b.txt": b"b\n"})
    new = await repository.commit_tree(tree, [old], "second")

    assert len(new) == 64
    assert await repository.move_ref("equitr/epic-001", new, None)
    assert (await repository.land(RunId("run-1"), "main", old, new)).landed
    assert checkout.files() == {"b.txt": "  b\n"}


async def test_changes_and_their_lines_are_what_the_two_questions_say_apart(
    checkout: Checkout, repository: GitRepository
) -> None:
    old = checkout.head
    checkout.write(":new\tname\n.txt", "one\ntwo\n")
    checkout.write("src/app.py", "print('two')\n# more\n")
    checkout.write("binary", b"\0\1\2")
    checkout.write("run.sh", "#!/bin/sh\n")
    (checkout.root / "run.sh").chmod(0o644)
    checkout.remove("README.md")
    new = checkout.commit("work")

    found = await repository.file_changes(old, new)

    assert {path: kind for path, (kind, _, _) in found.items()} == await repository.changed(old, new)
    assert len(found) == 5


@pytest.mark.parametrize("attributes", ["", "*.txt -diff\n"])
async def test_lines_of_files_that_came_or_went_are_those_that_git_counts(
    checkout: Checkout, repository: GitRepository, base: TreeId, attributes: str
) -> None:
    if attributes:
        checkout.write(".gitattributes", attributes)
    files = {
        "empty.txt": b"", "one.txt": b"1", "lines.txt": b"1\n2\n", "more/crlf.txt": b"1\r\n\r\n3",
        "binary": b"1\n\0\n", "late.bin": b"1\n" * 5000 + b"\0\n", "src/app.py": None,
    }  # fmt: skip
    after = await repository.tree_with(base, files)

    counted = await repository.file_changes(base, after)

    said = checkout.git("diff-tree", "-r", "--numstat", base, after).splitlines()
    lines = {path: (added, removed) for added, removed, path in (line.split("\t") for line in said)}
    assert {path: (str(added), str(removed)) for path, (_, added, removed) in counted.items()} == {
        path: tuple(number.replace("-", "0") for number in numbers) for path, numbers in lines.items()
    }
    assert {path for path, (kind, _, _) in counted.items() if kind == "deleted"} == {"src/app.py"}
