"""`todos.md`, rendered from the plan and parsed back after the user edited it. No files: text in, values out.

The document carries the plan's title and each task's id, title, priority, needs, check, files and todos, and where
there are any the check's reason, the commands, the symbols, the resources and the requirements it covers; everything
else of a task, and the sync points, is kept from the given plan by task id.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from equitr_coder.domain.epic import Plan, Priority, SyncPoint, Task
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.markdown import Line, code_span, fence_for, lines_of, read_code_span

_NOTHING = "-"
_NOTHING_WORDS = frozenset({"-", "–", "—", "", "none", "nothing"})
_PRIORITY = re.compile(r"^(?P<head>.*?)\s*\((?P<priority>[^()]*?)\s*priority\)$", re.IGNORECASE)
_NUMBERED_ID = re.compile(r"^(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]*)\.(?:\s+(?P<title>.*))?$")
_NAMED_ID = re.compile(r"^(?P<id>[A-Za-z]{0,4}-?\d[A-Za-z0-9_.-]*)\s*(?::|\s[-–—])\s+(?P<title>.*)$")
_FIELD = re.compile(
    r"^\**(?P<name>needs|check(?: reason)?|files|commands|symbols|resources|covers)\**\s*:\**\s*(?P<value>.*)$",
    re.IGNORECASE,
)
_TODO = re.compile(
    r"^\s*(?:(?P<bullet>[-*+])(?:\s+|$)|(?=\d+[.)]\s))"
    r"(?:\[(?P<mark>[^\]\n]?)\](?:\s+|$))?(?:\d+[.)](?:\s+|$))?(?P<text>.*)$"
)
_EXPECTED = (
    "expected a task heading (`## T2. Title (High Priority)`), a `Needs:`, `Check:` or `Files:` line, "
    "or a todo (`- [ ] text`)"
)


# ---------------------------------------------------------------- rendering


def render_todos(plan: Plan, ticked: Collection[int] = frozenset()) -> str:
    """The document of a plan; `ticked` are the numbers of the finished todos."""
    numbers = plan.todo_numbers
    blocks = [f"# {_one_line(plan.title)}"]
    blocks += [_render_task(task, numbers[task.id], ticked) for task in plan.tasks]
    return "\n\n".join(blocks) + "\n"


def todos_of(plan: Plan, tasks: Iterable[TaskId]) -> frozenset[int]:
    """The todo numbers of the given tasks: what is ticked once they are done."""
    numbers = plan.todo_numbers
    return frozenset(number for task_id in tasks for number in numbers[task_id])


def _render_task(task: Task, numbers: Sequence[int], ticked: Collection[int]) -> str:
    lines = [
        f"## {task.id}. {_one_line(task.title)} ({task.priority.value.capitalize()} Priority)",
        "",
        f"Needs: {', '.join(task.needs) or _NOTHING}",
        _render_check(task.check),
        *([f"Check reason: {_render_reason(task.check_reason)}"] if task.check_reason else []),
        f"Files: {_spans(task.files) or _NOTHING}",
        *([f"Commands: {_spans(task.commands)}"] if task.commands else []),
        *([f"Symbols: {_spans(task.symbols)}"] if task.symbols else []),
        *([f"Resources: {_spans(task.resources)}"] if task.resources else []),
        *([f"Covers: {', '.join(map(_render_number, task.covers))}"] if task.covers else []),
    ]
    if task.todos:
        lines.append("")
    for number, todo in zip(numbers, task.todos, strict=True):
        lines.append(f"- [{'x' if number in ticked else ' '}] {number}. {_one_line(todo)}")
    return "\n".join(lines)


def _render_check(check: str | None) -> str:
    if check is None:
        return f"Check: {_NOTHING}"
    if "\n" not in check:
        return f"Check: {code_span(check)}"
    fence = fence_for(check)
    return f"Check:\n{fence}sh\n{check}\n{fence}"


def _spans(values: Iterable[str]) -> str:
    return ", ".join(code_span(value) for value in values)


def _render_number(number: str) -> str:
    return number if re.fullmatch(r"\w[\w.]*", number) and number.lower() not in _NOTHING_WORDS else code_span(number)


def _render_reason(reason: str) -> str:
    """As it is, unless markup or a word for nothing at its start would be read as such."""
    text = _one_line(reason)
    return code_span(text) if text[0] in "*`" or text.lower() in _NOTHING_WORDS else text


def _one_line(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------- parsing


def parse_todos(text: str, plan: Plan) -> tuple[Plan, frozenset[int]]:
    """The plan as the text says it, and the numbers of the ticked todos in it.

    Numbers in the text are ignored: todos are numbered by their order. A heading without an id is a new task and
    gets the next free `T` number. Sync points follow their tasks: without its producer a sync point is gone.

    Raises:
        UserError: a line makes no sense; the message names it, the hint says what was expected.
    """
    title, drafts = _Reader(lines_of(text)).read()
    if not drafts:
        raise _error(
            1, "there is no task", "expected at least one task heading, such as `## T1. Title (High Priority)`"
        )
    _name_new_tasks(drafts, plan)
    known = _known_ids(drafts)
    old = {task.id: task for task in plan.tasks}
    tasks = tuple(_task(draft, old.get(TaskId(draft.id)), known) for draft in drafts)
    ticks = [ticked for draft in drafts for _, ticked in draft.todos]
    points = _surviving(plan.sync_points, {task.id for task in tasks})
    parsed = plan.model_copy(update={"title": title or plan.title, "tasks": tasks, "sync_points": points})
    return parsed, frozenset(number for number, ticked in enumerate(ticks, start=1) if ticked)


@dataclass
class _TaskDraft:
    """A task while its lines are read; `id` is empty until a new task is named."""

    line: int
    id: str
    title: str
    priority: Priority | None
    needs: list[tuple[int, str]] = field(default_factory=list)
    check: str | None = None
    check_reason: str = ""
    files: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    todos: list[tuple[str, bool]] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)


class _Reader:
    """Reads line by line; remembers the task it is in."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = list(lines)
        self._at = 0
        self._title: str | None = None
        self._tasks: list[_TaskDraft] = []

    def read(self) -> tuple[str | None, list[_TaskDraft]]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            text = line.text.strip()
            if not text or (text.startswith("<!--") and text.endswith("-->")):
                continue
            if line.text.startswith("## ") or text == "##":
                self._start_task(line)
            elif line.text.startswith("# "):
                self._set_title(line)
            elif match := _FIELD.match(text):
                self._set_field(line, match["name"].lower(), match["value"].strip())
            elif match := _TODO.match(line.text):
                self._add_todo(line, match)
            elif line.text[:1] in (" ", "\t") and self._tasks and self._tasks[-1].todos:
                self._continue_todo(text)
            else:
                raise _error(line.number, f"`{_shortened(text)}` is not part of a todo list", _EXPECTED)
        return self._title, self._tasks

    def _set_title(self, line: Line) -> None:
        if self._title is not None or self._tasks:
            raise _error(line.number, "a second title", "expected one `# Title` line, before the tasks")
        self._title = line.text[2:].strip()

    def _start_task(self, line: Line) -> None:
        rest = line.text[2:].strip()
        priority: Priority | None = None
        if match := _PRIORITY.match(rest):
            word = match["priority"].strip().lower()
            if word not in set(Priority):
                raise _error(
                    line.number,
                    f"`{match['priority'].strip()}` is not a priority",
                    "expected (High Priority), (Medium Priority) or (Low Priority)",
                )
            priority, rest = Priority(word), match["head"]
        task_id, title = "", rest
        if match := _NUMBERED_ID.match(rest) or _NAMED_ID.match(rest):
            task_id, title = match["id"], (match["title"] or "").strip()
        if not title:
            raise _error(line.number, "a task without a title", "expected `## T2. Title (High Priority)`")
        if task_id and any(task.id == task_id for task in self._tasks):
            first = next(task.line for task in self._tasks if task.id == task_id)
            raise _error(
                line.number,
                f"task {task_id} is there already, at line {first}",
                "give the new task another id, or none: it then gets the next free one",
            )
        self._tasks.append(_TaskDraft(line.number, task_id, title, priority))

    def _set_field(self, line: Line, name: str, value: str) -> None:
        task = self._task_of(line)
        if name in task.fields:
            raise _error(
                line.number, f"a second `{name.capitalize()}:` line", f"expected one for the task at line {task.line}"
            )
        task.fields.add(name)
        match name:
            case "needs":
                words = [] if value.lower() in _NOTHING_WORDS - {"none", "nothing"} else re.split(r"[\s,;]+", value)
                task.needs = [(line.number, word) for word in words if word]
            case "files":
                task.files = _read_list(value)
            case "commands":
                task.commands = _read_list(value)
            case "symbols":
                task.symbols = _read_list(value)
            case "resources":
                task.resources = _read_list(value)
            case "covers":
                task.covers = _read_list(value)
            case "check reason":
                task.check_reason = _read_text(value)
            case _:
                task.check = self._read_check(value)

    def _read_check(self, value: str) -> str | None:
        following = next((line.text for line in self._lines[self._at : self._at + 1]), "")
        fence = re.match(r"^(`{3,})\w*\s*$", following)
        if not value and fence:
            return self._read_fenced(fence[1])
        return _read_text(value) or None

    def _read_fenced(self, fence: str) -> str:
        opened = self._lines[self._at]
        self._at += 1
        content: list[str] = []
        while self._at < len(self._lines):
            text = self._lines[self._at].text
            self._at += 1
            if re.fullmatch(f"`{{{len(fence)},}}\\s*", text):
                return "\n".join(content)
            content.append(text)
        raise _error(
            opened.number, "the code block of this check is never closed", f"expected a line `{fence}` after it"
        )

    def _add_todo(self, line: Line, match: re.Match[str]) -> None:
        task = self._task_of(line)
        mark, text = match["mark"], match["text"].strip()
        if mark is not None and mark not in (" ", "x", "X"):
            raise _error(line.number, f"`[{mark}]` is not a checkbox", "expected `[ ]` or `[x]`")
        if not text:
            raise _error(line.number, "a todo without text", "expected `- [ ] what is to be done`, or no line at all")
        task.todos.append((_one_line(text), mark in ("x", "X")))

    def _continue_todo(self, text: str) -> None:
        todos = self._tasks[-1].todos
        todos[-1] = (f"{todos[-1][0]} {_one_line(text)}", todos[-1][1])

    def _task_of(self, line: Line) -> _TaskDraft:
        if not self._tasks:
            raise _error(
                line.number,
                f"`{_shortened(line.text.strip())}` belongs to no task",
                "expected a task heading before it, such as `## T1. Title (High Priority)`",
            )
        return self._tasks[-1]


