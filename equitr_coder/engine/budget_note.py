"""Tells the model, truthfully and only when it matters, how much money is left. Stands at the very end of the request,
so that what a provider caches of it stays the same, and is never stored.
"""

from decimal import ROUND_FLOOR, Decimal

from equitr_coder.domain.models import AssistantMessage, ModelRequest

_MATTERS_BELOW = Decimal("0.25")
_CENT = Decimal("0.01")
_FINER = Decimal("0.0001")


def with_budget_note(request: ModelRequest, left: tuple[Decimal, Decimal] | None) -> ModelRequest:
    """The request with a note after its last message when less than a quarter of the limit is left.

    `left` is what the tightest limit leaves, and that limit; None without limits.
    """
    if left is None or not request.messages or left[0] >= left[1] * _MATTERS_BELOW:
        return request
    *earlier, last = request.messages
    if isinstance(last, AssistantMessage):
        return request
    noted = last.model_copy(update={"text": f"{last.text}\n\n{budget_note(*left)}"})
    return request.model_copy(update={"messages": (*earlier, noted)})


def budget_note(left: Decimal, limit: Decimal) -> str:
    """Rounded down: what is named is there."""
    step = _CENT if limit >= 1 else _FINER
    amount = max(Decimal(0), left).quantize(step, rounding=ROUND_FLOOR)
    return (
        f"(Budget: ${amount} of ${limit.quantize(step, rounding=ROUND_FLOOR)} is left for this work. When it is used "
        "up, no further call is made. Finish what is started; begin nothing that is not needed.)"
    )
