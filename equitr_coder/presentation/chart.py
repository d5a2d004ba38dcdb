"""Bars for a terminal: eighths of a block where the screen can show them, else plain ASCII."""

from decimal import Decimal

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: Decimal, width: int, *, has_blocks: bool) -> str:
    """A bar for `share` (0 to 1) of `width` columns. What is more than nothing is never drawn as nothing."""
    share = min(max(share, Decimal(0)), Decimal(1))
    if not has_blocks:
        length = int((share * width).to_integral_value())
        return "#" * max(length, 1 if share else 0)
    eighths = int((share * width * 8).to_integral_value())
    eighths = max(eighths, 1 if share else 0)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
