from decimal import Decimal
from pathlib import Path

import pytest

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.ids import RequestId, RunId
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from tests.repl.conftest import (
    CTRL_C,
    CTRL_D,
    WHO,
    Gate,
    PlayedApi,
    Says,
    Step,
    Until,
    answered,
    attend,
    changed,
    failed,
    finished,
    plan_approved,
    reply,
    reserved,
    said,
    settled,
    taken_back,
)

RUN = RunId("run-1")
ALT_UP = "\x1b[1;3A"


async def test_quit_returns_zero() -> None:
    async with attend(PlayedApi()) as person:
        await person.sees("/help lists the commands")
        person.types("/quit\r")

        assert await person.ends() == 0


async def test_a_request_starts_a_chat_and_its_answer_streams() -> None:
    api = PlayedApi(reply("The typo is gone."))

    async with attend(api) as person:
        person.types("fix the typo\r")
        await person.sees("Run run-1: model weak/coder, budget $10.00\nThe typo is gone.")
        await person.sees("$0.0012, together $0.0012 of $10.00")
        await person.asks()

    assert api.submitted == [
        c.StartRun(kind=RunKind.CHAT, request="fix the typo", multi_agent=False),
    ]


async def test_streamed_text_is_shown_once_and_before_the_answer_is_whole() -> None:
    gate = Gate()
    steps: list[Step] = [
        reserved(),
        Says("one "),
        Says("two"),
        gate,
        Says(" three"),
        answered("one two three"),
        settled(),
        finished(),
    ]

    async with attend(PlayedApi(steps)) as person:
        person.types("count\r")
        await person.sees("one two")
        gate.opened.set()
        await person.asks()

    assert person.tape.text.count("one two three\n") == 1


async def test_pieces_that_were_lost_are_made_good_by_the_whole_answer() -> None:
    steps: list[Step] = [reserved(), Says("one "), Says("three"), answered("one two three"), settled(), finished()]

    async with attend(PlayedApi(steps)) as person:
        person.types("count\r")
        await person.sees("one three\n(parts of this were lost while it streamed; the whole answer:)\none two three")


async def test_the_end_of_an_answer_that_was_not_streamed_is_added() -> None:
    steps: list[Step] = [reserved(), Says("one "), answered("one two\nthree"), settled(), finished()]

    async with attend(PlayedApi(steps)) as person:
        person.types("count\r")
        await person.sees("one two\nthree")


async def test_pieces_that_come_after_their_answer_are_not_repeated() -> None:
    steps: list[Step] = [reserved(), answered("The answer."), settled(), Says("The answer."), finished()]

    async with attend(PlayedApi(steps)) as person:
        person.types("hi\r")
        await person.sees("together $0.0012")

    assert person.tape.text.count("The answer.") == 1


async def test_a_failed_try_does_not_run_into_the_next_one() -> None:
    again: list[Step] = [reserved("c2"), Says("Second try."), answered("Second try."), settled("c2"), finished()]
    steps: list[Step] = [reserved(), Says("First t"), failed(retry_in=0.5), *again]

    async with attend(PlayedApi(steps)) as person:
        person.types("hi\r")
        await person.sees("First t\n~ assistant: weak/coder failed (auth): the key was refused; next try in 0.5 s")
        await person.sees("Second try.")
        await person.asks()

    assert "parts of this were lost" not in person.tape.text


async def test_control_characters_of_the_model_are_made_visible() -> None:
    evil = "a\x1b]0;title\x07b\x1b[2Jc\r\nd\u202e"

    async with attend(PlayedApi(reply(evil))) as person:
        person.types("hi\r")
        await person.sees("a\\x1b]0;title\\x07b\\x1b[2Jc\nd\\u202e")

    assert "\x1b]0;" not in person.tape.getvalue()
    assert "\x1b[2J" not in person.tape.getvalue()


async def test_the_next_request_continues_the_same_chat() -> None:
    api = PlayedApi(reply("First."), reply("Second.", call="c2", usd="0.0008"))

    async with attend(api) as person:
        person.types("one\r")
        await person.sees("First.")
        await person.asks()
        person.types("two\r")
        await person.sees("Second.\n$0.0008, together $0.0020 of $10.00")

    assert api.submitted[1:] == [c.SendMessage(run=RunId("run-1"), text="two")]
    assert person.tape.text.count("First.") == 1


