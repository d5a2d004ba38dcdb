import asyncio
import os
import time
from pathlib import Path

import pytest

from equitr_coder.adapters.git.failures import GitError
from equitr_coder.adapters.git.file_lock import locked
from equitr_coder.adapters.git.process import GitProcess
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId
from tests.adapters.git.stage import Checkout, FileJournal


async def test_the_callers_git_variables_and_keys_are_not_passed_on(tmp_path: Path) -> None:
    process = GitProcess(
        {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere",
         "GIT_TRACE": "1", "GIT_SSH_COMMAND": "evil", "OPENAI_API_KEY": "sk-secret", "GIT_AUTHOR_NAME": "Ada"}
    )  # fmt: skip

    said = await process.run("-c", "alias.show=!env", "show-env", cwd=tmp_path, accept=(1,))
    listed = await process.run("-c", "alias.env=!env", "env", cwd=tmp_path)

    assert said.stdout == b""
    names = {line.split(b"=")[0] for line in listed.stdout.splitlines()}
    assert names.isdisjoint({b"GIT_INDEX_FILE", b"GIT_TRACE", b"GIT_SSH_COMMAND", b"OPENAI_API_KEY"})
    assert b"GIT_DIR=/nowhere" not in listed.stdout
    assert b"GIT_AUTHOR_NAME=Ada" in listed.stdout


async def test_settings_given_by_environment_are_kept_and_ours_win(tmp_path: Path) -> None:
    process = GitProcess(
        {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_COUNT": "2",
         "GIT_CONFIG_KEY_0": "mine.value", "GIT_CONFIG_VALUE_0": "kept",
         "GIT_CONFIG_KEY_1": "core.hooksPath", "GIT_CONFIG_VALUE_1": "/evil"}
    )  # fmt: skip

    assert (await process.run("config", "mine.value", cwd=tmp_path)).line == "kept"
    assert (await process.run("config", "core.hooksPath", cwd=tmp_path)).line == "/dev/null"


async def test_a_missing_git_is_said_in_two_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="git is not installed") as caught:
        await GitProcess({"PATH": str(tmp_path)}).run("version", cwd=tmp_path)

    assert caught.value.hint == "Install git 2.38 or newer."


async def test_a_missing_folder_is_said_in_two_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone does not exist"):
        await GitProcess().run("version", cwd=tmp_path / "gone")


async def test_a_refusal_nobody_can_mend_is_our_bug(checkout: Checkout) -> None:
    with pytest.raises(GitError, match="unknown option"):
        await GitProcess().run("write-tree", "--nonsense", cwd=checkout.root)


