"""Any tool, without the keys that this process holds: in no result, and in nothing that is written from a mark."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.models import ToolSpec
from equitr_coder.ports import Redactor, Tool, ToolContext, ToolResult


class RedactedTool:
    """Wraps a `ports.Tool`. A model that never saw the key cannot write it back, so a text with its mark is refused:
    it would take the place of the key in the file.
    """

    def __init__(self, tool: Tool, redactor: Redactor) -> None:
        self._tool = tool
        self._redactor = redactor

    @property
    def spec(self) -> ToolSpec:
        return self._tool.spec

    def parse(self, arguments: Mapping[str, Any]) -> Any:
        return self._tool.parse(arguments)

    def touches(self, arguments: Any) -> Touches:
        return self._tool.touches(arguments)

    async def run(self, arguments: Any, context: ToolContext) -> ToolResult:
        self._require_no_mark(arguments)
        try:
            result = await self._tool.run(arguments, context)
        except ToolFailure as failure:
            said = str(failure)
            if (told := self._redactor.text(said)) == said:
                raise
            raise ToolFailure(told) from failure
        return replace(
            result,
            for_model=self._redactor.text(result.for_model),
            for_user=self._redactor.text(result.for_user),
        )

    def _require_no_mark(self, arguments: Any) -> None:
        if not isinstance(arguments, BaseModel) or not self._tool.touches(arguments).writes:
            return
        if marks := self._redactor.marks(arguments.model_dump_json()):
            raise ToolFailure(
                f"{', '.join(marks)} stands for a key that you are not shown, and would take its place in the file. "
                "Change the lines around it and leave its line as it is."
            )
