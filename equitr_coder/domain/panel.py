"""Several reviewers of one change: by which rules they judge, what each said, and what follows from all of it. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from equitr_coder.domain.ids import AgentName, SessionId
from equitr_coder.domain.value import Value

EscalationPolicy = Literal["vote", "coordinator", "on_disagreement"]
"""`coordination_rules.escalation_policy`: who decides where reviewers disagree. The majority; the supervisor; or an
escalation to the supervisor, who may hand it on to the person.
"""


class PanelRules(Value):
    reviewers: int = 1
    policy: EscalationPolicy = "vote"
    wait_for_all: bool = True
    """False: it is over as soon as the majority is the same whatever the others would say."""
    in_turn: bool = False
    """One reviewer after the other."""

    @property
    def is_panel(self) -> bool:
        return self.reviewers > 1

    @property
    def may_ask_person(self) -> bool:
        return self.is_panel and self.policy == "on_disagreement"


class Voice(Value):
    """What one of several reviewers said."""

    agent: AgentName
    session: SessionId
    approved: bool | None
    """None: it gave no verdict, and `reasons` says why."""
    reasons: tuple[str, ...] = ()


def majority(voices: Sequence[Voice]) -> bool:
    """Whether more approve than reject. A tie is no approval, and neither is silence."""
    said = _counts(voices)
    return said[True] > said[False]


def is_settled(voices: Sequence[Voice], outstanding: int) -> bool:
    """Whether `majority` stays as it is whatever so many others say, or whether they say anything."""
    said = _counts(voices)
    return said[True] > said[False] + outstanding or said[True] + outstanding <= said[False]


def disagree(voices: Sequence[Voice]) -> bool:
    said = _counts(voices)
    return bool(said[True] and said[False])


def is_tie(voices: Sequence[Voice]) -> bool:
    said = _counts(voices)
    return said[True] == said[False]


def dissent(voices: Sequence[Voice], *, approved: bool) -> tuple[Voice, ...]:
    """Whose verdict is another than the decision."""
    return tuple(voice for voice in voices if voice.approved is (not approved))


def tally(voices: Sequence[Voice]) -> str:
    """`2 approved, 1 rejected`."""
    said = _counts(voices)
    words = f"{said[True]} approved, {said[False]} rejected"
    return f"{words}, {said[None]} gave no verdict" if said[None] else words


def _counts(voices: Sequence[Voice]) -> Counter[bool | None]:
    return Counter(voice.approved for voice in voices)
