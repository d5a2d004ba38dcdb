from decimal import Decimal

import pytest

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import EpicId, RunId
from equitr_coder.domain.runs import PlanMode, RunKind, RunOptions
from equitr_coder.presentation.slash import SLASH_COMMANDS
from tests.repl.conftest import (
    PLAN,
    WHO,
    Gate,
    PlayedApi,
    Step,
    Until,
    attend,
    changed,
    finished,
    plan_approved,
    question,
    question_answered,
    reply,
    reserved,
    settled,
)


def planned(*after: e.Event) -> list[e.Event]:
    """The log of an epic that was planned some other day."""
    started = e.RunStarted(
        kind=RunKind.EPIC,
        request="bookmarks",
        workspace="/w",
        options=RunOptions(budget=Decimal("10.00"), multi_agent=True),
        epic=EpicId("epic-007"),
    )
    return [started, *after]


WAITING = planned(e.PlanSubmitted(plan=PLAN), e.RunPaused(reason=StopReason.APPROVAL_NEEDED))


async def test_help_lists_every_command_and_the_keys() -> None:
    async with attend(PlayedApi()) as person:
        person.types("/help\r")
        await person.sees("Ctrl-D on an empty line leaves.")

    assert all(f"\n  {command.usage} " in person.tape.text for command in SLASH_COMMANDS)


async def test_status_tells_mode_models_messages_iterations_and_cost() -> None:
    async with attend(PlayedApi(reply("Done."))) as person:
        person.types("/status\r")
        await person.sees("multi-agent off  model weak/coder  $0.0000 of $10.00")
        person.types("hi\r")
        await person.sees("together")
        await person.asks()
        person.types("/status\r")
        await person.sees("multi-agent off  model weak/coder  $0.0012 of $10.00")
        await person.sees("run-1: completed, 1 message, 1 iteration\ncost $0.0012 of $10.00")


async def test_cost_splits_the_money_by_model() -> None:
    async with attend(PlayedApi(reply("Done."))) as person:
        person.types("hi\r")
        await person.sees("together")
        await person.asks()
        person.types("/cost\r")
        await person.sees("Cost: $0.0012 of $10.00\nby model\n  weak/coder  $0.0012  1 call")


@pytest.mark.parametrize("command", ["/cost", "/diff"])
async def test_without_a_run_there_is_nothing_to_show(command: str) -> None:
    async with attend(PlayedApi()) as person:
        person.types(f"{command}\r")
        await person.sees("error: nothing has run yet in this session\nhint: type what you want, or /help")
        await person.asks()


async def test_model_shows_the_models_and_a_name_changes_the_next_conversation() -> None:
    api = PlayedApi(reply("One."), reply("Two."), reply("Three."))

    async with attend(api) as person:
        person.types("/model\r")
        await person.sees("supervisor  strong/planner")
        person.types("hi\r")
        await person.sees("together")
        await person.asks()
        person.types("/model other/one\r")
        await person.sees("model other/one for this session; the next request begins a new conversation")
        person.types("hi\r")
        await person.sees("together")
        await person.asks()
        person.types("/model default\r")
        await person.sees("model weak/coder for this session")
        person.types("hi\r")
        await person.sees("together")

    assert [getattr(command, "model", "") for command in api.submitted] == [None, "other/one", None]


async def test_multi_agent_switches_both_ways_and_by_name() -> None:
    api = PlayedApi([finished()])

    async with attend(api) as person:
        for typed, state in (("", "on"), ("", "off"), (" on", "on"), (" on", "on")):
            person.types(f"/multi-agent{typed}\r")
            await person.sees(f"multi-agent {state}: ")
            await person.asks()
        person.types("/multi-agent maybe\r")
        await person.sees("error: /multi-agent takes on or off, not maybe")
        person.types("/status\r")
        await person.sees("multi-agent on  supervisor strong/planner  worker weak/coder  $0.0000 of $10.00")
        person.types("build\r")
        await person.sees("Run run-1: completed")

    assert api.submitted == [c.StartRun(kind=RunKind.EPIC, request="build", multi_agent=True)]


async def test_plan_with_text_plans_it_at_once() -> None:
    api = PlayedApi([finished()])

    async with attend(api) as person:
        person.types("/plan a bookmark service\r")
        await person.sees("Run run-1: completed")

    assert api.submitted == [
        c.StartRun(kind=RunKind.EPIC, request="a bookmark service", plan=PlanMode.ALWAYS, multi_agent=True)
    ]


async def test_plan_alone_asks_and_plans_the_next_request() -> None:
    api = PlayedApi([finished()])

    async with attend(api) as person:
        person.types("/plan\r")
        await person.sees("What would you like to build?")
        person.types("a bookmark service\r")
        await person.sees("Run run-1: completed")

    started = api.submitted[0]
    assert isinstance(started, c.StartRun)
    assert started.plan is PlanMode.ALWAYS


