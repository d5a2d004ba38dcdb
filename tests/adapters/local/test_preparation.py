import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from equitr_coder.adapters.local.preparation import PreparationPlan, WorktreePreparation
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import CommandResult, Confinement, Place


class CountingShell:
    """An executor that runs for real, unconfined, and counts."""

    confinement = Confinement(kind="none", reason="a test")

    def __init__(self) -> None:
        self.commands: list[str] = []

    async def run(
        self,
        command: str,
        place: Place,
        *,
        timeout: float,
        clean: bool = False,
        on_output: Callable[[bytes], None] | None = None,
    ) -> CommandResult:
        self.commands.append(command)
        ran = subprocess.run(["sh", "-c", command], cwd=place.root, capture_output=True, check=False)
        return CommandResult(exit_code=ran.returncode, output=ran.stdout + ran.stderr)

    async def interpreter(self, place: Place) -> str:
        return ""

    def environment_hash(self, place: Place) -> str:
        return ""

    def leads_back(self, place: Place) -> str:
        return ""


def repository(path: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run([*git, *arguments], cwd=path, check=True)
    return path


def worktree(of: Path, path: Path) -> Place:
    subprocess.run(["git", "worktree", "add", "-q", "--detach", str(path)], cwd=of, check=True)
    return Place(root=path, stands_for=of)


def preparation(tmp_path: Path, shell: CountingShell, **plan: object) -> WorktreePreparation:
    return WorktreePreparation(
        plan=PreparationPlan(**plan),  # type: ignore[arg-type]
        checkout=tmp_path / "checkout",
        cache=tmp_path / "prepared",
        executor=shell,
    )


async def test_named_files_are_copied_and_existing_ones_left_alone(tmp_path: Path) -> None:
    checkout = repository(tmp_path / "checkout", {"a.txt": "a", ".gitignore": ".env\nconf/\n"})
    (checkout / ".env").write_text("A=1")
    (checkout / "conf").mkdir()
    (checkout / "conf" / "local.ini").write_text("[x]")
    place = worktree(checkout, tmp_path / "wt")
    shell = CountingShell()

    await preparation(tmp_path, shell, copies=[".env", "conf/local.ini", "a.txt"]).prepare(place)

    assert (place.root / ".env").read_text() == "A=1"
    assert (place.root / "conf" / "local.ini").read_text() == "[x]"
    assert (place.root / "a.txt").read_text() == "a"
    assert shell.commands == []


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    checkout = repository(tmp_path / "checkout", {"a.txt": "a"})
    place = worktree(checkout, tmp_path / "wt")

    with pytest.raises(UserError, match=r"copies \.env"):
        await preparation(tmp_path, CountingShell(), copies=[".env"]).prepare(place)


async def test_the_set_up_command_runs_once_for_the_same_inputs_and_its_result_is_everywhere(tmp_path: Path) -> None:
    checkout = repository(tmp_path / "checkout", {"lock.json": "1", ".gitignore": "deps/\n"})
    first, second = worktree(checkout, tmp_path / "one"), worktree(checkout, tmp_path / "two")
    shell = CountingShell()
    command = "mkdir -p deps/bin && cp lock.json deps/ && ln -s ../lock.json deps/bin/link && chmod +x deps/lock.json"
    prepared = preparation(tmp_path, shell, setup=command, setup_inputs=["lock.json"])

    await prepared.prepare(first)
    await prepared.prepare(second)
    await preparation(tmp_path, shell, setup=command, setup_inputs=["lock.json"]).prepare(first)

    assert shell.commands == [command]
    assert (second.root / "deps" / "lock.json").read_text() == "1"
    assert (second.root / "deps" / "lock.json").stat().st_mode & 0o100
    assert (second.root / "deps" / "bin" / "link").is_symlink()
    assert not (second.root / ".equitr-prepared").exists()


async def test_changed_inputs_run_it_again(tmp_path: Path) -> None:
    checkout = repository(tmp_path / "checkout", {"lock.json": "1", ".gitignore": "deps/\n"})
    first, second = worktree(checkout, tmp_path / "one"), worktree(checkout, tmp_path / "two")
    (second.root / "lock.json").write_text("2")
    shell = CountingShell()
    prepared = preparation(tmp_path, shell, setup="mkdir deps && cp lock.json deps/", setup_inputs=["lock.json"])

    await prepared.prepare(first)
    await prepared.prepare(second)

    assert len(shell.commands) == 2
    assert (second.root / "deps" / "lock.json").read_text() == "2"


async def test_a_set_up_command_that_fails_stops_with_its_words_and_keeps_nothing(tmp_path: Path) -> None:
    checkout = repository(tmp_path / "checkout", {"a.txt": "a"})
    place = worktree(checkout, tmp_path / "wt")
    prepared = preparation(tmp_path, CountingShell(), setup="echo no such package >&2; exit 3")

    with pytest.raises(UserError, match="no such package"):
        await prepared.prepare(place)

    assert not (tmp_path / "prepared").exists()


async def test_what_lies_there_already_is_not_taken_for_the_commands_work(tmp_path: Path) -> None:
    checkout = repository(tmp_path / "checkout", {"a.txt": "a"})
    first, second = worktree(checkout, tmp_path / "one"), worktree(checkout, tmp_path / "two")
    (first.root / "mine.txt").write_text("left by a worker")
    prepared = preparation(tmp_path, CountingShell(), setup="echo made > made.txt")

    await prepared.prepare(first)
    await prepared.prepare(second)

    assert (second.root / "made.txt").exists()
    assert not (second.root / "mine.txt").exists()
