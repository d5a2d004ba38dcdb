"""Plays one attempt on a machine: what it printed, and what it did outside. Imports nothing of pytest."""

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from equitr_coder.adapters.git.repository import open_repository
from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.adapters.sandbox.limits import Limits
from equitr_coder.domain.errors import EquitrError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CallId, SessionId, TaskId
from equitr_coder.ports import CommandResult, Executor, Place, Tool, ToolContext
from equitr_coder.settings.layers import load_settings
from equitr_coder.settings.profiles import load_profiles
from equitr_coder.settings.trust import FileTrustStore
from equitr_coder.settings.worktree import worktree_setup
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.edit_file import EditFile
from equitr_coder.tools.list_files import ListFiles
from equitr_coder.tools.read_file import ReadFile
from equitr_coder.tools.search import Search
from equitr_coder.tools.write_file import WriteFile
from tests.adapters.git.stage import FileJournal
from tests.escape.machine import Attempt, Machine, put
from tests.escape.tasks import MostTasks

SECONDS = 15.0
_OVER = 20
"""How many times its limit of processes an attempt may have for a moment, where the kernel does not hold the limit."""
_MOMENT = 0.3
_IDENTITY = {
    "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@y", "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@y",
}  # fmt: skip
MakeExecutor = Callable[[Machine, Limits], Executor]


@frozen
class Outcome:
    id: str
    is_refused: bool
    """By a tool, or by the sandbox before the command was started."""
    was_ended: bool
    """By a limit or the time."""
    said: str
    harm: tuple[str, ...]
    most_tasks: int = 0
    """How many more there were on the machine, at the worst, than when it began; 0 when nobody looked."""

    def faults(self, attempt: Attempt) -> list[str]:
        """How it is not what the row says must hold."""
        wrong = list(self.harm)
        if attempt.outcome == "refused" and not self.is_refused:
            wrong.append("was not refused")
        if attempt.outcome == "bounded" and not self.was_ended:
            wrong.append("was not ended")
        if self.most_tasks > _OVER * _processes(attempt):
            wrong.append(f"had {self.most_tasks} processes at once")
        if attempt.outcome == "ignored" and self.said != "ignored":
            wrong.append(self.said)
        return wrong


async def play(attempt: Attempt, machine: Machine, make_executor: MakeExecutor, *, is_ready: bool = False) -> Outcome:
    """With `is_ready` its command is the second one there, for which a sandbox may wait."""
    root = machine.arrange(attempt)
    said, is_refused, was_ended = b"", False, False
    most = MostTasks()
    try:
        match attempt.tool:
            case "run_command":
                with most if _processes(attempt) else contextlib.nullcontext():
                    result = await _run(attempt, root, machine, make_executor, is_ready=is_ready)
                said, was_ended = result.output, result.timed_out or result.exit_code != 0 or result.truncated
                said += _left_in(root, attempt)
            case "host_git":
                said = await _host_git(machine(attempt.input), machine, root)
            case "settings":
                said = _settings(attempt.input, machine)
            case name:
                said = await _tool(name, machine(attempt.input), root)
    except EquitrError as error:
        said, is_refused = str(error).encode(errors="replace"), True
    harm = tuple(machine.harm(said, attempt))
    machine.put_back()
    return Outcome(attempt.id, is_refused, was_ended, said[-2000:].decode(errors="replace"), harm, most.above_start)


def _processes(attempt: Attempt) -> int:
    return int(attempt.setup.get("limits", {}).get("processes", 0))


def play_bare(attempt: Attempt, machine: Machine) -> list[str]:
    """The harm it does without any sandbox, with the user's whole environment."""
    root = machine.arrange(attempt)
    command = _BARE_GIT[attempt.input] if attempt.tool == "host_git" else machine(attempt.input)
    folder = str(machine.folder)
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            # Nothing but this: the rest of the real machine cannot be written, should a row go too far.
            ["bwrap", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--tmpfs", tempfile.gettempdir(),
             "--bind", folder, folder, "--chdir", str(root), "--die-with-parent", "/bin/sh", "-c", machine(command)],
            env=machine.environ | _IDENTITY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):  # fmt: skip
        pidfd = os.pidfd_open(process.pid)
        # Once something is reached it may wait for an answer that nobody gives.
        select.select([pidfd, *(listener.fileno() for listener in machine.listeners)], [], [], SECONDS)
        select.select([pidfd], [], [], _MOMENT)
        os.close(pidfd)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        said = output.read()
    harm = machine.harm(said, attempt)
    machine.put_back()
    return harm


async def _run(
    attempt: Attempt, root: Path, machine: Machine, make_executor: MakeExecutor, *, is_ready: bool
) -> CommandResult:
    executor = make_executor(machine, Limits(**attempt.setup.get("limits", {})))
    place = Place(root=root, stands_for=machine.checkout, git_dir=machine.checkout / ".git")
    if is_ready:
        await executor.run("true", place, timeout=SECONDS)
        await asyncio.sleep(0)  # now the next one is made
    return await executor.run(machine(attempt.input), place, timeout=attempt.setup.get("timeout", SECONDS))