async def test_a_turn_names_only_its_own_files() -> None:
    first: list[Step] = [reserved(), changed("a.py"), settled(), finished()]
    second: list[Step] = [reserved("c2"), changed("b.py"), settled("c2"), finished()]

    async with attend(PlayedApi(first, second)) as person:
        person.types("one\r")
        await person.sees("  modified a.py (+2 -1)\n$")
        await person.asks()
        person.types("two\r")
        await person.sees("  modified b.py (+2 -1)\n$")

    assert person.tape.text.count("a.py") == 1


async def test_a_provider_error_shows_two_lines_and_keeps_the_session() -> None:
    stop = e.RunPaused(reason=StopReason.MODEL_ERROR, detail="openai refused the key", hint="set OPENAI_API_KEY")
    api = PlayedApi([reserved(), failed(), stop], reply("Better."))

    async with attend(api) as person:
        person.types("one\r")
        await person.sees("$10.00\nerror: openai refused the key\nhint: set OPENAI_API_KEY")
        await person.asks()
        person.types("two\r")
        await person.sees("Better.")


async def test_a_budget_stop_shows_two_lines_and_keeps_the_session() -> None:
    reached = e.BudgetReached(account="run", usd=Decimal("9.99"), limit=Decimal("10.00"), detail="too dear")
    stop = e.RunPaused(reason=StopReason.BUDGET_EXCEEDED, detail="the budget of the run is used up", hint="raise it")

    async with attend(PlayedApi([reached, stop])) as person:
        person.types("one\r")
        await person.sees("$10.00\nerror: the budget of the run is used up\nhint: raise it")
        await person.asks()


async def test_a_request_that_is_refused_shows_two_lines_and_keeps_the_session() -> None:
    api = PlayedApi(reply("Now it works."))
    api.refuses = UserError("a merge is unfinished", hint="finish or abort it")

    async with attend(api) as person:
        person.types("one\r")
        await person.sees("one\nerror: a merge is unfinished\nhint: finish or abort it")
        await person.asks()
        person.types("one\r")
        await person.sees("Now it works.")


async def test_a_paused_chat_says_to_send_again_instead_of_a_command_to_resume() -> None:
    stop = e.RunPaused(reason=StopReason.MODEL_ERROR, detail="no answer", hint="equitrcoder resume run-1")

    async with attend(PlayedApi([stop])) as person:
        person.types("one\r")
        await person.sees("error: no answer\nhint: send it again, or choose another model with /model NAME")


async def test_ctrl_c_stops_the_agent_and_keeps_the_session() -> None:
    gate = Gate()
    api = PlayedApi([reserved(), Says("I am wri"), gate], reply("Here again.", call="c2"))

    async with attend(api) as person:
        person.types("go\r")
        await person.sees("I am wri")
        person.types(CTRL_C)
        await person.sees("\nStopping; Ctrl-C again leaves.")
        await person.sees("Stopped.")
        await person.asks()
        person.types("still there?\r")
        await person.sees("Here again.")

    assert [type(command) for command in api.submitted] == [c.StartRun, c.Interrupt, c.SendMessage]


async def test_ctrl_c_twice_leaves_and_says_how_to_go_on() -> None:
    api = PlayedApi([reserved(), Gate()])

    async with attend(api) as person:
        person.types("go\r")
        await person.sees("budget $10.00")
        person.types(CTRL_C)
        await person.sees("Stopped.")
        await person.asks()
        person.types(CTRL_C)
        await person.sees("resume with: equitrcoder resume run-1")

        assert await person.ends() == 0


async def test_a_second_ctrl_c_does_not_wait_for_the_agent() -> None:
    class Stubborn(PlayedApi):
        async def submit(self, command: c.Command) -> RunId:
            if isinstance(command, c.Interrupt):
                stuck.reached.set()
                await stuck.opened.wait()
            return await super().submit(command)

    stuck = Gate()

    async with attend(Stubborn([reserved(), Gate()])) as person:
        person.types("go\r")
        await person.sees("budget $10.00")
        person.types(CTRL_C)
        await stuck.reached.wait()
        person.types(CTRL_C)
        await person.sees("resume with: equitrcoder resume run-1")

        assert await person.ends() == 130


