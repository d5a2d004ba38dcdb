"""Runs of a repository that was moved: their logs name the folder where it stood."""

import asyncio
import shlex
from pathlib import Path

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import epic_id
from equitr_coder.domain.run_view import fold
from equitr_coder.ports import EventStore, Repository


async def require_unmoved(store: EventStore, repository: Repository, checkout: Path, name: str | None) -> None:
    """Where a run or epic is found nowhere here (`name` None: none that is unfinished): it may be of this repository.

    Raises:
        UserError: it is, and the repository stood in a folder that is gone.
    """
    for row in await store.runs():
        own = {row.run, epic_id(row.epic_number)} if row.epic_number is not None else {row.run}
        if row.workspace == str(checkout) or (name is not None and name not in own):
            continue
        if await asyncio.to_thread(Path(row.workspace).exists):
            continue
        try:
            view = fold(await store.read(row.run, transcripts=False))
        except UserError:
            continue  # a log that cannot be read says nothing of where it belongs
        if view.state.is_final or view.branch is None or view.tip is None:
            continue
        if not (await repository.inspect()).is_repository:
            return
        if await repository.resolve(f"refs/heads/{view.branch}") and await repository.resolve(view.tip):
            here, there = shlex.quote(str(checkout)), shlex.quote(row.workspace)
            raise UserError(
                f"{view.epic or view.run} was begun when this repository was {row.workspace}",
                hint=f"it goes on there: mv {here} {there}",
            )
