"""A repository that cannot be written says so before money is spent."""

from pathlib import Path

import pytest

from equitr_coder.adapters.git import checkout as found
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.adapters.git.writable import check_writable
from equitr_coder.domain.errors import UserError
from tests.adapters.git.stage import Checkout


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_the_probe_leaves_nothing_behind(checkout: Checkout, repository: GitRepository) -> None:
    folders = [checkout.root / ".git" / name for name in ("objects", "refs")]
    before = [names(folder) for folder in folders]

    assert await repository.recover_landings() == []

    assert [names(folder) for folder in folders] == before


@pytest.mark.parametrize("name", ["objects", "refs"])
def test_a_place_that_cannot_be_written_is_named_with_what_to_do(checkout: Checkout, name: str) -> None:
    git_dir = checkout.root / ".git"
    place = git_dir / name
    place.rename(git_dir / "elsewhere")
    place.write_text("root may write whatever the modes say, but not into a file\n")

    with pytest.raises(UserError) as refused:
        check_writable(found.Checkout(root=checkout.root, git_dir=git_dir, common_dir=git_dir))

    assert str(place) in str(refused.value)
    assert str(place) in refused.value.hint