async def test_ctrl_c_that_comes_in_one_piece_with_the_request_is_heard() -> None:
    async with attend(PlayedApi([reserved(), Gate()])) as person:
        await person.asks()
        person.types(f"go\r{CTRL_C}")
        await person.sees("Stopped.")
        await person.asks()


async def test_ctrl_c_on_an_empty_prompt_warns_and_then_leaves() -> None:
    async with attend(PlayedApi()) as person:
        await person.asks()
        person.types(CTRL_C)
        await person.sees("Ctrl-C again leaves.")
        await person.asks()
        person.types(CTRL_C)

        assert await person.ends() == 0


async def test_ctrl_c_throws_a_typed_line_away_without_leaving() -> None:
    api = PlayedApi()

    async with attend(api) as person:
        for typed in ("first idea", "second idea"):
            await person.asks()
            person.types(typed)
            await person.sees(typed)
            person.types(CTRL_C)
            await person.sees("Ctrl-C again leaves.")
        await person.asks()
        person.types("/quit\r")

        assert await person.ends() == 0
    assert api.submitted == []


async def test_ctrl_d_on_an_empty_prompt_leaves() -> None:
    async with attend(PlayedApi()) as person:
        await person.asks()
        person.types(CTRL_D)

        assert await person.ends() == 0


@pytest.mark.parametrize("word", ["exit", "quit"])
async def test_the_words_that_leave_other_prompts_leave_this_one(word: str) -> None:
    async with attend(PlayedApi()) as person:
        person.types(f"{word}\r")

        assert await person.ends() == 0


async def test_a_line_while_the_agent_works_is_queued_shown_and_can_be_taken_back() -> None:
    gate = Gate()
    api = PlayedApi([gate, Until(said), Until(taken_back), *reply("Done.")], reply("And that.", call="c2"))

    async with attend(api) as person:
        person.types("one\r")
        await gate.reached.wait()
        gate.opened.set()
        person.types("then do twwo\x7f\x7fo\r")
        await person.sees("u1 waits for the end of this turn: then do two")
        person.types(ALT_UP)
        await person.sees("u1 is taken back")
        await person.sees("Done.")
        await person.sees("you> then do two")
        assert api.submitted[1:] == [
            c.QueueMessage(run=RUN, text="then do two"),
            c.CancelMessage(run=RUN, message=RequestId("u1")),
        ]
        person.types("\r")
        await person.sees("And that.")

    assert api.submitted[-1] == c.SendMessage(run=RUN, text="then do two")


async def test_a_line_can_be_said_before_the_next_step() -> None:
    gate = Gate()
    api = PlayedApi([gate, Until(said), *reply("Done.")])

    async with attend(api) as person:
        person.types("one\r")
        await gate.reached.wait()
        gate.opened.set()
        person.types("not that way\x1bs")
        await person.sees("u1 is said before the next step: not that way")
        await person.sees("Done.")
        await person.asks()

    assert api.submitted[1:] == [c.QueueMessage(run=RUN, text="not that way", steer=True)]


async def test_what_was_queued_can_be_said_at_once_instead() -> None:
    gate = Gate()
    api = PlayedApi([gate, Until(said), Until(taken_back), Until(said), *reply("Done.")])

    async with attend(api) as person:
        person.types("one\r")
        await gate.reached.wait()
        gate.opened.set()
        person.types("hurry\r")
        await person.sees("u1 waits for the end of this turn: hurry")
        person.types("\x1bs")
        await person.sees("is said before the next step: hurry")
        await person.sees("Done.")

    assert [type(command) for command in api.submitted[1:]] == [c.QueueMessage, c.CancelMessage, c.QueueMessage]
    assert api.submitted[-1] == c.QueueMessage(run=RUN, text="hurry", steer=True)


async def test_a_command_typed_while_the_agent_works_is_no_message() -> None:
    gate = Gate()
    api = PlayedApi([gate, *reply("Done.")])

    async with attend(api) as person:
        person.types("one\r")
        await gate.reached.wait()
        person.types("/cost\r")
        await person.heard()
        gate.opened.set()
        await person.sees("Done.")
        await person.sees("you> /cost")

    assert [type(command) for command in api.submitted] == [c.StartRun]


