"""Writing a whole file: a new one, or one that this session has read."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import FileText, ToolContext, ToolResult, Workspace
from equitr_coder.tools.after_edit import AfterEdit, Consequences, reads_now
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments
from equitr_coder.tools.excerpt import lines_of
from equitr_coder.tools.known_file import read_known, with_plain_ends
from equitr_coder.tools.syntax import syntax_note


class WriteFileArguments(Arguments):
    path: str = Field(min_length=1, description="File to create or replace")
    content: str = Field(description="The whole new content")


class WriteFile:
    spec = LazySpec("write_file", WriteFileArguments)

    def __init__(self, workspace: Workspace, after: AfterEdit | None = None) -> None:
        self._workspace = workspace
        self._after = after

    def parse(self, arguments: Mapping[str, Any]) -> WriteFileArguments:
        return parse_arguments("write_file", WriteFileArguments, arguments)

    def touches(self, arguments: WriteFileArguments) -> Touches:
        return Touches(writes=(self._workspace.relative(arguments.path),))

    async def run(self, arguments: WriteFileArguments, context: ToolContext) -> ToolResult:
        path = self._workspace.relative(arguments.path)
        content = with_plain_ends(arguments.content)
        before: FileText | None = None
        if await self._workspace.digest(path) is not None:
            before = await read_known(self._workspace, path, context.seen)
            if before.text == content:
                return ToolResult(for_model=f"{path} holds exactly this already; nothing was written.")
        windows_ends = "\r\n" in arguments.content and arguments.content.count("\n") == arguments.content.count("\r\n")
        fresh = FileText(path=path, text="", digest="", newline="\r\n" if windows_ends else "\n")
        digest = await self._workspace.write(
            path, content, expected=before.digest if before else None, like=before or fresh
        )
        after = await self._after.run({path: digest}) if self._after is not None else Consequences()
        text = after.texts.get(path, content)
        count = len(lines_of(content))
        done = f"{'Replaced' if before else 'Created'} {path}, {count} {'line' if count == 1 else 'lines'}."
        report = [done]
        if path in after.texts:
            report.append(reads_now(content, text))
        report += [syntax_note(path, text), *after.told]
        return ToolResult(
            for_model="\n".join(part for part in report if part),
            for_user=done[0].lower() + done[1:-1],
            seen={path: digest, **after.seen},
        )
