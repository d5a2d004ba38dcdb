"""Promises held to: published artifacts are compared with what the producer would land, and what was never published is
written down by the host when the work lands.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from posixpath import normpath
from typing import TypeVar

from equitr_coder.domain.artifacts import Artifact, ContractVerdict
from equitr_coder.domain.epic import Plan, SyncPoint, Task
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.events import ContractChecked, Event
from equitr_coder.domain.ids import CommitId, TaskId
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.orchestration.contracts.checking import compare
from equitr_coder.orchestration.contracts.extraction import extracted
from equitr_coder.orchestration.contracts.findings import Finding, unchecked
from equitr_coder.orchestration.contracts.recognition import PromisedTests, recognise
from equitr_coder.orchestration.contracts.sources import Sources, Tree
from equitr_coder.orchestration.gate import Gate
from equitr_coder.orchestration.mailbox import Mailbox
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from equitr_coder.orchestration.sync_points import SyncPoints
from equitr_coder.ports import EventSink, Repository

FAILED = "contract_failed"

_ROUNDS = 12
"""How often a comparison may ask for more files."""
_LARGEST = 2_000_000
"""Bytes of a file that is looked into."""
_NO_RUNNER = re.compile(r"\S+: No module named pytest")
"""All that is printed then."""
_TEST_OUTPUT = 3_000

_T = TypeVar("_T")


class Promises:
    """Implements `outcomes.Proof` and `outcomes.Chronicle`."""

    def __init__(
        self,
        *,
        plan: Plan,
        repository: Repository,
        gate: Gate,
        events: EventSink,
        mailbox: Mailbox,
        sync_points: SyncPoints,
        ref_prefix: str,
    ) -> None:
        self._plan = plan
        self._repository = repository
        self._gate = gate
        self._events = events
        self._mailbox = mailbox
        self._sync_points = sync_points
        self._ref_prefix = ref_prefix

    async def examine(
        self, hand_in: HandIn, old: CommitId, new: CommitId, _results: Sequence[CheckResult]
    ) -> SentBack | Sequence[CheckResult] | None:
        broken: list[tuple[SyncPoint, Artifact, str]] = []
        shown: list[CheckResult] = []
        for point in self._plan.produced_by(hand_in.task.id):
            artifact = self._sync_points.view(point.id).newest
            if artifact is None:
                continue
            found, result = await self._hold(artifact, hand_in, old, new)
            if result is not None:
                shown.append(result)
            if found.verdict is ContractVerdict.BROKEN:
                broken.append((point, artifact, found.detail))
            await self._note(point, artifact, found, new)
        return _sent_back(broken) if broken else shown

    async def record(self, task: TaskId, old: CommitId, new: CommitId, events: Sequence[Event]) -> None:
        """The landing, with what the task promised and did not publish, as one transaction."""
        missing = [point for point in self._plan.produced_by(task) if self._sync_points.view(point.id).newest is None]
        contents = {point.id: await self._written_down(point, old, new) for point in missing}

        def all_of_it() -> list[Event]:
            written: list[Event] = []
            letters = 0
            for point in missing:
                made = self._sync_points.production(point, contents[point.id], by="host", letters_before=letters)
                letters += len(made) - 1
                written += made
                is_code = recognise(contents[point.id]) is not None
                written.append(
                    ContractChecked(
                        task=task,
                        sync_point=point.id,
                        version=1,
                        verdict=ContractVerdict.KEPT if is_code else ContractVerdict.UNCHECKED,
                        detail="written down by the host from what landed",
                        commit=new,
                    )
                )
            return [*written, *events]

        await self._mailbox.post(all_of_it)
        if missing:
            self._sync_points.wake()

    async def _written_down(self, point: SyncPoint, old: CommitId, new: CommitId) -> str:
        task = self._plan.task(point.producer)
        return await self._look(task, old, new, lambda sources: extracted(point.type, sources))

    # ---------------------------------------------------------------- comparing

    async def _hold(
        self, artifact: Artifact, hand_in: HandIn, old: CommitId, new: CommitId
    ) -> tuple[Finding, CheckResult | None]:
        contract = recognise(artifact.content)
        if isinstance(contract, PromisedTests):
            return await self._run(artifact, contract, new)
        return await self._look(hand_in.task, old, new, lambda sources: compare(artifact.content, sources)), None

    async def _look(self, task: Task, old: CommitId, new: CommitId, question: Callable[[Sources], _T]) -> _T:
        """Ask, fetch the files that were asked for, and ask again until nothing more is wanted."""
        paths = await self._repository.list_tree(new)
        changed: Mapping[str, str] = await self._repository.changed(old, new) if old != new else {}
        own = sorted(path for path, change in changed.items() if change != "deleted")
        if not own:
            own = sorted(path for path in paths if any(fnmatch(path, glob) for glob in task.files))
        tree = Tree(frozenset(paths), tuple(own))
        texts: dict[str, str | None] = {}
        for _ in range(_ROUNDS):
            sources = Sources(tree, texts)
            answer = question(sources)
            if not sources.wanted:
                break
            for path in sorted(sources.wanted):
                texts[path] = _text(await self._repository.show_file(new, path))
        return answer

    async def _run(self, artifact: Artifact, tests: PromisedTests, new: CommitId) -> tuple[Finding, CheckResult | None]:
        """A test module is put into a checkout of the merged tree by the command itself, so that whoever verifies the
        receipt later runs the same.
        """
        name = _slug(artifact.sync_point)
        path = _inside(tests.file) or f"test_contract_{name}.py"
        # By its content: what two sync points are called may come down to one name.
        ref = f"{self._ref_prefix}contracts/{name}.{artifact.version}-{artifact.digest[:10]}"
        if await self._repository.resolve(ref) is None:
            base = self._events.view.base_commit
            assert base is not None, "the epic is approved before anything is merged"
            tree = await self._repository.tree_with(await self._repository.tree_of(base), {path: tests.code.encode()})
            kept = await self._repository.commit_tree(
                tree,
                [base],
                f"{artifact.sync_point}: tests that {artifact.producer} promised to pass",
                at=self._events.view.started,
            )
            await self._repository.move_ref(ref, kept, None)
        [result] = await self._gate.prove(new, [_command(ref, path, tests)])
        if result.passed:
            return Finding(ContractVerdict.KEPT, f"its tests pass ({path})"), result
        if _NO_RUNNER.fullmatch(result.output_tail.strip()):
            return unchecked("its tests need pytest, which is not installed here"), None
        if result.unproven:
            return unchecked(f"its tests prove nothing here: {result.unproven}"), None
        ended = "did not end in time" if result.timed_out else f"ended with exit code {result.exit_code}"
        tail = result.output_tail.strip()[-_TEST_OUTPUT:]
        return Finding(ContractVerdict.BROKEN, f"its tests ({path}) {ended}:\n{tail}"), None

    async def _note(self, point: SyncPoint, artifact: Artifact, found: Finding, commit: CommitId) -> None:
        """Once for what is new in it; readers of a broken contract are told in the same transaction."""
        checked = ContractChecked(
            task=point.producer,
            sync_point=point.id,
            version=artifact.version,
            verdict=found.verdict,
            detail=found.detail,
            commit=commit,
        )
        known = self._sync_points.view(point.id).checked
        if known is not None and _said(known) == _said(checked):
            return
        await self._mailbox.post(lambda: [checked, *self._alarms(point, artifact, found)])

    def _alarms(self, point: SyncPoint, artifact: Artifact, found: Finding) -> list[Event]:
        if found.verdict is not ContractVerdict.BROKEN:
            return []
        content = (
            f"{point.id} (version {artifact.version}) is not what {point.producer} has built; it goes back to mend it, "
            f"and may change the contract. What differs:\n{found.detail}"
        )
        told = {(sent.to, sent.content) for sent in self._events.view.messages if sent.topic == FAILED}
        to = [reader for reader in self._sync_points.readers(point) if (reader, content) not in told]
        return [
            self._mailbox.letter(reader, content, topic=FAILED, number=number)
            for number, reader in enumerate(to, start=1)
        ]


def _said(event: ContractChecked) -> tuple[object, ...]:
    return event.version, event.verdict, event.detail


def _sent_back(broken: Sequence[tuple[SyncPoint, Artifact, str]]) -> SentBack:
    names = ", ".join(f"{point.id} (version {artifact.version})" for point, artifact, _ in broken)
    details = "\n".join(detail for _, _, detail in broken)
    return SentBack(
        StopReason.CONTRACT_BROKEN,
        f"the files are not what was published as {names}:\n{details}\nOthers build on it: mend the files. Only if the "
        "contract itself must change, publish it again.",
    )


def _text(content: bytes | None) -> str | None:
    if content is None or len(content) > _LARGEST or b"\0" in content:
        return None
    return content.decode("utf-8", errors="replace")


def _inside(path: str) -> str:
    """As a path of the repository; empty for what is none."""
    plain = normpath(path) if path else ""
    parts = plain.split("/")
    return "" if parts[0] in ("", ".", "..") or any(part.lower() == ".git" for part in parts) else plain


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "S"


def _command(ref: str, path: str, tests: PromisedTests) -> str:
    quoted, source = shlex.quote(path), shlex.quote(f"{ref}:{path}")
    folder = path.rpartition("/")[0]
    make = f"mkdir -p {shlex.quote(folder)} && " if folder else ""
    if tests.is_unittest:
        module = path.removesuffix(".py").replace("/", ".")
        run = f"python3 -m unittest {shlex.quote(module)}"
    else:
        run = f"python3 -m pytest -q -p no:cacheprovider {quoted}"
    return f"{make}git show {source} > {quoted} && {run}"
