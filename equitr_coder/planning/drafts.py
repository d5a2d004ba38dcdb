"""The planning documents while they are drafts: kept as events, checked, rendered. Talks to no agent.

All state is folded from the event log, so a restart goes on where the log ends; the only memory of its own is which
document is being revised.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal, cast

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.errors import RunStopped, StopReason, ToolFailure, UserError
from equitr_coder.domain.events import DocumentWritten, Event, PlanSubmitted
from equitr_coder.domain.forecasts import Forecast
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import SessionId
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import ToolMessage, UserMessage
from equitr_coder.domain.planned_commands import Standing
from equitr_coder.domain.run_view import RunView
from equitr_coder.planning import messages
from equitr_coder.planning.coverage import coverage_problems
from equitr_coder.planning.documents import parse_todos, render_todos
from equitr_coder.planning.gaps import find_gaps, shortened
from equitr_coder.planning.order import order_problems
from equitr_coder.planning.placeholders import NOT_WRITTEN, render_design, render_requirements
from equitr_coder.planning.plan_rules import MIN_KEY, PlanRules, few_tasks, tidy_todo, validate
from equitr_coder.planning.proving import Proving, dependent_tests
from equitr_coder.planning.said import without_trace
from equitr_coder.planning.size import judge
from equitr_coder.planning.structure import design_problems, requirements_problems
from equitr_coder.planning.sync_detection import with_detected
from equitr_coder.ports import CheckProbe, EventSink

DocumentName = Literal["requirements", "design", "todos"]
PLANNER = SessionId("planner")
MOST_REFUSALS = 3
"""Refused submissions in a row that are answered; the next one ends planning."""


MakeForecast = Callable[[Plan], Awaitable[Forecast | None]]
"""What a plan may cost; None when nobody knows."""


@frozen
class Facts:
    """What planning starts from. `listing` is the repository's files as text, one to a line, uncapped; `code_map` the
    text of its map.
    """

    request: str
    root: Path
    listing: str = ""
    code_map: str = ""
    attachments: str = ""
    """What the request mentions, as one block."""
    images: tuple[Image, ...] = ()
    """Shown with the request."""


@frozen
class PlanningOptions:
    rules: PlanRules = field(default_factory=PlanRules)
    default_check: str | None = None
    """`checks.default`."""
    independent_tests: bool = False
    """`checks.independent_tests`."""
    standing: Standing = field(default_factory=Standing)
    """Shown with the plan."""
    can_ask: bool = True
    """Whether a person is there to answer."""
    max_iterations: int = 100
    """Model calls of the planner's whole session, revisions included."""
    profile: str = "planner"


