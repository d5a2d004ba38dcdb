"""Several changes to several files at once; all or nothing.

Everything is verified in memory before the first write. When a write fails midway, what was written is taken back.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, assert_never

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import FileText, ToolContext, ToolResult, Workspace
from equitr_coder.tools.arguments import Arguments, parse_arguments, tool_spec
from equitr_coder.tools.excerpt import changed_lines, lines_of
from equitr_coder.tools.known_file import read_known
from equitr_coder.tools.patch import (
    AddFile,
    DeleteFile,
    FileChange,
    PatchError,
    UpdateFile,
    apply_hunks,
    parse_patch,
)
from equitr_coder.tools.syntax import syntax_note

_SHOWN_LINES = 60


class ApplyPatchArguments(Arguments):
    patch: str = Field(min_length=1, description='From "*** Begin Patch" to "*** End Patch"')


@frozen
class _Step:
    """One verified write. `before` None: the file is new. `after` None: the file goes."""

    path: str
    before: FileText | None
    after: str | None
    like: FileText | None
    told: str


@frozen
class _Done:
    step: _Step
    digest: str | None
    """What is on disk now; None when the file is gone."""


class ApplyPatch:
    spec = tool_spec("apply_patch", ApplyPatchArguments)

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def parse(self, arguments: Mapping[str, Any]) -> ApplyPatchArguments:
        return parse_arguments("apply_patch", ApplyPatchArguments, arguments)

    def touches(self, arguments: ApplyPatchArguments) -> Touches:
        return Touches(writes=tuple(dict.fromkeys(self._paths(_parsed(arguments.patch)))))

    async def run(self, arguments: ApplyPatchArguments, context: ToolContext) -> ToolResult:
        steps = await self._verified(_parsed(arguments.patch), context.seen)
        written = await self._write(steps)
        notes = [syntax_note(step.path, step.after) for step in steps if step.after is not None]
        names = ", ".join(step.path for step in steps)
        return ToolResult(
            for_model="\n".join(["Applied.", *(step.told for step in steps), *filter(None, notes)]),
            for_user=f"patched {names}",
            seen={done.step.path: done.digest for done in written if done.digest is not None},
        )

    def _paths(self, changes: Sequence[FileChange]) -> list[str]:
        paths: list[str] = []
        for change in changes:
            paths.append(self._workspace.relative(change.path))
            if isinstance(change, UpdateFile) and change.move_to is not None:
                paths.append(self._workspace.relative(change.move_to))
        return paths

    async def _verified(self, changes: Sequence[FileChange], seen: Mapping[str, str]) -> list[_Step]:
        """The writes to make, certain to fit what is on disk now.

        Raises:
            ToolFailure: names everything that does not fit.
        """
        paths = self._paths(changes)
        faults = [
            f"{path}: named more than once; put all its changes into one section"
            for path in sorted(set(paths))
            if paths.count(path) > 1
        ]
        steps: list[_Step] = []
        for change in changes:
            try:
                steps += await self._steps(change, seen)
            except (PatchError, ToolFailure) as fault:
                faults.append(f"{change.path}: {fault}")
        if faults:
            raise ToolFailure("The patch does not fit; no file was changed.\n" + "\n".join(faults))
        return steps

    async def _steps(self, change: FileChange, seen: Mapping[str, str]) -> list[_Step]:
        path = self._workspace.relative(change.path)
        match change:
            case AddFile():
                await self._must_be_free(path)
                count = len(lines_of(change.content))
                return [_Step(path, None, change.content, None, f"{path}: created, lines: {count}")]
            case DeleteFile():
                return [_Step(path, await read_known(self._workspace, path, seen), None, None, f"{path}: deleted")]
            case UpdateFile():
                return await self._update_steps(path, change, seen)
            case _ as unreachable:
                assert_never(unreachable)

    async def _update_steps(self, path: str, change: UpdateFile, seen: Mapping[str, str]) -> list[_Step]:
        file = await read_known(self._workspace, path, seen)
        patched = apply_hunks(file.text, change.hunks)
        shown = changed_lines(patched.text, patched.spans, limit=_SHOWN_LINES) if change.hunks else ""
        if change.move_to is None:
            return [_Step(path, file, patched.text, file, f"{path}: changed, reads now\n{shown}")]
        target = self._workspace.relative(change.move_to)
        await self._must_be_free(target)
        told = f"{target}: moved from {path}" + (f", reads now\n{shown}" if shown else "")
        return [_Step(target, None, patched.text, file, told), _Step(path, file, None, None, f"{path}: moved away")]

    async def _must_be_free(self, path: str) -> None:
        if await self._workspace.digest(path) is not None:
            raise ToolFailure("exists already; use *** Update File for it, or another path")

    async def _write(self, steps: Sequence[_Step]) -> list[_Done]:
        done: list[_Done] = []
        try:
            for step in steps:
                done.append(await self._write_one(step))
        except (ToolFailure, OSError, asyncio.CancelledError) as error:
            left = await self._take_back(done)
            if isinstance(error, asyncio.CancelledError):
                raise
            state = f"These could not be put back: {', '.join(left)}." if left else "No file was changed."
            raise ToolFailure(f"The patch could not be written: {error} {state}") from error
        return done

    async def _write_one(self, step: _Step) -> _Done:
        expected = step.before.digest if step.before is not None else None
        if step.after is None:
            assert expected is not None
            await self._workspace.delete(step.path, expected=expected)
            return _Done(step, None)
        return _Done(step, await self._workspace.write(step.path, step.after, expected=expected, like=step.like))

    async def _take_back(self, done: Sequence[_Done]) -> list[str]:
        """Undo the writes, last first; returns the paths where that failed."""
        left: list[str] = []
        for entry in reversed(done):
            before = entry.step.before
            undone = False
            with suppress(ToolFailure, OSError):
                if before is None:
                    assert entry.digest is not None
                    await self._workspace.delete(entry.step.path, expected=entry.digest)
                else:
                    await self._workspace.write(entry.step.path, before.text, expected=entry.digest, like=before)
                undone = True
            if not undone:
                left.append(entry.step.path)
        return left


def _parsed(patch: str) -> tuple[FileChange, ...]:
    try:
        return parse_patch(patch)
    except PatchError as fault:
        raise ToolFailure(f"The patch cannot be read; no file was changed: {fault}.") from fault