async def test_keys_that_arrive_with_the_request_itself_are_not_lost_either() -> None:
    api = PlayedApi(reply("Done."), reply("And that.", call="c2"))

    async with attend(api) as person:
        await person.asks()
        person.types("one\rtwo\r")
        await person.sees("Done.")
        await person.sees("you> two")
        person.types(" more\r")
        await person.sees("And that.")

    assert api.submitted[-1] == c.SendMessage(run=RunId("run-1"), text="two more")


async def test_planning_opens_with_its_question_and_plans_the_first_request_only() -> None:
    api = PlayedApi([finished()], reply("A chat."))

    async with attend(api, planning=True) as person:
        await person.sees("What would you like to build?")
        person.types("a bookmark service\r")
        await person.sees("Run run-1 (epic-001): supervisor strong/planner, workers weak/coder")
        await person.asks()
        person.types("a typo\r")
        await person.sees("A chat.")

    assert api.submitted == [
        c.StartRun(kind=RunKind.EPIC, request="a bookmark service", plan=PlanMode.ALWAYS, multi_agent=True),
        c.StartRun(kind=RunKind.CHAT, request="a typo", multi_agent=False),
    ]


async def test_a_plan_that_could_not_start_is_still_wanted() -> None:
    api = PlayedApi([finished()])
    api.refuses = UserError("a merge is unfinished", hint="finish or abort it")

    async with attend(api, planning=True) as person:
        person.types("a bookmark service\r")
        await person.sees("error: a merge is unfinished")
        await person.asks()
        person.types("a bookmark service\r")
        await person.sees("Run run-1 (epic-001)")

    started = api.submitted[0]
    assert isinstance(started, c.StartRun)
    assert started.plan is PlanMode.ALWAYS


async def test_with_multi_agent_configured_a_request_is_an_epic() -> None:
    api = PlayedApi([finished()], multi_agent=True)

    async with attend(api) as person:
        person.types("build it\r")
        await person.sees("Run run-1: completed")

    assert api.submitted == [c.StartRun(kind=RunKind.EPIC, request="build it", multi_agent=True)]


async def test_an_epic_ends_with_its_summary_and_its_trouble() -> None:
    end = e.RunFinished(state=RunState.FAILED, reason=StopReason.BAD_PLAN, content="no plan came", hint="ask again")
    api = PlayedApi([end], multi_agent=True)

    async with attend(api) as person:
        person.types("build it\r")
        await person.sees("Run run-1: failed (bad_plan)\nerror: no plan came\nhint: ask again")
        await person.asks()


async def test_a_stopped_epic_can_be_gone_on_with_here() -> None:
    gate = Gate()
    api = PlayedApi([plan_approved(), gate], [finished("built")], multi_agent=True)

    async with attend(api) as person:
        person.types("build it\r")
        await gate.reached.wait()
        person.types(CTRL_C)
        await person.sees("Paused (interrupted); everything is kept")
        await person.sees("/run goes on with it here.")
        await person.asks()
        person.types("/run\r")
        await person.sees("Run run-1: completed")

    assert api.submitted[-1] == c.ResumeRun(run="run-1", approve=False)


async def test_leaving_with_an_unfinished_epic_prints_how_to_resume_it() -> None:
    gate = Gate()

    async with attend(PlayedApi([gate], multi_agent=True)) as person:
        person.types("build it\r")
        await gate.reached.wait()
        person.types(CTRL_C)
        await person.sees("Paused")
        await person.asks()
        person.types("/quit\r")
        await person.sees("resume with: equitrcoder resume epic-001")

        assert await person.ends() == 0


async def test_nothing_to_resume_is_not_mentioned() -> None:
    async with attend(PlayedApi(reply("Done."))) as person:
        person.types("hi\r")
        await person.sees("Done.")
        await person.asks()
        person.types("/quit\r")
        await person.ends()

    assert "resume with" not in person.tape.text


async def test_requests_are_in_the_history_of_the_next_session(history: Path) -> None:
    async with attend(PlayedApi(reply("Done.")), history=history) as person:
        person.types("fix the typo\r")
        await person.sees("Done.")
    async with attend(PlayedApi(reply("Again.")), history=history) as person:
        await person.asks()
        person.types("\x1b[A\r")
        await person.sees("fix the typo")
        await person.sees("Again.")

    assert history.stat().st_mode & 0o777 == 0o600


