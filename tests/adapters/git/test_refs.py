import asyncio
from pathlib import Path

import pytest

from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId
from tests.adapters.git.stage import Checkout

EPIC = "equitr/epic-001"


@pytest.fixture
async def commits(checkout: Checkout, repository: GitRepository) -> list[CommitId]:
    tree = await repository.tree_of(checkout.head)
    return [await repository.commit_tree(tree, [checkout.head], f"number {number}") for number in range(4)]


async def test_a_ref_is_made_only_when_it_is_not_there(repository: GitRepository, commits: list[CommitId]) -> None:
    assert await repository.move_ref(EPIC, commits[0], None)
    assert not await repository.move_ref(EPIC, commits[1], None)

    assert await repository.resolve(EPIC) == commits[0]


async def test_a_ref_moves_only_from_where_it_is_believed_to_be(
    repository: GitRepository, commits: list[CommitId]
) -> None:
    await repository.move_ref(EPIC, commits[0], None)

    assert not await repository.move_ref(EPIC, commits[2], commits[1])
    assert await repository.move_ref(EPIC, commits[2], commits[0])
    assert not await repository.move_ref("refs/equitr/none", commits[2], commits[0])
    assert await repository.refs("refs/heads/equitr/") == {f"refs/heads/{EPIC}": commits[2]}


async def test_of_many_who_move_a_ref_one_wins(repository: GitRepository, commits: list[CommitId]) -> None:
    await repository.move_ref(EPIC, commits[0], None)

    won = await asyncio.gather(*(repository.move_ref(EPIC, commit, commits[0]) for commit in commits[1:]))

    assert sorted(won) == [False, False, True]
    assert await repository.resolve(EPIC) == commits[1:][won.index(True)]


async def test_attempts_are_kept_below_a_prefix_and_deleted_by_name(
    repository: GitRepository, commits: list[CommitId]
) -> None:
    for number, commit in enumerate(commits):
        await repository.move_ref(f"refs/equitr/epic-001/T1.{number}", commit, None)
    await repository.move_ref("refs/equitr/epic-0010/T1.1", commits[0], None)

    for _ in range(2):
        await repository.delete_refs(["refs/equitr/epic-001/T1.0"])

    assert await repository.refs("refs/equitr/epic-001/") == {
        f"refs/equitr/epic-001/T1.{number}": commit for number, commit in enumerate(commits) if number
    }


async def test_a_branch_that_is_checked_out_is_not_moved_under_the_user(
    checkout: Checkout, repository: GitRepository, commits: list[CommitId], tmp_path: Path
) -> None:
    checkout.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))

    for branch, where in (("main", checkout.root), ("side", tmp_path / "side")):
        with pytest.raises(UserError, match=f"`{branch}` is checked out in {where}") as caught:
            await repository.move_ref(branch, commits[0], checkout.head)
    assert checkout.status() == ""

    checkout.shell(caught.value.hint.rpartition(": ")[2])
    assert await repository.move_ref("side", commits[0], checkout.head)


async def test_a_branch_in_the_way_is_named(
    checkout: Checkout, repository: GitRepository, commits: list[CommitId]
) -> None:
    checkout.git("branch", "equitr")

    with pytest.raises(UserError, match="The branch `equitr` is in the way of `equitr/epic-001`") as caught:
        await repository.move_ref(EPIC, commits[0], None)

    assert caught.value.hint == "Rename it: git branch -m equitr equitr-old"


async def test_names_that_are_no_commit_resolve_to_nothing(checkout: Checkout, repository: GitRepository) -> None:
    checkout.git("tag", "-a", "v1", "-m", "annotated")

    assert await repository.resolve("HEAD") == checkout.head
    assert await repository.resolve("main") == checkout.head
    assert await repository.resolve("v1") == checkout.head
    assert await repository.resolve("nope") is None
    assert await repository.resolve("--all") is None
    assert await repository.resolve("HEAD:README.md") is None


async def test_a_tree_that_only_a_ref_of_ours_names_outlives_the_garbage_collection(
    checkout: Checkout, repository: GitRepository
) -> None:
    trees = []
    for number in range(3):
        checkout.write("src/app.py", f"print({number})\n")
        trees.append(await repository.snapshot(checkout.root))
    checkout.git("checkout", "--", "src/app.py")
    for tree in trees[:2]:
        await repository.keep("refs/equitr/keep/run-1/T1.1", tree)

    checkout.git("gc", "--quiet", "--prune=now")

    assert await repository.show_file(trees[1], "src/app.py") == b"print(1)\n"
    for lost in (trees[0], trees[2]):
        with pytest.raises(UserError):
            await repository.list_tree(lost)
    [(name, kept)] = (await repository.refs("refs/equitr/keep/")).items()
    assert (name, str(kept)) == ("refs/equitr/keep/run-1/T1.1", trees[1])


async def test_only_refs_of_ours_keep_trees(checkout: Checkout, repository: GitRepository) -> None:
    with pytest.raises(ValueError, match="not a ref of ours"):
        await repository.keep("refs/heads/main", await repository.snapshot(checkout.root))
