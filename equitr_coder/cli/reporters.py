"""How a run is printed: as text while it happens, as one JSON object at its end, or as one JSON line per event."""

from typing import Literal, Protocol

from equitr_coder.cli.console import Console
from equitr_coder.domain.events import Event
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.outcome import outcome
from equitr_coder.presentation.progress import call_lines, progress_lines
from equitr_coder.presentation.summary import summary_lines
from equitr_coder.presentation.tally import Tally
from equitr_coder.presentation.text import Line, Tone

Output = Literal["text", "json", "stream-json"]


class Reporter(Protocol):
    def event(self, event: Event, view: RunView, /) -> None: ...

    def missed(self, event: Event, view: RunView, /) -> None:
        """What an earlier process recorded and may not have come to say."""
        ...

    def end(self, view: RunView, tally: Tally, /) -> None: ...


class TextReporter:
    def __init__(self, console: Console) -> None:
        self._console = console

    def event(self, event: Event, view: RunView) -> None:
        self._console.say(progress_lines(event, view, width=self._console.width))

    missed = event

    def end(self, view: RunView, tally: Tally) -> None:
        self._console.say([Line(""), *summary_lines(view, tally)])


class JsonReporter:
    def __init__(self, console: Console) -> None:
        self._console = console

    def event(self, _event: Event, _view: RunView) -> None:
        """Nothing until the end."""

    missed = event

    def end(self, view: RunView, _tally: Tally) -> None:
        self._console.data(outcome(view))


class StreamReporter:
    def __init__(self, console: Console) -> None:
        self._console = console

    def event(self, event: Event, _view: RunView) -> None:
        self._console.record(event.model_dump_json(exclude_none=True))

    def missed(self, _event: Event, _view: RunView) -> None:
        """A stream holds only what is new; `resume` never repeats an event."""

    def end(self, _view: RunView, _tally: Tally) -> None:
        """The last event has said it."""


class VerboseReporter:
    """Adds one line on stderr for each model and tool call to what another reporter prints."""

    def __init__(self, console: Console, inner: Reporter) -> None:
        self._console = console
        self._inner = inner

    def event(self, event: Event, view: RunView) -> None:
        self._console.aside(Line(text, Tone.DIM) for text in call_lines(event))
        self._inner.event(event, view)

    def missed(self, event: Event, view: RunView) -> None:
        self._inner.missed(event, view)

    def end(self, view: RunView, tally: Tally) -> None:
        self._inner.end(view, tally)


def reporter(output: Output, console: Console, *, verbose: bool) -> Reporter:
    kinds: dict[Output, type[TextReporter | JsonReporter | StreamReporter]] = {
        "text": TextReporter,
        "json": JsonReporter,
        "stream-json": StreamReporter,
    }
    inner = kinds[output](console)
    return VerboseReporter(console, inner) if verbose else inner
