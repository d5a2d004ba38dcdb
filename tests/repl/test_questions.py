from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import ApprovalAnswer
from equitr_coder.domain.ids import RequestId, RunId
from equitr_coder.domain.run_view import RunView
from tests.repl.conftest import (
    CTRL_C,
    CTRL_D,
    PLAN,
    Gate,
    PlayedApi,
    Step,
    Until,
    approved_by,
    asks_permission,
    attend,
    finished,
    question,
    question_answered,
    reply,
    reserved,
    resolved,
    said,
    settled,
)

RUN = RunId("run-1")


async def test_a_permission_is_asked_for_and_given() -> None:
    api = PlayedApi([reserved(), settled(), asks_permission("rm \x1b[8m-rf build"), Until(resolved), finished()])

    async with attend(api) as person:
        person.types("clean up\r")
        await person.sees("    rm \\x1b[8m-rf build")
        await person.asks("allow>")
        person.types("once\r")
        await person.sees("allowed (once) by you")
        await person.asks()

    assert api.submitted[-1] == c.ResolveApproval(
        run=RUN, approval=RequestId("a1"), answer=ApprovalAnswer(allowed=True)
    )


async def test_what_was_typed_before_a_permission_was_asked_for_never_answers_it() -> None:
    gate = Gate()
    api = PlayedApi([gate, Until(said), asks_permission(), Until(resolved), finished()])

    async with attend(api) as person:
        person.types("clean up\r")
        await gate.reached.wait()
        person.types("run\ronce")
        await person.heard()
        gate.opened.set()
        await person.sees("u1 waits for the end of this turn: run")
        await person.asks("allow>")
        assert api.submitted[1:] == [c.QueueMessage(run=RUN, text="run")]
        person.types("no, not that\r")
        await person.sees("refused by you: not that")
        await person.sees("you> once")


async def test_keys_that_wait_unread_when_permission_is_asked_for_do_not_answer_it() -> None:
    api = PlayedApi([asks_permission(), Until(resolved), finished()])

    async with attend(api) as person:
        await person.asks()
        person.types("clean up\rrun\r")
        await person.asks("allow>")
        person.types("no\r")
        await person.sees("refused by you")
        await person.sees("you> run")

    assert api.submitted[-1] == c.ResolveApproval(
        run=RUN, approval=RequestId("a1"), answer=ApprovalAnswer(allowed=False)
    )


async def test_ctrl_c_at_a_permission_stops_the_run_and_keeps_the_session() -> None:
    api = PlayedApi([asks_permission(), Until(resolved), finished()], [Until(resolved), *reply("Here again.")])

    async with attend(api) as person:
        person.types("clean up\r")
        await person.asks("allow>")
        person.types(CTRL_C)
        await person.sees("Stopped.")
        await person.asks()
        assert [type(command) for command in api.submitted] == [c.StartRun, c.Interrupt]
        person.types("hello\r")
        await person.asks("allow>")  # the call is still open, and nothing has allowed it
        person.types("no\r")
        await person.sees("Here again.")


async def test_a_later_run_asks_again_after_one_was_stopped_at_its_question() -> None:
    steps: list[Step] = [asks_permission(), Until(resolved), finished()]
    api = PlayedApi(steps, steps)

    async with attend(api) as person:
        person.types("clean up\r")
        await person.asks("allow>")
        person.types(CTRL_D)
        await person.sees("Stopped.")
        person.types("/clear\r")
        await person.sees("a new conversation")
        person.types("clean up\r")
        await person.asks("allow>")
        person.types("no\r")
        await person.sees("refused by you")


async def test_quit_at_a_permission_stops_the_run_and_leaves() -> None:
    api = PlayedApi([asks_permission(), Until(resolved), finished()])

    async with attend(api) as person:
        person.types("clean up\r")
        await person.asks("allow>")
        person.types("/quit\r")
        await person.sees("resume with: equitrcoder resume run-1")

        assert await person.ends() == 0
    assert [type(command) for command in api.submitted] == [c.StartRun, c.Interrupt]


async def test_a_planning_question_is_answered_by_number_or_words() -> None:
    asks = question("Which database?", ("SQLite", "PostgreSQL"))
    api = PlayedApi([asks, Until(question_answered), finished()])

    async with attend(api, planning=True) as person:
        person.types("a shop\r")
        await person.sees("planner asks: Which database?\n  1  SQLite\n  2  PostgreSQL")
        await person.asks("your answer>")
        person.types("2\r")
        await person.sees("answered: PostgreSQL")

    assert api.submitted[-1] == c.AnswerQuestion(run=RUN, question=RequestId("q1"), answer="PostgreSQL")


