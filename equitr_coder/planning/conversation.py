"""The planning phase: asking, drafting, awaiting approval, approved. Drives one planner agent until a plan stands.

Where it stands is read from the event log alone, so a killed run goes on by calling `plan` again. Approval itself,
branches and files belong to whoever drives this.
"""

from collections.abc import Callable
from enum import StrEnum

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.errors import EquitrError, RunStopped, StopReason, UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CallId
from equitr_coder.domain.models import AssistantMessage, Purpose, UserMessage
from equitr_coder.domain.run_view import SessionView
from equitr_coder.planning import messages
from equitr_coder.planning.drafts import (
    MOST_REFUSALS,
    PLANNER,
    DocumentName,
    DraftBook,
    Facts,
    MakeForecast,
    PlanningOptions,
    document_name,
)
from equitr_coder.ports import Agent, AgentOrder, AgentSpawner, CheckProbe, EventSink, Guard, Questions

_AGENT = AgentName("planner")
_GUARD_STOPS = frozenset({StopReason.BAD_PLAN, StopReason.MAX_ITERATIONS, StopReason.NO_PROGRESS})


class Phase(StrEnum):
    ASKING = "asking"
    DRAFTING = "drafting"
    AWAITING_APPROVAL = "awaiting approval"
    APPROVED = "approved"


@frozen
class _Goal:
    """What the planner is to reach, what it is told once when it stops short, and how that ends when it persists."""

    is_met: Callable[[], bool]
    nudge: str
    failure: Callable[[str], EquitrError]