def _left_in(root: Path, attempt: Attempt) -> bytes:
    """What is said by files with the rights of their owner."""
    if attempt.setup.get("host") != "no-setid":
        return b""
    # The tree lies on a file system of the host's: nobody but its owner could gain by such a file, who is its maker.
    others = [path for path in root.iterdir() if path.is_file() and path.stat().st_uid != os.getuid()]
    return b"CANARY-7f3a91" if others else b""


async def _tool(name: str, arguments: Mapping[str, Any], root: Path) -> bytes:
    workspace = LocalWorkspace(root)
    tools: dict[str, Tool] = {
        "read_file": ReadFile(workspace, _NoOutputs()),
        "write_file": WriteFile(workspace),
        "edit_file": EditFile(workspace),
        "apply_patch": ApplyPatch(workspace),
        "list_files": ListFiles(workspace),
        "search": Search(workspace),
    }
    tool = tools[name]
    parsed = tool.parse(arguments)
    tool.touches(parsed)
    seen = {}
    if name == "edit_file":
        seen = {path: digest for path in [arguments["path"]] if (digest := await workspace.digest(path)) is not None}
    context = ToolContext(
        session=SessionId("T1.1"), agent=AgentName("worker"), task=TaskId("T1"), call=CallId("call_1"), seen=seen
    )
    result = await tool.run(parsed, context)
    return result.for_model.encode(errors="replace")


class _NoOutputs:
    async def keep(self, text: str) -> str:
        return text[:12]

    async def open(self, output: str) -> str | None:
        del output
        return None


_BARE_GIT = {
    "snapshot": "git add -A",
    "inspect": "git status",
    "diff": "git diff",
    "commit": "git add -A && git commit -q -m x",
    "merge": "git checkout -q -b side && echo side > a.txt && git commit -q -a -m s && git checkout -q main && "
    "echo main > a.txt && git commit -q -a -m m && git merge side",
    "worktree": "git worktree add -q --detach @outside@/made",
    "search": "git grep --textconv one",
    "list": "git status",
    "fetch": "git -c protocol.ext.allow=always fetch",
}


async def _host_git(what: str, machine: Machine, root: Path) -> bytes:
    """The product's own way to do it, in the checkout that the user has just cloned."""
    if what in ("search", "list"):
        workspace = LocalWorkspace(root, environ=machine.environ)
        found = await workspace.search("one") if what == "search" else await workspace.list()
        return repr(found).encode()
    repository = await open_repository(
        machine.checkout,
        home=machine.equitr_home / "git-home",
        store=FileJournal(machine.equitr_home / "journal.json"),
        shadow_ok=False,
    )
    head = await repository.resolve("HEAD")
    assert head is not None
    put(machine.checkout / "a.txt", "two\n")
    said: object = ""
    match what:
        case "inspect":
            said = await repository.inspect()
        case "diff":
            tree = await repository.snapshot(machine.checkout)
            said = await repository.diff(head, tree), await repository.status_text(machine.checkout)
        case "snapshot":
            said = await repository.snapshot(machine.checkout)
        case "commit":
            tree = await repository.snapshot(machine.checkout)
            said = await repository.commit_tree(tree, parents=[head], message="x")
        case "merge":
            base = await repository.tree_of(head)
            ours = await repository.tree_with(base, {"a.txt": b"ours\n"})
            theirs = await repository.tree_with(base, {"a.txt": b"theirs\n"})
            said = await repository.forecast(
                await repository.commit_tree(ours, parents=[head], message="o"),
                await repository.commit_tree(theirs, parents=[head], message="t"),
            )
        case "worktree":
            await repository.add_worktree(machine.equitr_home / "worktrees" / "w" / "r" / "T9", head)
            remove_made = machine.equitr_home / "worktrees" / "w" / "r" / "T9"
            await repository.remove_worktree(remove_made)
        case "fetch":
            said = await repository.resolve("0" * 40), await repository.refs("refs/")
    return repr(said).encode()


def _settings(text: str, machine: Machine) -> bytes:
    """Whether a file of an untrusted `.equitr/` changes anything that counts."""
    name, _, content = text.partition("\n")
    before = _what_counts(machine)
    put(machine.checkout / ".equitr" / name, content)
    after = _what_counts(machine)
    return b"ignored" if before == after else b"counted"


def _what_counts(machine: Machine) -> str:
    put(machine.equitr_home / "config.yaml", "{}\n")
    trust = FileTrustStore(machine.equitr_home)
    put(machine.equitr_home / "trust.json", json.dumps({"version": 1, "workspaces": {}}))
    loaded = load_settings(
        home=machine.equitr_home, repo=machine.checkout, environ={"HOME": str(machine.home)}, flags={}, trust=trust
    )
    profiles = load_profiles(home=machine.equitr_home, project=loaded.project)
    setup = worktree_setup(loaded.project)
    return repr((loaded.settings, sorted(profiles.items()), setup, loaded.project.trusted_text("instructions.md")))
