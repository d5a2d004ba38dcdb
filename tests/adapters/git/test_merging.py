"""Merges and commits that are made without a command of their own are those of git."""

from datetime import UTC, datetime

import pytest
from hypothesis import given

from equitr_coder.adapters.git import trees
from equitr_coder.adapters.git.identity import Identity, find_identity
from equitr_coder.adapters.git.merging import merge_apart
from equitr_coder.adapters.git.meter import measured
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.ids import CommitId, TreeId
from tests.adapters.git.stage import Checkout
from tests.adapters.git.test_resident import SLOWLY, TREES, tree_made_of

_AT = datetime(2026, 3, 1, 12, 30, 45, 987_654, tzinfo=UTC)


@SLOWLY
@given(base=TREES, mine=TREES, other=TREES)
async def test_what_is_merged_apart_is_what_git_merges(
    checkout: Checkout,
    repository: GitRepository,
    base: dict[str, tuple[str, bytes]],
    mine: dict[str, tuple[str, bytes]],
    other: dict[str, tuple[str, bytes]],
) -> None:
    git = await repository.open()
    first = await _commit(git, checkout, base, [])
    for one, two in ((base | mine, base | other), (mine, other)):
        ours, theirs = await _commit(git, checkout, one, [first]), await _commit(git, checkout, two, [first])

        merged = await merge_apart(git, first, ours, theirs)

        said = await git.run("merge-tree", "--write-tree", "--no-messages", ours, theirs, accept=(0, 1))
        assert merged in (None, said.line)


async def _commit(git: object, checkout: Checkout, files: dict[str, tuple[str, bytes]], parents: list[str]) -> str:
    tree = await tree_made_of(git, checkout, files)  # type: ignore[arg-type]
    given_parents = [word for parent in parents for word in ("-p", parent)]
    said = await git.run("commit-tree", tree, *given_parents, "-m", "x")  # type: ignore[attr-defined]
    return str(said.line)


@pytest.fixture
async def apart(checkout: Checkout, repository: GitRepository) -> list[CommitId]:
    """Three of agents on the same commit, each with a file of its own; the last also has that of the first."""
    base = TreeId(checkout.tree)
    files: list[dict[str, bytes | None]] = [
        {"src/one.py": b"1\n"},
        {"src/deep/two.py": b"2\n"},
        {"src/one.py": b"3\n", "new": b"3\n"},
    ]
    made = [await repository.tree_with(base, each) for each in files]
    return [await repository.commit_tree(tree, [checkout.head], "work", author="Coder 1") for tree in made]


async def test_tasks_with_files_of_their_own_are_merged_without_a_command(
    checkout: Checkout, repository: GitRepository, apart: list[CommitId]
) -> None:
    one, two, _ = apart

    with measured() as seen:
        first = await repository.forecast(one, two)
        assert first.tree is not None
        tip = await repository.commit_tree(first.tree, [one], "merged", author="Coder 2", at=_AT)
        assert await repository.changed(one, tip) == {"src/deep/two.py": "created"}

    assert seen.commands == 0
    assert first.tree == checkout.git("merge-tree", "--write-tree", one, two)
    assert checkout.git("fsck", "--strict", "--no-dangling") == ""


async def test_one_file_of_two_tasks_is_for_git(repository: GitRepository, apart: list[CommitId]) -> None:
    one, two, three = apart
    tip = await repository.commit_tree((await repository.forecast(one, two)).tree or TreeId(""), [one], "m", author="C")

    found = await repository.forecast(tip, three)

    assert found.tree is None
    assert found.conflicts == ("src/one.py",)


@pytest.mark.parametrize(
    "author", ["Coder 1 <c@localhost>", "Coder 1", "x <>", " ..", 'A "B" C.', "Ünï <ü@é>", "a<b>c", ""]
)
@pytest.mark.parametrize("message", ["work", "Änderung\n\nwith a body\n", "", "\n\n#x\n"])
@pytest.mark.parametrize("is_known", [True, False])
async def test_a_commit_is_the_one_that_git_makes(
    checkout: Checkout, repository: GitRepository, author: str, message: str, is_known: bool
) -> None:
    git = await repository.open()
    identity = await find_identity(git) if is_known else Identity(is_known=False)
    assert identity.is_known == is_known
    parents = [checkout.head, checkout.head]

    made = await trees.commit_tree(
        git, checkout.tree, parents=parents, message=message, identity=identity, author=author, at=_AT
    )

    date = f"@{int(_AT.timestamp())} {_AT.astimezone():%z}"
    env = {**identity.environment(author), "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    parents_given = [word for parent in parents for word in ("-p", parent)]
    said = await git.run(
        "commit-tree", checkout.tree, *parents_given, "-F", "-", env=env, stdin=f"{message}\n".encode()
    )
    assert made == said.line