class Conversation:
    """Implements `ports.Drafts` for its planner; `guard` belongs among the guards of the planner's session."""

    def __init__(
        self,
        *,
        spawner: AgentSpawner,
        sink: EventSink,
        questions: Questions | None,
        facts: Facts,
        options: PlanningOptions,
        forecast: MakeForecast | None = None,
        probe: CheckProbe | None = None,
        expect: Callable[[Plan], None] | None = None,
    ) -> None:
        """Without `questions`, or with `options.can_ask` off, nobody answers and the planner decides by itself."""
        self._spawner = spawner
        self._sink = sink
        self._questions = questions if options.can_ask else None
        self._facts = facts
        self._options = options
        self._drafts = DraftBook(sink=sink, facts=facts, options=options, forecast=forecast, probe=probe, expect=expect)
        self._agent: Agent | None = None

    @property
    def guard(self) -> Guard:
        """Ends a planner whose plans are malformed over and over, which `submit` never sees."""
        return self._drafts

    @property
    def phase(self) -> Phase:
        view = self._sink.view
        if view.is_approved:
            return Phase.APPROVED
        if view.plan is not None:
            return Phase.AWAITING_APPROVAL
        return Phase.DRAFTING if view.documents else Phase.ASKING

    async def plan(self) -> None:
        """Run the planner until a valid plan waits for approval; a revision that a crash cut short is finished first.

        Raises:
            RunStopped: no usable plan came (`bad_plan`), or the budget, a guard or an interruption ended it.
            ModelError: the provider failed for good.
        """
        if self.phase in (Phase.ASKING, Phase.DRAFTING):
            await self._converse(self._plan_goal(), None)
        elif self.phase is Phase.AWAITING_APPROVAL and (cut_short := self._open_revision()) is not None:
            await self._finish_revision(*cut_short, None)

    async def revise(self, name: str, request: str) -> None:
        """Have the planner change exactly one document; the others stay byte for byte.

        Raises:
            UserError: it cannot be revised now, or the planner left it as it was; the plan stands.
            RunStopped: the budget or an interruption ended it; the plan stands.
            ModelError: the provider failed for good; the plan stands.
        """
        document = document_name(name)
        if document is None:
            raise UserError(f"there is no document named {name!r}", hint="revise requirements, design or todos")
        if self.phase is Phase.APPROVED:
            raise UserError("the plan is approved and fixed", hint="start another epic for further changes")
        if self.phase is not Phase.AWAITING_APPROVAL:
            raise UserError("there is no plan to revise yet", hint="answer the planner's questions first")
        if not request.strip():
            raise UserError("the request for revision is empty", hint=f"say what is to change in {document}.md")
        documents = self._drafts.documents
        current = documents[document]
        edited = [other for other in documents.values() if other.by == "user" and other.name != document]
        message = messages.revision_message(document, request, current=current, edited=edited)
        await self._finish_revision(document, current.revision + 1, message)

    async def write(self, name: str, content: str) -> str:
        return await self._drafts.write(name, content)

    async def submit(self, plan: Plan) -> str | None:
        return await self._drafts.submit(plan)

    async def edit(self, name: str, content: str) -> None:
        """The user's own text.

        Raises:
            UserError: it cannot be taken; names the line of `todos` where it can. Nothing was stored.
        """
        await self._drafts.edit(name, content)

    # ------------------------------------------------------------ talking

    async def _finish_revision(self, name: DocumentName, revision: int, message: str | None) -> None:
        with self._drafts.only(name):
            await self._converse(self._revision_goal(name, revision), message)

    async def _converse(self, goal: _Goal, message: str | None) -> None:
        agent = self._planner()
        self._drafts.excuse()
        while True:
            try:
                outcome = await agent.run(message)
            except RunStopped as stop:
                if stop.reason not in _GUARD_STOPS:
                    raise
                if goal.is_met():
                    return
                failure = goal.failure(str(stop))
                if isinstance(failure, UserError) or self._is_hopeless(stop):
                    raise failure from stop
                raise
            if goal.is_met():
                return
            message = await self._answer(outcome.text, goal)

    def _is_hopeless(self, stop: RunStopped) -> bool:
        """Whether a guard counted steps where the true reason is that no plan could be submitted."""
        return stop.reason is not StopReason.BAD_PLAN and self._drafts.refusals > MOST_REFUSALS

    async def _answer(self, text: str, goal: _Goal) -> str:
        """What the planner hears after plain text: the user's answer, or once that it must decide itself.

        Raises:
            EquitrError: the goal's failure; it was told before.
        """
        session = self._session()
        if not text.strip():
            answer, limit = messages.NOTHING_SAID, MOST_REFUSALS
        elif self._questions is not None:
            call = CallId(f"planner.text.{len(session.messages)}")
            return await self._questions.ask(PLANNER, _AGENT, None, call, text, ())
        else:
            answer, limit = goal.nudge, 1
        if _times_told(session, answer) >= limit:
            raise goal.failure(text.strip() or "its answers were empty")
        return answer

    # ------------------------------------------------------------ goals

    def _plan_goal(self) -> _Goal:
        return _Goal(
            is_met=lambda: self._sink.view.plan is not None,
            nudge=messages.DECIDE_YOURSELF,
            failure=lambda text: RunStopped(
                StopReason.BAD_PLAN,
                f"the planner ended without a plan: {_shortened(text)}",
                hint="say more in the request, try another supervisor model, or use --plan never for one direct task",
            ),
        )

    def _revision_goal(self, name: DocumentName, revision: int) -> _Goal:
        return _Goal(
            is_met=lambda: self._drafts.documents[name].revision >= revision,
            nudge=messages.not_revised(name),
            failure=lambda text: UserError(
                f"the planner left {name}.md as it was: {_shortened(text)}",
                hint="ask again in other words, or edit the document yourself; the plan still waits for approval",
            ),
        )

    def _open_revision(self) -> tuple[DocumentName, int] | None:
        """The revision the planner was last asked for, when it neither wrote it nor gave it up."""
        session = self._session()
        asked = next(
            (found for text in reversed(_user_texts(session)) if (found := messages.read_revision(text))), None
        )
        name = document_name(asked[0]) if asked is not None else None
        if asked is None or name is None or self._drafts.documents[name].revision >= asked[1]:
            return None
        last = session.messages[-1]
        gave_up = isinstance(last, AssistantMessage) and not last.calls and self._questions is None
        is_exhausted = session.calls_made >= self._options.max_iterations
        return None if gave_up or is_exhausted else (name, asked[1])

    # ------------------------------------------------------------ the planner

    def _planner(self) -> Agent:
        if self._agent is None:
            self._agent = self._spawner.spawn(self._order(), drafts=self._drafts)
        return self._agent

    def _order(self) -> AgentOrder:
        can_ask = self._questions is not None
        return AgentOrder(
            profile=self._options.profile,
            session=PLANNER,
            agent=_AGENT,
            task=None,
            purpose=Purpose.PLANNING,
            first_message=messages.first_message(
                self._facts.request,
                listing=self._facts.listing,
                rules=self._options.rules,
                can_ask=can_ask,
                default_check=self._options.default_check,
                code_map=self._facts.code_map,
                attachments=self._facts.attachments,
            ),
            images=self._facts.images,
            root=self._facts.root,
            can_write=False,
            in_place=True,
            can_ask_user=can_ask,
            max_iterations=self._options.max_iterations,
        )

    def _session(self) -> SessionView:
        return self._sink.view.sessions.get(PLANNER) or SessionView(PLANNER, _AGENT, None)


def _user_texts(session: SessionView) -> list[str]:
    return [message.text for message in session.messages if isinstance(message, UserMessage)]


def _times_told(session: SessionView, text: str) -> int:
    """How often since the last revision was asked for; planning itself counts from the start."""
    count = 0
    for told in reversed(_user_texts(session)):
        if messages.read_revision(told) is not None:
            break
        count += told == text
    return count


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."
