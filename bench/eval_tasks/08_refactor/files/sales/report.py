"""Totals of sales. A sale is a mapping with `day` (a date), `cents` and `refunded`."""


def daily_totals(sales):
    """Cents by day, such as `2026-05-01`, in order of time."""
    totals = {}
    for sale in sales:
        if sale["refunded"]:
            continue
        if sale["cents"] < 0:
            raise ValueError("a sale cannot be negative")
        key = sale["day"].isoformat()
        if key not in totals:
            totals[key] = 0
        totals[key] += sale["cents"]
    return {key: totals[key] for key in sorted(totals)}


def weekly_totals(sales):
    """Cents by ISO week, such as `2026-W07`, in order of time."""
    totals = {}
    for sale in sales:
        if sale["refunded"]:
            continue
        if sale["cents"] < 0:
            raise ValueError("a sale cannot be negative")
        key = "%d-W%02d" % sale["day"].isocalendar()[:2]
        if key not in totals:
            totals[key] = 0
        totals[key] += sale["cents"]
    return {key: totals[key] for key in sorted(totals)}


def monthly_totals(sales):
    """Cents by month, such as `2026-05`, in order of time."""
    totals = {}
    for sale in sales:
        if sale["refunded"]:
            continue
        if sale["cents"] < 0:
            raise ValueError("a sale cannot be negative")
        key = sale["day"].strftime("%Y-%m")
        if key not in totals:
            totals[key] = 0
        totals[key] += sale["cents"]
    return {key: totals[key] for key in sorted(totals)}
