"""Which files there are; for large trees, how many in which folder."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import ToolContext, ToolResult, Workspace
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments

_SHOWN = 300
_COUNTED = 20_000
_FOLDERS = 80


class ListFilesArguments(Arguments):
    path: str = Field(default=".", description="Folder; the whole workspace when left out")
    glob: str | None = Field(default=None, description="Such as *.py or src/**/*.ts")


class ListFiles:
    spec = LazySpec("list_files", ListFilesArguments)

    def __init__(self, workspace: Workspace, *, linked: Sequence[str] = ()) -> None:
        """`linked` are paths that stand for what is elsewhere: readable, but left out here."""
        self._workspace = workspace
        self._linked = linked

    def parse(self, arguments: Mapping[str, Any]) -> ListFilesArguments:
        return parse_arguments("list_files", ListFilesArguments, arguments)

    def touches(self, arguments: ListFilesArguments) -> Touches:
        return Touches(reads=(self._workspace.relative(arguments.path or "."),))

    async def run(self, arguments: ListFilesArguments, _context: ToolContext) -> ToolResult:
        folder = self._workspace.relative(arguments.path or ".")
        files = await self._workspace.list(folder, arguments.glob or None, limit=_COUNTED)
        what = f"{folder} {arguments.glob}" if arguments.glob else folder
        for_user = f"listed {what}: {len(files)} {'file' if len(files) == 1 else 'files'}"
        if not files:
            matching = f" matching {arguments.glob}" if arguments.glob else ""
            shown = [f"No files{matching} under {folder}."]
        else:
            shown = _listing(folder, files)
        return ToolResult(for_model="\n".join([*shown, *left_out(folder, self._linked)]), for_user=for_user)


def left_out(folder: str, linked: Sequence[str]) -> list[str]:
    """One line about the links below `folder`; none when there are none."""
    below = [name for name in linked if folder in (".", "") or name.startswith(f"{folder}/")]
    return [f"[left out: {', '.join(below)} (read-only links); read_file and commands see them]"] if below else []


def _listing(folder: str, files: Sequence[str]) -> list[str]:
    if len(files) <= _SHOWN:
        return list(files)
    prefix = "" if folder in (".", "") else f"{folder}/"
    below = [file.removeprefix(prefix).split("/") for file in files]
    counts = Counter(prefix + "/".join(parts[: min(2, len(parts) - 1)]) for parts in below)
    rows = [f"{name.rstrip('/') or '.'}/: {count}" for name, count in sorted(counts.items())]
    total = f"at least {len(files)}" if len(files) == _COUNTED else str(len(files))
    head = f"[{total} files: too many to list. Files per folder; give path or glob to see names.]"
    if len(rows) > _FOLDERS:
        rows = [*rows[:_FOLDERS], f"[and {len(rows) - _FOLDERS} more folders]"]
    return [head, *rows]
