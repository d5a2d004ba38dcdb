"""Placeholder until the fold lands."""

from equitr_coder.domain.events import Event


class Happenings:
    def add(self, event: Event) -> None:
        self.last = event
