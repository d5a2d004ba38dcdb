"""What is kept of a log until it grows, so that lists need not read it: made of the log alone, and held against it."""

from collections.abc import Callable, Mapping

from equitr_coder.domain import queries as q
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.value import Value
from equitr_coder.session.answers import run_money, run_summary

SUMMARY = "RunSummary/1"
MONEY = "RunMoney/1"
# The number goes up with every change of what is made of a log: else what an older program kept is taken for a forgery.


def summary_from(text: str | None) -> q.RunSummary | None:
    """None when there is none, or one that cannot be read any more; so is `money_from`."""
    try:
        return q.RunSummary.model_validate_json(text) if text is not None else None
    except ValueError:
        return None


def money_from(text: str | None) -> q.RunMoney | None:
    try:
        return q.RunMoney.model_validate_json(text) if text is not None else None
    except ValueError:
        return None


def text_of(value: Value) -> str:
    return value.model_dump_json(exclude_defaults=True)


def _listed(view: RunView) -> str:
    summary = run_summary(view, alive=False)
    return text_of(summary) if summary is not None else ""


def _as_listed(text: str) -> str:
    """Whether a process owned the run when it was kept is no part of what its log says."""
    kept = summary_from(text)
    return text_of(kept.model_copy(update={"alive": False})) if kept is not None else ""


def _as_paid(text: str) -> str:
    kept = money_from(text)
    return text_of(kept) if kept is not None else ""


CHECKED: Mapping[str, tuple[Callable[[RunView], str], Callable[[str], str]]] = {
    SUMMARY: (_listed, _as_listed),
    MONEY: (lambda view: text_of(run_money(view)), _as_paid),
}
"""By its form: how it is made of a log, and how what was kept is read for comparison."""
