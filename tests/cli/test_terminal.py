"""A person at a real terminal: questions, permissions, the review of a plan, a first configuration."""

import os
import signal
import stat
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from equitr_coder.cli.answers import parse_approval
from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.approvals import ApprovalAnswer, Scope
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.ports import Confinement

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Logs, Step, Until

DECLINED = e.RunFinished(state=RunState.CANCELLED, reason=StopReason.DECLINED)
FINISHED = e.RunFinished(state=RunState.COMPLETED)


def answered(command: c.Command) -> list[e.Event] | None:
    match command:
        case c.AnswerQuestion():
            return [e.QuestionAnswered(question=command.question, answer=command.answer)]
        case c.ResolveApproval():
            return [e.ApprovalResolved(approval=command.approval, answer=command.answer)]
        case c.RejectPlan():
            return [DECLINED]
        case _:
            return None


def test_planning_questions_are_answered_by_words_or_by_number(command: "Command", logs: "Logs") -> None:
    steps: list[Step] = [
        logs.started(),
        logs.question("What would you like?", 1),
        logs.until(answered),
        logs.question("Which storage?", 2, ("JSON", "SQLite")),
        logs.until(answered),
        FINISHED,
    ]
    api = logs.api(steps, multi_agent=True)

    with logs.person(
        [
            ("What would you like?\nyour answer> ", "\n"),
            ("your answer> ", "Bookmarks\n"),
            ("  2  SQLite\nyour answer> ", "2\n"),
        ]
    ) as person:
        command("chat", "-M", "x", api=api, streams=person.streams)

    assert [submitted.answer for submitted in api.submitted if isinstance(submitted, c.AnswerQuestion)] == [
        "Bookmarks",
        "SQLite",
    ]


def test_quitting_at_a_question_rejects_the_plan(command: "Command", logs: "Logs") -> None:
    api = logs.api([logs.started(), logs.question("What?", 1), logs.until(answered)], multi_agent=True)

    with logs.person([("your answer> ", "/quit\n")]) as person:
        result = command("chat", "-M", "x", api=api, streams=person.streams)

    assert isinstance(api.submitted[-1], c.RejectPlan)
    assert result.code == 1


def test_question_that_was_answered_elsewhere_is_not_asked(command: "Command", logs: "Logs") -> None:
    first = logs.question("What?", 1)
    before: list[Step] = [
        logs.started(),
        first,
        e.QuestionAnswered(question=first.question, answer="this"),
        e.RunPaused(reason=StopReason.INTERRUPTED),
    ]
    after: list[Step] = [e.RunResumed(options=logs.started().options), FINISHED]
    api = logs.api([*before, *after], already=len(before))

    with logs.person([]) as person:
        result = command("resume", api=api, streams=person.streams)

    assert (result.code, len(api.submitted)) == (0, 1)


def test_open_question_of_a_resumed_run_is_asked_again(command: "Command", logs: "Logs") -> None:
    before: list[Step] = [logs.started(), logs.question("What?", 1), e.RunPaused(reason=StopReason.INTERRUPTED)]
    after: list[Step] = [e.RunResumed(options=logs.started().options), logs.until(answered), FINISHED]
    api = logs.api([*before, *after], already=len(before))

    with logs.person([("planner asks: What?", ""), ("your answer> ", "that\n")]) as person:
        result = command("resume", api=api, streams=person.streams)

    assert result.code == 0
    assert isinstance(api.submitted[-1], c.AnswerQuestion)


def test_permission_shows_the_exact_command_and_enter_is_no_answer(command: "Command", logs: "Logs") -> None:
    steps: list[Step] = [
        logs.started(yes=True),
        logs.approved(),
        logs.changed("T2", TaskState.WORKING),
        logs.approval("rm -rf build\x1b[1A\rls", confined=False),
        logs.until(answered),
        FINISHED,
    ]
    api = logs.api(steps, multi_agent=True)

    with logs.person(
        [
            ("allow> ", "\n"),
            ("Type once, task, run or no; /quit ends it.\nallow> ", "sure\n"),
            ("allow> ", "no, use make clean\n"),
        ]
    ) as person:
        command("chat", "-M", "--yes", "x", api=api, streams=person.streams)

    assert "    rm -rf build\\x1b[1A\\x0dls\n" in person.seen
    assert "WITHOUT a sandbox" in person.seen
    assert isinstance(api.submitted[-1], c.ResolveApproval)
    assert api.submitted[-1].answer == ApprovalAnswer(allowed=False, note="use make clean")


