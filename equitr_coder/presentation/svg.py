"""Charts as inline SVG: no script, no style of their own beyond class names, every text escaped."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.markup import escaped

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 18, 28
_ROOM_ABOVE = Decimal("1.1")
_LEAST_OF_LIMIT = Decimal("0.1")
"""Below this part of the budget the curve would be flat: the budget is then named instead of drawn."""

_SHOWS_SECONDS = 3600


def bar_svg(share: Decimal) -> str:
    """One bar; the figure stands beside it in words, so it is hidden from screen readers."""
    width = max(round(float(share) * 100, 2), 0.75 if share else 0)
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<rect class="track" width="100" height="10"/><rect class="fill" width="{width}" height="10"/></svg>'
    )


def spend_svg(points: Sequence[tuple[datetime, Decimal]], *, cap: Decimal | None) -> str:
    """Money spent so far over time, as steps, against the cap. `points` are in order and not empty."""
    (start, _), (end, total) = points[0], points[-1]
    shows_cap = cap is not None and total >= cap * _LEAST_OF_LIMIT
    top = max(total, cap if cap is not None and shows_cap else Decimal(0)) * _ROOM_ABOVE or Decimal(1)
    seconds = max((end - start).total_seconds(), 1.0)

    def x(at: datetime) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (at - start).total_seconds() / seconds, 1)

    def y(usd: Decimal) -> float:
        return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * float(usd / top), 1)

    steps = [f"M{x(start)} {y(Decimal(0))}"]
    for at, usd in _thinned(points):
        steps.append(f"H{x(at)}V{y(usd)}")
    line = "".join(steps) + f"H{_WIDTH - _RIGHT}"
    base = y(Decimal(0))
    clock = "%Y-%m-%d %H:%M:%S UTC" if seconds < _SHOWS_SECONDS else "%Y-%m-%d %H:%M UTC"
    parts = [
        f'<path class="area" d="{line}V{base}H{_LEFT}Z"/>',
        f'<path class="line" d="{line}"/>',
        *(_grid(top * share / 4, y(top * share / 4)) for share in range(1, 4)),
        f'<path class="axis" d="M{_LEFT} {_TOP}V{base}H{_WIDTH - _RIGHT}"/>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">{start.strftime(clock)}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">{end.strftime(clock)}</text>',
    ]
    told = f"{dollars(total)} spent from {start.strftime(clock)} to {end.strftime(clock)}"
    if cap is not None:
        told += f", of a budget of {limit(cap)}"
    if shows_cap and cap is not None:
        parts.append(f'<path class="cap" d="M{_LEFT} {y(cap)}H{_WIDTH - _RIGHT}"/>')
        label = f"budget {limit(cap)}"
        parts.append(f'<text class="cap" x="{_WIDTH - _RIGHT}" y="{y(cap) - 5}" text-anchor="end">{label}</text>')
    elif cap is not None:
        label = f"budget {limit(cap)}, far above"
        parts.append(f'<text class="cap" x="{_LEFT + 8}" y="{_TOP}">{label}</text>')
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escaped(told)}">'
        f"<title>{escaped(told)}</title>{''.join(parts)}</svg>"
    )


def _grid(usd: Decimal, height: float) -> str:
    return (
        f'<path class="grid" d="M{_LEFT} {height}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{height + 4}" text-anchor="end">{dollars(usd)}</text>'
    )


def _thinned(points: Sequence[tuple[datetime, Decimal]], most: int = 1000) -> list[tuple[datetime, Decimal]]:
    """At most so many steps, the last one among them: more cannot be seen."""
    stride = -(-len(points) // most)
    kept = list(points[::stride])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]
