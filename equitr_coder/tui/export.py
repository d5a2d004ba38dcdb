"""A transcript as a file in the working folder. A file that is there is never written over."""

from __future__ import annotations

import re
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.run_view import fold
from equitr_coder.presentation.transcript import transcript_jsonl, transcript_markdown

if TYPE_CHECKING:
    from equitr_coder.domain.events import Event
    from equitr_coder.domain.ids import RunId
    from equitr_coder.ports import RunApi

Form = Literal["md", "jsonl"]


async def export(api: RunApi, run: RunId, folder: Path, form: Form) -> Path:
    """Write what happened so far; returns the new file.

    Raises:
        UserError: it cannot be written.
    """
    events = await _so_far(api, run)
    view = fold(events)
    text = transcript_markdown(view) if form == "md" else transcript_jsonl(events)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(view.epic or run))
    for number in range(1, 1000):
        path = folder / f"equitr-{name}{f'-{number}' if number > 1 else ''}.{form}"
        try:
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(
                f"cannot write {path}: {error.strerror or error}", hint="check the folder's mode"
            ) from error
        return path
    raise UserError(f"{folder} is full of exports of {name}", hint="move some of them away")


async def _so_far(api: RunApi, run: RunId) -> list[Event]:
    """What stands in the log now: the events of a run at work have no end yet."""
    last = (await api.view(run)).seq
    events: list[Event] = []
    async with aclosing(api.events(run)) as items:  # type: ignore[type-var] # a generator behind the port's iterator
        async for item in items:
            events.append(item)  # type: ignore[arg-type] # no deltas were asked for
            if events[-1].seq >= last:
                break
    return events
