"""The order every event log keeps (the contract at the head of `domain.events`), as an assertion for tests."""

from collections.abc import Iterable

from equitr_coder.domain import events as e
from equitr_coder.domain.ids import CallId, RequestId, SessionId


def assert_well_formed(events: Iterable[e.Event]) -> None:
    """Raises AssertionError naming the first event that breaks the order.

    Calls may be open at the end of a log that was cut off; not in one whose last event finishes or pauses the run.
    """
    log = list(events)
    reader = _Reader()
    for position, event in enumerate(log, start=1):
        problem = reader.read(position, event)
        assert problem is None, f"event {position} ({event.type}, seq {event.seq}): {problem}"
    if log and isinstance(log[-1], e.RunFinished | e.RunPaused):
        assert not reader.open_calls, f"the run ended with open model calls: {sorted(reader.open_calls)}"


def _question(event: e.Event) -> str | None:
    """What the event asks, named so that its answer can be told."""
    match event:
        case e.QuestionAsked():
            return f"question {event.question}"
        case e.ApprovalRequested():
            return f"approval {event.approval.id}"
        case e.EscalationAsked():
            return f"escalation {event.escalation}"
        case _:
            return None


def _answered(event: e.Event) -> str | None:
    match event:
        case e.QuestionAnswered():
            return f"question {event.question}"
        case e.ApprovalResolved():
            return f"approval {event.approval}"
        case e.EscalationAnswered():
            return f"escalation {event.escalation}"
        case _:
            return None


_AT_REST = (
    e.RunResumed,
    e.TaskAssigned,
    e.TaskChanged,
    e.MessageCancelled,
    e.RunRenamed,
    e.FileChanged,
    e.CheckpointTaken,
)
"""What may follow the end or a pause: a person goes on, assigns a task, holds one, lets it go or stops it, names the
run, or goes back in a chat.
"""


class _Reader:
    def __init__(self) -> None:
        self.open_calls: set[CallId] = set()
        self._calls: set[CallId] = set()
        self._tools: dict[tuple[SessionId, CallId], bool] = {}
        self._asked: dict[str, bool] = {}
        self._timed: dict[RequestId, bool] = {}
        """Questions about permission, and whether they expire."""
        self._warned: set[str] = set()
        self._said: dict[RequestId, str] = {}
        """Messages of the user: waiting, delivered or cancelled."""
        self._elided: set[tuple[SessionId, CallId]] = set()
        self._upto: dict[SessionId, int] = {}
        self._has_ended = False
        self._last: e.Event | None = None

    def read(self, position: int, event: e.Event) -> str | None:
        problem = self._stamp_problem(position, event) or self._order_problem(event)
        self._last = event
        return problem

    def _stamp_problem(self, position: int, event: e.Event) -> str | None:
        if event.seq != position:
            return f"seq must be {position}"
        if (position == 1) != isinstance(event, e.RunStarted):
            return "run_started is first, and only there"
        if event.at is None or event.at.utcoffset() is None:
            return "at must be an aware time"
        last = self._last
        if last is not None and event.run != last.run:
            return f"run is {event.run}, before it was {last.run}"
        if last is not None and last.at is not None and event.at < last.at:
            return "it is earlier than the event before it"
        if self._has_ended and not isinstance(event, _AT_REST):
            return "only run_resumed, or what a person decides meanwhile, may follow the end or a pause"
        return None

    def _order_problem(self, event: e.Event) -> str | None:
        asked, answered = _question(event), _answered(event)
        if asked is not None:
            return self._ask(asked, again=self._has_its_time_now(event))
        if answered is not None:
            return self._answer(answered)
        match event:
            case e.RunFinished() | e.RunPaused():
                self._has_ended = True
            case e.RunResumed():
                self._has_ended = False
            case e.ModelCallReserved():
                return self._reserved(event)
            case e.ModelCallSettled() | e.ModelCallFailed():
                return self._closed(event)
            case e.ToolCalled() | e.ToolReturned():
                return self._tool_called(event) if isinstance(event, e.ToolCalled) else self._tool_returned(event)
            case e.BudgetWarned():
                return self._warn(event)
            case e.MessageSent() | e.MessageCancelled() | e.MessageAdded():
                return self._message(event)
            case e.ContextElided() | e.ContextCompacted():
                return self._cut(event)
        return None

    def _message(self, event: e.MessageSent | e.MessageCancelled | e.MessageAdded) -> str | None:
        match event:
            case e.MessageSent():
                if event.sender == "user":
                    self._said[event.id] = "waiting"
                return None
            case e.MessageCancelled():
                return self._move([event.message], "cancelled")
            case e.MessageAdded():
                return self._move([one for one in event.delivers if one in self._said], "delivered")

    def _cut(self, event: e.ContextElided | e.ContextCompacted) -> str | None:
        match event:
            case e.ContextCompacted():
                if event.upto <= self._upto.get(event.session, 1):
                    return f"nothing before message {event.upto} is left to be dropped"
                self._upto[event.session] = event.upto
            case e.ContextElided():
                for call in event.results:
                    if not self._tools.get((event.session, call)) or (event.session, call) in self._elided:
                        return f"tool call {call} has no result that could be left out"
                    self._elided.add((event.session, call))
        return None

    def _move(self, messages: Iterable[RequestId], state: str) -> str | None:
        for message in messages:
            if self._said.get(message) != "waiting":
                return f"message {message} cannot be {state}: it is {self._said.get(message, 'unknown')}"
            self._said[message] = state
        return None

    def _warn(self, event: e.BudgetWarned) -> str | None:
        if event.account in self._warned:
            return f"{event.account} was warned before"
        self._warned.add(event.account)
        return None

    def _reserved(self, event: e.ModelCallReserved) -> str | None:
        if event.call in self._calls:
            return f"call {event.call} was reserved before"
        self._calls.add(event.call)
        self.open_calls.add(event.call)
        return None

    def _closed(self, event: e.ModelCallSettled | e.ModelCallFailed) -> str | None:
        if event.call not in self._calls:
            return f"call {event.call} was never reserved"
        if event.call not in self.open_calls:
            return f"call {event.call} is closed already"
        self.open_calls.remove(event.call)
        return None

    def _tool_called(self, event: e.ToolCalled) -> str | None:
        key = (event.session, event.call)
        if self._tools.get(key):
            return f"tool call {event.call} has its result already"
        self._tools[key] = False  # an intent may stand twice: the process died before the result
        return None

    def _tool_returned(self, event: e.ToolReturned) -> str | None:
        has_result = self._tools.get((event.session, event.call))
        if has_result is None:
            return f"tool call {event.call} was never made"
        if has_result:
            return f"tool call {event.call} has its result already"
        self._tools[event.session, event.call] = True
        return None

    def _has_its_time_now(self, event: e.Event) -> bool:
        """A question that was asked where nobody was may be asked again when somebody is, and then expires."""
        if not isinstance(event, e.ApprovalRequested):
            return False
        before, self._timed[event.approval.id] = self._timed.get(event.approval.id), event.approval.expires is not None
        return before is False and event.approval.expires is not None

    def _ask(self, name: str, *, again: bool = False) -> str | None:
        if name in self._asked and not (again and not self._asked[name]):
            return f"{name} was asked before"
        self._asked[name] = False
        return None

    def _answer(self, name: str) -> str | None:
        if name not in self._asked:
            return f"{name} was never asked"
        if self._asked[name]:
            return f"{name} has its answer already"
        self._asked[name] = True
        return None
