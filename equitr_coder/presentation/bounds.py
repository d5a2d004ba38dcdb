"""What the configuration allows and the log of a run does not tell."""

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal, InvalidOperation

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.queries import ConfigAnswer, ModelsAnswer

_TASK, _QUESTIONS = "llm.limits.task", "orchestrator.max_run_escalations"


@frozen
class Bounds:
    """Each may be unknown."""

    windows: Mapping[str, int] = field(default_factory=dict)
    """Model -> tokens that it reads and writes in one call."""
    task: Decimal | None = None
    """Dollars that one task may cost."""
    questions: int | None = None
    """Questions that a run may ask its supervisor."""

    @staticmethod
    def of(config: ConfigAnswer, models: ModelsAnswer) -> "Bounds":
        values = {entry.key: entry.value for entry in config.entries if not entry.source.startswith("ignored")}
        questions = values.get(_QUESTIONS, "")
        return Bounds(
            windows={row.name: row.context_window for row in models.configured if row.name and row.context_window},
            task=_amount(values.get(_TASK, "")),
            questions=int(questions) if questions.isdecimal() else None,
        )


def _amount(value: str) -> Decimal | None:
    try:
        return Decimal(value)
    except InvalidOperation:
        return None
