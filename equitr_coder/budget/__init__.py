"""The wall: money is held before a call is sent and settled after it. Knows no provider and no store."""

from equitr_coder.budget.accounts import Limits
from equitr_coder.budget.ledger import Ledger

__all__ = ["Ledger", "Limits"]