def test_a_sandbox_that_does_not_hold_everything_is_not_called_none(command: "Command", logs: "Logs") -> None:
    lack = Confinement("landlock", "version 6").partly(in_place=True)
    steps: list[Step] = [
        logs.started(yes=True),
        logs.approved(),
        logs.changed("T2", TaskState.WORKING),
        logs.approval("ls", confined=False, partly=lack),
        logs.until(answered),
        FINISHED,
    ]

    with logs.person([("allow> ", "no\n")]) as person:
        command("chat", "-M", "--yes", "x", api=logs.api(steps, multi_agent=True), streams=person.streams)

    assert "  where  Landlock cannot keep .git in your own checkout from change\n" in person.seen
    assert "WITHOUT a sandbox" not in person.seen


def test_quitting_at_a_permission_stops_the_run(command: "Command", logs: "Logs") -> None:
    steps: list[Step] = [logs.started(RunKind.CHAT), logs.approval(), logs.until(answered), FINISHED]
    api = logs.api(steps)

    with logs.person([("allow> ", "/quit\n")]) as person:
        result = command("chat", "x", api=api, streams=person.streams)

    assert result.code == 130
    assert isinstance(api.submitted[-1], c.Interrupt)


def test_what_was_typed_before_the_prompt_does_not_allow_anything(command: "Command", logs: "Logs") -> None:
    steps: list[Step] = [
        logs.started(yes=True),
        logs.approved(),
        logs.question("Which?", 1),
        logs.until(answered),
        logs.approval(),
        logs.until(answered),
        FINISHED,
    ]
    api = logs.api(steps, multi_agent=True)

    with logs.person([("your answer> ", "this\nonce\n"), ("allow> ", "no\n")]) as person:
        command("chat", "-M", "--yes", "x", api=api, streams=person.streams)

    assert isinstance(api.submitted[-1], c.ResolveApproval)
    assert api.submitted[-1].answer.allowed is False


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("once", ApprovalAnswer(allowed=True, scope=Scope.ONCE)),
        ("task", ApprovalAnswer(allowed=True, scope=Scope.TASK)),
        ("RUN", ApprovalAnswer(allowed=True, scope=Scope.RUN)),
        ("no", ApprovalAnswer(allowed=False)),
        ("no because", ApprovalAnswer(allowed=False, note="because")),
        ("", None),
        ("once more", None),
        ("always", None),
    ],
)
def test_words_of_a_permission_answer(typed: str, answer: ApprovalAnswer | None) -> None:
    assert parse_approval(typed, has_task=True) == answer


def test_permission_for_a_task_needs_a_task() -> None:
    assert parse_approval("task", has_task=False) is None


def reviewed(logs: "Logs") -> "Until":
    """What the run does with each decision on the plan."""
    revision = 1

    def react(command: c.Command) -> list[e.Event] | None:
        nonlocal revision
        match command:
            case c.ApprovePlan():
                return [logs.approved(), FINISHED]
            case c.RejectPlan():
                return [DECLINED]
            case c.ReviseDocument():
                revision += 1
                return [logs.document(command.name, revision=revision)]
            case _:
                return None

    return logs.until(react)


def test_plan_is_approved_only_by_the_word(command: "Command", logs: "Logs") -> None:
    api = logs.api([logs.started(), *logs.planning()[:-1], reviewed(logs)], multi_agent=True)

    with logs.person([("review> ", "\n"), ("review> ", "yes\n"), ("review> ", "approve\n")]) as person:
        result = command("chat", "-M", "x", api=api, streams=person.streams)

    assert result.code == 1  # the fake finishes without doing the tasks
    assert person.seen.count("review> ") == 3
    assert [type(submitted) for submitted in api.submitted] == [c.StartRun, c.ApprovePlan]


def test_quitting_the_review_rejects_the_plan(command: "Command", logs: "Logs") -> None:
    api = logs.api([logs.started(), *logs.planning()[:-1], reviewed(logs)], multi_agent=True)

    with logs.person([("review> ", "quit\n")]) as person:
        result = command("chat", "-M", "x", api=api, streams=person.streams)

    assert isinstance(api.submitted[-1], c.RejectPlan)
    assert result.code == 1