async def test_run_shows_the_plan_that_waits_and_approves_it() -> None:
    api = PlayedApi([plan_approved(), finished()], others=[WAITING])

    async with attend(api) as person:
        person.types("/run\r")
        await person.sees("Plan: Bookmark service\nCreated 2 tasks")
        await person.sees("Plan approved by you")
        await person.sees("Run run-1: completed")

    assert api.submitted == [c.ResumeRun(run="run-1", approve=True)]
    assert "\nRun run-1 (epic-007)" not in person.tape.text  # what was told the other day is not told again


async def test_run_repeats_the_question_that_a_stopped_run_waits_for() -> None:
    asked = planned(question("Which database?"), e.RunPaused(reason=StopReason.INTERRUPTED))
    api = PlayedApi([Until(question_answered), finished()], others=[asked])

    async with attend(api) as person:
        person.types("/run\r")
        await person.sees("planner asks: Which database?")
        await person.asks("your answer>")
        person.types("SQLite\r")
        await person.sees("answered: SQLite")

    assert api.submitted[0] == c.ResumeRun(run="run-1", approve=False)


async def test_run_takes_the_epic_that_is_named() -> None:
    other = [WAITING[0].model_copy(update={"epic": EpicId("epic-008")}), *WAITING[1:]]
    api = PlayedApi([plan_approved(), finished()], others=[WAITING, other])

    async with attend(api) as person:
        person.types("/run epic-009\r")
        await person.sees("error: no unfinished run is called epic-009")
        person.types("/run epic-007\r")
        await person.sees("Run run-1: completed")

    assert api.submitted == [c.ResumeRun(run="run-1", approve=True)]


async def test_run_without_anything_unfinished_says_so() -> None:
    async with attend(PlayedApi(others=[planned(finished())])) as person:
        person.types("/run\r")
        await person.sees("error: no plan waits for approval and no run is unfinished\nhint: /plan TEXT makes a plan")


async def test_diff_shows_what_changed() -> None:
    api = PlayedApi(reply("Done."))
    api.diff = "diff --git a/x b/x\n-old\n+new \x1b[31m\n"

    async with attend(api) as person:
        person.types("hi\r")
        await person.sees("together")
        await person.asks()
        person.types("/diff\r")
        await person.sees("diff --git a/x b/x\n-old\n+new \\x1b[31m")
        await person.asks()
        api.diff = ""
        person.types("/diff\r")
        await person.sees("nothing was changed")


async def test_undo_names_the_files_it_took_back_and_those_it_left_alone() -> None:
    checkpoint = e.CheckpointTaken.model_validate(
        {**WHO, "tree": "7" * 40, "left": ["b.py"], "uncovered": ["node_modules/"]}
    )
    files = [changed("a.py"), changed("b.py"), changed("scratch", "created"), changed("scratch", "deleted")]
    turn: list[Step] = [reserved(), *files, settled(), finished()]
    api = PlayedApi(turn, [changed("a.py"), checkpoint])

    async with attend(api) as person:
        person.types("hi\r")
        await person.sees("together")
        await person.asks()
        person.types("/undo\r")
        await person.sees("taken back: a.py\nleft alone, because they were changed since: b.py\nnot covered")
        await person.sees("node_modules/")
        await person.asks()

    assert api.submitted[-1] == c.UndoChange(run=RunId("run-1"))
    assert "scratch" not in person.tape.text.split("taken back")[1]


async def test_undo_without_a_chat_says_so() -> None:
    async with attend(PlayedApi()) as person:
        person.types("/undo\r")
        await person.sees("error: there is nothing to undo")


async def test_clear_begins_a_new_conversation_and_keeps_the_screen() -> None:
    api = PlayedApi(reply("First."), reply("Second."))

    async with attend(api) as person:
        person.types("one\r")
        await person.sees("together")
        await person.asks()
        person.types("/clear\r")
        await person.sees("a new conversation begins; the last one is kept as run-1")
        person.types("/status\r")
        await person.sees("multi-agent off  model weak/coder  $0.0000 of $10.00")
        person.types("two\r")
        await person.sees("Run run-2: model weak/coder")
        await person.sees("Second.")

    assert [type(command) for command in api.submitted] == [c.StartRun, c.StartRun]
    assert "First." in person.tape.text


async def test_a_wrong_command_names_the_nearest_and_ends_nothing() -> None:
    async with attend(PlayedApi()) as person:
        person.types("/stauts\r")
        await person.sees("error: there is no command /stauts\nhint: did you mean /status? /help lists the commands")
        await person.asks()
        person.types("/c\r")
        await person.sees("hint: did you mean /cost or /clear?")
        await person.asks()
        person.types("/q\r")

        assert await person.ends() == 0


async def test_a_chosen_command_runs_on_the_first_enter() -> None:
    async with attend(PlayedApi()) as person:
        await person.asks()
        person.types("/c\t\t")  # /cost, then /clear
        await person.sees("/clear")
        person.types("\r")
        await person.sees("a new conversation begins")


async def test_quit_while_nothing_runs_says_nothing_of_finished_runs() -> None:
    gate = Gate()
    gate.opened.set()

    async with attend(PlayedApi([gate, *reply("Done.")])) as person:
        person.types("hi\r")
        await person.sees("together")
        await person.asks()
        person.types("/quit\r")

        assert await person.ends() == 0
    assert "resume" not in person.tape.text
