"""A question from a worker to the supervisor model. The port counts, prices and caps it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import Advisor, ToolContext, ToolResult, Workspace
from equitr_coder.tools.arguments import Arguments, LazySpec, Texts, parse_arguments


class AskSupervisorArguments(Arguments):
    question: str = Field(min_length=1, description="What to decide, what you found, the choices you see")
    files: Annotated[Texts, Field(max_length=10)] = Field(default=(), description="Paths it should read, at most 10")


class AskSupervisor:
    spec = LazySpec("ask_supervisor", AskSupervisorArguments)

    def __init__(self, advisor: Advisor, workspace: Workspace) -> None:
        self._advisor = advisor
        self._workspace = workspace

    def parse(self, arguments: Mapping[str, Any]) -> AskSupervisorArguments:
        return parse_arguments("ask_supervisor", AskSupervisorArguments, arguments)

    def touches(self, arguments: AskSupervisorArguments) -> Touches:
        return Touches(reads=tuple(self._workspace.relative(path) for path in arguments.files))

    async def run(self, arguments: AskSupervisorArguments, context: ToolContext) -> ToolResult:
        files = [self._workspace.relative(path) for path in arguments.files]
        answer = await self._advisor.advise(context, arguments.question, files)
        first = arguments.question.strip().partition("\n")[0]
        return ToolResult(
            for_model=f"The supervisor answers:\n{answer}", for_user=f"asked the supervisor: {first[:160]}"
        )
