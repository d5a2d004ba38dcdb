import json
import subprocess
import sys
from decimal import Decimal

import pytest

from equitr_coder.testing.script import ScriptedReply, always, call, calls, rule, says
from tests.e2e.conftest import Ended, OpenStage
from tests.e2e.scenes import (
    DESIGN,
    REQUIREMENTS,
    advises,
    builds,
    fails_with,
    file_of,
    first_message,
    gate,
    hands_in,
    held,
    plans,
    rewrites,
    six_tasks,
    system_message,
    task,
    word_of,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
LARGE = """Build a complete e-commerce platform with a microservices architecture:
- a user service with registration, login and roles
- a product catalogue with search and categories
- a shopping cart, payments, orders and an inventory service
- a React frontend, PostgreSQL databases, RabbitMQ between the services
- Docker images, Helm charts and monitoring, with tests for every part"""


def purposes(ended: Ended, **fields: str) -> list[str]:
    return [event["purpose"] for event in ended.of("model_call_settled", **fields)]


def test_both_spellings_of_multi_agent_plan_with_the_strong_and_work_with_the_weak(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2", needs=("T1",))), builds("T1"), builds("T2")],
        config={"orchestrator": {"max_workers": 1}},
    )
    start = user.tip()

    short = user.run("chat", "-M", "--plan", "always", "--yes", "--output", "stream-json", "build words")
    user.git("reset", "-q", "--hard", start)
    long = user.run("chat", "--multi-agent", "--plan", "always", "--yes", "--output", "stream-json", "build words")

    assert short.code == 0, short.brief
    assert long.code == 0, long.brief
    assert short.kinds() == long.kinds()
    for ended in (short, long):
        settled = ended.of("model_call_settled")
        assert {(event["purpose"], event["model"], event["tier"]) for event in settled} == {
            ("planning", "stub/strong", "strong"),
            ("work", "stub/weak", "weak"),
        }
    assert all("submit_plan" in request.tools for request in user.asked("strong"))
    assert all("hand_in" in request.tools for request in user.asked("weak"))


def test_workers_read_the_same_documents_and_only_their_own_task(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task("T1", todos=["lay the first stone", "lay the second stone"]),
                task("T2", todos=["paint the roof"], check="grep -c T2-built t2.txt"),
            ),
            builds("T1"),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    first, second = sorted(first_message(request) for request in user.asked("weak"))
    if word_of("T1") not in first:
        first, second = second, first
    shared = next(index for index, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    documents = first[:shared]
    assert REQUIREMENTS.strip() in documents
    assert DESIGN.strip() in documents
    assert "docs/todos.md" in documents
    assert len(documents) > len(REQUIREMENTS) + len(DESIGN)
    for needle in ("T1", "title of T1", f"Write {file_of('T1')}", "lay the first stone", "lay the second stone"):
        assert needle in first[shared - 10 :], needle
    assert "grep T1-built t1.txt" in first[shared:]
    assert "grep -c T2-built t2.txt" in second[shared:]
    assert "paint the roof" in second
    assert "paint the roof" not in first
    assert "stone" not in second
    assert word_of("T1") not in second
    assert word_of("T2") not in first


def test_the_documents_are_in_the_worktree_before_the_first_worker_is_asked(stage: OpenStage) -> None:
    user = stage(
        [
            gate("look"),
            plans(task("T1"), task("T2", needs=("T1",))),
            worker("T1", ScriptedReply(calls=(writes(file_of("T1"), "T1-built\n"), hands_in()), barrier=held("look"))),
            builds("T2"),
        ]
    )
    process = user.start(*PLANNED, "--output", "stream-json", "build words")
    user.wait_for("weak")

    [worktree] = [path for path in user.equitr_home.glob("worktrees/*/*/*") if path.name == "T1"]
    sizes = {name: (worktree / f"docs/{name}.md").stat().st_size for name in ("requirements", "design", "todos")}
    status, head = user.git("status", "--porcelain"), user.git("log", "--format=%s")
    user.open_gate("look")
    out, err = process.communicate(timeout=30)

    assert process.returncode == 0, out[-2000:] + err
    assert min(sizes.values()) > 0
    assert (status, head) == ("", "start")
    assert user.read("docs/requirements.md").endswith(REQUIREMENTS)


def test_a_run_of_six_tasks_tells_its_story(stage: OpenStage) -> None:
    names = [f"T{number}" for number in range(1, 7)]
    user = stage([plans(*six_tasks()), *(builds(name) for name in names)])

    ended = user.run(*PLANNED, "build six words")

    assert ended.code == 0, ended.brief
    lines = ended.out.splitlines()
    assert "6 tasks" in ended.out
    assert "spawning workers" in ended.out.lower()
    for name in names:
        done = next(index for index, line in enumerate(lines) if f"{name} title of {name}" in line and "done" in line)
        assert any(line.lstrip().startswith(("-", "*", "•")) for line in lines[done + 1 : done + 3]), lines[done:]
        assert any(f"create {file_of(name)}" in line for line in lines)
    assert "6 done, 0 failed" in ended.out
    assert "\x1b" not in ended.out
    assert ended.err == ""

    report = json.loads(user.run("runs", "--output", "json").out)["runs"][0]
    costs = {
        model: sum(
            Decimal(request_cost)
            for request_cost in (line.split("$")[1].split()[0] for line in lines if line.strip().startswith(model))
        )
        for model in ("stub/strong", "stub/weak")
    }
    assert min(costs.values()) > 0
    assert abs(sum(costs.values()) - Decimal(report["usd"])) < Decimal("0.0002")


def test_workers_are_named_by_area(stage: OpenStage) -> None:
    areas = {"T1": "infrastructure", "T2": "backend", "T3": "backend", "T4": "frontend"}
    user = stage([plans(*(task(name, specialization=area) for name, area in areas.items())), *map(builds, areas)])

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    for name in ("infrastructure_worker", "backend_worker_1", "backend_worker_2", "frontend_worker"):
        assert name in ended.out


def test_multi_agent_may_be_the_default(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2")), builds("T1"), builds("T2")],
        config={"orchestrator": {"use_multi_agent": True, "plan": "always"}},
    )

    ended = user.run("chat", "--yes", "build words")

    assert ended.code == 0, ended.brief
    assert {request.model for request in user.server.requests} == {"strong", "weak"}


def test_one_model_may_serve_both_tiers(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2"), model="only"),
            builds("T1", model="only"),
            builds("T2", model="only"),
        ],
        config={
            "llm": {
                "model": "stub/only",
                "models": {"supervisor": None, "worker": None},
                "prices": {"stub/only": {"input": 1, "output": 1}},
            }
        },
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert {request.model for request in user.server.requests} == {"only"}
    assert set(purposes(ended)) == {"planning", "work"}
    assert {event["tier"] for event in ended.of("model_call_settled")} == {"strong", "weak"}
    assert "same as supervisor" in user.run("models").out


def test_auto_plans_large_requests_and_sends_small_ones_to_one_worker(stage: OpenStage) -> None:
    small = rule(says("", writes("typo.txt", "x\n"), hands_in()), model="weak", first="fix the typo")
    direct = rule(says("", writes("shop.txt", "x\n"), hands_in()), model="weak", first="e-commerce")
    user = stage(
        [plans(task("T1"), task("T2")), builds("T1"), builds("T2"), small, direct, advises("Begin with the cart.")],
        config={"orchestrator": {"review": "none"}},
    )

    def planned() -> int:
        return sum("submit_plan" in request.tools for request in user.asked("strong"))

    ended = user.run("chat", "-M", "--yes", "--check", "true", "fix the typo in README.md")
    assert ended.code == 0, ended.brief
    assert {request.model for request in user.server.requests} == {"weak"}

    ended = user.run("chat", "-M", "--yes", "--plan", "never", "--check", "true", LARGE)
    assert ended.code == 0, ended.brief
    assert planned() == 0

    ended = user.run("chat", "-M", "--yes", LARGE)
    assert ended.code == 0, ended.brief
    assert planned() == 1


def test_each_tier_may_be_named_for_a_run(stage: OpenStage) -> None:
    free = {"input": 0, "output": 0}
    user = stage(
        [plans(task("T1"), task("T2"), model="chief"), builds("T1", model="hand"), builds("T2", model="hand")],
        config={"llm": {"prices": {"stub/chief": free, "stub/hand": free}}},
    )

    ended = user.run(*PLANNED, "--supervisor-model", "stub/chief", "--worker-model", "stub/hand", "build words")

    assert ended.code == 0, ended.brief
    assert {request.model for request in user.server.requests} == {"chief", "hand"}


def test_a_direct_task_without_a_check_is_called_unchecked(stage: OpenStage) -> None:
    user = stage([rule(says("", writes("new.txt", "x\n"), hands_in()), model="weak")])
    direct = ("chat", "-M", "--plan", "never", "--yes")

    unchecked = user.run(*direct, "write it")
    assert unchecked.code == 0, unchecked.brief
    assert "unchecked" in unchecked.out
    assert "receipt" not in unchecked.out

    user.git("rm", "-q", "new.txt")
    user.git("commit", "-qm", "again")
    checked = user.run(*direct, "--check", "test -f new.txt", "--output", "json", "write it")
    assert checked.code == 0, checked.brief
    [only] = checked.result["tasks"]
    assert only["receipt"]["checks"][0]["command"] == "test -f new.txt"

    user.git("rm", "-q", "new.txt")
    user.git("commit", "-qm", "and again")
    unchecked = user.run(*direct, "--output", "json", "write it")
    assert unchecked.result["tasks"][0]["receipt"] is None


def test_each_task_is_one_commit_with_only_its_own_files(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2"), task("T3", needs=("T1",))),
            worker(
                "T1",
                says("", writes(file_of("T1"), "T1-built\n")),
                says("", call("run_command", command="python3 -c 'import tool' && touch stray.log")),
                says("", hands_in()),
            ),
            builds("T2"),
            builds("T3"),
        ]
    )
    start = user.commit({".gitignore": "*.log\n", "tool.py": "x = 1\n"})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    agents = {event["task"]: event["agent"] for event in ended.of("task_changed", state="done")}
    for name in ("T1", "T2", "T3"):
        hashes = user.git("log", f"{start}..main", "--format=%H", f"--grep=^{name}\\b", "--perl-regexp").splitlines()
        assert len(hashes) == 1, (name, hashes)
        [commit] = hashes
        assert user.git("show", "--name-only", "--format=", commit).splitlines() == [file_of(name)]
        assert agents[name] in user.git("show", "-s", "--format=%B", commit)
        assert len(user.git("show", "-s", "--format=%P", commit).split()) == 1
    assert user.git("status", "--porcelain", "--ignored") == ""


def test_a_critical_task_is_advised_built_and_reviewed(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", critical=True), task("T2")),
            worker(
                "T1",
                calls("ask_supervisor", question="How are passwords stored?"),
                says("", writes(file_of("T1"), "T1-built with care\n"), hands_in()),
            ),
            builds("T2"),
            always(calls("review", verdict="approve", reasons=[]), model="strong", offers="review"),
            advises("Hash them."),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "a user management with passwords")

    assert ended.code == 0, ended.brief
    assert purposes(ended, task="T1") == ["work", "escalation", "work", "review"]
    [review] = [request for request in user.asked("strong") if "review" in request.tools]
    assert "T1-built with care" in json.dumps(review.messages)
    assert word_of("T2") not in first_message(review)
    assert "reject" in system_message(review)


def test_a_rejected_review_sends_the_task_back_with_its_reasons(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", critical=True), task("T2")),
            worker(
                "T1",
                says("", *rewrites(file_of("T1"), "T1-built well\n"), hands_in()),
                first=["the password is in the clear"],
            ),
            builds("T1"),
            builds("T2"),
            rule(
                calls("review", verdict="reject", reasons=["the password is in the clear"]),
                model="strong",
                offers="review",
                times=1,
            ),
            always(calls("review", verdict="approve", reasons=["sound"]), model="strong", offers="review"),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert user.read(file_of("T1")) == "T1-built well\n"
    assert [event["approved"] for event in ended.of("review_given")] == [False, True]
    [done] = ended.of("task_changed", task="T1", state="done")
    assert done["attempt"] == 2


@pytest.mark.parametrize(("review", "critical"), [("none", True), ("critical", False)])
def test_only_critical_work_is_reviewed_by_default(stage: OpenStage, review: str, critical: bool) -> None:
    user = stage(
        [plans(task("T1", critical=critical), task("T2")), builds("T1"), builds("T2")],
        config={"orchestrator": {"review": review}},
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert len(user.asked("strong")) == 1


def test_only_the_todos_of_done_tasks_are_ticked(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2")), builds("T1"), fails_with("T2"), advises()],
        config={"orchestrator": {"max_attempts": 1}},
    )

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 1, ended.brief
    todos = user.git("show", f"{ended.result['branch']}:docs/todos.md").splitlines()
    assert [line for line in todos if "create t1.txt" in line] == ["- [x] 1. create t1.txt"]
    assert [line for line in todos if "create t2.txt" in line] == ["- [ ] 2. create t2.txt"]
    assert not (user.repo / "docs").exists()


def test_the_user_is_told_which_files_workers_do_not_see(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    user.write({"README.md": "# My own Shop\n", "notes.txt": "mine\n"})

    ended = user.run(*PLANNED, "build words")

    assert "README.md" in ended.text
    assert "notes.txt" in ended.text
    assert (user.read("README.md"), user.read("notes.txt")) == ("# My own Shop\n", "mine\n")


SNIPPET = """
import asyncio
from equitr_coder.core.config import config_manager
from equitr_coder.core.orchestrator import AgentOrchestrator

async def run_multi_agent():
    config = config_manager.load_config("default")
    config.orchestrator.use_multi_agent = True

    orchestrator = AgentOrchestrator(config, ".")

    result = await orchestrator.run("Fix the typo in the README")

    print(f"Cost: ${result['cost']:.4f}")
    print(f"Content: {result['content']}")

asyncio.run(run_multi_agent())
"""


def test_the_programmatic_door_answers_with_content_and_cost(stage: OpenStage) -> None:
    user = stage([rule(says("", *rewrites("README.md", "# The Shop\n"), hands_in("mended the typo")), model="weak")])

    ran = subprocess.run(
        [sys.executable, "-c", SNIPPET], cwd=user.repo, env=user.environ, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr
    cost, content = ran.stdout.splitlines()[-2:]
    assert cost.startswith("Cost: $0.00")
    assert cost != "Cost: $0.0000"
    assert "mended the typo" in content
    assert user.read("README.md") == "# The Shop\n"