async def test_an_answer_may_have_several_lines() -> None:
    api = PlayedApi([question("What else?"), Until(question_answered), finished()])

    async with attend(api, planning=True) as person:
        person.types("a shop\r")
        await person.asks("your answer>")
        person.types("carts\x1b\rorders\r")
        await person.sees("answered: carts")

    assert api.submitted[-1] == c.AnswerQuestion(run=RUN, question=RequestId("q1"), answer="carts\norders")


async def test_what_was_typed_ahead_stands_at_a_question_but_does_not_answer_it() -> None:
    gate = Gate()
    api = PlayedApi([gate, question("Which database?"), Until(question_answered), finished()])

    async with attend(api, planning=True) as person:
        person.types("a shop\r")
        await gate.reached.wait()
        person.types("SQLite\r")
        await person.heard()
        gate.opened.set()
        await person.sees("your answer> SQLite")
        assert [type(command) for command in api.submitted] == [c.StartRun]
        person.types(" please\r")
        await person.sees("answered: SQLite please")


async def test_quit_at_a_question_ends_planning_and_leaves_without_a_trace() -> None:
    api = PlayedApi([question("Which database?"), Until(question_answered)])

    async with attend(api, planning=True) as person:
        person.types("a shop\r")
        await person.asks("your answer>")
        person.types("/quit\r")

        assert await person.ends() == 0
    assert api.submitted[-1] == c.RejectPlan(run=RUN)
    assert "resume with" not in person.tape.text


async def test_a_plan_is_reviewed_and_approved() -> None:
    api = PlayedApi([e.PlanSubmitted(plan=PLAN), Until(approved_by), finished("built")])

    async with attend(api, planning=True) as person:
        person.types("a bookmark service\r")
        await person.sees("Plan: Bookmark service")
        await person.asks("review>")
        person.types("show T1\r")
        await person.sees("T1 Storage (medium, code)")
        await person.asks("review>")
        person.types("approve\r")
        await person.sees("Plan approved by you")
        await person.sees("Run run-1: completed")

    assert api.submitted[-1] == c.ApprovePlan(run=RUN)


async def test_ctrl_c_that_comes_in_one_piece_with_an_answer_is_heard() -> None:
    api = PlayedApi([e.PlanSubmitted(plan=PLAN), Until(approved_by), finished("built")])

    async with attend(api, planning=True) as person:
        person.types("a bookmark service\r")
        await person.asks("review>")
        person.types(f"show T1\r{CTRL_C}")
        await person.sees("Paused (interrupted)")
        await person.asks()


async def test_ctrl_c_that_comes_in_one_piece_with_the_last_answer_is_heard() -> None:
    api = PlayedApi([asks_permission(), Until(resolved), Gate()])

    async with attend(api) as person:
        person.types("clean up\r")
        await person.asks("allow>")
        person.types(f"once\r{CTRL_C}")
        await person.sees("Stopped.")
        await person.asks()


async def test_keys_typed_while_the_plan_is_fetched_do_not_approve_it() -> None:
    class Slow(PlayedApi):
        async def view(self, run: RunId) -> RunView:
            person.types("approve\r")
            return await super().view(run)

    api = Slow([e.PlanSubmitted(plan=PLAN), Until(approved_by), finished("built")])

    async with attend(api, planning=True) as person:
        person.types("a bookmark service\r")
        await person.asks("review>")
        person.types("what\r")
        await person.sees("`what` means nothing here. Type approve, show, revise, edit or quit")
        await person.asks("review>")

    assert [type(command) for command in api.submitted] == [c.StartRun]


async def test_ctrl_c_still_stops_the_agent_after_a_question_was_answered() -> None:
    gate = Gate()
    api = PlayedApi([asks_permission(), Until(resolved), gate])

    async with attend(api) as person:
        person.types("clean up\r")
        await person.asks("allow>")
        person.types("once\r")
        await gate.reached.wait()
        person.types(CTRL_C)
        await person.sees("Stopping; Ctrl-C again leaves.")
        await person.sees("Stopped.")
        await person.asks()


async def test_the_interrupt_signal_stops_the_agent_as_the_key_does() -> None:
    import os
    import signal

    first, second = Gate(), Gate()
    api = PlayedApi([first, asks_permission(), Until(resolved), second])

    async with attend(api) as person:
        person.types("clean up\r")
        await first.reached.wait()
        first.opened.set()
        await person.asks("allow>")
        person.types("once\r")
        await second.reached.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await person.sees("Stopped.")
        await person.asks()
