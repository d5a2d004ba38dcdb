"""What a person has done about one permission so far: scrolled, chosen, answered. Pure; the time is passed in."""

from datetime import datetime, timedelta

from equitr_coder.domain.approvals import ApprovalAnswer, Scope
from equitr_coder.tui.draw.permission import ANSWERS, Answer, Card, window

ARMED_AFTER = timedelta(milliseconds=400)
"""A key that was meant for what had the focus before answers nothing."""
_SCOPES = {Answer.ONCE: Scope.ONCE, Answer.TASK: Scope.TASK, Answer.RUN: Scope.RUN}


class Answering:
    def __init__(self, card: Card) -> None:
        self.card = card
        self.chosen = Answer.ONCE
        self.scroll = 0
        self.was_seen = False
        self._focused: datetime | None = None

    def focus(self, now: datetime) -> None:
        self._focused = now

    def blur(self) -> None:
        self._focused = None

    def fit(self, width: int, height: int) -> None:
        """Called whenever it is drawn: what is in sight counts as seen."""
        rows, shown = len(self.card.lines(width)), window(self.card, width, height)
        self.scroll = max(0, min(self.scroll, rows - shown))
        self.was_seen = self.was_seen or self.scroll + shown >= rows

    def scroll_by(self, rows: int) -> None:
        self.scroll = max(0, self.scroll + rows)

    def move(self, step: int) -> None:
        """To the next answer that is open, round and round."""
        at = ANSWERS.index(self.chosen)
        for _ in ANSWERS:
            at = (at + step) % len(ANSWERS)
            if self.card.is_open(ANSWERS[at], was_seen=self.was_seen):
                self.chosen = ANSWERS[at]
                return

    def enter(self, now: datetime) -> Answer | None:
        """The chosen answer; None before it is armed."""
        return self.chosen if self._is_armed(now) else None

    def press(self, number: int, now: datetime) -> Answer | None:
        """Answer 1 to 5; None when there is none of that number, it is not open, or nothing is armed yet."""
        if not (1 <= number <= len(ANSWERS) and self._is_armed(now)):
            return None
        answer = ANSWERS[number - 1]
        return answer if self.card.is_open(answer, was_seen=self.was_seen) else None

    def _is_armed(self, now: datetime) -> bool:
        return self._focused is not None and now - self._focused >= ARMED_AFTER


def resolution(answer: Answer, note: str = "") -> ApprovalAnswer:
    """What the door is told."""
    scope = _SCOPES.get(answer)
    if scope is not None:
        return ApprovalAnswer(allowed=True, scope=scope)
    return ApprovalAnswer(allowed=False, note=note)
