"""Money, tokens and durations in words. Four decimals where people read, the exact decimal where programs do."""

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from equitr_coder.domain.money import Price, Usage

_PLACES = Decimal("0.0001")
_CENT = Decimal("0.01")


def dollars(amount: Decimal) -> str:
    """`$0.0123`. An amount too small for four decimals reads `<$0.0001`, so that it never looks free."""
    if Decimal(0) < amount < _PLACES / 2:
        return "<$0.0001"
    return f"${amount.quantize(_PLACES, rounding=ROUND_HALF_EVEN):f}"


def rounded(amount: Decimal, places: int = 2) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def coins(amount: Decimal, places: int = 2) -> str:
    """`$0.19`: for screens where many amounts stand side by side. What is too small for them reads `<$0.01`."""
    least = Decimal(1).scaleb(-places)
    if Decimal(0) < amount < least / 2:
        return f"<${least:f}"
    return f"${rounded(amount, places):f}"


def amount(usd: Decimal, *, is_unpriced: bool) -> str:
    """Dollars of calls of which some may have no known price: what nobody knows is never shown as nothing."""
    if not is_unpriced:
        return dollars(usd)
    return f"{dollars(usd)} + unknown" if usd else "unknown"


def limit(amount: Decimal | None) -> str:
    """A cap as it was given, with at least two decimals: `$10.00`, `$0.005`; None is `no limit`."""
    if amount is None:
        return "no limit"
    shown = amount.normalize()
    return f"${shown.quantize(_CENT) if shown == shown.quantize(_CENT) else shown:f}"


def exact(amount: Decimal) -> str:
    """Every digit, never an exponent: the form of money in JSON."""
    return f"{amount:f}"


def price(value: Price | None) -> str:
    """US dollars per million tokens, in and out; None is unknown, which is not free."""
    if value is None:
        return "unknown"
    return f"{limit(value.input)} in / {limit(value.output)} out"


def tokens(usage: Usage) -> str:
    """`1204 in (63% cached), 88 out`; `~` marks figures that the provider did not report."""
    mark = "~" if usage.estimated else ""
    cached = f" ({100 * usage.cache_read // usage.total_input}% cached)" if usage.cache_read else ""
    return f"{mark}{usage.total_input} in{cached}, {mark}{usage.output} out"


def duration(seconds: float) -> str:
    """`0.8 s`, `12 s`, `3 min 04 s`, `1 h 05 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def countdown(gap: timedelta) -> str:
    """`0:22`, `12:40`, `1:05:00`: minutes and seconds, rounded down."""
    whole = max(0, int(gap.total_seconds()))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def since(gap: timedelta) -> str:
    """`just now`, `12 min ago`, `3 days ago`."""
    seconds = gap.total_seconds()
    for size, word in ((86_400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' if word == 'day' and count > 1 else ''} ago"
    return "just now"
