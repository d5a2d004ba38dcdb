"""What must outlive a compaction word for word, taken from the log by code: the user's words, decisions, failed
approaches, names, open todos, files. Pure; no model has a hand in it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from equitr_coder.domain.approvals import Approval
from equitr_coder.domain.events import ApprovalResolved
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from equitr_coder.domain.run_view import RunView, SessionView
from equitr_coder.engine.coaching import NUDGE

_ASKING = {"ask_user": "question", "ask_supervisor": "question"}
_CHANGING = frozenset({"write_file", "edit_file"})
_FAILED_COMMAND = re.compile(r"exit (?!0 )\d+ |timed out ")
_TICKED = re.compile(r"Ticked (\d+):")
_PATCHED = re.compile(r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+?)\s*$", re.MULTILINE)
_NAME = re.compile(
    r"`(?P<quoted>[^`\n]{2,80})`"
    r"|(?P<path>(?:[\w.-]+/)+[\w.-]*\w|\b\w[\w-]*\.(?:py|pyi|js|ts|tsx|jsx|go|rs|java|rb|c|h|cpp|sql|md|toml|ya?ml|json|css|html|sh|cfg|ini|txt|csv)\b)"
    r"|(?P<word>\b(?:[A-Za-z]\w*\.)+\w+\b|\b[A-Za-z]\w*_\w+\b|\b[A-Z][a-z0-9]+(?:[A-Z]\w*)+\b|\b[a-z]+[A-Z]\w*\b)"
)
_WORDS, _DECISIONS, _FAILURES, _NAMES, _FILES = 0.55, 0.15, 0.12, 0.08, 0.06
"""Shares of the room that a section may fill; what one leaves free nobody else takes, so that sizes stay bounded."""
_LONG_ANSWER = 700
_LONG_CALL = 120
_LONG_FAILURE = 160


@frozen
class _Record:
    """One call and what came of it."""

    call: ToolCall
    result: ToolMessage


def records(session: SessionView, view: RunView, upto: int, *, room: int) -> str:
    """Of the messages before number `upto`, the first one left out (it stays as it is); about `room` characters."""
    dropped = session.messages[1:upto]
    steps = list(_steps(dropped))
    sections = [
        ("The user's words, verbatim, oldest first", _words(dropped, round(room * _WORDS))),
        ("Images you were shown, left out now", _images(dropped)),
        ("Decisions", _fitting(_decisions(steps, view.grants, session), round(room * _DECISIONS))),
        ("What failed", _fitting(_failures(steps), round(room * _FAILURES))),
        ("Open todos", _open_todos(session, view)),
        ("Files you changed", _fitting(_changed(steps, session), round(room * _FILES))),
        ("Names that came up", _line(_names(dropped), round(room * _NAMES))),
    ]
    return "\n\n".join(f"## {title}\n{text}" for title, text in sections if text)


def _words(dropped: Sequence[Message], room: int) -> str:
    """Whole as long as they fit; then the longest ones lose their middle, never a short one."""
    said = [message.text.strip() for message in dropped if _is_said(message)]
    longest = max(map(len, said), default=0)
    while sum(min(len(text), longest) + 4 for text in said) > room and longest > 240:
        longest = longest * 3 // 4
    shown = [_ends(text, longest) for text in said]
    while len(shown) > 2 and sum(len(text) + 4 for text in shown) > room:
        del shown[len(shown) // 2]  # beginnings set the rules and ends change them
    return "\n".join(f"- {text}" for text in shown)


def _images(dropped: Iterable[Message]) -> str:
    """Few enough in one conversation to name each."""
    shown = (image for message in dropped if isinstance(message, UserMessage) for image in message.images)
    return "\n".join(f"- {image.shown}: the user can attach it again" for image in shown)


def _is_said(message: Message) -> bool:
    return isinstance(message, UserMessage) and bool(message.text.strip()) and not message.text.startswith(NUDGE)


def _decisions(
    steps: Iterable[_Record], grants: Iterable[tuple[Approval, ApprovalResolved]], session: SessionView
) -> Iterator[str]:
    """Newest last."""
    for step in steps:
        if step.call.name in _ASKING and not step.result.is_error:
            asked = _argument(step.call, _ASKING[step.call.name])
            yield f"- {_one_line(asked, _LONG_CALL * 2)} -> {_ends(step.result.text.strip(), _LONG_ANSWER)}"
    for approval, resolved in grants:
        if approval.session == session.id and resolved.answer.by != "policy":
            verb = "allowed" if resolved.answer.allowed else "refused"
            note = f" ({resolved.answer.note})" if resolved.answer.note else ""
            yield f"- {verb}: {_one_line(approval.what, _LONG_CALL * 2)}{note}"


def _failures(steps: Sequence[_Record]) -> Iterator[str]:
    """Calls that failed and never went well later."""
    last = {(step.call.name, step.call.arguments): step for step in steps}
    for step in last.values():
        has_failed = step.result.is_error or (
            step.call.name == "run_command" and _FAILED_COMMAND.match(step.result.text) is not None
        )
        if has_failed:
            lines = [line.strip() for line in step.result.text.splitlines() if line.strip()] or [""]
            said = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"
            yield f"- {step.call.name} {_one_line(step.call.arguments, _LONG_CALL)}: {_one_line(said, _LONG_FAILURE)}"


def _open_todos(session: SessionView, view: RunView) -> str:
    plan, task = view.plan, session.task
    if plan is None or task is None or not any(entry.id == task for entry in plan.tasks):
        return ""
    ticked = {
        int(found[1])
        for message in session.messages
        if isinstance(message, ToolMessage) and message.name == "tick_todo"
        for found in _TICKED.finditer(message.text)
    }
    numbered = zip(plan.todo_numbers.get(task, ()), plan.task(task).todos, strict=False)
    return "\n".join(f"- {number}. {todo}" for number, todo in numbered if number not in ticked)


def _changed(steps: Iterable[_Record], session: SessionView) -> Iterator[str]:
    changed: dict[str, str] = dict(session.changed)
    for step in steps:
        if step.result.is_error:
            continue
        if step.call.name in _CHANGING and (path := _argument(step.call, "path")):
            changed.setdefault(path, "written")
        elif step.call.name == "apply_patch":
            for path in _PATCHED.findall(_argument(step.call, "patch")):
                changed.setdefault(path, "patched")
    return (f"- {path} ({how})" for path, how in changed.items())


def _names(dropped: Iterable[Message]) -> list[str]:
    """Paths and symbols that were spoken of, the most used first; results of tools, which name everything, left out."""
    found: Counter[str] = Counter()
    for message in dropped:
        match message:
            case UserMessage():
                texts, weight = [message.text], 2
            case AssistantMessage():
                texts, weight = [message.text, *(_plain(call.arguments) for call in message.calls)], 1
            case _:
                continue
        for text in texts:
            for name in dict.fromkeys(_name(match) for match in _NAME.finditer(text)):
                found[name] += weight
    return [name for name, _ in found.most_common()]


def _name(match: re.Match[str]) -> str:
    return (match["quoted"] or match["path"] or match["word"]).strip()


def _steps(messages: Iterable[Message]) -> Iterator[_Record]:
    calls: dict[str, ToolCall] = {}
    for message in messages:
        if isinstance(message, AssistantMessage):
            calls.update({call.id: call for call in message.calls})
        elif isinstance(message, ToolMessage) and message.call in calls:
            yield _Record(calls[message.call], message)


def _argument(call: ToolCall, name: str) -> str:
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return ""
    value = arguments.get(name) if isinstance(arguments, Mapping) else None
    return value if isinstance(value, str) else ""


def _plain(arguments: str) -> str:
    return arguments.replace("\\n", "\n").replace('\\"', '"')


def _fitting(lines: Iterable[str], room: int) -> str:
    """The newest, in their order."""
    kept: list[str] = []
    for line in reversed(list(lines)):
        room -= len(line) + 1
        if room < 0:
            break
        kept.insert(0, line)
    return "\n".join(kept)


def _line(names: Iterable[str], room: int) -> str:
    kept: list[str] = []
    for name in names:
        room -= len(name) + 2
        if room < 0:
            break
        kept.append(name)
    return ", ".join(kept)


def _one_line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}..."


def _ends(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = max(1, limit // 2)
    return f"{text[:half]} [... {len(text) - 2 * half} characters ...] {text[-half:]}"
