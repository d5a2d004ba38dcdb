"""Replacing a text that occurs exactly once, or every occurrence; all or nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import ToolContext, ToolResult, Workspace
from equitr_coder.tools.arguments import Arguments, parse_arguments, tool_spec
from equitr_coder.tools.excerpt import changed_lines
from equitr_coder.tools.known_file import read_known, with_plain_ends
from equitr_coder.tools.nearest import explain_miss
from equitr_coder.tools.syntax import syntax_note

_SHOWN_PLACES = 6


class EditFileArguments(Arguments):
    path: str = Field(min_length=1, description="File to change")
    old_text: str = Field(description="Text to replace, exactly as in the file")
    new_text: str = Field(description="Text to put there; empty to delete")
    replace_all: bool = Field(default=False, description="Replace every occurrence, also inside longer names")


class EditFile:
    spec = tool_spec("edit_file", EditFileArguments)

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def parse(self, arguments: Mapping[str, Any]) -> EditFileArguments:
        return parse_arguments("edit_file", EditFileArguments, arguments)

    def touches(self, arguments: EditFileArguments) -> Touches:
        return Touches(writes=(self._workspace.relative(arguments.path),))

    async def run(self, arguments: EditFileArguments, context: ToolContext) -> ToolResult:
        path = self._workspace.relative(arguments.path)
        if not arguments.old_text:
            raise ToolFailure(
                "old_text is empty, so the place is unknown; nothing was changed. Quote the line next to which you "
                "want to insert and give it back in new_text, or use write_file for a new file."
            )
        if with_plain_ends(arguments.old_text) == with_plain_ends(arguments.new_text):
            raise ToolFailure("old_text and new_text are identical; nothing was changed.")
        file = await read_known(self._workspace, path, context.seen)
        old, new = _with_ends_of(file.text, arguments)
        places = _places(path, file.text, old, replace_all=arguments.replace_all)
        after = file.text.replace(old, new)
        digest = await self._workspace.write(path, after, expected=file.digest, like=file)
        shown = changed_lines(after, _changed_spans(after, places, old, new))
        count = f"{len(places)} places" if len(places) > 1 else "1 place"
        report = [f"Edited {path} in {count}. It reads now:", shown, syntax_note(path, after)]
        return ToolResult(
            for_model="\n".join(part for part in report if part),
            for_user=f"edited {path} ({count})",
            seen={path: digest},
        )


def _with_ends_of(text: str, arguments: EditFileArguments) -> tuple[str, str]:
    """Old and new text with the line ends that the file has there. Only a file of mixed ends keeps its `\\r`."""
    plain = with_plain_ends(arguments.old_text), with_plain_ends(arguments.new_text)
    windows = plain[0].replace("\n", "\r\n"), plain[1].replace("\n", "\r\n")
    return windows if "\r" in text and plain[0] not in text and windows[0] in text else plain


def _places(path: str, text: str, old: str, *, replace_all: bool) -> list[int]:
    """Offsets of `old` that will be replaced: one, or all that do not overlap."""
    found = _occurrences(text, old, step=len(old) if replace_all else 1)
    if not found:
        raise ToolFailure(
            f"old_text does not occur in {path}; nothing was changed.\n{explain_miss(text, old, quoted_as='old_text')}"
        )
    if len(found) > 1 and not replace_all:
        numbers = [str(text.count("\n", 0, offset) + 1) for offset in found[:20]]
        more = f" and {len(found) - 20} more" if len(found) > 20 else ""
        raise ToolFailure(
            f"old_text occurs {len(found)} times in {path}, starting at lines {', '.join(numbers)}{more}; nothing was "
            "changed. Add neighbouring lines to old_text until it fits one place, or set replace_all."
        )
    return found


def _occurrences(text: str, old: str, *, step: int) -> list[int]:
    found: list[int] = []
    offset = text.find(old)
    while offset >= 0:
        found.append(offset)
        offset = text.find(old, offset + step)
    return found


def _changed_spans(after: str, places: Sequence[int], old: str, new: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for index, offset in enumerate(places[:_SHOWN_PLACES]):
        first = after.count("\n", 0, offset + index * (len(new) - len(old))) + 1
        inner = new.removesuffix("\n") if old.endswith("\n") else new
        spans.append((first, first + inner.count("\n") if new else first - 1))
    return spans
