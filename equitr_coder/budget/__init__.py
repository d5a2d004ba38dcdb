"""The wall: money is held before a call is sent and settled after it. Knows no provider and no store."""

from equitr_coder.budget.ledger import Ledger, Limits

__all__ = ["Ledger", "Limits"]
