"""Why a line is there: from `git blame` and the log to the task, the requirement, the model, its words, price, receipt.

Pure over what it is given. A commit of ours names its run and task in its message, and does so when it was rebased or
picked; a line that no commit of ours holds is looked for in the calls of chats, by its text.
"""

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Task
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CallId, RunId, SessionId, TaskId
from equitr_coder.domain.models import AssistantMessage, UserMessage
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import WhyAnswer
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind
from equitr_coder.planning.coverage import read_requirements
from equitr_coder.ports import Blamed

_TRAILERS = re.compile(
    r"^Task: (?P<task>T\d+)\nAgent: .*\nAttempt: (?P<attempt>\d+)\nRun: (?P<run>run-\w+)$", re.MULTILINE
)
_DOCUMENTS = re.compile(r"^Run: (?P<run>run-\w+)$", re.MULTILINE)
_WRITERS = frozenset({"write_file", "edit_file", "apply_patch", "run_command"})


@frozen
class Origin:
    """What a commit of ours says of itself. Without a task: the host's own commit of the planning documents."""

    run: RunId
    task: TaskId | None = None
    attempt: int = 0


@frozen
class _Call:
    event: e.ToolCalled
    model: str
    usd: Decimal
    said: str
    prompt: str


def origin_of(message: str) -> Origin | None:
    if found := _TRAILERS.search(message):
        return Origin(RunId(found["run"]), TaskId(found["task"]), int(found["attempt"]))
    named = _DOCUMENTS.search(message)
    return Origin(RunId(named["run"])) if named else None


def of_commit(blamed: Blamed, origin: Origin, view: RunView, log: Sequence[e.Event]) -> WhyAnswer:
    """`view` and `log` are those of the run that the commit names."""
    answer = _begun(blamed, view)
    if origin.task is None or view.plan is None or origin.task not in view.tasks:
        return answer.model_copy(update={"by": "host"})
    task = view.plan.task(origin.task)
    call = _writer(log, blamed, [SessionId(f"{task.id}.{n}") for n in range(origin.attempt, 0, -1)])
    spent = sum((row.usd for row in view.ledger.values() if row.task == task.id), ZERO)
    fields = {
        "by": "task",
        "task": task.id,
        "attempt": origin.attempt,
        "title": task.title,
        "covers": _requirements(task, view),
        "task_usd": spent,
        "receipt": view.tasks[task.id].receipt,
    }
    return answer.model_copy(update=fields | _told(call))


def of_chat(blamed: Blamed, view: RunView, log: Sequence[e.Event]) -> WhyAnswer | None:
    """None when no call of this chat has written the text of the line into the file."""
    if view.kind is not RunKind.CHAT or not blamed.text.strip():
        return None
    call = _writer(log, blamed, list(view.sessions), only_by_text=True)
    if call is None:
        return None
    return _begun(blamed, view).model_copy(update={"by": "chat", "task_usd": view.spent} | _told(call))


def of_nobody(blamed: Blamed) -> WhyAnswer:
    """A person wrote it, as far as anybody here can tell."""
    return WhyAnswer(
        path=blamed.path, line=blamed.line, text=blamed.text, commit=blamed.commit, author=blamed.author, by="person"
    )


def _begun(blamed: Blamed, view: RunView) -> WhyAnswer:
    update = {"run": view.run, "epic": view.epic, "request": view.request}
    return of_nobody(blamed).model_copy(update=update)


def _told(call: _Call | None) -> dict[str, object]:
    if call is None:
        return {}
    return {
        "seq": call.event.seq,
        "agent": call.event.agent,
        "tool": call.event.name,
        "model": call.model,
        "call_usd": call.usd,
        "said": call.said,
        "prompt": call.prompt,
    }


def _requirements(task: Task, view: RunView) -> tuple[str, ...]:
    """As the document says them; a number alone where it has none such."""
    document = view.documents.get("requirements")
    rows = read_requirements(document.content) if document is not None else ()
    texts = {row.number: row.text for row in rows if row.number}
    return tuple(texts.get(number, number) for number in task.covers)


def _writer(
    log: Iterable[e.Event], blamed: Blamed, sessions: Sequence[SessionId], *, only_by_text: bool = False
) -> _Call | None:
    """The last call that wrote the line; else, unless `only_by_text`, the last that changed its file."""
    by_text: dict[SessionId, _Call] = {}
    by_file: dict[SessionId, _Call] = {}
    for call, changed in _calls(log, frozenset(sessions)):
        if blamed.path_there not in changed:
            continue
        by_file[call.event.session] = call
        if _holds(call.event.arguments, blamed.text):
            by_text[call.event.session] = call
    found = by_text if only_by_text else by_text or by_file
    return next((found[session] for session in sessions if session in found), None)


def _calls(log: Iterable[e.Event], sessions: frozenset[SessionId]) -> Iterable[tuple[_Call, frozenset[str]]]:
    """Calls that ended well and changed files, with the paths."""
    paid: dict[SessionId, e.ModelCallSettled] = {}
    said: dict[SessionId, str] = {}
    prompt: dict[SessionId, str] = {}
    opened: dict[tuple[SessionId, CallId], _Call] = {}
    changed: dict[SessionId, set[str]] = {}
    for event in log:
        if not isinstance(event, e.AgentEvent) or event.session not in sessions:
            continue
        match event:
            case e.ModelCallSettled():
                paid[event.session] = event
            case e.MessageAdded(message=UserMessage() as message):
                prompt[event.session] = message.text
            case e.MessageAdded(message=AssistantMessage() as message):
                said[event.session] = message.text
            case e.ToolCalled() if event.name in _WRITERS:
                settled = paid.get(event.session)
                opened[event.session, event.call] = _Call(
                    event=event,
                    model=settled.model if settled is not None else "",
                    usd=settled.usd if settled is not None else ZERO,
                    said=said.get(event.session, ""),
                    prompt=prompt.get(event.session, ""),
                )
            case e.FileChanged():
                changed.setdefault(event.session, set()).add(event.path)
            case e.ToolReturned():
                paths = frozenset(changed.pop(event.session, ()))
                call = opened.pop((event.session, event.call), None)
                if call is not None and paths:
                    yield call, paths
            case _:
                pass


def _holds(arguments: str, line: str) -> bool:
    """Whether some text among the arguments has this line, whatever its indentation."""
    wanted = line.strip()
    try:
        values = json.loads(arguments)
    except ValueError:
        return wanted in arguments
    texts = values.values() if isinstance(values, dict) else (values,)
    lines = (one.lstrip("+ \t").rstrip() for text in texts if isinstance(text, str) for one in text.splitlines())
    return bool(wanted) and any(one.strip() == wanted for one in lines)
