"""A run as the demo has followed it so far: its view, its tally, its timeline."""

from dataclasses import dataclass, field

from equitr_coder.demo.timeline import Timeline
from equitr_coder.domain.events import Event
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.presentation.tally import Tally


@dataclass
class Followed:
    view: RunView
    tally: Tally = field(default_factory=Tally)
    timeline: Timeline = field(default_factory=Timeline)

    def add(self, event: Event) -> None:
        fold([event], self.view)
        self.tally.add(event)
        self.timeline.add(event)
