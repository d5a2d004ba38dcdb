"""`conflict list`, `show`, `resolve` and `abort`: what does not merge, and the person's word on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonGroup
from equitr_coder.domain.conflicts import ConflictState
from equitr_coder.domain.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from equitr_coder.domain.run_view import RunView
    from equitr_coder.ports import RunApi


def _run_option() -> Callable[[Any], Any]:
    return click.option("--run", "name", metavar="RUN", help="Run or epic [default: where one is open].")


@click.group(cls=CommonGroup, no_args_is_help=False)
def conflict() -> None:
    """List, show, resolve or give back what does not merge."""


@conflict.command("list")
@_run_option()
@output_option("text", "json")
@click.pass_obj
def list_conflicts(invocation: Invocation, name: str | None, output: str) -> object:
    """List the conflicts of a run, open ones first; without a run, of every run in which one waits for you."""
    return _list(invocation, name, output)


@conflict.command()
@click.argument("number", metavar="ID")
@_run_option()
@output_option("text", "json")
@click.pass_obj
def show(invocation: Invocation, number: str, name: str | None, output: str) -> object:
    """Show conflict ID: both tasks, what each changed, and the merge as it stands."""
    return _show(invocation, number, name, output)


@conflict.command()
@click.argument("number", metavar="ID")
@_run_option()
@click.option("--ours", is_flag=True, help="Take what has landed in the files of the conflict.")
@click.option("--theirs", is_flag=True, help="Take what was handed in.")
@click.option("--proposal", is_flag=True, help="Take the supervisor's merge.")
@output_option("text", "json")
@click.pass_obj
def resolve(invocation: Invocation, /, number: str, name: str | None, output: str, **sides: bool) -> object:
    """Resolve conflict ID with the files as you have edited them in its worktree, or with one side.

    `equitrcoder resume` then goes on: the checks run on your resolution before it lands.
    """
    chosen = [side for side, is_taken in sides.items() if is_taken]
    if len(chosen) > 1:
        named = " and ".join(f"--{side}" for side in chosen)
        raise UserError(f"{named} say two things of {number.upper()}", hint="name one of them; nothing was resolved")
    return _resolve(invocation, number, name, chosen[0] if chosen else "edited", output)


@conflict.command()
@click.argument("number", metavar="ID")
@_run_option()
@output_option("text", "json")
@click.pass_obj
def abort(invocation: Invocation, number: str, name: str | None, output: str) -> object:
    """Give conflict ID back: its task is done again by its worker, on what has landed."""
    return _abort(invocation, number, name, output)


async def _list(invocation: Invocation, name: str | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.presentation.conflicts import conflicts_data, conflicts_lines

    async with connect(invocation) as api:
        view = await _find(api, name)
        open_too = [each for each in await api.runs() if name is None and _is_open(each, None)]
    if output == "json":
        data = {"run": view.run if view else None, "epic": view.epic if view else None}
        console(invocation).data(data | {"conflicts": conflicts_data(view) if view else []})
    else:
        shown: list[RunView | None] = [*open_too] or [view]
        console(invocation).say([line for each in shown for line in conflicts_lines(each, several=len(shown) > 1)])
    return 0


async def _show(invocation: Invocation, number: str, name: str | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.ids import RequestId
    from equitr_coder.domain.queries import ConflictAnswer, ConflictQuery
    from equitr_coder.presentation.conflicts import conflict_data, conflict_page

    async with connect(invocation) as api:
        number, view = await _named(api, name, number)
        answer = await api.query(ConflictQuery(run=view.run, conflict=RequestId(number)))
    assert isinstance(answer, ConflictAnswer)
    found = view.conflicts[RequestId(number)]
    if output == "json":
        diffs = answer.model_dump(include={"ours", "theirs", "merged"})
        console(invocation).data({"run": view.run, "epic": view.epic, **conflict_data(found), "diffs": diffs})
    else:
        console(invocation).say(conflict_page(view, found, answer))
    return 0


async def _resolve(invocation: Invocation, number: str, name: str | None, take: str, output: str) -> int:
    from equitr_coder.domain.commands import ResolveConflict
    from equitr_coder.domain.ids import RequestId

    async with connect(invocation) as api:
        number, view = await _named(api, name, number)
        taken = cast('Literal["edited", "ours", "theirs", "proposal"]', take)
        await api.submit(ResolveConflict(run=view.run, conflict=RequestId(number), take=taken))
        return _told(invocation, await api.view(view.run), number, output)


async def _abort(invocation: Invocation, number: str, name: str | None, output: str) -> int:
    from equitr_coder.domain.commands import AbortConflict
    from equitr_coder.domain.ids import RequestId

    async with connect(invocation) as api:
        number, view = await _named(api, name, number)
        await api.submit(AbortConflict(run=view.run, conflict=RequestId(number)))
        return _told(invocation, await api.view(view.run), number, output)


def _told(invocation: Invocation, view: RunView, number: str, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.ids import RequestId
    from equitr_coder.presentation.conflicts import conflict_data, settled_lines

    found = view.conflicts[RequestId(number)]
    if output == "json":
        console(invocation).data({"run": view.run, "epic": view.epic, **conflict_data(found), "hint": view.hint})
    else:
        console(invocation).say(settled_lines(view, found))
    return 0


async def _find(api: RunApi, name: str | None) -> RunView | None:
    """The named run; without a name the newest that has open conflicts, else any, else the newest."""
    views = [view for view in await api.runs() if name is None or name in (view.run, view.epic)]
    if not views and name is not None:
        raise UserError(f"there is no run or epic {name!r} in this workspace", hint="`equitrcoder runs` lists them")
    ranked = sorted(views, key=lambda view: (not _is_open(view, None), not view.conflicts))
    return ranked[0] if ranked else None


async def _named(api: RunApi, name: str | None, number: str) -> tuple[str, RunView]:
    """The conflict's number as it is written, and its run: one that is open in two runs is not guessed."""
    number = number.upper()
    known = [view for view in await api.runs() if name is None and _is_open(view, number)]
    if len(known) > 1:
        names = [str(view.epic or view.run) for view in known]
        raise UserError(
            f"{number} is open in {' and '.join(names)}",
            hint=f"name one: `equitrcoder conflict show {number} --run {names[0]}`",
        )
    view = known[0] if known else await _find(api, name)
    if view is None:
        raise UserError("there are no runs here, and no conflicts", hint="`equitrcoder runs` lists runs")
    return number, view


def _is_open(view: RunView, number: str | None) -> bool:
    """Whether it can still be resolved by a person: this conflict, or any."""
    return not view.state.is_final and any(
        found.is_open and found.state is not ConflictState.OPEN
        for key, found in view.conflicts.items()
        if number is None or key == number
    )
