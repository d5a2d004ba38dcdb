"""One question to the user, while planning."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import Questions, ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, Texts, parse_arguments


class AskUserArguments(Arguments):
    question: str = Field(min_length=1, description="One question")
    options: Texts = Field(default=(), description="Likely answers, the best first; any other answer stays possible")


class AskUser:
    spec = LazySpec("ask_user", AskUserArguments)

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    def parse(self, arguments: Mapping[str, Any]) -> AskUserArguments:
        return parse_arguments("ask_user", AskUserArguments, arguments)

    def touches(self, _arguments: AskUserArguments) -> Touches:
        return Touches()

    async def run(self, arguments: AskUserArguments, context: ToolContext) -> ToolResult:
        answer = await self._questions.ask(
            context.session, context.agent, context.task, context.call, arguments.question, arguments.options
        )
        return ToolResult(for_model=f"The user answers: {answer}", for_user=f"answered: {answer.partition(chr(10))[0]}")
