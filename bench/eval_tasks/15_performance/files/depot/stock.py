"""Joins what was ordered with what is in stock."""


def missing(orders, stock):
    """The orders whose article is not in stock in the quantity ordered, in the order given.

    An order is `(article, quantity)`; stock holds `(article, quantity)` rows, several for one article when it lies
    in several places.
    """
    result = []
    for article, quantity in orders:
        available = 0
        for name, amount in stock:
            if name == article:
                available += amount
        if available < quantity:
            result.append((article, quantity))
    return result
