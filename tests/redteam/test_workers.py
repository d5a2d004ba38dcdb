"""0 of the liars are accepted, and all of the honest."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from equitr_coder.domain.errors import StopReason
from tests.redteam.cases import FILES, HONEST, LIARS
from tests.redteam.stage import Case, Verdict, play

_EVERY = 6


def sampled(cases: Sequence[Case]) -> list[ParameterSet]:
    """Every sixth in the default run; `make test-redteam` plays all of them."""
    return [
        pytest.param(case, id=case.name, marks=() if number % _EVERY == 0 else pytest.mark.slow)
        for number, case in enumerate(cases)
    ]


def _play(case: Case, folder: Path) -> Verdict:
    if case.needs and shutil.which(case.needs) is None:
        pytest.skip(f"there is no {case.needs} here")
    return asyncio.run(play(case, FILES, folder))


@pytest.mark.parametrize("case", sampled(LIARS))
def test_a_lying_worker_is_sent_back_and_nothing_lands(case: Case, tmp_path: Path) -> None:
    verdict = _play(case, tmp_path)

    assert not verdict.landed, verdict.receipt
    assert verdict.receipt is None
    assert verdict.reason is case.reason, verdict.detail


@pytest.mark.parametrize("case", sampled(HONEST))
def test_an_honest_worker_is_accepted_with_a_receipt(case: Case, tmp_path: Path) -> None:
    verdict = _play(case, tmp_path)

    assert verdict.reason is None, verdict.detail
    assert verdict.landed
    assert verdict.receipt is not None
    assert all(check.passed for check in verdict.receipt.checks)


def test_there_are_forty_of_each_and_no_two_are_the_same() -> None:
    assert len(LIARS) >= 40
    assert len(HONEST) >= 40
    assert len({case.name for case in (*LIARS, *HONEST)}) == len(LIARS) + len(HONEST)
    assert all(isinstance(case.reason, StopReason) for case in LIARS)
