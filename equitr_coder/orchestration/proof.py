"""Keeps what proves a task out of the hands of whoever must pass it: its check, its tests, and what steers them.

A file of the proof that is there before the task is frozen by its content. A person may allow a change. Where the plan
itself names the test file, the task may change it, and the tests as they were must still pass on the new code. Tests
that the task brings along must fail without its other changes. A check that a change may have silenced must see a
fault.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from posixpath import normpath

from equitr_coder.domain.approvals import Approval, Scope
from equitr_coder.domain.canary import chosen, command_with_fault, faults, holds_bold_words, is_bold
from equitr_coder.domain.check_command import Runner, parts
from equitr_coder.domain.epic import Task, TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CommitId, RequestId, SessionId, TreeId
from equitr_coder.domain.proof_files import ProofFiles, edited_sections, find
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.orchestration.gate import Gate
from equitr_coder.orchestration.outcomes import WOULD_STEER, HandIn, SentBack
from equitr_coder.ports import Approvals, EventSink, Repository

REPOSITORY = "repository"
"""Who wrote the tests that were there before the run."""
_TEST_TASKS = frozenset({"test", "tests", "testing"})
_NAMED = 8
_ROUNDS = 8
_FEW = 20
"""Changed files that are read one by one; of more, one command tells the added lines."""
_COUNTED = frozenset({Runner.PYTEST, Runner.UNITTEST, Runner.NODE})
_HOW = (
    "Put these files back as they were, make the code pass them, and put further tests into a new file. If the check "
    "or a test is wrong, say so in the summary."
)


@frozen
class _Change:
    """A candidate beside the branch it would land on."""

    hand_in: HandIn
    old: CommitId
    new: CommitId
    results: Sequence[CheckResult]
    paths: Mapping[str, str]
    before: ProofFiles
    after: ProofFiles

    @property
    def task(self) -> Task:
        return self.hand_in.task

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(result.command for result in self.results)


class ProofKeeper:
    """Implements `outcomes.Proof`."""

    def __init__(self, *, gate: Gate, repository: Repository, events: EventSink, approvals: Approvals) -> None:
        self._gate = gate
        self._repository = repository
        self._events = events
        self._approvals = approvals
        self._known: dict[tuple[TreeId, tuple[str, ...]], ProofFiles] = {}
        self._before: dict[tuple[TreeId, str], CheckResult] = {}
        self._listed: dict[TreeId, Sequence[str]] = {}

    async def held(self, task: Task, commands: Sequence[str], base: CommitId) -> Mapping[str, str]:
        """What the task's agent may not write unasked, each path with what it is to the task's checks."""
        found = await self._files(commands, base)
        named = _named(task)
        held = {path: _what(path, found) for path in found.whole}
        if found.has_proof:
            held |= {path: WOULD_STEER for path in found.steering.plain_paths() if path not in held}
        return {path: words for path, words in held.items() if path not in named}

    async def written_by(self, hand_in: HandIn, old: CommitId, new: CommitId) -> tuple[str, ...]:
        """Who wrote the tests that the task's own check names."""
        if hand_in.task.check is None:
            return ()
        found = await self._files((hand_in.task.check,), new)
        changed = await self._repository.changed(old, new) if old != new else {}
        done = [task for task in self._events.view.tasks.values() if task.state is TaskState.DONE]
        writers: set[str] = set()
        for path in found.tests | found.scripts:
            of_tasks = {task.id for task in done if path in task.files}
            writers |= {hand_in.task.id} if path in changed else of_tasks or {REPOSITORY}
        return tuple(sorted(writers))

    async def examine(
        self, hand_in: HandIn, old: CommitId, new: CommitId, results: Sequence[CheckResult]
    ) -> SentBack | None:
        commands = tuple(result.command for result in results)
        before, after = await self._files(commands, old), await self._files(commands, new)
        paths = await self._repository.changed(old, new)
        change = _Change(hand_in, old, new, results, paths, before, after)
        edits = await self._edits(change)
        granted = {path for path in edits if self._is_granted(hand_in.task, path)}
        planned = (edits.keys() & _named(hand_in.task)) - granted
        if refusal := await self._ask(change, {path: edits[path] for path in edits.keys() - granted - planned}):
            return refusal
        if planned and (refusal := await self._still_passes(change, planned)):
            return refusal
        return await self._has_no_teeth(change) or await self._is_silenced(change)

    # ---------------------------------------------------------------- what was changed

    async def _edits(self, change: _Change) -> dict[str, str]:
        """Changed files of the proof as it was, and new ones that would steer it; each with what it is."""
        before, after = change.before, change.after
        edits: dict[str, str] = {}
        for path, kind in change.paths.items():
            if path in before.whole:
                if kind == "deleted" or await self._differs(change, path):
                    edits[path] = _what(path, before)
            elif kind == "created" and (before.steering.steers(path) or after.steering.steers(path)):
                is_first = not before.has_proof and not any(found.endswith("akefile") for found in before.partly)
                if not is_first and await self._says_something(change.new, path):
                    edits[path] = WOULD_STEER
            elif path in before.partly | after.partly:
                old, new = await self._text(change.old, path), await self._text(change.new, path)
                if names := edited_sections(path, old, new, may_set=not before.has_proof):
                    edits[path] = f"steers the check ({', '.join(name or 'its settings' for name in names)})"
        return edits

    async def _differs(self, change: _Change, path: str) -> bool:
        """In content: a mode alone changes nothing of what it says."""
        old = await self._repository.show_file(change.old, path)
        return old != await self._repository.show_file(change.new, path)

    async def _says_something(self, commit: CommitId, path: str) -> bool:
        """An `__init__.py` may stand anywhere while it is empty."""
        if not path.endswith("__init__.py"):
            return True
        lines = (await self._text(commit, path) or "").splitlines()
        return any(line.strip() and not line.strip().startswith("#") for line in lines)

    # ---------------------------------------------------------------- whether it may be

    def _is_granted(self, task: Task, path: str) -> bool:
        for asked, resolved in self._events.view.grants:
            if not (asked.is_about_proof and resolved.answer.allowed):
                continue
            is_mine = asked.task == task.id
            if resolved.answer.scope is Scope.RUN or (is_mine and resolved.answer.scope is Scope.TASK):
                return True
            if is_mine and path in asked.paths:
                return True
        return False

    async def _ask(self, change: _Change, edits: Mapping[str, str], why: str = "") -> SentBack | None:
        """A person's yes to the edits, or why the hand-in goes back."""
        if not edits:
            return None
        why = why or "what proves the task is not changed by who must pass it"
        listed = _listed(f"{path} ({edits[path]})" for path in sorted(edits))
        refused = SentBack(
            StopReason.CHECK_EDITED, f"{why}, and this was changed: {listed}. {_HOW}", tuple(sorted(edits))
        )
        if not self._events.view.options.can_ask:
            return refused
        hand_in = change.hand_in
        approval = Approval(
            id=RequestId(f"{hand_in.task.id}:proof:{await self._digest(change.new, edits)}"),
            session=SessionId(f"{hand_in.task.id}.{hand_in.attempt}"),
            agent=hand_in.agent,
            task=hand_in.task.id,
            tool="hand_in",
            what=f"accept a change of: {listed}",
            why=why,
            inside=False,
            paths=tuple(sorted(edits)),
            is_about_proof=True,
        )
        answer = await self._approvals.ask(approval)
        if answer.allowed:
            return None
        said = f" The user said: {answer.note}" if answer.note else " The user did not allow it."
        return SentBack(refused.reason, refused.detail + said, refused.paths)

    async def _digest(self, commit: CommitId, paths: Iterable[str]) -> str:
        """The same change is the same question, also after a restart."""
        found = hashlib.sha256()
        for path in sorted(paths):
            content = await self._repository.show_file(commit, path)
            found.update(path.encode("utf-8", "surrogateescape") + b"\0" + (content if content is not None else b"-"))
        return found.hexdigest()[:12]

    # ---------------------------------------------------------------- what the checks still prove

    async def _still_passes(self, change: _Change, planned: Iterable[str]) -> SentBack | None:
        """The plan lets the task change these files; the proof as it was must hold all the same."""
        before = {path: await self._repository.show_file(change.old, path) for path in planned}
        restored = await self._with(change.new, before, "the proof as it was")
        for now, then in zip(change.results, await self._gate.prove(restored, change.commands), strict=False):
            if then.passed and (then.tests or 0) <= (now.tests or 0):
                continue
            if then.passed:
                what = f"fewer tests run than before ({now.tests} instead of {then.tests})"
            else:
                what = f"`{then.command}` fails with the tests as they were:\n{then.output_tail}\n"
            edits = dict.fromkeys(planned, "proved the task before")
            return await self._ask(change, edits, f"the plan lets the task change its tests, but {what}")
        return None

    async def _has_no_teeth(self, change: _Change) -> SentBack | None:
        """Tests of its own, put alone on what was there, must fail: else they say nothing about the change."""
        check = change.task.check
        if check is None or change.task.check_reason or change.task.type in _TEST_TASKS:
            return None
        own = await self._files((check,), change.new)
        brought = [path for path in own.whole | own.partly if path in change.paths]
        proves = [path for path in brought if path in own.tests | own.scripts | own.partly]
        if not proves:
            return None
        alone = await self._with(
            change.old,
            {path: await self._repository.show_file(change.new, path) for path in brought},
            "the tests that the task brings, alone",
        )
        [with_tests] = await self._gate.prove(alone, [check])
        if not with_tests.passed:
            return None
        if (await self._on_branch(change, check)).passed:
            return None  # it passed before: what it proves is that nothing broke
        return SentBack(
            StopReason.NO_TESTS,
            f"`{check}` passes with nothing but {_listed(sorted(proves))} added to what was there, so these tests "
            "prove nothing about the change. Write tests that fail without it.",
            tuple(sorted(proves)),
        )

    async def _is_silenced(self, change: _Change) -> SentBack | None:
        """Tests that ran before must run now; and where the change holds words that can silence a runner, a fault put
        into the tests must turn the check red.
        """
        code = [path for path in change.paths if path not in change.after.tests | change.after.beside]
        bold = await self._is_bold(change, code)
        for result in change.results:
            if result.skipped or bold:
                then = await self._on_branch(change, result.command)
                if (then.tests or 0) > (result.tests or 0):
                    return SentBack(
                        StopReason.NO_TESTS,
                        f"`{result.command}` runs fewer tests than before: {result.tests or 0} instead of "
                        f"{then.tests}. Tests that ran must not be skipped now.",
                    )
        return await self._misses_faults(change) if bold else None

    async def _is_bold(self, change: _Change, code: Sequence[str]) -> bool:
        """The files are read first: most hold no such word anywhere, and nothing has to be compared."""
        there = [path for path in code if change.paths[path] != "deleted"]
        if len(there) <= _FEW:
            texts = [await self._text(change.new, path) for path in there]
            if not any(holds_bold_words(text) for text in texts if text is not None):
                return False
        return is_bold(await self._repository.diff(change.old, change.new, paths=code))

    async def _misses_faults(self, change: _Change) -> SentBack | None:
        for result in change.results:
            found = await self._files((result.command,), change.new)
            if (
                found.steering.runners & _COUNTED
                and result.tests is None
                and all(p.is_heard for p in parts(result.command))
            ):
                return SentBack(
                    StopReason.NO_TESTS,
                    f"`{result.command}` ended without its runner's summary: nobody can tell that a test ran.",
                )
            if await self._misses_a_fault(change, result.command, found):
                return SentBack(
                    StopReason.CHECK_EDITED,
                    f"with a fault put into its tests `{result.command}` still passes: something in the change keeps "
                    "the runner from failing. Take that out.",
                )
        return None

    async def _misses_a_fault(self, change: _Change, command: str, found: ProofFiles) -> bool:
        chosen_files = chosen(found.tests | found.scripts, change.before.whole)
        files = {path: await self._text(change.new, path) or "" for path in chosen_files}
        for faulty in faults(files, scripts=found.scripts):
            commit = await self._with(change.new, faulty, "with a fault in the tests")
            [seen] = await self._gate.prove(commit, [command])
            if seen.passed:
                return True
        faulty_command = command_with_fault(command)
        if faulty_command is None:
            return False
        [seen] = await self._gate.prove(change.new, [faulty_command])
        return seen.passed

    async def _on_branch(self, change: _Change, command: str) -> CheckResult:
        """What the check says without the change; asked once for a tree."""
        key = (await self._repository.tree_of(change.old), command)
        if key not in self._before:
            [self._before[key]] = await self._gate.prove(change.old, [command])
        return self._before[key]

    # ---------------------------------------------------------------- trees

    async def _with(self, base: CommitId, files: Mapping[str, bytes | None], what: str) -> CommitId:
        tree = await self._repository.tree_with(await self._repository.tree_of(base), files)
        return await self._repository.commit_tree(tree, [base], f"equitrcoder: {what}")

    async def _text(self, commit: CommitId, path: str) -> str | None:
        content = await self._repository.show_file(commit, path)
        return content.decode("utf-8", errors="replace") if content is not None else None

    async def _files(self, commands: Sequence[str], commit: CommitId) -> ProofFiles:
        key = (await self._repository.tree_of(commit), tuple(commands))
        if key not in self._known:
            self._known[key] = await self._find(commands, commit)
        return self._known[key]

    async def _find(self, commands: Sequence[str], commit: CommitId) -> ProofFiles:
        tree = await self._repository.tree_of(commit)
        if tree not in self._listed:
            self._listed[tree] = await self._repository.list_tree(tree)
        paths = self._listed[tree]
        texts: dict[str, str] = {}
        found = find(commands, paths, texts)
        for _ in range(_ROUNDS):
            unread = found.wanted - texts.keys()
            if not unread:
                break
            texts |= {path: await self._text(commit, path) or "" for path in unread}
            found = find(commands, paths, texts)
        return found


def _named(task: Task) -> set[str]:
    """Files that the approved plan names for the task, to the letter."""
    return {normpath(path.strip()) for path in task.files if not set(path) & set("*?[")}


def _what(path: str, found: ProofFiles) -> str:
    if path in found.tests:
        return "is a test that the check runs"
    if path in found.scripts:
        return "is what the check runs"
    if path in found.settings:
        return "steers the check"
    return "stands beside the tests that the check runs"


def _listed(words: Iterable[str]) -> str:
    named = list(words)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{', '.join(named[:_NAMED])}{more}"
