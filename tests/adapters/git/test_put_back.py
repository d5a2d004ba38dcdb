"""Single paths of a worktree go back to what they were; everything else stays as it stands."""

from pathlib import Path

import pytest

from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import TreeId
from tests.adapters.git.stage import Checkout


@pytest.fixture
async def worktree(checkout: Checkout, repository: GitRepository, home: Path) -> Checkout:
    checkout.link("link", "README.md")
    checkout.write("data.bin", bytes(range(256)))
    path = home / "worktrees" / "T1"
    await repository.add_worktree(path, checkout.commit("more"))
    return Checkout(path)


async def put_back(repository: GitRepository, worktree: Checkout, *paths: str) -> TreeId:
    return await repository.put_back(worktree.root, TreeId(worktree.tree), paths)


async def test_content_and_mode_and_deleted_files_come_back_and_new_ones_go(
    repository: GitRepository, worktree: Checkout
) -> None:
    before = worktree.files()
    worktree.write("src/app.py", "print('weakened')\n", executable=True)
    (worktree.root / "run.sh").chmod(0o644)
    worktree.remove("data.bin")
    worktree.remove("link")
    worktree.write("link", "no link any more\n")
    worktree.write("new/deep/file.txt", "x\n")

    tree = await put_back(repository, worktree, "src/app.py", "run.sh", "data.bin", "link", "new/deep/file.txt")

    assert worktree.files() == before
    assert not (worktree.root / "new").exists()
    assert tree == worktree.tree
    assert await repository.snapshot(worktree.root) == tree


async def test_what_is_not_named_stays(repository: GitRepository, worktree: Checkout) -> None:
    worktree.write("src/app.py", "print('weakened')\n")
    worktree.write("README.md", "# Mine\n", executable=True)
    worktree.write("mine.txt", "mine\n")
    worktree.write("noise.log", "ignored\n")
    worktree.remove("run.sh")

    tree = await put_back(repository, worktree, "src/app.py")

    assert await repository.changed(TreeId(worktree.tree), tree) == {
        "README.md": "modified",
        "mine.txt": "created",
        "run.sh": "deleted",
    }
    files = worktree.files()
    assert files["README.md"] == "x # Mine\n"
    assert files["src/app.py"] == "  print('one')\n"
    assert files["noise.log"] == "  ignored\n"


async def test_files_that_a_new_gitignore_hides_are_not_taken_for_something_to_clear_away(
    repository: GitRepository, worktree: Checkout
) -> None:
    worktree.write(".gitignore", "*\n")
    worktree.write("mine.txt", "mine\n")

    tree = await put_back(repository, worktree, ".gitignore")

    assert worktree.files()["mine.txt"] == "  mine\n"
    assert await repository.changed(TreeId(worktree.tree), tree) == {"mine.txt": "created"}


async def test_a_folder_that_took_the_place_of_a_file_goes_again(repository: GitRepository, worktree: Checkout) -> None:
    before = worktree.files()
    worktree.remove("README.md")
    worktree.write("README.md/inside.txt", "x\n")

    await put_back(repository, worktree, "README.md", "README.md/inside.txt")

    assert worktree.files() == before


async def test_nothing_is_put_back_in_the_users_own_checkout(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("src/app.py", "print('mine')\n")

    with pytest.raises(UserError):
        await repository.put_back(checkout.root, TreeId(checkout.tree), ("src/app.py",))

    assert checkout.files()["src/app.py"] == "  print('mine')\n"