class DraftBook:
    """Implements `ports.Drafts`, and `ports.Guard` over its refusals; takes the user's own edits too."""

    def __init__(
        self,
        *,
        sink: EventSink,
        facts: Facts,
        options: PlanningOptions,
        forecast: MakeForecast | None = None,
        probe: CheckProbe | None = None,
        expect: Callable[[Plan], None] | None = None,
    ) -> None:
        """`expect` is told of each plan that is sound, before its checks are tried."""
        self._expect = expect
        self._sink = sink
        self._facts = facts
        self._options = options
        self._forecast = forecast
        self._proving = Proving(probe)
        self._target: DocumentName | None = None
        self._excused = 0

    @property
    def documents(self) -> Mapping[str, DocumentWritten]:
        return self._sink.view.documents

    @property
    def refusals(self) -> int:
        """Submissions refused in a row, malformed ones included, since somebody spoke to the planner."""
        count = _refused_submissions(self._sink.view)
        self._excused = min(self._excused, count)
        return count - self._excused

    def excuse(self) -> None:
        """Give a planner that used up its tries new ones: somebody asked it again. Its last call may still be open."""
        count = _refused_submissions(self._sink.view)
        self._excused = count if count >= MOST_REFUSALS else 0

    def check(self, iterations: int) -> None:
        """Stop a planner whose submissions are too malformed to arrive here."""
        del iterations  # counted are refusals, not calls
        if self.refusals > MOST_REFUSALS:
            raise _no_usable_plan("the arguments of submit_plan were malformed")

    @contextlib.contextmanager
    def only(self, name: DocumentName) -> Iterator[None]:
        """While open, the planner can change this document alone."""
        self._target = name
        try:
            yield
        finally:
            self._target = None

    async def write(self, name: str, content: str) -> str:
        """Keep what the planner wrote, complete or not.

        Raises:
            ToolFailure: nothing was stored; says why.
        """
        document = document_name(name)
        if document is None:
            raise ToolFailure(f"There is no document named {name!r}. Write `requirements` or `design`.")
        if document == "todos":
            return messages.TODOS_ARE_RENDERED
        self._refuse_after_approval()
        if self._target not in (None, document):
            raise ToolFailure(messages.only_one_is_revised(self._target, document))
        if not content.strip():
            raise ToolFailure(f"Nothing was stored: the content of {document} is empty. Give the whole document.")
        is_new = document not in self.documents
        written = await self._keep(document, content, by="planner")
        unsaid = self._unsaid() if is_new else ()
        return messages.document_kept(document, written.revision, written.problems, unsaid=unsaid)

    async def submit(self, plan: Plan) -> str | None:
        """Take the plan if it is sound; a refused one costs one of the planner's few tries.

        Raises:
            ToolFailure: no plan can be submitted now.
            RunStopped: too many submissions in a row were refused (`bad_plan`).
        """
        self._refuse_after_approval()
        accepted, unsound = validate(plan, self._options.rules)
        few = self._too_few(accepted)
        problems = [
            *unsound,
            *([few] if few else []),
            *self._unsettled(accepted, is_sound=not unsound),
        ]
        if self._expect is not None and not problems:
            self._expect(accepted)
        problems += await self._unproven(accepted)
        if problems:
            if few and self._was_told_of_few():
                raise _too_few_again(accepted, self._options.rules)
            if self.refusals >= MOST_REFUSALS:
                raise _no_usable_plan(problems[0])
            return messages.plan_refused(problems)
        if self._options.rules.detect_sync_points:
            accepted = with_detected(accepted, self._options.rules.sync_point_types)
        if accepted == self._sink.view.plan:
            return None
        if self._target not in (None, "todos"):
            raise ToolFailure(messages.only_one_is_revised(self._target, "todos"))
        await self._submit(accepted, todos=render_todos(accepted), by="host")
        return None

    def _too_few(self, plan: Plan) -> str:
        """A plan that is changed on the user's word is as large as the user wants it."""
        if self._target is not None:
            return ""
        return few_tasks(plan, self._options.rules, is_small=judge(self._facts.request) == "small")

    def _was_told_of_few(self) -> bool:
        return any(MIN_KEY in message.text for message in _refused_in_a_row(self._sink.view))

    def _unsettled(self, plan: Plan, *, is_sound: bool) -> list[str]:
        """What the planner must mend beyond a sound plan: of the user's own edits it is no more than a note."""
        requirements = self.documents.get("requirements")
        is_written = requirements is not None and requirements.by != "host"
        return [
            *(order_problems(plan) if is_sound else []),
            *(coverage_problems(plan, requirements.content) if requirements is not None and is_written else []),
        ]

    async def _unproven(self, plan: Plan) -> list[str]:
        """What is wrong with the plan's checks, for the planner: they pass already, are left out on purpose without a
        word, or run what only their own task writes.
        """
        await self._proving.look(plan)
        problems = self._proving.problems(plan)
        if self._options.default_check is None:
            problems += [
                f"task {task.id} has `check: none` and no check_reason: say why nothing can check it, or name a check"
                for task in plan.tasks
                if task.check_waived and not task.check_reason.strip()
            ]
        if self._options.independent_tests:
            problems += dependent_tests(plan, self._facts.listing.splitlines())
        return problems

    async def edit(self, name: str, content: str) -> None:
        """Keep the user's own text; todos become the plan.

        Raises:
            UserError: the document or the plan cannot be taken; nothing was stored.
        """
        document = document_name(name)
        if document is None:
            raise UserError(f"there is no document named {name!r}", hint="edit requirements, design or todos")
        if self._sink.view.is_approved:
            raise UserError("the plan is approved and fixed", hint="start another epic for further changes")
        if not content.strip():
            raise UserError(f"{document}.md would be empty", hint="give the whole document")
        if document != "todos":
            await self._keep(document, content, by="user")
            return
        await self._edit_todos(content)

    async def _edit_todos(self, content: str) -> None:
        current = self._sink.view.plan
        if current is None:
            raise UserError("there is no plan yet", hint="let the planner finish; then edit its todos")
        parsed, ticked = parse_todos(content, current)
        plan, problems = validate(parsed, self._options.rules)
        if problems:
            raise UserError(f"todos.md: {'; '.join(problems)}", hint="correct this and save the document again")
        kept = {
            (task.id, tidy_todo(todo).casefold())
            for task in parsed.tasks
            for number, todo in zip(parsed.todo_numbers[task.id], task.todos, strict=True)
            if number in ticked
        }
        ticked_now = {
            number
            for task in plan.tasks
            for number, todo in zip(plan.todo_numbers[task.id], task.todos, strict=True)
            if (task.id, todo.casefold()) in kept
        }
        todos = render_todos(plan, ticked_now)
        if plan != current or todos != self.documents["todos"].content:
            await self._proving.look(plan)
            await self._submit(plan, todos=todos, by="user")

    async def _keep(self, name: DocumentName, content: str, *, by: str) -> DocumentWritten:
        """Store a revision, unless it says what the last one said; gaps of a submitted plan follow."""
        last = self.documents.get(name)
        if last is not None and last.content.rstrip() == content.rstrip():
            return last
        written = self._document(name, content, by=by)
        events: list[Event] = [written]
        view = self._sink.view
        if view.plan is not None:
            gaps = self._gaps(view.plan, {**self.documents, name: written})
            if gaps != view.gaps:
                events.append(self._submitted(view.plan, gaps, view.forecast))
        await self._sink.record(*events)
        return written

    async def _submit(self, plan: Plan, *, todos: str, by: str) -> None:
        """The plan, its rendered todos and the documents nobody wrote, as one transaction."""
        written = [self._document("todos", todos, by=by)]
        if "requirements" not in self.documents:
            written.append(self._document("requirements", render_requirements(self._facts.request, plan), by="host"))
        if "design" not in self.documents:
            written.append(self._document("design", render_design(plan), by="host"))
        gaps = self._gaps(plan, {**self.documents, **{document.name: document for document in written}})
        forecast = await self._forecast(plan) if self._forecast is not None else None
        await self._sink.record(*written, self._submitted(plan, gaps, forecast))

    def _submitted(self, plan: Plan, gaps: tuple[str, ...], forecast: Forecast | None) -> PlanSubmitted:
        return PlanSubmitted(plan=plan, gaps=gaps, forecast=forecast, standing=self._options.standing)

    def _document(self, name: DocumentName, content: str, *, by: str) -> DocumentWritten:
        last = self.documents.get(name)
        if by == "host" and name != "todos":
            problems: tuple[str, ...] = (f"{name}.md {NOT_WRITTEN}",)
        else:
            problems = {"requirements": requirements_problems, "design": design_problems}.get(name, _no_problems)(
                content
            )
        revision = last.revision + 1 if last is not None else 1
        return DocumentWritten(name=name, content=content, revision=revision, by=by, problems=problems)

    def _gaps(self, plan: Plan, documents: Mapping[str, DocumentWritten]) -> tuple[str, ...]:
        of_documents = [problem for name in ("requirements", "design") for problem in documents[name].problems]
        texts = {
            name: documents[name].content if documents[name].by != "host" else "" for name in ("requirements", "design")
        }
        of_plan = find_gaps(
            plan,
            requirements=texts["requirements"],
            design=texts["design"],
            rules=self._options.rules,
            has_default_check=self._options.default_check is not None,
        )
        of_answers = without_trace(
            self._sink.view.answered.values(), [document.content for document in documents.values()]
        )
        return (
            *of_documents,
            *(f"your answer left no trace in the documents: {shortened(answer)}" for answer in of_answers),
            *of_plan,
            *self._proving.problems(plan),
        )

    def _unsaid(self) -> tuple[str, ...]:
        """Answers that are in no document, once both are there."""
        own = [self.documents[name] for name in ("requirements", "design") if name in self.documents]
        if len(own) < 2:
            return ()
        return without_trace(self._sink.view.answered.values(), [document.content for document in own])

    def _refuse_after_approval(self) -> None:
        if self._sink.view.is_approved:
            raise ToolFailure("Nothing was stored: the plan is approved and fixed.")


