"""A permission as it is asked: the exact command, who, where and why above answers that never move."""

from enum import StrEnum

from equitr_coder.domain.approvals import VERDICT, Approval
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.dashboard import Dashboard
from equitr_coder.presentation.rows import Ink, Row, Span, apart, fit, row
from equitr_coder.presentation.text import plural, shorten
from equitr_coder.tui.draw.wrap import exact, words

_RULE = "─"
_MERGE = "merge"
_DOES = {"run_command": "run a command", _MERGE: "take a proposed merge", VERDICT: "decide between its reviewers"}
_YES = {_MERGE: ("take this merge", "take it, and any other"), VERDICT: ("approve it", "approve it, and any other")}
"""Words on finished work, which are no permissions: this one, and wider."""
_ASIDE = 5
"""Columns that a command is indented by, with its margin."""
_MOST_WHY = 4
_FEWEST = 3
"""Rows of the command that are always in sight."""


class Answer(StrEnum):
    ONCE = "once"
    TASK = "task"
    RUN = "run"
    REFUSE = "refuse"
    """With words for the agent."""
    STOP = "stop"
    """Refuse, and stop the task."""


ANSWERS = tuple(Answer)
WIDE = (Answer.TASK, Answer.RUN)
"""Answers that cover more than what is seen: not before its end was seen."""


@frozen
class Card:
    """One permission, ready to be drawn."""

    approval: Approval
    who: str
    place: str
    """`1 of 2 waiting · W1, W3 keep working`."""
    where: str
    before: int
    """How many like it were allowed before in this run."""
    can_stop: bool = True
    """Whether `no, and stop` is there to be chosen."""

    def lines(self, width: int) -> list[str]:
        """The command over as many rows as it takes."""
        return exact(self.approval.what, width - _ASIDE)

    def is_open(self, answer: Answer, *, was_seen: bool) -> bool:
        if answer is Answer.TASK and self.approval.task is None:
            return False
        if answer is Answer.STOP and not self.can_stop:
            return False
        return was_seen or answer not in WIDE


def card_of(approval: Approval, view: RunView, board: Dashboard, *, can_stop: bool = True) -> Card:
    asks = board.inbox
    place = next((number for number, ask in enumerate(asks, 1) if ask.id == approval.id), 1)
    lane = next((one for one in board.lanes if one.task is not None and one.task == approval.task), None)
    others = [one.name for one in board.lanes if one.state == "working" and one is not lane]
    verb = "keeps" if len(others) == 1 else "keep"
    title = f"{approval.task} {lane.title}" if lane is not None else approval.task or ""
    name = [lane.name if lane is not None else "", title, lane.model if lane is not None else approval.agent]
    going = f" · {', '.join(others)} {verb} working" if others else ""
    return Card(
        approval=approval,
        who=" · ".join(filter(None, name)),
        place=f"{place} of {max(1, len(asks))} waiting{going}",
        where=_where(approval, view),
        before=sum(asked.tool == approval.tool and resolved.answer.allowed for asked, resolved in view.grants),
        can_stop=can_stop,
    )


def window(card: Card, width: int, height: int) -> int:
    """Rows of the command in sight on a screen of this size."""
    return max(_FEWEST, min(len(card.lines(width)), height - _fixed(card, width, height)))


def permission_rows(
    card: Card, width: int, height: int, *, scroll: int = 0, chosen: Answer = Answer.ONCE, was_seen: bool = True
) -> list[Row]:
    """Fills the height: the command scrolls between its head and the answers. `scroll` is its first row in sight."""
    approval = card.approval
    lines = card.lines(width)
    shown = window(card, width, height)
    first = max(0, min(scroll, len(lines) - shown))
    rest = len(lines) - first - shown
    head = _DOES.get(approval.tool, f"use {approval.tool}")
    more = f"+{plural(rest, 'line')}, PgDn shows them" if rest > 0 else f"{first} above" if first else ""
    drawn = [
        apart(row(Span(f" {card.who}", bold=True)), row(Span(f"{card.place} ", Ink.DIM)), width),
        row(Span(_RULE * width, Ink.DIM)),
        apart(row(Span(f" {head}", Ink.ASK, bold=True)), row(Span(f"{more} ", Ink.ASK)), width),
        *_spaced(height),
        *(row("     ", Span(line, bold=True)) for line in lines[first : first + shown]),
        *([row("")] * max(0, shown - len(lines))),
        *_spaced(height),
        *_facts(card, width, height),
        *_spaced(height),
        *(_answer(card, answer, chosen=chosen, was_seen=was_seen) for answer in ANSWERS),
        row(Span(_keys(was_seen=was_seen), Ink.DIM)),
    ]
    return [fit(line, width) for line in drawn][:height]


