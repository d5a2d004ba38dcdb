from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from equitr_coder.domain.ids import AgentName, SessionId
from equitr_coder.domain.panel import Voice, disagree, dissent, is_settled, is_tie, majority, tally

Verdicts = Sequence[bool | None]
SAID: Verdicts = (True, False, None)


def voices(verdicts: Verdicts) -> list[Voice]:
    return [
        Voice(agent=AgentName(f"reviewer_{number}"), session=SessionId(f"s.{number}"), approved=approved)
        for number, approved in enumerate(verdicts, 1)
    ]


def panels(most: int = 5) -> Iterator[tuple[Verdicts, int]]:
    """What some of up to five have said, and how many are still to be heard."""
    for size in range(1, most + 1):
        for heard in range(size + 1):
            for said in product(SAID, repeat=heard):
                yield said, size - heard


def test_an_early_decision_is_the_decision_whatever_the_others_say() -> None:
    for said, outstanding in panels():
        ends = {majority(voices((*said, *rest))) for rest in product(SAID, repeat=outstanding)}

        assert is_settled(voices(said), outstanding) is (len(ends) == 1), (said, outstanding)
        if len(ends) == 1:
            assert ends == {majority(voices(said))}


def test_a_decision_and_its_dissent_are_all_who_gave_a_verdict() -> None:
    for said, _ in panels():
        heard = voices(said)
        approved = majority(heard)
        against = dissent(heard, approved=approved)

        assert all(voice.approved is not None and voice.approved is not approved for voice in against)
        assert len(against) + len(dissent(heard, approved=not approved)) == sum(one is not None for one in said)
        assert disagree(heard) is ({True, False} <= set(said))
        if against and not is_tie(heard):
            assert len(against) * 2 < sum(one is not None for one in said)


def test_no_order_of_the_reviewers_changes_what_follows() -> None:
    for said in product(SAID, repeat=4):
        there, back = voices(said), voices(said[::-1])

        assert (majority(there), disagree(there), tally(there)) == (majority(back), disagree(back), tally(back))


@pytest.mark.parametrize(
    ("said", "approved", "words"),
    [
        ((True, True, False), True, "2 approved, 1 rejected"),
        ((True, False, False), False, "1 approved, 2 rejected"),
        ((True, False), False, "1 approved, 1 rejected"),
        ((True, None, None), True, "1 approved, 0 rejected, 2 gave no verdict"),
        ((None, None), False, "0 approved, 0 rejected, 2 gave no verdict"),
    ],
)
def test_more_must_approve_than_reject(said: Verdicts, approved: bool, words: str) -> None:
    assert (majority(voices(said)), tally(voices(said))) == (approved, words)