def document_name(name: str) -> DocumentName | None:
    """`requirements`, `Design.md` and `docs/todos.md` name documents; anything else does not."""
    stem = name.strip().lower().replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".md")
    return cast("DocumentName", stem) if stem in ("requirements", "design", "todos") else None


def _refused_submissions(view: RunView) -> int:
    return len(_refused_in_a_row(view))


def _refused_in_a_row(view: RunView) -> list[ToolMessage]:
    """What the planner was told since its last good plan, or since somebody spoke to it; newest first."""
    session = view.sessions.get(PLANNER)
    refused: list[ToolMessage] = []
    for message in reversed(session.messages if session is not None else []):
        if isinstance(message, UserMessage):
            break
        if isinstance(message, ToolMessage) and message.name == "submit_plan":
            if not message.is_error:
                break
            refused.append(message)
    return refused


def _too_few_again(plan: Plan, rules: PlanRules) -> RunStopped:
    count = len(plan.tasks)
    return RunStopped(
        StopReason.BAD_PLAN,
        f"the planner was asked for at least {rules.min_subtasks} tasks ({MIN_KEY}) and submitted {count} again",
        hint=f"set {MIN_KEY} to {count}, say more in the request, or use --plan never for one direct task",
    )


def _no_usable_plan(problem: str) -> RunStopped:
    return RunStopped(
        StopReason.BAD_PLAN,
        f"the planner submitted no usable plan in {MOST_REFUSALS + 1} tries: {problem}",
        hint="say more in the request, try another supervisor model, or use --plan never for one direct task",
    )


def _no_problems(_: str) -> tuple[str, ...]:
    return ()
