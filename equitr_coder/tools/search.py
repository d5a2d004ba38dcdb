"""Finding text in files."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import SearchResult, ToolContext, ToolResult, Workspace
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments
from equitr_coder.tools.list_files import left_out

_HITS = 100
_LINE = 300
_FILES = 30
_TOKENS = 4_000
"""Of the hits of one search, counted as bytes: text that a model reads has about four to a token, and never more tokens
than bytes.
"""
_BYTES = 4 * _TOKENS


class SearchArguments(Arguments):
    pattern: str = Field(min_length=1, description="Regular expression")
    path: str = Field(default=".", description="Folder or file; the whole workspace when left out")
    glob: str | None = Field(default=None, description="Only files such as *.py")


class Search:
    spec = LazySpec("search", SearchArguments)

    def __init__(self, workspace: Workspace, *, linked: Sequence[str] = ()) -> None:
        """`linked` are paths that stand for what is elsewhere: readable, but left out here."""
        self._workspace = workspace
        self._linked = linked

    def parse(self, arguments: Mapping[str, Any]) -> SearchArguments:
        return parse_arguments("search", SearchArguments, arguments)

    def touches(self, arguments: SearchArguments) -> Touches:
        return Touches(reads=(self._workspace.relative(arguments.path or "."),))

    async def run(self, arguments: SearchArguments, _context: ToolContext) -> ToolResult:
        path = self._workspace.relative(arguments.path or ".")
        found = await self._workspace.search(arguments.pattern, path, arguments.glob or None, limit=_HITS)
        total = sum(found.per_file.values())
        for_user = f"searched {arguments.pattern}: {total} {'hit' if total == 1 else 'hits'}"
        if not found.hits:
            within = f"{path} ({arguments.glob})" if arguments.glob else path
            shown = [f"No line under {within} matches {arguments.pattern}. Try a shorter pattern or a wider path."]
        else:
            shown = _report(found)
        return ToolResult(for_model="\n".join([*shown, *left_out(path, self._linked)]), for_user=for_user)


def _report(found: SearchResult) -> list[str]:
    rows: list[str] = []
    shown, left = 0, _BYTES
    for path, hits in groupby(found.hits, key=lambda hit: hit.path):
        heading = [path]
        for hit in hits:
            text = hit.text if len(hit.text) <= _LINE else f"{hit.text[:_LINE]}…"
            new = [*heading, f"{hit.line:>5}\t{text}"]
            left -= sum(len(row.encode(errors="replace")) + 1 for row in new)
            if left < 0:
                return [*rows, _rest(found, shown)]
            rows += new
            shown += 1
            heading = []
    return rows if found.is_complete else [*rows, _rest(found, shown)]


def _rest(found: SearchResult, shown: int) -> str:
    files = sorted(found.per_file.items(), key=lambda item: (-item[1], item[0]))
    counts = ", ".join(f"{path} {count}" for path, count in files[:_FILES])
    more = f", and {len(files) - _FILES} more files" if len(files) > _FILES else ""
    return f"[only the first {shown} hits are shown. Hits per file: {counts}{more}. Narrow the search.]"
