"""What must hold when the process is dead, and what must hold at the end however often it died."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from equitr_coder.domain.errors import ModelErrorKind
from equitr_coder.domain.events import (
    Event,
    MergeLanded,
    MessageAdded,
    ModelCallFailed,
    ModelCallReserved,
    ModelCallSettled,
    TaskChanged,
)
from equitr_coder.domain.ids import CallId, SessionId
from equitr_coder.domain.models import AssistantMessage, SystemMessage, UserMessage
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import RunState
from equitr_coder.testing.events import assert_well_formed
from tests.faults.victim import Death, Victim

Turn = tuple[str, str, str]
"""A model call as both sides can tell it: the system prompt, the first message, and where in its session it stands: the
last tool call before it, with how many plain answers came since. A compaction leaves that as it is.
"""

_WORK = re.compile(r"^(T\d+): title of \1$", re.MULTILINE)


# ---------------------------------------------------------------- dead


def assert_sound_in_death(victim: Victim) -> None:
    """Nobody has started again yet: what a person finds who looks at the repository now."""
    fsck = subprocess.run(
        ["git", "fsck", "--no-dangling", "--no-progress"],
        cwd=victim.repo, env=victim.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert fsck.returncode == 0, fsck.stdout + fsck.stderr
    assert victim.chain_faults == []
    log = victim.log_or_nothing
    _assert_branch_is_green(victim)
    _assert_checkout_is_old_or_new(victim)
    open_calls = Counter(row.session for row in fold(log).ledger.values() if row.is_open)
    assert all(count == 1 for count in open_calls.values()), f"one open call for each agent: {open_calls}"


def _assert_branch_is_green(victim: Victim) -> None:
    """Every task that is on the integration branch, or on the user's, passes its check there: looked at afresh."""
    for branch in victim.git("for-each-ref", "--format=%(refname)", "refs/heads").splitlines():
        built = set(_WORK.findall(victim.git("log", "--format=%s", branch)))
        files = set(victim.git("ls-tree", "-r", "--name-only", branch).splitlines())
        contents = {path: victim.git("show", f"{branch}:{path}") for path in victim.play.words if path in files}
        for path, word in victim.play.words.items():
            name = word.partition("-")[0]
            assert (path in files) == (name in built), f"{branch} has {path} without the task, or the task without it"
            assert path not in files or word in contents[path], f"{branch} is red: {path}"
        assert victim.play.is_green(contents), f"{branch} is red as a whole: {contents}"


def _assert_checkout_is_old_or_new(victim: Victim) -> None:
    """The user's branch, index and files are those before or those after; or a journal says how to make them so."""
    if victim.play.command[0] != "chat" or "-M" in victim.play.command:
        status = victim.git("--no-optional-locks", "status", "--porcelain")
        is_open = bool(victim.journals("landing:"))
        assert is_open or not status, f"dirty without a journal:\n{status}"
        assert is_open or not (victim.repo / ".git" / "index.lock").exists(), "locked without a journal"
        old = victim.git("rev-list", "--max-parents=0", "main")
        now = victim.git("rev-parse", "main")
        tip = fold(victim.log_or_nothing).tip
        assert now in (old, tip), "the user's branch is at neither end of its one move"
        if is_open and tip is not None:
            _assert_each_file_is_whole(victim, old, tip)


def _assert_each_file_is_whole(victim: Victim, old: str, new: str) -> None:
    for path in victim.git("diff", "--name-only", old, new).splitlines():
        there = (victim.repo / path).read_bytes() if (victim.repo / path).exists() else None
        ends = [_blob(victim, commit, path) for commit in (old, new)]
        assert there in ends, f"half of {path}"


def _blob(victim: Victim, commit: str, path: str) -> bytes | None:
    said = subprocess.run(
        ["git", "cat-file", "blob", f"{commit}:{path}"],
        cwd=victim.repo, env=victim.environ, capture_output=True, check=False,
    )  # fmt: skip
    return said.stdout if said.returncode == 0 else None


# ---------------------------------------------------------------- at the end


def assert_nothing_lost(victim: Victim, expected: dict[str, str]) -> None:
    """The tree of an uninterrupted run, and all laws of money, log and repository."""
    view = victim.view
    assert view.state is RunState.COMPLETED, f"{view.state} {view.reason} {view.detail} {view.content}"
    assert victim.files == expected
    assert_laws(victim)
    if view.epic is not None:
        _assert_epic_is_whole(victim)


def assert_laws(victim: Victim) -> None:
    """Money, log and repository: whatever became of the run."""
    assert_money(victim)
    for death in victim.deaths:
        assert_death_cost_nothing_more(victim, death)
    assert_repository(victim)


def assert_money(victim: Victim) -> None:
    log, view = victim.log, victim.view
    assert_well_formed(log)
    assert victim.chain_faults == []
    assert view.held == 0
    settled = [event for event in log if isinstance(event, ModelCallSettled)]
    failed = [event for event in log if isinstance(event, ModelCallFailed)]
    charged = [event.usd for event in settled] + [event.usd for event in failed]
    assert view.spent == sum(charged, Decimal(0))
    turns = _turns(log)
    paid = Counter(turns[event.call] for event in settled)
    lost = Counter(turns[event.call] for event in failed)
    sent = Counter(_turn(request.body) for request in victim.requests)
    assert max(paid.values(), default=0) <= 1, "a turn is settled once"
    for turn in sent | paid:
        assert paid[turn] <= sent[turn] <= paid[turn] + lost[turn], f"sent {sent[turn]} times: {turn[1][:80]} {turn[2]}"
    assert all(request.status == 200 for request in victim.requests if request.outcome == "answered")


