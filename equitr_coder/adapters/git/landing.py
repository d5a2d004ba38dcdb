"""Moves the user's checked-out branch: ref, index and files together, under a journal, or not at all.

Order: journal; git's own index lock, so that no other git command comes between; files; ref by compare-and-swap;
index; lock away; journal closed. Whatever kills us in between, `recover` puts right by `settle`.
"""

from pathlib import Path

from equitr_coder.adapters.git.entries import changes_between, put_entries
from equitr_coder.adapters.git.file_lock import locked
from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.intent import PREFIX, Intent, Journal, new_token
from equitr_coder.adapters.git.preconditions import (
    BusyError,
    Move,
    RefusalError,
    check_changes,
    check_clean,
    check_files,
    check_place,
    check_stored,
    read_head,
    refuse,
)
from equitr_coder.adapters.git.refs import full_name, swap
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.settlement import Settlement, refresh, settle, take_lock, tidy
from equitr_coder.adapters.git.writing import DisturbedError, put_in_place, stage, staging_name, stamps
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, RunId
from equitr_coder.ports import Landing


class Landings:
    def __init__(self, *, home: Path, journal: Journal, files: FileOps) -> None:
        self._home = home
        self._journal = journal
        self._files = files

    async def land(self, git: Git, *, run: RunId, branch: str, old: CommitId, new: CommitId) -> Landing:
        move = Move(full_name(branch), old, new)
        async with locked(self._lock(git)) as descriptor:
            held = git.holding(descriptor)
            await self._recover(held)
            head = await read_head(held)
            if head and head.ref == move.branch and head.commit == new:
                return Landing(landed=True, old=old, new=new)
            try:
                await self._move(held, run, move)
            except RefusalError as refusal:
                return await refuse(held, move, refusal.reason)
            return Landing(landed=True, old=old, new=new)

    async def recover(self, git: Git) -> list[str]:
        async with locked(self._lock(git)) as descriptor:
            return await self._recover(git.holding(descriptor))

    async def _move(self, git: Git, run: RunId, move: Move) -> None:
        await check_place(git, move)
        changes = await changes_between(git, move.old, move.new)
        await check_changes(git, move, changes)
        await check_files(git, changes)
        intent = Intent(
            run=run,
            workspace=git.checkout.root,
            branch=move.branch,
            old=move.old,
            new=move.new,
            token=new_token(),
            changes=changes,
        )
        await self._journal.write_journal(intent.key, intent.to_journal())
        try:
            await self._carry_out(git, intent, move)
        except BusyError:
            tidy(git, self._files, intent)
            await self._journal.clear_journal(intent.key)
            raise
        except (DisturbedError, OSError, RefusalError, UserError) as error:
            if not (await self._settle(git, intent, may_complete=False)).is_completed:
                raise RefusalError(_reason(error)) from error
        except BaseException:
            await self._settle(git, intent, may_complete=False)
            raise
        else:
            await self._journal.clear_journal(intent.key)

    async def _settle(self, git: Git, intent: Intent, *, may_complete: bool) -> Settlement:
        settlement = await settle(git, self._files, intent, may_complete=may_complete)
        if settlement.is_settled:
            await self._journal.clear_journal(intent.key)
        return settlement

    async def _carry_out(self, git: Git, intent: Intent, move: Move) -> None:
        places, files, root = intent.places(git.checkout), self._files, git.checkout.root
        if not take_lock(files, intent, places):
            raise BusyError("Another git command is at work (index.lock exists).")
        files.copy(git.checkout.index, places.index)
        expected = stamps(root, intent.changes)
        await check_place(git, move)
        await check_files(git, intent.changes, index=places.index)
        wanted = {path: change.new for path, change in intent.changes.items()}
        staged = staging_name(git, places.staged)
        await stage(git, files, staged, tree=move.new, paths=[path for path, entry in wanted.items() if entry])
        await check_stored(git, staged, intent.changes)
        put_in_place(files, root, staged, wanted=wanted, expected=expected)
        await put_entries(git, places.index, wanted)
        await refresh(git, places.index)
        await check_clean(git, intent.changes, index=places.index)
        if not await swap(git, move.branch, move.new, old=move.old, reason=f"land {intent.run}"):
            raise RefusalError(f"`{intent.short_branch}` has moved on since the run started.")
        files.replace(places.index, git.checkout.index)
        files.delete(places.lock)
        tidy(git, files, intent)

    async def _recover(self, git: Git) -> list[str]:
        told: list[str] = []
        for _, body in sorted((await self._journal.open_journals(PREFIX)).items()):
            intent = Intent.from_journal(body)
            if intent.workspace != git.checkout.root:
                continue
            told.append(await _line(git, intent, await self._settle(git, intent, may_complete=True)))
        return told

    def _lock(self, git: Git) -> Path:
        return self._home / "git" / git.checkout.key / "landing.lock"


def _reason(error: Exception) -> str:
    match error:
        case DisturbedError():
            return f"{error.path} changed during the landing."
        case OSError():
            return f"{error.strerror}: {error.filename}"
        case _:
            return str(error)


async def _line(git: Git, intent: Intent, settlement: Settlement) -> str:
    """What the user reads about a landing that a dead process left open."""
    subject = f"The landing of {intent.run} on {intent.short_branch}"
    left = f"; left as found: {', '.join(settlement.left)}" if settlement.left else ""
    if not settlement.is_settled:
        return f"{subject} is unfinished and waits: {settlement.reason}"
    if settlement.is_completed:
        return f"{subject} was completed at {intent.new[:9]}{left}."
    command = (await refuse(git, Move(intent.branch, intent.old, intent.new), "")).command
    return f"{subject} was undone{left}. To take it: {command}"
