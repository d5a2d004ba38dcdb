"""Accounts and transfers between them."""


class Bank:
    def __init__(self, balances):
        """Balances in cents by account name."""
        self.balances = dict(balances)
        self.journal = []

    def transfer(self, source, target, cents):
        """Move money and write one line into the journal."""
        self.journal.append((source, target, cents))
        self.balances[source] -= cents
        self.balances[target] += cents