def test_revised_document_comes_back_for_review(command: "Command", logs: "Logs") -> None:
    api = logs.api([logs.started(), *logs.planning()[:-1], reviewed(logs), reviewed(logs)], multi_agent=True)

    with logs.person(
        [("review> ", "revise design use SQLite\n"), ("Wrote design", ""), ("review> ", "approve\n")]
    ) as person:
        command("chat", "-M", "x", api=api, streams=person.streams)

    assert api.submitted[1:] == [
        c.ReviseDocument(run=logs.run, name="design", request="use SQLite"),
        c.ApprovePlan(run=logs.run),
    ]


def test_review_shows_tasks_and_documents(command: "Command", logs: "Logs") -> None:
    api = logs.api([logs.started(), *logs.planning()[:-1], reviewed(logs)], multi_agent=True)

    with logs.person(
        [
            ("review> ", "show t2\n"),
            ("review> ", "show todos\n"),
            ("review> ", "show nonsense\n"),
            ("review> ", "quit\n"),
        ]
    ) as person:
        command("chat", "-M", "x", api=api, streams=person.streams)

    assert "    3. Save bookmarks\n    4. Load bookmarks\n" in person.seen
    assert "- [ ] 1. Create package" in person.seen
    assert "error: there is nothing called 'nonsense' to show\n" in person.seen


def test_document_is_edited_in_the_editor(
    command: "Command", logs: "Logs", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsleep 1\necho "- [ ] 2. Another" >> "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VISUAL", str(editor))
    api = logs.api([logs.started(), *logs.planning()[:-1], reviewed(logs)], multi_agent=True)

    with logs.person([("review> ", "edit todos\n"), ("todos is changed.", ""), ("review> ", "quit\n")]) as person:
        command("chat", "-M", "x", api=api, streams=person.streams)

    edited = api.submitted[1]
    assert isinstance(edited, c.EditDocument)
    assert edited.content.endswith("- [ ] 1. Create package\n- [ ] 2. Another\n")


def test_closing_the_input_stops_the_run_cleanly(command: "Command", logs: "Logs") -> None:
    api = logs.api([logs.started(), logs.question("What?", 1), logs.until(answered)], multi_agent=True)

    with logs.person([("your answer> ", "\x04")]) as person:
        result = command("chat", "-M", "x", api=api, streams=person.streams)

    assert isinstance(api.submitted[-1], c.Interrupt)
    assert "Go on with: equitrcoder resume run-7k2m9x4q" in person.seen
    assert result.code == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_cleanly_says_what_is_done_and_how_to_go_on(
    command: "Command", logs: "Logs", number: signal.Signals
) -> None:
    def signal_when_done(event: e.Event) -> None:
        if isinstance(event, e.TaskChanged) and event.state is TaskState.DONE:
            os.kill(os.getpid(), number)

    steps: list[Step] = [logs.started(yes=True), *logs.planning(), *logs.whole_task("T1", number=2, usd="0.001")]
    api = logs.api([*steps, logs.until(lambda _: None)], multi_agent=True, on_event=signal_when_done)

    result = command("chat", "-M", "--yes", "x", api=api)

    assert result.code == 130
    assert "Summary: 1 done, 0 failed, 5 not finished" in result.out
    assert "Paused (interrupted); everything is kept\nGo on with: equitrcoder resume run-7k2m9x4q\n" in result.out
    assert result.err == "\nStopping cleanly; Ctrl-C again leaves at once.\n"


def test_second_signal_leaves_at_once(command: "Command", logs: "Logs") -> None:
    def interrupt_twice(event: e.Event) -> None:
        if isinstance(event, e.RunStarted):  # a third signal would end this very process
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    steps: list[Step] = [logs.started(RunKind.CHAT), logs.until(lambda _: None)]
    api = logs.api(steps, on_event=interrupt_twice)

    result = command("chat", "x", api=api)

    assert result.code == 130
    assert result.err.endswith("error: interrupted\nhint: `equitrcoder runs` shows what can be resumed\n")


def test_a_second_signal_that_comes_when_the_run_has_stopped_changes_nothing(command: "Command", logs: "Logs") -> None:
    def interrupt(event: e.Event) -> None:
        if isinstance(event, e.RunStarted):
            os.kill(os.getpid(), signal.SIGINT)

    def interrupt_again(submitted: c.Command) -> None:
        if isinstance(submitted, c.Interrupt):
            os.kill(os.getpid(), signal.SIGINT)

    steps: list[Step] = [logs.started(RunKind.CHAT), logs.until(lambda _: None)]
    api = logs.api(steps, on_event=interrupt, on_submit=interrupt_again)

    result = command("chat", "x", api=api)

    assert result.code == 130
    assert "Paused (interrupted); everything is kept" in result.out
    assert result.err == "\nStopping cleanly; Ctrl-C again leaves at once.\n"


