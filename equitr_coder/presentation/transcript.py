"""A run as a document for people (Markdown) and for programs (one event per line). Pure."""

import re
from collections.abc import Iterable

from equitr_coder.domain.events import Event
from equitr_coder.domain.models import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from equitr_coder.domain.run_view import RunView, SessionView
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.review import DOCUMENTS
from equitr_coder.presentation.states import state_word
from equitr_coder.presentation.text import shown_on_one_line

_LONGEST = 4_000
"""Characters of a tool's result; the log has all of it."""


def transcript_markdown(view: RunView) -> str:
    """What was asked, decided, said and done, in the order of sessions; tool results are shortened."""
    blocks = [f"# {shown_on_one_line(view.title)}", _facts(view), f"## Request\n\n{view.request.strip()}"]
    blocks += [
        f"## {name}.md (revision {document.revision}, by {document.by})\n\n{fenced(document.content, 'markdown')}"
        for name in DOCUMENTS
        if (document := view.documents.get(name)) is not None
    ]
    if view.plan is not None:
        blocks.append("## Tasks\n\n" + "\n".join(_tasks(view)))
    blocks += [_session(session) for session in view.sessions.values()]
    if view.content.strip():
        blocks.append(f"## Result\n\n{view.content.strip()}")
    return "\n\n".join(blocks) + "\n"


def transcript_jsonl(events: Iterable[Event]) -> str:
    """The stored events, one a line, as `--output stream-json` writes them."""
    return "".join(f"{event.model_dump_json()}\n" for event in events)


def fenced(text: str, language: str = "") -> str:
    """A code block that nothing in the text can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = text if text.endswith("\n") else f"{text}\n"
    return f"{fence}{language}\n{body}{fence}"


def _facts(view: RunView) -> str:
    rows = [
        ("run", f"{view.epic} ({view.run})" if view.epic else view.run),
        ("state", view.phase),
        ("supervisor", view.supervisor_model),
        ("worker", view.worker_model),
        ("cost", f"{dollars(view.spent)} of {limit(view.options.budget)}"),
        ("started", f"{view.started:%Y-%m-%d %H:%M:%SZ}" if view.started is not None else None),
        ("last event", f"{view.last:%Y-%m-%d %H:%M:%SZ}" if view.last is not None else None),
        ("branch", view.branch),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in rows if value)


def _tasks(view: RunView) -> list[str]:
    assert view.plan is not None
    lines = []
    for task in view.plan.tasks:
        found = view.tasks.get(task.id)
        state = state_word(found.state).lower() if found is not None else "waiting"
        proof = ""
        if found is not None and found.receipt is not None:
            checks = "; ".join(f"`{check.command}` exit {check.exit_code}" for check in found.receipt.checks)
            proof = f", receipt: {checks or 'none'} at {found.receipt.commit[:10]}"
        lines.append(f"- {task.id} {shown_on_one_line(task.title)}: {state}{proof}")
    return lines


def _session(session: SessionView) -> str:
    blocks = [
        f"## {session.agent}, session {session.id}",
        *(block for message in session.messages if (block := _message(message))),
    ]
    return "\n\n".join(blocks)


def _message(message: Message) -> str:
    match message:
        case SystemMessage():
            return ""
        case UserMessage():
            return f"### Told\n\n{message.text.strip()}"
        case AssistantMessage():
            calls = [f"- `{call.name}`\n\n{fenced(call.arguments, 'json')}" for call in message.calls]
            said = [message.text.strip()] if message.text.strip() else []
            return "\n\n".join(["### Said", *said, *calls])
        case ToolMessage():
            head = f"### {'Failed' if message.is_error else 'Result'}: {message.name}"
            cut = len(message.text) - _LONGEST
            text = message.text if cut <= 0 else f"{message.text[:_LONGEST]}\n... {cut} more characters in the log\n"
            return f"{head}\n\n{fenced(text)}"
