"""What each command asks of the product."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from equitr_coder import __version__
from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.approvals import Decision, PermissionMode, Verdict
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import EpicId, RunId
from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.money import Price
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import PlanMode, RunKind, RunState

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Logs


def test_chat_sends_the_text_with_its_options(command: "Command", logs: "Logs") -> None:
    api = logs.api(logs.successful_epic(), multi_agent=True)

    command("chat", "-M", "Build", "it", "--plan", "always", "--check", "make test", "--budget", "2.50", "-y", api=api)

    assert api.submitted == [
        c.StartRun(
            kind=RunKind.EPIC,
            request="Build it",
            plan=PlanMode.ALWAYS,
            check="make test",
            budget=Decimal("2.50"),
            yes=True,
            can_ask=False,
        )
    ]


def test_chat_without_multi_agent_is_a_single_agent_run(command: "Command", logs: "Logs") -> None:
    api = logs.api(logs.chat())

    command("chat", "hi", api=api)

    assert api.submitted == [c.StartRun(kind=RunKind.CHAT, request="hi", can_ask=False)]


def test_configuration_alone_makes_chat_multi_agent(command: "Command", logs: "Logs") -> None:
    api = logs.api(logs.successful_epic(), multi_agent=True)

    command("chat", "hi", api=api)

    assert [submitted.kind for submitted in api.submitted if isinstance(submitted, c.StartRun)] == [RunKind.EPIC]


def test_untrusted_project_value_does_not_make_chat_multi_agent(command: "Command", logs: "Logs") -> None:
    key = "orchestrator.use_multi_agent"
    entries = (
        q.ConfigEntry(key=key, value="false", source="default"),
        q.ConfigEntry(key=key, value="true", source="ignored: untrusted .equitr/config.yaml:1"),
    )
    api = logs.api(logs.chat(), answers=[q.ConfigAnswer(entries=entries)])

    command("chat", "hi", api=api)

    assert [submitted.kind for submitted in api.submitted if isinstance(submitted, c.StartRun)] == [RunKind.CHAT]


def test_chat_reads_a_pipe_when_no_text_is_given(command: "Command", logs: "Logs") -> None:
    api = logs.api(logs.chat())

    command("chat", api=api, stdin="from the pipe\n")

    assert [submitted.request for submitted in api.submitted if isinstance(submitted, c.StartRun)] == [
        "from the pipe\n"
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "m", "--budget", "1", "--max-workers", "2", "-M", "--repo", "sub", "chat", "hi"),
        ("chat", "hi", "--model", "m", "--budget", "1", "--max-workers", "2", "-M", "--repo", "sub"),
        (
            "--model",
            "other",
            "--budget",
            "1",
            "chat",
            "--model",
            "m",
            "hi",
            "--max-workers",
            "2",
            "-M",
            "--repo",
            "sub",
        ),
    ],
)
def test_common_options_stand_before_or_after_the_command(
    command: "Command", logs: "Logs", arguments: tuple[str, ...]
) -> None:
    api = logs.api(logs.successful_epic(), multi_agent=True)

    command(*arguments, api=api)

    assert api.connected == [
        {
            "repo": Path("sub"),
            "create_repo": True,
            "flags": {
                "llm.model": ("m", "--model"),
                "llm.budget": (Decimal(1), "--budget"),
                "orchestrator.max_workers": (2, "--max-workers"),
                "orchestrator.use_multi_agent": (True, "--multi-agent"),
            },
        }
    ]


def test_model_flags_of_the_tiers_set_their_own_keys(command: "Command", logs: "Logs") -> None:
    api = logs.api(logs.chat())

    command("chat", "hi", "--supervisor-model", "a/b", "--worker-model", "c/d", api=api)

    assert api.connected[0]["flags"] == {
        "llm.models.supervisor.model": ("a/b", "--supervisor-model"),
        "llm.models.worker.model": ("c/d", "--worker-model"),
    }


def test_loop_sends_goal_check_and_rounds(command: "Command", logs: "Logs") -> None:
    api = logs.api([logs.started(RunKind.LOOP), e.RunFinished(state=RunState.COMPLETED)])

    arguments = ("loop", "make it pass", "--check", "pytest -q", "--budget", "3", "--max-iterations", "5")
    result = command(*arguments, api=api)

    assert result.code == 0
    assert api.submitted == [
        c.StartRun(
            kind=RunKind.LOOP,
            request="make it pass",
            check="pytest -q",
            budget=Decimal(3),
            rounds=5,
            can_ask=False,
        )
    ]


def test_epic_create_plans_and_stops_with_its_id(command: "Command", logs: "Logs") -> None:
    pause = e.RunPaused(reason=StopReason.APPROVAL_NEEDED, detail="the plan waits for approval")
    api = logs.api([logs.started(plan_only=True), *logs.planning()[:-1], pause])

    result = command("epic", "create", "Build", "it", api=api)

    assert (result.code, result.err) == (0, "")
    assert "epic-001 awaits approval: Bookmark service (6 tasks)" in result.out
    assert api.submitted == [
        c.StartRun(
            kind=RunKind.EPIC,
            request="Build it",
            plan=PlanMode.ALWAYS,
            multi_agent=True,
            can_ask=False,
            plan_only=True,
        )
    ]


def test_epic_run_approves_the_plan_and_executes_it(command: "Command", logs: "Logs") -> None:
    before = [
        logs.started(plan_only=True),
        *logs.planning()[:-1],
        e.RunPaused(reason=StopReason.APPROVAL_NEEDED),
    ]
    after = [e.RunResumed(options=logs.started().options), *logs.successful_epic()[len(logs.planning()) :]]
    api = logs.api([*before, *after], already=len(before))

    result = command("epic", "run", "epic-001", "--budget", "4", api=api)

    assert result.code == 0
    assert api.submitted == [c.ResumeRun(run=logs.run, budget=Decimal(4), approve=True, can_ask=False)]
    assert "Plan approved by --yes" in result.out


def test_epic_status_shows_tasks_dependencies_and_sync_points(command: "Command", logs: "Logs", golden: object) -> None:
    assert callable(golden)
    log = logs.successful_epic()
    working = next(place for place, event in enumerate(log) if isinstance(event, e.EscalationAsked))
    api = logs.api(log, already=working)

    result = command("epic", "status", "epic-001", api=api)

    golden("status.txt", result.out)
    assert result.code == 0


def test_epic_status_as_json_counts_from_the_task_states(command: "Command", logs: "Logs") -> None:
    log = logs.failing_epic()
    api = logs.api(log, already=len(log), answers=[q.ModelsAnswer(configured=())])

    shown = json.loads(command("epic", "status", "epic-001", "--output", "json", api=api).out)

    assert (shown["id"], shown["done"], shown["total"], shown["progress"]) == ("epic-001", 3, 6, 50.0)
    assert (shown["title"], shown["description"]) == ("Bookmark service", "Build a bookmark service")
    assert shown["tasks"][3]["needs"] == ["T2", "T3"]
    assert shown["sync_points"] == [
        {
            "id": "store-api",
            "epic": "epic-001",
            "description": "Functions of the store",
            "producer": "T2",
            "consumers": ["T4"],
            "type": "contracts",
            "detected": False,
            "content": None,
            "status": "pending",
            "version": None,
            "read_by": [],
            "checked": None,
            "differences": None,
        }
    ]


def test_epic_list_names_every_epic_and_no_chat(command: "Command", logs: "Logs") -> None:
    log = logs.failing_epic()
    talk = fold(event.model_copy(update={"run": RunId("run-chat")}) for event in logs.chat())

    result = command("epic", "list", api=logs.api(log, already=len(log), others=[talk]))

    assert "epic-001" in result.out
    assert "run-chat" not in result.out


def test_finished_epic_is_not_run_again(command: "Command", logs: "Logs") -> None:
    log = logs.failing_epic()

    result = command("epic", "run", "epic-001", api=logs.api(log, already=len(log)))

    assert result.code == 2
    assert result.err.startswith("error: epic-001 is failed already\nhint: ")


def test_runs_lists_state_money_and_title(command: "Command", logs: "Logs") -> None:
    now = datetime.now(UTC)
    row = q.RunSummary(
        run=RunId("run-1"),
        kind=RunKind.EPIC,
        epic=EpicId("epic-004"),
        title="Search page",
        state=RunState.PAUSED,
        phase="awaiting approval",
        done=0,
        tasks=4,
        usd=Decimal("0.12"),
        budget=Decimal(5),
        started=now,
        last=now - timedelta(hours=3),
        alive=False,
    )
    result = command("runs", api=logs.api(answers=[q.RunsAnswer(runs=(row,))]))
    as_json = command("runs", "--output", "json", api=logs.api(answers=[q.RunsAnswer(runs=(row,))]))

    assert re.split(r"\s{2,}", result.out.splitlines()[1].strip()) == [
        "run-1",
        "epic-004",
        "= awaiting approval",
        "0/4",
        "$0.1200 of $5.00",
        "3 h ago",
        "Search page",
    ]
    assert json.loads(as_json.out)["runs"][0]["usd"] == "0.12"


def test_models_marks_tool_calls_and_unknown_prices(command: "Command", logs: "Logs") -> None:
    answer = q.ModelsAnswer(
        configured=(
            q.ConfiguredModel(
                role="supervisor",
                name="openai/big",
                provider="openai",
                key="OPENAI_API_KEY is set",
                price=Price(input=Decimal("2.5"), output=Decimal(10), source="config llm.prices"),
            ),
            q.ConfiguredModel(role="worker", name="openai/big", note="same as supervisor"),
        ),
        discovered=(ModelInfo(name="big", tools=True, context_window=128000), ModelInfo(name="tiny", tools=False)),
        endpoint="http://127.0.0.1:1/v1",
    )
    api = logs.api(answers=[answer])

    result = command("models", "--discover", api=api)

    assert api.queried == [q.ModelsQuery(discover=True)]
    assert result.out == (
        "supervisor  openai/big\n"
        "            openai, OPENAI_API_KEY is set, price $2.50 in / $10.00 out per million tokens"
        " [config llm.prices]\n"
        "worker      openai/big (same as supervisor)\n"
        "            price unknown\n"
        "2 offered by http://127.0.0.1:1/v1\n"
        "  model  tool calls  context  max output\n"
        "  big    yes         128000   ?\n"
        "  tiny   no          ?        ?\n"
    )


def test_config_shows_value_and_source(command: "Command", logs: "Logs") -> None:
    entries = (
        q.ConfigEntry(key="llm.budget", value="5", source="flag --budget"),
        q.ConfigEntry(key="llm.models.worker.model", value="null", source="default", note="same as supervisor"),
    )
    answer = q.ConfigAnswer(entries=entries, warnings=(".equitr is not trusted",))

    result = command("config-cmd", api=logs.api(answers=[answer]))

    assert result.out == (
        "  key                      value  from\n"
        "  llm.budget               5      flag --budget\n"
        "  llm.models.worker.model  null   default (same as supervisor)\n"
    )
    assert result.err == "! .equitr is not trusted\n"


def test_doctor_fails_when_something_must_be_mended(command: "Command", logs: "Logs") -> None:
    findings = (
        q.Finding(name="git", state="ok", detail="2.39.5"),
        q.Finding(name="sandbox", state="bad", detail="no bubblewrap", fix="apt install bubblewrap"),
    )

    result = command("doctor", api=logs.api(answers=[q.DoctorAnswer(findings=findings)]))

    assert result.code == 2
    assert result.out == ("+ ok    git: 2.39.5\nx bad   sandbox: no bubblewrap\n        fix: apt install bubblewrap\n")


@pytest.mark.parametrize(("verdict", "code"), [("allow", 0), ("ask", 5), ("deny", 1)])
def test_policy_explain_says_decision_reason_and_rule_with_its_source(
    command: "Command", logs: "Logs", verdict: str, code: int
) -> None:
    decision = Decision(verdict=Verdict(verdict), reason="the rule says so", rule="permission.deny: git push*")
    answer = q.PolicyAnswer(
        decision=decision, source="user /home/x.yaml:3", mode=PermissionMode.AUTO, confinement="bubblewrap (0.8)"
    )
    api = logs.api(answers=[answer, answer])

    text = command("policy", "explain", "run_command", "git", "push", "--mode", "auto", api=api)
    data = command("policy", "explain", "run_command", "git push", "--output", "json", api=api)

    assert (text.code, data.code) == (code, code)
    assert api.queried == [
        q.PolicyQuery(tool="run_command", input="git push", mode=PermissionMode.AUTO),
        q.PolicyQuery(tool="run_command", input="git push"),
    ]
    assert text.out.startswith(f"{verdict}: ")
    assert "why    the rule says so\n  rule   permission.deny: git push* (user /home/x.yaml:3)\n" in text.out
    assert json.loads(data.out)["decision"]["rule"] == "permission.deny: git push*"


@pytest.mark.parametrize(("arguments", "trusted"), [(("trust",), True), (("trust", "--withdraw"), False)])
def test_trust_accepts_or_withdraws(
    command: "Command", logs: "Logs", arguments: tuple[str, ...], trusted: bool
) -> None:
    api = logs.api(
        answers=[q.TrustAnswer(present=True, trusted=trusted, changed=False, files=(".equitr/config.yaml",))]
    )

    result = command(*arguments, api=api)

    assert api.queried == [q.SetTrust(trusted=trusted)]
    assert ".equitr/config.yaml" in result.out


def test_resume_without_a_name_takes_the_newest_unfinished_run(command: "Command", logs: "Logs") -> None:
    before = [logs.started(), *logs.planning()[:-1], e.RunPaused(reason=StopReason.INTERRUPTED)]
    api = logs.api(
        [*before, e.RunResumed(options=logs.started().options), e.RunPaused(reason=StopReason.INTERRUPTED)],
        already=len(before),
    )

    command("resume", "--yes", "--budget", "20", api=api)

    assert api.submitted == [c.ResumeRun(budget=Decimal(20), yes=True, can_ask=False)]


def test_demo_is_handed_on_with_a_way_to_print(command: "Command") -> None:
    result = command("demo")

    assert (result.code, result.out) == (0, "The models are scripted.\n")


@pytest.mark.parametrize("arguments", [("version", "--verbose"), ("--version",)])
def test_version_is_printed(command: "Command", arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    result = command(*arguments)

    assert result.out + capsys.readouterr().out == f"equitrcoder {__version__}\n"
