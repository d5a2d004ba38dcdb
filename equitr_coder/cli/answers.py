"""What a run asks of the person: questions and permissions. Enter alone never answers, and never means yes."""

from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Scope
from equitr_coder.domain.commands import AnswerQuestion, Command, Interrupt, RejectPlan, ResolveApproval
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import QuestionAsked
from equitr_coder.domain.ids import RequestId
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import RunApi
from equitr_coder.presentation.person import Person
from equitr_coder.presentation.progress import question_lines
from equitr_coder.presentation.text import Line, Tone, prose, visible

_GREEN = "on the branch of the run; its checks are green"
_WORDS = {
    **dict.fromkeys(("once", "o", "yes", "y"), Scope.ONCE),
    **dict.fromkeys(("task", "t"), Scope.TASK),
    **dict.fromkeys(("run", "r"), Scope.RUN),
}


class Answers:
    """Asks the person whatever the run waits for, one thing at a time."""

    def __init__(self, api: RunApi, person: Person, *, told: int = 0) -> None:
        """`told` is the number of the last event that this process does not print: a question before it is shown."""
        self._api = api
        self._person = person
        self._told = told
        self._asked: set[RequestId] = set()

    async def attend(self, known: RunView) -> None:
        """Ask what is open in `known` and was not asked yet; skip what somebody else has answered since."""
        for question in [item for key, item in known.questions.items() if key not in self._asked]:
            self._asked.add(question.question)
            fresh = await self._api.view(known.run)
            if question.question in fresh.questions:
                await self._question(fresh, question)
        for approval in [item for key, item in known.approvals.items() if key not in self._asked]:
            self._asked.add(approval.id)
            fresh = await self._api.view(known.run)
            if approval.id in fresh.approvals:
                await self._approval(fresh, approval)

    async def _question(self, view: RunView, question: QuestionAsked) -> None:
        if question.seq <= self._told:
            self._person.show(question_lines(question))
        while True:
            answer = await self._person.ask("your answer> ")
            if answer is None:
                return None
            if answer == "/quit":
                return await self._send(quitting(view))
            if answer:
                chosen = _choice(question.options, answer)
                return await self._send(AnswerQuestion(run=view.run, question=question.question, answer=chosen))
            self._person.show(
                [Line("Type an answer" + (" or its number" if question.options else "") + "; /quit ends it.")]
            )

    async def _approval(self, view: RunView, approval: Approval) -> None:
        lines = approval_lines(approval)
        while True:
            typed = await self._person.ask("allow> ", lines=lines, fresh=True)
            if typed is None:
                return None
            if typed == "/quit":
                return await self._send(quitting(view))
            answer = parse_approval(typed, has_task=approval.task is not None)
            if answer is not None:
                return await self._send(ResolveApproval(run=view.run, approval=approval.id, answer=answer))
            lines = [Line(f"Type {_choices(approval)}; /quit ends it.")]

    async def _send(self, command: Command) -> None:
        try:
            await self._api.submit(command)
        except UserError as error:  # somebody else was faster, or the run has gone on
            self._person.show([Line(f"{error}: {error.hint}", Tone.WARN)])


def approval_lines(approval: Approval) -> list[Line]:
    """The exact command, escaped so that nothing in it can hide, and what each answer means."""
    who = f"{approval.agent}, {approval.task}" if approval.task else approval.agent
    where = "inside the sandbox" if approval.inside else "beyond sandbox or footprint, where --yes never answers"
    if not approval.confined:
        where = approval.partly or "WITHOUT a sandbox, with your rights"
    head = f"{who} wants to use {approval.tool}:"
    if approval.tool == "merge":
        head, where = f"{who}: a merge is proposed:", _GREEN
    if approval.is_verdict:
        head, where = f"{who}: the reviewers disagree about this change:", _GREEN
    lines = [Line(head, Tone.STRONG), Line("")]
    lines += [Line(f"    {line}") for line in visible(approval.what).split("\n")]
    lines += [Line(""), Line(f"  why    {prose(approval.why)}"), Line(f"  where  {where}")]
    if approval.expires is not None:
        lines.append(Line(f"  until  {approval.expires:%Y-%m-%d %H:%M} UTC, then it is refused"))
    if approval.tool == "merge":
        return [
            *lines,
            Line("  once   take this merge"),
            Line(f"  task   take it, and any other for {approval.task}"),
            Line("  run    take it, and any other of this run"),
            Line("  no     turn it down: the worker merges; words after it are the reason"),
        ]
    if approval.is_verdict:
        return [
            *lines,
            Line("  once   approve it"),
            Line(f"  task   approve it, and whatever else they disagree about in {approval.task}"),
            Line("  run    approve it, and whatever else they disagree about in this run"),
            Line("  no     reject it: the worker gets it back; words after it are the reason"),
        ]
    lines.append(Line("  once   allow this one time"))
    if approval.task:
        lines.append(Line(f"  task   allow it for the rest of {approval.task}"))
    return [
        *lines,
        Line("  run    allow it for the rest of this run"),
        Line("  no     refuse; words after it are the reason"),
    ]


def parse_approval(typed: str, *, has_task: bool) -> ApprovalAnswer | None:
    """None when it is neither a yes nor a no: the question stays open."""
    word, _, rest = typed.partition(" ")
    word = word.lower().rstrip(",:")
    if word in ("no", "n"):
        return ApprovalAnswer(allowed=False, note=rest.strip())
    scope = _WORDS.get(word)
    if scope is None or rest.strip() or (scope is Scope.TASK and not has_task):
        return None
    return ApprovalAnswer(allowed=True, scope=scope)


def quitting(view: RunView) -> Command:
    """Leaving: before approval nothing of the plan stays, afterwards the run stops and can be resumed."""
    is_planning = view.kind is not RunKind.CHAT and not view.is_approved
    return RejectPlan(run=view.run) if is_planning else Interrupt(run=view.run)


def _choice(options: tuple[str, ...], answer: str) -> str:
    if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(options):
        return options[int(answer) - 1]
    return answer


def _choices(approval: Approval) -> str:
    return "once, task, run or no" if approval.task else "once, run or no"
