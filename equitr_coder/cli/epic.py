"""`epic create`, `run`, `status`, `assign`, `hold`, `release`, `stop` and `list`: planning apart from building."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import budget, connect, output_option, raised_budget, yes_option
from equitr_coder.cli.program import CommonGroup, usage_error
from equitr_coder.domain.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from equitr_coder.domain.events import Event
    from equitr_coder.domain.run_view import RunView
    from equitr_coder.ports import RunApi


@click.group(cls=CommonGroup, no_args_is_help=False)
def epic() -> None:
    """Plan, approve, run and follow epics."""


@epic.command()
@click.argument("description", nargs=-1, required=True)
@output_option()
@click.pass_obj
def create(invocation: Invocation, description: tuple[str, ...], output: str) -> object:
    """Plan DESCRIPTION with the supervisor, and stop there."""
    request = " ".join(description)
    if not request.strip():
        raise usage_error("there is nothing to plan")
    return _create(invocation, request, output)


@epic.command()
@click.argument("name", metavar="EPIC")
@yes_option()
@output_option()
@click.pass_obj
def run(invocation: Invocation, name: str, yes: bool, output: str) -> object:
    """Approve the plan of EPIC and execute it."""
    return _run(invocation, name, yes, output)


@epic.command()
@click.argument("name", metavar="EPIC", required=False)
@output_option("text", "json")
@click.pass_obj
def status(invocation: Invocation, name: str | None, output: str) -> object:
    """Show the tasks of EPIC (or the newest one): agents, states, dependencies, sync points."""
    return _status(invocation, name, output)


@epic.command()
@click.argument("name", metavar="EPIC")
@click.argument("task", required=False)
@click.option("--to", metavar="PROFILE", help="Worker profile; later assignments leave it.")
@output_option("text", "json")
@click.pass_obj
def assign(invocation: Invocation, name: str, task: str | None, to: str | None, output: str) -> object:
    """Give every task of EPIC that has no worker yet, or TASK alone, to the worker profile that fits best.

    What profiles have done of a type of task in this workspace decides; else what they say they are good at; else who
    has the fewest tasks. It holds from a task's next attempt on.
    """
    return _assign(invocation, name, task, to, output)


def _run_option() -> Callable[[Any], Any]:
    text = "Epic or run of the task [default: the newest epic that is not finished]."
    return click.option("--run", "name", metavar="RUN", help=text)


@epic.command()
@click.argument("task")
@_run_option()
@output_option("text", "json")
@click.pass_obj
def hold(invocation: Invocation, task: str, name: str | None, output: str) -> object:
    """Keep TASK of a run that is not at work from going on: a resume leaves it as it is until it is released."""
    return _direct(invocation, "hold", task, name, output)


@epic.command()
@click.argument("task")
@_run_option()
@output_option("text", "json")
@click.pass_obj
def release(invocation: Invocation, task: str, name: str | None, output: str) -> object:
    """Let TASK, which is held, go on with the next resume."""
    return _direct(invocation, "release", task, name, output)


@epic.command()
@click.argument("task")
@_run_option()
@output_option("text", "json")
@click.pass_obj
def stop(invocation: Invocation, task: str, name: str | None, output: str) -> object:
    """Give TASK of a run that is paused up: a resume does not go on with it, and blocks what needs it.

    Once the run has ended without it, `resume EPIC` tries it again, as it does what has failed.
    """
    return _direct(invocation, "stop", task, name, output)


@epic.command("list")
@output_option("text", "json")
@click.pass_obj
def list_epics(invocation: Invocation, output: str) -> object:
    """List the epics of this workspace."""
    return _list(invocation, output)


async def _create(invocation: Invocation, request: str, output: str) -> int:
    from equitr_coder.cli.door import can_ask, watch
    from equitr_coder.domain.commands import StartRun
    from equitr_coder.domain.runs import PlanMode, RunKind

    async with connect(invocation, create_repo=True) as api:
        command = StartRun(
            kind=RunKind.EPIC,
            request=request,
            plan=PlanMode.ALWAYS,
            multi_agent=True,
            budget=budget(invocation),
            max_workers=invocation.given.get("max_workers"),
            can_ask=can_ask(invocation, output),
            plan_only=True,
        )
        return await watch(invocation, api, output).follow(command)


async def _run(invocation: Invocation, name: str, yes: bool, output: str) -> int:
    from equitr_coder.cli.door import can_ask, watch
    from equitr_coder.domain.commands import ResumeRun

    async with connect(invocation) as api:
        view = await _find(api, name)
        if view.state.is_final:
            again = f"`equitrcoder resume {name}` tries again what is not done; " if view.can_be_tried_again else ""
            raise UserError(
                f"{name} is {view.state.value} already",
                hint=f'{again}`equitrcoder epic status {name}` shows it; `equitrcoder epic create "..."` plans another',
            )
        command = ResumeRun(
            run=view.run,
            approve=True,
            budget=raised_budget(invocation),
            yes=yes,
            can_ask=can_ask(invocation, output),
        )
        return await watch(invocation, api, output).follow(command)


async def _status(invocation: Invocation, name: str | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import RunsAnswer, RunsQuery
    from equitr_coder.presentation.listings import broken_off_lines, epic_lines
    from equitr_coder.presentation.outcome import epic_status

    async with connect(invocation) as api:
        view = await _find(api, name)
        if output == "json":
            console(invocation).data({**epic_status(view), "screen": await _screen(api, view)})
            return 0
        answer = await api.query(RunsQuery())
        assert isinstance(answer, RunsAnswer)
    console(invocation).say([*epic_lines(view), *broken_off_lines(answer.runs, view)])
    return 0


async def _screen(api: RunApi, view: RunView) -> dict[str, Any]:
    """What the screen of this run says, as of its last event."""
    from equitr_coder.domain.queries import ConfigAnswer, ConfigQuery, ModelsAnswer, ModelsQuery
    from equitr_coder.domain.run_view import fold
    from equitr_coder.presentation.board_data import board_data
    from equitr_coder.presentation.bounds import Bounds
    from equitr_coder.presentation.dashboard import dashboard
    from equitr_coder.presentation.happenings import happenings_of

    config, models = await api.query(ConfigQuery()), await api.query(ModelsQuery())
    assert isinstance(config, ConfigAnswer)
    assert isinstance(models, ModelsAnswer)
    events = await _log(api, view)
    whole = fold(events)
    assert whole.last is not None, "an epic has at least its first event"
    return board_data(dashboard(whole, happenings_of(events), whole.last, bounds=Bounds.of(config, models)))


async def _log(api: RunApi, view: RunView) -> list[Event]:
    """The events that `view` is made of; those of a run that works elsewhere do not end by themselves."""
    from contextlib import aclosing

    events: list[Event] = []
    stream = api.events(view.run)
    async with aclosing(stream):  # type: ignore[type-var] # an async generator behind the port's iterator
        async for item in stream:
            events.append(item)  # type: ignore[arg-type] # no deltas were asked for
            if events[-1].seq >= view.seq:
                break
    return events


async def _assign(invocation: Invocation, name: str, task: str | None, to: str | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.commands import AssignTasks
    from equitr_coder.presentation.listings import assignment_lines
    from equitr_coder.presentation.outcome import assignments

    async with connect(invocation) as api:
        found = await _find(api, name)
        view = await api.view(await api.submit(AssignTasks(run=found.run, task=task, to=to)))
    screen = console(invocation)
    if output == "json":
        screen.data(assignments(view))
    else:
        screen.say(assignment_lines(view, width=screen.width))
    return 0


async def _direct(
    invocation: Invocation, verb: Literal["hold", "release", "stop"], task: str, name: str | None, output: str
) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.commands import HoldTask, ReleaseTask, StopTask
    from equitr_coder.domain.ids import TaskId
    from equitr_coder.presentation.listings import directed_lines
    from equitr_coder.presentation.outcome import directed

    commands: dict[str, type[HoldTask | ReleaseTask | StopTask]]
    commands = {"hold": HoldTask, "release": ReleaseTask, "stop": StopTask}
    async with connect(invocation) as api:
        found = await (_find(api, name) if name is not None else _newest_unfinished(api))
        known = next((one for one in found.tasks if one.lower() == task.lower()), TaskId(task))
        view = await api.view(await api.submit(commands[verb](run=found.run, task=known)))
    screen = console(invocation)
    if output == "json":
        screen.data(directed(view, known))
    else:
        screen.say(directed_lines(view, known))
    return 0


async def _list(invocation: Invocation, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.presentation.listings import epics_lines
    from equitr_coder.presentation.outcome import epic_status

    async with connect(invocation) as api:
        views = [view for view in await api.runs() if view.epic is not None]
    screen = console(invocation)
    if output == "json":
        screen.data({"epics": [epic_status(view) for view in views]})
    else:
        screen.say(epics_lines(views, width=screen.width))
    return 0


async def _newest_unfinished(api: RunApi) -> RunView:
    """Else the newest."""
    epics = [view for view in await api.runs() if view.epic is not None]
    return next((view for view in epics if not view.state.is_final), None) or await _find(api, None)


async def _find(api: RunApi, name: str | None) -> RunView:
    for view in await api.runs():
        if name in (view.epic, view.run) or (name is None and view.epic is not None):
            return view
    if name is None:
        raise UserError("there are no epics in this workspace", hint='plan one: `equitrcoder epic create "..."`')
    raise UserError(f"there is no epic {name!r} in this workspace", hint="`equitrcoder epic list` lists them")
