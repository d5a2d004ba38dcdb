"""Saying that a todo of one's own task is finished. The host alone writes the checkbox, when the task is done."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments


class TickTodoArguments(Arguments):
    number: int = Field(description="The number printed before the todo")


class TickTodo:
    spec = LazySpec("tick_todo", TickTodoArguments)

    def __init__(self, todos: Mapping[int, str]) -> None:
        """`todos` are the task's own, by their number in `docs/todos.md`."""
        self._todos = todos

    def parse(self, arguments: Mapping[str, Any]) -> TickTodoArguments:
        return parse_arguments("tick_todo", TickTodoArguments, arguments)

    def touches(self, _arguments: TickTodoArguments) -> Touches:
        return Touches()

    async def run(self, arguments: TickTodoArguments, _context: ToolContext) -> ToolResult:
        todo = self._todos.get(arguments.number)
        if todo is None:
            own = ", ".join(str(number) for number in sorted(self._todos)) or "none"
            raise ToolFailure(f"{arguments.number} is not a todo of this task. Its todos: {own}.")
        return ToolResult(for_model=f"Ticked {arguments.number}: {todo}", for_user=f"todo {arguments.number}: {todo}")