def _read_text(value: str) -> str:
    if value.lower() in _NOTHING_WORDS:
        return ""
    span = read_code_span(value)
    return span[0] if span is not None and not span[1].strip() else value


def _read_list(value: str) -> tuple[str, ...]:
    """What stands between commas, or in code spans."""
    found: list[str] = []
    rest = value.strip()
    while rest and rest.lower() not in _NOTHING_WORDS:
        span = read_code_span(rest)
        if span is not None:
            entry, rest = span
        else:
            entry, _, rest = rest.partition(",")
            entry = entry.strip()
        if entry:
            found.append(entry)
        rest = rest.strip().removeprefix(",").strip()
    return tuple(found)


def _name_new_tasks(drafts: Sequence[_TaskDraft], plan: Plan) -> None:
    """Ids of tasks that were ever in the plan are not given again."""
    used = {draft.id for draft in drafts} | {task.id for task in plan.tasks}
    number = 0
    for draft in drafts:
        while not draft.id:
            number += 1
            if f"T{number}" not in used:
                draft.id = f"T{number}"
                used.add(draft.id)


def _known_ids(drafts: Sequence[_TaskDraft]) -> dict[str, str]:
    """How a task may be named in a `Needs:` line -> its id. Letter case and a final dot are forgiven."""
    forgiven = {draft.id.lower(): draft.id for draft in drafts}
    return forgiven | {draft.id: draft.id for draft in drafts}