@pytest.mark.parametrize(
    ("environ", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_appears_on_a_terminal_that_wants_it(
    command: "Command", logs: "Logs", environ: dict[str, str], is_coloured: bool
) -> None:
    command.environ = environ

    with logs.person([]) as person:
        command("chat", "x", api=logs.api(logs.chat()), streams=person.streams)

    assert ("\x1b[" in person.seen) is is_coloured


def test_session_opens_on_a_terminal_planning_or_not(command: "Command", logs: "Logs") -> None:
    with logs.person([]) as person:
        command("--inline", api=logs.api(answers=[logs.configured]), streams=person.streams)
        command("interactive", "-M", "--inline", api=logs.api(answers=[logs.configured]), streams=person.streams)

    assert command.prompts == [True, False]


PROPOSAL = q.Proposal(
    preset="openai",
    date="2026-11-01",
    supervisor="openai/big",
    worker="openai/small",
    supervisor_price=None,
    worker_price=None,
    key="OPENAI_API_KEY",
    budget=Decimal(10),
    yaml="llm:\n  model: openai/big\n",
)


def test_first_configuration_is_written_only_after_a_yes(command: "Command", logs: "Logs") -> None:
    unset = q.ProposalAnswer(configured=False, proposals=(PROPOSAL,), looked_for=("OPENAI_API_KEY",))
    probe = q.ProbeAnswer(ok=True, text="hello", usd=Decimal("0.00012"), latency_ms=800)
    api = logs.api(answers=[unset, probe, q.Written(path="/home/me/.equitr/config.yaml")])

    with logs.person(
        [
            ("Use which? (1, or no) ", "1\n"),
            ("test call to openai/big? (yes/no) ", "\n"),
            ("test call to openai/big? (yes/no) ", "yes\n"),
            ("test call to openai/small? (yes/no) ", "no\n"),
            ("Write it? (yes/no) ", "yes\n"),
        ]
    ) as person:
        result = command("--inline", api=api, streams=person.streams)

    assert "+ openai/big answers ($0.0001, 0.8 s)" in person.seen
    assert "Wrote /home/me/.equitr/config.yaml" in person.seen
    assert api.queried[1:] == [q.ProbeModel(model="openai/big"), q.WriteConfig(text=PROPOSAL.yaml)]
    assert (result.code, command.prompts) == (0, [True])


def test_refused_configuration_leaves_nothing(command: "Command", logs: "Logs") -> None:
    unset = q.ProposalAnswer(configured=False, proposals=(PROPOSAL,), looked_for=("OPENAI_API_KEY",))
    api = logs.api(answers=[unset])

    with logs.person([("Use which? (1, or no) ", "no\n")]) as person:
        result = command("--inline", api=api, streams=person.streams)

    assert (result.code, api.queried, command.prompts) == (2, [q.ProposalQuery()], [])


def test_without_a_terminal_the_commands_of_a_first_configuration_are_printed(command: "Command", logs: "Logs") -> None:
    unset = q.ProposalAnswer(configured=False, proposals=(PROPOSAL,), looked_for=("OPENAI_API_KEY",))

    result = command(api=logs.api(answers=[unset]))

    assert result.code == 2
    assert "cat > \"${EQUITR_HOME:-$HOME/.equitr}/config.yaml\" <<'END'\nllm:\n  model: openai/big\nEND\n" in result.err
    assert "error: the interactive session needs a terminal" in result.err


def test_without_any_key_the_variables_are_named(command: "Command", logs: "Logs") -> None:
    unset = q.ProposalAnswer(configured=False, proposals=(), looked_for=("OPENAI_API_KEY", "GROQ_API_KEY"))

    result = command(api=logs.api(answers=[unset]))

    assert "Looked for: OPENAI_API_KEY, GROQ_API_KEY\n" in result.err
    assert "no provider key is set" not in result.err, "one without a preset may be"
    assert "EQUITR_LLM__MODEL=openrouter/NAME" in result.err
    assert "equitrcoder models --discover" in result.err
