"""Several changes to several files at once; all or nothing.

Everything is verified in memory before the first write. When a write fails midway, what was written is taken back.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, assert_never

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.edits import UNCHANGED
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import FileText, ToolContext, ToolResult, Workspace
from equitr_coder.tools.after_edit import AfterEdit, Consequences, reads_now
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments
from equitr_coder.tools.edits.apply import Edited, apply_hunks, apply_in_turn, failure
from equitr_coder.tools.edits.change import EditError
from equitr_coder.tools.edits.file_change import AddFile, DeleteFile, FileChange, UpdateFile
from equitr_coder.tools.edits.formats import parse_patch
from equitr_coder.tools.excerpt import changed_lines, lines_of
from equitr_coder.tools.known_file import read_known
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
    shown: str = ""
    """The lines that are new in it, numbered."""


@frozen
class _Done:
    step: _Step
    digest: str | None
    """What is on disk now; None when the file is gone."""


class ApplyPatch:
    spec = LazySpec("apply_patch", ApplyPatchArguments)

    def __init__(self, workspace: Workspace, after: AfterEdit | None = None) -> None:
        self._workspace = workspace
        self._after = after

    def parse(self, arguments: Mapping[str, Any]) -> ApplyPatchArguments:
        return parse_arguments("apply_patch", ApplyPatchArguments, arguments)

    def touches(self, arguments: ApplyPatchArguments) -> Touches:
        return Touches(writes=tuple(dict.fromkeys(self._paths(_parsed(arguments.patch)))))

    async def run(self, arguments: ApplyPatchArguments, context: ToolContext) -> ToolResult:
        steps = await self._verified(_parsed(arguments.patch), context.seen)
        written = await self._write(steps)
        seen = {done.step.path: done.digest for done in written if done.digest is not None}
        after = await self._after.run(seen) if self._after is not None and seen else Consequences()
        texts = {step.path: after.texts.get(step.path, step.after) for step in steps}
        notes = [syntax_note(path, text) for path, text in texts.items() if text is not None]
        told = [_told(step, after) for step in steps]
        names = ", ".join(step.path for step in steps)
        return ToolResult(
            for_model="\n".join(["Applied.", *told, *filter(None, notes), *after.told]),
            for_user=f"patched {names}",
            seen={**seen, **after.seen},
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
            except (EditError, ToolFailure) as fault:
                faults.append(f"{change.path}: {fault}")
        if faults:
            raise ToolFailure(f"The patch does not fit; {UNCHANGED}:\n" + "\n".join(faults))
        return steps

    async def _steps(self, change: FileChange, seen: Mapping[str, str]) -> list[_Step]:
        path = self._workspace.relative(change.path)
        match change:
            case AddFile():
                return [await self._added(path, change, seen)]
            case DeleteFile():
                file = await read_known(self._workspace, path, seen)
                if change.hunks and apply_hunks(file.text, change.hunks).text:
                    raise EditError("it holds more than the lines that the diff takes away")
                return [_Step(path, file, None, None, f"{path}: deleted")]
            case UpdateFile():
                return await self._update_steps(path, change, seen)
            case _ as unreachable:
                assert_never(unreachable)

    async def _added(self, path: str, change: AddFile, seen: Mapping[str, str]) -> _Step:
        count = len(lines_of(change.content))
        told = f"{path}: created, lines: {count}"
        if change.or_fill and await self._workspace.digest(path) is not None:
            file = await read_known(self._workspace, path, seen)
            if file.text:
                raise EditError("SEARCH is empty, and the file is not: quote the lines next to the place")
            return _Step(path, file, change.content, file, told)
        await self._must_be_free(path)
        return _Step(path, None, change.content, None, told)

    async def _update_steps(self, path: str, change: UpdateFile, seen: Mapping[str, str]) -> list[_Step]:
        file = await read_known(self._workspace, path, seen)
        edited = _edited(file.text, change)
        shown = changed_lines(edited.text, edited.spans, limit=_SHOWN_LINES) if edited.spans else ""
        near = f" ({' and '.join(edited.disregarded)} disregarded)" if edited.disregarded else ""
        if change.move_to is None:
            return [_Step(path, file, edited.text, file, f"{path}: changed{near}, reads now", shown)]
        target = self._workspace.relative(change.move_to)
        await self._must_be_free(target)
        told = f"{target}: moved from {path}{near}" + (", reads now" if shown else "")
        return [
            _Step(target, None, edited.text, file, told, shown),
            _Step(path, file, None, None, f"{path}: moved away"),
        ]

    async def _must_be_free(self, path: str) -> None:
        if await self._workspace.digest(path) is not None:
            raise ToolFailure("exists already; use *** Update File for it, or another path")

    async def _write(self, steps: Sequence[_Step]) -> list[_Done]:
        done: list[_Done] = []
        try:
            # What goes, goes last: a file that is put back is a new one, and its mode is lost.
            for step in sorted(steps, key=lambda step: step.after is None):
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


def _edited(text: str, change: UpdateFile) -> Edited:
    if not change.hunks:
        return Edited(text, ())
    edited = apply_in_turn(text, change.hunks) if change.is_sequence else apply_hunks(text, change.hunks)
    if change.ends_line is not None and edited.text:
        edited = replace(edited, text=edited.text.removesuffix("\n") + ("\n" if change.ends_line else ""))
    if edited.text == text and change.move_to is None:
        raise EditError("the file reads so already")
    return edited


def _told(step: _Step, after: Consequences) -> str:
    if not step.shown:
        return step.told
    before = step.like.text if step.like is not None else ""
    shown = reads_now(before, after.texts[step.path]) if step.path in after.texts else step.shown
    return f"{step.told}\n{shown}"


def _parsed(patch: str) -> tuple[FileChange, ...]:
    try:
        return parse_patch(patch)
    except EditError as fault:
        raise ToolFailure(f"The patch cannot be read: {failure(str(fault))}") from fault
