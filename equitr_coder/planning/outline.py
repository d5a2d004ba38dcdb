"""A looser todo list than ours: groups with a priority, optional subgroups, numbered lines. For counting and grouping.

Reads lists such as `## 2. CORE SERVICES (High Priority)`, `### User Management Service`, `7. Implement ...`.
"""

import re

from equitr_coder.domain.epic import Priority
from equitr_coder.domain.frozen import frozen
from equitr_coder.planning.markdown import Section, read_sections

_PRIORITY = re.compile(r"\s*[\[(](high|medium|low)(?:\s+priority)?[\])]\s*$", re.IGNORECASE)
_NUMBERED = re.compile(r"^\s*(?:[-*+]\s+)?(?:\[(?P<mark>[ xX])\]\s+)?(?P<number>\d+)[.)]\s+(?P<text>\S.*?)\s*$")


@frozen
class NumberedTodo:
    number: int
    text: str
    is_ticked: bool
    line: int


@frozen
class TodoGroup:
    """`part` is the subgroup's title, or empty."""

    title: str
    priority: Priority | None
    part: str
    todos: tuple[NumberedTodo, ...]
    line: int


def read_outline(text: str) -> tuple[TodoGroup, ...]:
    """Every heading that has todos of its own, or a priority, in order; a subgroup inherits its group's priority."""
    groups: list[TodoGroup] = []
    outer: tuple[str, Priority | None, int] = ("", None, 0)
    for section in read_sections(text):
        title, priority = _split_priority(section.title)
        if priority is not None or section.level <= max(outer[2], 2):
            outer, part = (title, priority, section.level), ""
        else:
            part = title
        todos = _todos(section)
        if todos or (priority is not None):
            groups.append(TodoGroup(outer[0], outer[1], part, todos, section.line))
    return tuple(group for group in groups if group.todos or not _has_parts(group, groups))


def outline_problems(groups: tuple[TodoGroup, ...]) -> tuple[str, ...]:
    """Gaps in the numbering and groups without priority or todos, in words."""
    problems: list[str] = []
    expected = 1
    for group in groups:
        name = " / ".join(word for word in (group.title, group.part) if word)
        if group.priority is None:
            problems.append(f"line {group.line}: {name} has no priority")
        if not group.todos:
            problems.append(f"line {group.line}: {name} has no todos")
        for todo in group.todos:
            if todo.number != expected:
                problems.append(f"line {todo.line}: number {todo.number} where {expected} was expected")
            expected = todo.number + 1
    return tuple(problems)


def _todos(section: Section) -> tuple[NumberedTodo, ...]:
    found = ((line, _NUMBERED.match(line.text)) for line in section.body)
    return tuple(
        NumberedTodo(int(match["number"]), match["text"], (match["mark"] or " ") in "xX", line.number)
        for line, match in found
        if match
    )


def _split_priority(title: str) -> tuple[str, Priority | None]:
    match = _PRIORITY.search(title)
    return (title[: match.start()], Priority(match[1].lower())) if match else (title, None)


def _has_parts(group: TodoGroup, groups: list[TodoGroup]) -> bool:
    return any(other.title == group.title and other.part for other in groups)