def _task(draft: _TaskDraft, old: Task | None, known: dict[str, str]) -> Task:
    priority = draft.priority or (old.priority if old is not None else Priority.MEDIUM)
    update = {
        "id": TaskId(draft.id),
        "title": draft.title,
        "priority": priority,
        "needs": _needs(draft, known),
        "check": draft.check,
        "check_reason": draft.check_reason,
        "files": draft.files,
        "commands": draft.commands,
        "symbols": draft.symbols,
        "resources": draft.resources,
        "covers": draft.covers,
        "todos": tuple(text for text, _ in draft.todos),
    }
    if old is not None:
        return old.model_copy(update=update)
    try:
        return Task.model_validate(update)
    except ValidationError as error:
        raise _error(
            draft.line,
            f"`{_shortened(draft.id)}` cannot be a task id",
            "expected at most 40 letters, digits, `_`, `.` or `-`, such as `T2`",
        ) from error


def _needs(draft: _TaskDraft, known: dict[str, str]) -> tuple[TaskId, ...]:
    needs: list[TaskId] = []
    for line, word in draft.needs:
        found = next(
            (known[form] for form in (word, word.rstrip("."), word.lower().rstrip(".")) if form in known), None
        )
        if found is None and word.lower() in {"and", "&", *_NOTHING_WORDS}:
            continue
        if found is None:
            raise _error(
                line,
                f"{draft.id} needs {word}, which is not a task of this document",
                f"expected ids from {', '.join(sorted(set(known.values())))}, or `{_NOTHING}`",
            )
        needs.append(TaskId(found))
    return tuple(dict.fromkeys(needs))


def _surviving(points: Iterable[SyncPoint], tasks: set[TaskId]) -> tuple[SyncPoint, ...]:
    return tuple(
        point.model_copy(update={"consumers": tuple(task for task in point.consumers if task in tasks)})
        for point in points
        if point.producer in tasks
    )


def _error(line: int, problem: str, expected: str) -> UserError:
    return UserError(f"todos.md, line {line}: {problem}", hint=expected)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
