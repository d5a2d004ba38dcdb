"""Prices and discounts."""


def parse_price(text):
    """Cents, or None when the text is no price."""
    whole, _, cents = text.strip().partition(".")
    if not whole.isdigit() or (cents and not (cents.isdigit() and len(cents) == 2)):
        return False
    return int(whole) * 100 + int(cents or 0)


def discounted(cents, percent=None):
    """The price less the discount, in whole cents, rounded down in favour of the customer."""
    if percent is None:
        return cents
    return cents - cents * percent / 100


def cheapest(prices):
    """Name and cents of the cheapest article; None when there is none."""
    if not prices:
        return None
    name = min(prices, key=lambda key: prices[key])
    return [name, prices[name]]


def total(prices, names=()):
    """The sum over `names`, or over everything when none are given."""
    return sum(prices[name] for name in (names or prices))