async def test_cancelling_ends_git_and_what_it_started(checkout: Checkout, tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    os.mkfifo(lives)
    sleeper = f"!exec 3> '{lives}'; echo up >&3; exec sleep 600"

    async with asyncio.TaskGroup() as group:
        running = group.create_task(GitProcess().run("-c", f"alias.nap={sleeper}", "nap", cwd=checkout.root))
        reading = await asyncio.to_thread(lives.open)
        assert await asyncio.to_thread(reading.readline) == "up\n"
        running.cancel()

    # The pipe ends when the last process that holds it does.
    assert await asyncio.to_thread(reading.read) == ""
    reading.close()


async def test_a_git_that_does_not_listen_is_killed(checkout: Checkout, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(GitProcess().run("-c", f"alias.deaf={deaf(started)}", "deaf", cwd=checkout.root))
        await asyncio.to_thread(started.read_text)
        before = time.monotonic()
        running.cancel()

    assert time.monotonic() - before < 10


async def test_a_cancellation_while_git_starts_ends_what_it_has_started_too(checkout: Checkout, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(GitProcess().run("-c", f"alias.deaf={deaf(started)}", "deaf", cwd=checkout.root))
        for _ in range(3):
            await asyncio.sleep(0)
        # The loop stands still while git runs: for asyncio the process is still starting.
        wait_until_written(started)
        running.cancel()

    assert running.cancelled()


def deaf(started: Path) -> str:
    """A git alias that says when it runs and does not listen to SIGTERM."""
    return f"!trap '' TERM; echo up > '{started}'; while :; do sleep 0.1; done"


def wait_until_written(pipe: Path) -> None:
    assert pipe.read_text() == "up\n"


async def test_a_git_that_writes_without_end_can_be_cancelled(checkout: Checkout) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await GitProcess().run("-c", "alias.talk=!yes", "talk", cwd=checkout.root)


async def test_much_goes_in_and_much_comes_out(checkout: Checkout) -> None:
    content = os.urandom(3_000_000)

    blob = (await GitProcess().run("hash-object", "-w", "--stdin", cwd=checkout.root, stdin=content)).line

    assert (await GitProcess().run("cat-file", "blob", blob, cwd=checkout.root)).stdout == content


async def test_a_git_that_does_not_read_is_no_obstacle(checkout: Checkout) -> None:
    assert (await GitProcess().run("version", cwd=checkout.root, stdin=b"x" * 3_000_000)).code == 0


async def test_a_git_that_outlives_us_keeps_its_lock(checkout: Checkout, tmp_path: Path) -> None:
    goes_on, lock = tmp_path / "goes on", tmp_path / "lock"
    os.mkfifo(goes_on)
    process = GitProcess()

    async with asyncio.TaskGroup() as group:
        async with locked(lock) as descriptor:
            waiting = f"!cat '{goes_on}'"
            running = group.create_task(
                process.run("-c", f"alias.wait={waiting}", "wait", cwd=checkout.root, hold=[descriptor])
            )
            writer = await asyncio.to_thread(goes_on.open, "w")
        # We have let go of it, as a killed process does.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), locked(lock):
                pass
        writer.close()
        await running
        async with asyncio.timeout(10), locked(lock):
            pass


async def test_git_never_uses_the_network(checkout: Checkout, tmp_path: Path) -> None:
    other = Checkout(tmp_path / "other")
    other.root.mkdir()
    other.git("init", "-q")
    other.commit()

    for address in (str(other.root), f"file://{other.root}", "https://127.0.0.1:9/x", "ext::sh -c true"):
        with pytest.raises((UserError, GitError), match=r"partial clone|not allowed"):
            await GitProcess().run("fetch", address, cwd=checkout.root)


HOOKS = (
    "pre-commit", "post-commit", "post-checkout", "post-index-change", "reference-transaction", "post-rewrite",
    "pre-auto-gc", "prepare-commit-msg", "commit-msg", "fsmonitor-watchman", "post-merge",
)  # fmt: skip


async def test_nothing_the_repository_configures_is_ever_run(
    checkout: Checkout, home: Path, journal: FileJournal, tmp_path: Path
) -> None:
    trap = tmp_path / "ran"
    old = checkout.head
    for hook in HOOKS:
        checkout.write(f".git/hooks/{hook}", f"#!/bin/sh\ntouch '{trap}'\nexit 1\n", executable=True)
    checkout.write(
        ".gitattributes", "*.py filter=spy diff=spy merge=spy\n*.md filter=slow\nrun.sh merge=spy\n*.txt diff=spy\n"
    )
    touch = f"touch '{trap}'; cat"
    for key, value in {
        "core.fsmonitor": f"touch '{trap}'; false", "core.pager": touch, "core.editor": touch, "core.sshCommand": touch,
        "core.askPass": touch, "diff.external": touch, "diff.spy.command": touch, "diff.spy.textconv": touch,
        "filter.spy.clean": touch, "filter.spy.smudge": touch, "filter.spy.required": "true",
        "filter.slow.process": touch, "filter.slow.required": "true", "merge.spy.driver": touch,
        "commit.gpgSign": "true", "gpg.program": str(trap), "log.showSignature": "true", "pager.diff": touch,
        "credential.helper": f"!{touch}", "sequence.editor": touch, "alias.status": f"!{touch}",
    }.items():  # fmt: skip
        checkout.git("config", key, value)
    repository = GitRepository(checkout.root, home=home, store=journal)
    trap.unlink(missing_ok=True)

    assert (await repository.inspect()).head == old
    path = home / "worktrees" / "a"
    await repository.add_worktree(path, old)
    worktree = Checkout(path)
    worktree.write("src/app.py", "print('ours')\n")
    worktree.write("README.md", "ours\n")
    tree = await repository.snapshot(path)
    ours = await repository.commit_tree(tree, [old], "ours")
    await repository.restore(path, tree)
    theirs_tree = await repository.tree_with(await repository.tree_of(old), {"src/app.py": b"print('theirs')\n"})
    theirs = await repository.commit_tree(theirs_tree, [old], "theirs")
    forecast = await repository.forecast(ours, theirs)
    assert forecast.conflicts == ("src/app.py",)
    assert "print('ours')" in await repository.diff(old, ours)
    await repository.file_changes(old, ours)
    await repository.status_text(path)
    await repository.snapshot(checkout.root)
    assert await repository.move_ref("equitr/epic-001", ours, None)
    await repository.land(RunId("run-1"), "main", old, ours)
    await repository.recover_landings()
    await repository.restore_files(tree, theirs_tree, checkout.root)
    await repository.remove_worktree(path)

    assert not trap.exists()
