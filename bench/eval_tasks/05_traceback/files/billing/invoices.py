"""What a customer still has to pay."""

from collections import namedtuple

Invoice = namedtuple("Invoice", "number amount due")


def by_due_date(invoices):
    """The invoices in the order in which they are to be paid."""
    return sorted(invoices, key=lambda invoice: invoice.due)


def reminder(invoices):
    """One line per invoice."""
    return "\n".join(
        "%s  %8.2f  due %s" % (invoice.number, invoice.amount, invoice.due.isoformat())
        for invoice in by_due_date(invoices)
    )
