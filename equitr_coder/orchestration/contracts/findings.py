"""What a comparison found."""

from collections.abc import Iterable

from equitr_coder.domain.artifacts import ContractVerdict
from equitr_coder.domain.frozen import frozen

_MOST = 20
"""Differences that are told in one finding."""


@frozen
class Finding:
    verdict: ContractVerdict
    detail: str = ""
    """The differences in words, one to a line; or what was compared; or why nothing could be."""


def finding(differences: Iterable[str], *, compared: str) -> Finding:
    """`compared` says what was held against what, for a contract that is kept."""
    found = list(dict.fromkeys(differences))
    if not found:
        return Finding(ContractVerdict.KEPT, compared)
    more = [f"and {len(found) - _MOST} more differences"] if len(found) > _MOST else []
    return Finding(ContractVerdict.BROKEN, "\n".join((*found[:_MOST], *more)))


def unchecked(why: str) -> Finding:
    return Finding(ContractVerdict.UNCHECKED, why)