def assert_death_cost_nothing_more(victim: Victim, death: Death) -> None:
    """What was in the log stays; its settled calls never come again; each open one is charged once, at its hold."""
    log = victim.log
    if not death.log or death.log[0].run != log[0].run:
        return  # it died before there was anything to go on with
    assert list(log[: len(death.log)]) == list(death.log), "the log goes on from where it was"
    turns = _turns(log)
    settled = {turns[event.call] for event in death.log if isinstance(event, ModelCallSettled)}
    again = {_turn(request.body) for request in victim.requests[death.seen :]} & settled
    assert not again, f"paid before the death and asked again: {[(turn[1][:80], turn[2]) for turn in again]}"
    for row in fold(death.log).ledger.values():
        if row.is_open:
            charged = [event for event in log if isinstance(event, ModelCallFailed) and event.call == row.call]
            assert [(event.usd, event.kind) for event in charged] == [(row.reserved, ModelErrorKind.INTERRUPTED)]


def assert_repository(victim: Victim) -> None:
    git_dir = victim.repo / ".git"
    assert not list(git_dir.rglob("*.lock")), "locks are left behind"
    assert not list(git_dir.glob("equitr*")), "a landing left something behind"
    named = [event.commit for event in victim.log if isinstance(event, TaskChanged | MergeLanded) and event.commit]
    kept = set(victim.git("rev-list", "--all").splitlines())
    assert set(named) <= kept, "a commit that the log names is unreachable"
    assert_no_commit_is_unreachable(victim)


def assert_no_commit_is_unreachable(victim: Victim) -> None:
    said = victim.git("fsck", "--unreachable", "--no-reflogs", "--no-progress")
    found = [line.split()[2] for line in said.splitlines() if line.startswith("unreachable commit")]
    lost = [each for each in found if not _is_made_anew(victim, each)]
    assert not lost, "unreachable: " + ", ".join(victim.git("log", "-1", "--format=%h %s", each) for each in lost)


def _is_made_anew(victim: Victim, commit: str) -> bool:
    """Only a copy of what a ref keeps, put upon another commit than it was: the branch had moved between the two."""
    message, epic = victim.git("log", "-1", "--format=%B", commit), victim.view.epic
    kept = set(victim.git("for-each-ref", "--format=%(refname:lstrip=2)", f"refs/equitr/{epic}").splitlines())
    if found := re.search(r"^Task: (T\d+)$.*^Attempt: (\d+)$", message, re.MULTILINE | re.DOTALL):
        return f"{epic}/{found[1]}.{found[2]}" in {name.removeprefix("equitr/") for name in kept}
    if found := re.search(r"^(T\d+): start of attempt (\d+)$", message, re.MULTILINE):
        return any(name.endswith(f"{found[1]}.{int(found[2]) - 1}-left") for name in kept)
    if re.fullmatch(r"T\d+: so far", message.strip()):
        return True  # a question of the forecast, about a step whose own tree has a ref
    is_plan = f"{epic}: planning documents" in message
    return is_plan and victim.git("rev-parse", f"{commit}^") != victim.view.base_commit


def _assert_epic_is_whole(victim: Victim) -> None:
    view = victim.view
    assert victim.git("status", "--porcelain") == ""
    assert victim.git("rev-parse", "HEAD") == victim.git("rev-parse", f"equitr/{view.epic}")
    assert victim.git("symbolic-ref", "HEAD") == "refs/heads/main"
    pool = {path for folder in (victim.home / "worktrees").glob("*/pool") for path in folder.iterdir()}
    there = {path for folder in (victim.home / "worktrees").glob("*/*") for path in folder.iterdir()}
    assert there == pool, "worktrees are left behind beside those that wait for their next use"
    listed = victim.git("worktree", "list", "--porcelain").splitlines()
    known = {Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")}
    odd = sorted(str(path) for path in known ^ ({victim.repo} | pool))
    assert not odd, f"git and the disk disagree about worktrees: {odd}"
    for task in view.tasks.values():
        assert task.receipt is not None
        assert victim.git("rev-parse", f"{task.commit}^{{tree}}") == task.receipt.tree
        assert all(check.passed and check.tree == task.receipt.tree for check in task.receipt.checks)
    landed = _WORK.findall(victim.git("log", "--format=%s", "main"))
    assert sorted(landed) == sorted(view.tasks), "one commit a task"


# ---------------------------------------------------------------- calls, told by turn


def _turns(log: Iterable[Event]) -> dict[CallId, Turn]:
    """Each reserved call, told as the server can tell it."""
    system: dict[SessionId, str] = {}
    first: dict[SessionId, str] = {}
    places: dict[SessionId, tuple[str, int]] = {}
    turns: dict[CallId, Turn] = {}
    for event in log:
        match event:
            case MessageAdded(message=SystemMessage() as said):
                system.setdefault(event.session, said.text)
            case MessageAdded(message=UserMessage() as said):
                first.setdefault(event.session, said.text)
            case MessageAdded(message=AssistantMessage() as said):
                last, since = places.get(event.session, ("", 0))
                places[event.session] = (said.calls[-1].id, 0) if said.calls else (last, since + 1)
            case ModelCallReserved():
                here = event.session
                turns[event.call] = (system[here], first[here], _place(*places.get(here, ("", 0))))
    return turns


def _turn(body: Any) -> Turn:
    messages: Sequence[dict[str, Any]] = body["messages"]
    system = next((_text(each) for each in messages if each["role"] == "system"), "")
    first = next(_text(each) for each in messages if each["role"] == "user")
    last, since = "", 0
    for each in messages:
        if each["role"] == "assistant":
            calls = each.get("tool_calls") or ()
            last, since = (calls[-1]["id"], 0) if calls else (last, since + 1)
    return system, first, _place(last, since)


def _place(last_call: str, since: int) -> str:
    return f"{last_call} + {since}"


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else json.dumps(content)