async def test_pasted_lines_are_not_sent_and_are_no_command() -> None:
    api = PlayedApi(reply("Read."))

    async with attend(api) as person:
        await person.asks()
        person.pastes("/quit\r\nis what it says\r\n")
        await person.sees("is what it says")
        assert api.submitted == []
        person.types("\r")
        await person.sees("Read.")

    assert api.submitted == [
        c.StartRun(kind=RunKind.CHAT, request="/quit\nis what it says", multi_agent=False),
    ]


async def test_one_pasted_line_that_reads_like_a_command_waits_for_enter() -> None:
    async with attend(PlayedApi()) as person:
        await person.asks()
        person.pastes("/quit")
        await person.sees("/quit")
        person.types("\r")
        await person.sees("That was pasted, so it was not run as a command. Enter runs it.\nyou> /quit")
        person.types("\r")

        assert await person.ends() == 0


@pytest.mark.parametrize("text", ["/usr/lib/python is broken", "//comment", " /quit is a word"])
async def test_a_path_or_a_leading_space_is_no_command(text: str) -> None:
    api = PlayedApi(reply("Read."))

    async with attend(api) as person:
        person.types(f"{text}\r")
        await person.sees("Read.")

    assert api.submitted == [c.StartRun(kind=RunKind.CHAT, request=text.strip(), multi_agent=False)]


async def test_several_lines_are_one_request() -> None:
    api = PlayedApi(reply("Read."))

    async with attend(api) as person:
        person.types("one\x1b\rtwo\nthree\\\rfour\r")
        await person.sees("Read.")

    assert api.submitted == [c.StartRun(kind=RunKind.CHAT, request="one\ntwo\nthree\nfour", multi_agent=False)]


async def test_a_mention_of_a_file_stays_text() -> None:
    api = PlayedApi(reply("Read."))

    async with attend(api) as person:
        person.types("explain @mai\t")
        await person.sees("explain @src/main.py")
        person.types("\r")
        await person.sees("Read.")

    assert api.submitted == [c.StartRun(kind=RunKind.CHAT, request="explain @src/main.py", multi_agent=False)]


async def test_wide_characters_go_in_and_out() -> None:
    api = PlayedApi(reply("漢字かな交じり文 👩‍💻"))

    async with attend(api) as person:
        person.types("説明して\r")
        await person.sees("漢字かな交じり文 👩‍💻")

    assert api.submitted == [c.StartRun(kind=RunKind.CHAT, request="説明して", multi_agent=False)]


async def test_a_file_that_the_agent_made_is_completed_afterwards() -> None:
    gate = Gate()
    api = PlayedApi([gate, *reply("Made.")], reply("Read.", call="c2"))

    async with attend(api) as person:
        person.types("make it\r")
        await gate.reached.wait()
        api.files = ("brand_new.py",)
        gate.opened.set()
        await person.sees("Made.")
        await person.asks()
        person.types("read @bra\t")
        await person.sees("read @brand_new.py")
        person.types("\r")
        await person.sees("Read.")

    assert api.submitted[-1] == c.SendMessage(run=RunId("run-1"), text="read @brand_new.py")


async def test_neither_the_alternate_screen_nor_the_mouse_is_used() -> None:
    async with attend(PlayedApi(reply("Done."))) as person:
        person.types("hi\r")
        await person.sees("Done.")
        await person.asks()
        person.types("/quit\r")
        await person.ends()

    sent = person.tape.getvalue()
    assert not any(code in sent for code in ("\x1b[?1049h", "\x1b[?1000h", "\x1b[?1003h", "\x1b[?1006h"))


async def test_a_tool_result_begins_a_line_of_its_own() -> None:
    returned = e.ToolReturned(**WHO, call="t1", name="read_file", text="1 x", summary="README.md, 1 line")
    steps: list[Step] = [reserved(), Says("I look."), returned, settled(), finished()]

    async with attend(PlayedApi(steps)) as person:
        person.types("hi\r")
        await person.sees("I look.\n  - read_file: README.md, 1 line")
