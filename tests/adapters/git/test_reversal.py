from pathlib import Path

import pytest

from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.ids import TreeId
from tests.adapters.git.stage import Checkout


@pytest.fixture
def before(checkout: Checkout) -> dict[str, str]:
    """The user's own uncommitted work, which a checkpoint must bring back."""
    checkout.write("src/app.py", "print('uncommitted')\n")
    checkout.write("notes.txt", "mine\n")
    checkout.write("build/ignored.o", "ignored\n")
    checkout.link("link", "notes.txt")
    checkout.write("a folder/file.txt", "x\n")
    return checkout.files()


def work(checkout: Checkout) -> None:
    checkout.write("src/app.py", "print('agent')\n")
    checkout.write("made/by/agent.txt", "agent\n")
    checkout.remove("notes.txt")
    checkout.remove("link")
    checkout.write("link/now", "a folder\n")
    (checkout.root / "run.sh").chmod(0o644)
    checkout.remove("a folder/file.txt")
    (checkout.root / "a folder").rmdir()
    checkout.write("a folder", "now a file\n")


async def test_an_agents_changes_are_taken_back_and_the_users_own_stay(
    checkout: Checkout, repository: GitRepository, before: dict[str, str]
) -> None:
    status, checkpoint = checkout.status(), await repository.snapshot(checkout.root)
    work(checkout)
    left_by_agent = await repository.snapshot(checkout.root)
    checkout.write("later.txt", "written by the user afterwards\n")

    left = await repository.restore_files(left_by_agent, checkpoint, checkout.root)

    assert left == []
    assert checkout.files() == before | {"later.txt": "  written by the user afterwards\n"}
    assert not (checkout.root / "made").exists()
    checkout.remove("later.txt")
    assert checkout.status() == status


async def test_a_file_changed_since_is_left_alone_and_named(
    checkout: Checkout, repository: GitRepository, before: dict[str, str]
) -> None:
    checkpoint = await repository.snapshot(checkout.root)
    work(checkout)
    left_by_agent = await repository.snapshot(checkout.root)
    checkout.write("src/app.py", "the user's again\n")
    checkout.write("notes.txt", "the user wrote new ones\n")
    checkout.write("made/by/user.txt", "the user's\n")
    checkout.write("link/too", "the user's\n")

    left = await repository.restore_files(left_by_agent, checkpoint, checkout.root)

    assert left == ["link", "notes.txt", "src/app.py"]
    assert checkout.files() == {
        **{path: content for path, content in before.items() if path != "link"},
        "src/app.py": "  the user's again\n",
        "notes.txt": "  the user wrote new ones\n",
        "made/by/user.txt": "  the user's\n",
        "link/too": "  the user's\n",
    }


async def test_a_file_already_back_is_no_news(
    checkout: Checkout, repository: GitRepository, before: dict[str, str]
) -> None:
    checkpoint = await repository.snapshot(checkout.root)
    checkout.write("src/app.py", "print('agent')\n")
    checkout.write("made.txt", "agent\n")
    left_by_agent = await repository.snapshot(checkout.root)
    checkout.write("src/app.py", "print('uncommitted')\n")
    checkout.remove("made.txt")

    assert await repository.restore_files(left_by_agent, checkpoint, checkout.root) == []
    assert checkout.files() == before


async def test_an_ignored_file_in_the_place_of_a_deleted_one_is_left_alone(
    checkout: Checkout, repository: GitRepository, before: dict[str, str]
) -> None:
    checkpoint = await repository.snapshot(checkout.root)
    checkout.remove("notes.txt")
    left_by_agent = await repository.snapshot(checkout.root)
    (checkout.root / ".git/info/exclude").write_text("notes.txt\n")
    checkout.write("notes.txt", "ignored now\n")

    assert await repository.restore_files(left_by_agent, checkpoint, checkout.root) == ["notes.txt"]
    assert (checkout.root / "notes.txt").read_text() == "ignored now\n"


async def test_a_link_where_a_folder_was_is_not_followed(
    checkout: Checkout, repository: GitRepository, tmp_path: Path
) -> None:
    outside = Checkout(tmp_path / "outside")
    outside.write("keep", "the user's\n")
    checkpoint = await repository.snapshot(checkout.root)
    checkout.remove("src/app.py")
    (checkout.root / "src").rmdir()
    left_by_agent = await repository.snapshot(checkout.root)
    checkout.link("src", str(outside.root))

    assert await repository.restore_files(left_by_agent, checkpoint, checkout.root) == ["src/app.py"]
    assert outside.files() == {"keep": "  the user's\n"}


async def test_line_ends_come_back_as_they_were(checkout: Checkout, repository: GitRepository) -> None:
    checkout.git("config", "core.autocrlf", "true")
    checkout.write("windows.txt", b"one\r\ntwo\r\n")
    checkpoint = await repository.snapshot(checkout.root)
    checkout.write("windows.txt", b"agent\r\n")
    left_by_agent = await repository.snapshot(checkout.root)

    await repository.restore_files(left_by_agent, checkpoint, checkout.root)

    assert (checkout.root / "windows.txt").read_bytes() == b"one\r\ntwo\r\n"


async def test_undoing_touches_neither_index_nor_refs(
    checkout: Checkout, repository: GitRepository, before: dict[str, str]
) -> None:
    checkout.git("add", "notes.txt")
    index, head = (checkout.root / ".git/index").read_bytes(), checkout.head
    checkpoint = await repository.snapshot(checkout.root)
    work(checkout)
    left_by_agent = await repository.snapshot(checkout.root)

    await repository.restore_files(left_by_agent, checkpoint, checkout.root)

    assert (checkout.root / ".git/index").read_bytes() == index
    assert checkout.head == head
    assert not list((checkout.root / ".git").glob("equitr*"))


async def test_there_and_back_again(checkout: Checkout, repository: GitRepository, before: dict[str, str]) -> None:
    checkpoint = await repository.snapshot(checkout.root)
    work(checkout)
    left_by_agent: TreeId = await repository.snapshot(checkout.root)
    worked = checkout.files()

    assert await repository.restore_files(left_by_agent, checkpoint, checkout.root) == []
    assert await repository.snapshot(checkout.root) == checkpoint
    assert await repository.restore_files(checkpoint, left_by_agent, checkout.root) == []
    assert checkout.files() == worked
