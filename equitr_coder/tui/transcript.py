"""The conversation of a run as blocks, folded from its events: what the person said, what was answered and done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from equitr_coder.domain import events as e
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CallId, is_summary
from equitr_coder.domain.models import AssistantMessage, UserMessage
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.markdown_blocks import blocks_of
from equitr_coder.presentation.plan import plan_lines
from equitr_coder.presentation.progress import progress_lines, question_lines
from equitr_coder.presentation.summary import trouble
from equitr_coder.presentation.text import Line, Tone, first_line, prose


@frozen
class Said:
    """By the person."""

    text: str


@frozen
class Answered:
    """One block of Markdown of an agent's words; `opens` marks the first of an answer."""

    text: str
    agent: str
    opens: bool = True


@frozen
class Step:
    """One tool call that has returned."""

    call: CallId
    name: str
    words: str
    result: str
    is_error: bool


@frozen
class Told:
    """Lines of progress."""

    lines: tuple[Line, ...]


@frozen
class Planned:
    """A plan that waits for approval: its columns fit the width in which it is seen."""

    event: e.PlanSubmitted

    def lines(self, width: int | None = None) -> list[Line]:
        """Without a width nothing is cut."""
        plan = self.event
        return plan_lines(plan.plan, gaps=plan.gaps, forecast=plan.forecast, standing=plan.standing, width=width)


Block = Said | Answered | Step | Told | Planned


@dataclass
class Transcript:
    """Of a chat: its whole conversation. Of an epic: planning, then the news of the run in lines."""

    blocks: list[Block] = field(default_factory=list)
    _paid: str = ""
    _last_words: str = ""
    """The last answer."""

    def take(self, event: e.Event, view: RunView) -> None:
        """`event` is in the view already."""
        match event:
            case e.RunStarted():
                self._say(event.request)
                self.tell(progress_lines(event, view)[1:])
            case e.MessageAdded(message=UserMessage() as message):
                if view.kind is RunKind.CHAT and len(view.sessions[event.session].messages) > 1:
                    self._say(message.text)
            case e.MessageAdded(message=AssistantMessage() as message):
                if self._is_conversation(event, view):
                    self._answer(message.text, event.agent)
            case e.MessageAdded() | e.RunResumed():
                pass
            case e.ToolReturned():
                if self._is_conversation(event, view):
                    self._step(event)
            case e.QuestionAsked() if event.text.strip() == self._last_words:
                self.tell(
                    question_lines(event)[1:]
                )  # plain words of a planner are a question: they stand there already
            case e.QuestionAnswered():
                self._say(event.answer)
            case e.RunPaused() | e.RunFinished():
                self._end(view)
            case _:
                self._news(event, view)

    def _news(self, event: e.Event, view: RunView) -> None:
        if isinstance(event, e.PlanSubmitted):
            self.blocks.append(Planned(event))
        else:
            self.tell(progress_lines(event, view))

    @staticmethod
    def _is_conversation(event: e.AgentEvent, view: RunView) -> bool:
        is_heard = view.kind is RunKind.CHAT or (event.task is None and not view.is_approved)
        return is_heard and not is_summary(event.session)

    def _say(self, text: str) -> None:
        self.blocks.append(Said(prose(text).strip()))

    def _answer(self, text: str, agent: str) -> None:
        self._last_words = text.strip()
        for number, block in enumerate(blocks_of(prose(text).strip())):
            self.blocks.append(Answered(block, agent, opens=number == 0))

    def _step(self, event: e.ToolReturned) -> None:
        words = first_line(prose(event.summary)) or (first_line(prose(event.text)) if event.is_error else "")
        self.blocks.append(Step(event.call, event.name, words, prose(event.text), event.is_error))

    def tell(self, lines: Sequence[Line]) -> None:
        """Lines that are no event of the run's too: the answer to a slash command."""
        if lines:
            self.blocks.append(Told(tuple(lines)))

    def _end(self, view: RunView) -> None:
        lines = []
        found = trouble(view)
        if found is not None:
            message, hint = found
            lines += [Line(f"error: {message}", Tone.BAD), *([Line(f"hint: {hint}")] if hint else [])]
        paid = f"{dollars(view.spent)} of {limit(view.options.budget)}"
        if paid != self._paid:
            lines.append(Line(paid, Tone.DIM))
            self._paid = paid
        if view.kind is not RunKind.CHAT and view.state.is_final and view.content:
            lines = [Line(text) for text in prose(view.content).splitlines()] + lines
        self.tell(lines)


def plain(block: Block) -> str:
    """The block as plain text, to be copied."""
    match block:
        case Said():
            return block.text
        case Answered():
            return block.text
        case Step():
            return block.result
        case Told():
            return "\n".join(line.text for line in block.lines)
        case Planned():
            return "\n".join(line.text for line in block.lines())
        case _ as unreachable:
            assert_never(unreachable)
