"""Replacing a text that fits exactly one place, or every occurrence; all or nothing."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.edits import UNCHANGED
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import FileText, ToolContext, ToolResult, Workspace
from equitr_coder.tools.after_edit import AfterEdit, Consequences, reads_now
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments
from equitr_coder.tools.edits.apply import Edited, failure, replace_text
from equitr_coder.tools.edits.change import EditError
from equitr_coder.tools.excerpt import changed_lines
from equitr_coder.tools.known_file import read_known
from equitr_coder.tools.syntax import syntax_note

_SHOWN_PLACES = 6


class EditFileArguments(Arguments):
    path: str = Field(min_length=1, description="File to change")
    old_text: str = Field(description="Text to replace, exactly as in the file")
    new_text: str = Field(description="Text to put there; empty to delete")
    replace_all: bool = Field(default=False, description="Replace every occurrence, also inside longer names")


class EditFile:
    spec = LazySpec("edit_file", EditFileArguments)

    def __init__(self, workspace: Workspace, after: AfterEdit | None = None) -> None:
        self._workspace = workspace
        self._after = after

    def parse(self, arguments: Mapping[str, Any]) -> EditFileArguments:
        return parse_arguments("edit_file", EditFileArguments, arguments)

    def touches(self, arguments: EditFileArguments) -> Touches:
        return Touches(writes=(self._workspace.relative(arguments.path),))

    async def run(self, arguments: EditFileArguments, context: ToolContext) -> ToolResult:
        path = self._workspace.relative(arguments.path)
        file = await self._file(path, arguments, context)
        before = file.text if file is not None else ""
        try:
            edited = replace_text(before, arguments.old_text, arguments.new_text, everywhere=arguments.replace_all)
        except EditError as fault:
            raise ToolFailure(f"{path}: {failure(str(fault))}") from fault
        expected = file.digest if file is not None else None
        digest = await self._workspace.write(path, edited.text, expected=expected, like=file)
        after = await self._after.run({path: digest}) if self._after is not None else Consequences()
        return _result(path, before, edited, after, digest)

    async def _file(self, path: str, arguments: EditFileArguments, context: ToolContext) -> FileText | None:
        """None: there is none yet, and an empty old text stands for it."""
        if not arguments.old_text:
            if not arguments.new_text:
                raise ToolFailure(f"{path}: old_text and new_text are both empty; {UNCHANGED}.")
            if await self._workspace.digest(path) is None:
                return None
        return await read_known(self._workspace, path, context.seen)


def _result(path: str, before: str, edited: Edited, after: Consequences, digest: str) -> ToolResult:
    count = f"{edited.places} places" if edited.places > 1 else "1 place"
    if path in after.texts:
        text = after.texts[path]
        shown = reads_now(before, text)
    else:
        text = edited.text
        shown = changed_lines(text, edited.spans[:_SHOWN_PLACES])
    near = f", {' and '.join(edited.disregarded)} disregarded" if edited.disregarded else ""
    report = [f"Edited {path} in {count}{near}. It reads now:", shown, syntax_note(path, text), *after.told]
    return ToolResult(
        for_model="\n".join(part for part in report if part),
        for_user=f"edited {path} ({count})",
        seen={path: digest, **after.seen},
    )
