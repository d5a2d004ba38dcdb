"""Writing a planning document. `todos.md` is not written but rendered from the plan."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import Drafts, ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments


class DocumentName(StrEnum):
    REQUIREMENTS = "requirements"
    DESIGN = "design"


class WriteDocumentArguments(Arguments):
    name: DocumentName = Field(description="Which one")
    content: str = Field(min_length=1, description="The whole document, as Markdown")

    @field_validator("name", mode="before")
    @classmethod
    def _accept_file_names(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name = value.strip().lower().rpartition("/")[2].removesuffix(".md")
        if name == "todos":
            raise ValueError("todos.md is rendered from the plan; give the todos to submit_plan")
        return name


class WriteDocument:
    spec = LazySpec("write_document", WriteDocumentArguments)

    def __init__(self, drafts: Drafts) -> None:
        self._drafts = drafts

    def parse(self, arguments: Mapping[str, Any]) -> WriteDocumentArguments:
        return parse_arguments("write_document", WriteDocumentArguments, arguments)

    def touches(self, _arguments: WriteDocumentArguments) -> Touches:
        return Touches()

    async def run(self, arguments: WriteDocumentArguments, _context: ToolContext) -> ToolResult:
        answer = await self._drafts.write(arguments.name.value, arguments.content)
        return ToolResult(for_model=answer, for_user=f"wrote {arguments.name.value}.md")