def _fixed(card: Card, width: int, height: int) -> int:
    """Rows that are not the command."""
    return 3 + len(_facts(card, width, height)) + len(ANSWERS) + 1 + 3 * len(_spaced(height))


def _spaced(height: int) -> list[Row]:
    """An empty row where there is room for it."""
    return [()] if height >= 22 else []


def _facts(card: Card, width: int, height: int) -> list[Row]:
    first, *others = words(card.approval.why, width - 10)
    most = _MOST_WHY if _spaced(height) else 1
    if len(others) >= most:
        first, *others = [*([first, *others][: most - 1]), shorten(" ".join([first, *others][most - 1 :]), width - 10)]
    before = f"{card.before} allowed before in this run"
    if card.approval.expires is not None:
        before += f"; refused if nobody answers by {card.approval.expires:%H:%M} UTC"
    if card.approval.is_about_proof:
        before += "; these files prove the task: no wider yes covers them"
    return [
        row(Span(" where   ", Ink.DIM), card.where),
        row(Span(" why     ", Ink.DIM), first),
        *(row(" " * 9, line) for line in others),
        row(Span(" like it ", Ink.DIM), before),
    ]


def _answer(card: Card, answer: Answer, *, chosen: Answer, was_seen: bool) -> Row:
    is_open = card.is_open(answer, was_seen=was_seen)
    number = ANSWERS.index(answer) + 1
    text = f" {'>' if answer is chosen else ' '} {number}  {_words(card, answer)}"
    if not is_open:
        why = "there is no task" if answer is Answer.TASK and card.approval.task is None else "read to its end first"
        if answer is Answer.STOP:
            why = "this run has no task to stop"
        return row(Span(f"{text}   ({why})", Ink.DIM))
    return row(Span(text, Ink.ACCENT if answer is chosen else Ink.TEXT, bold=answer is chosen))


def _words(card: Card, answer: Answer) -> str:
    tool, task = card.approval.tool, card.approval.task or "the task"
    where = _like(card.approval) if tool == "run_command" else ""
    this, wider = _YES.get(tool, ("once", f"every {tool}"))
    match answer:
        case Answer.ONCE:
            return this
        case Answer.TASK:
            return f"{wider} of {task}{where}"
        case Answer.RUN:
            return f"{wider} of this run{where}"
        case Answer.REFUSE:
            return "no, and say why..."
        case Answer.STOP:
            return f"no, and stop {task}"


def _like(approval: Approval) -> str:
    """What a wider yes covers besides the tool: as the desk compares them."""
    if not approval.confined:
        return " (sandbox that does not hold all)" if approval.partly else " (WITHOUT a sandbox)"
    return " (inside the sandbox)" if approval.inside else " (beyond the sandbox)"


def _where(approval: Approval, view: RunView) -> str:
    task = view.tasks.get(approval.task) if approval.task is not None else None
    if approval.tool in _YES:
        return "the branch of the run; its checks are green"
    place = f"worktree {task.worktree} (not your checkout)" if task is not None and task.worktree else "your checkout"
    if task is not None and not task.worktree:
        place = f"the worktree of {task.id} (not your checkout)"
    if not approval.confined:
        return f"{place}   {approval.partly or 'WITHOUT a sandbox, with your rights'}"
    return f"{place}   {'inside the sandbox' if approval.inside else 'beyond sandbox or footprint'}"


def _keys(*, was_seen: bool) -> str:
    scroll = "" if was_seen else "PgDn reads on · "
    return f" {scroll}Up/Down, 1-5 · Enter · Esc later (stays in the inbox)"
