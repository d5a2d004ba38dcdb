import csv
import io
import os
import pwd
import re
import signal
import sqlite3
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

from equitr_coder.testing.script import Rule, ScriptedReply, ScriptedUsage, always, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import documents, file_of, hands_in, plan_of, task, word_of, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
GROUPS = ("model", "agent", "task", "purpose", "day")
RATES = {
    "stub/strong": (Decimal(10), Decimal(1), Decimal(30)),
    "stub/weak": (Decimal(1), Decimal("0.1"), Decimal(3)),
}
PLANNING = ScriptedUsage(input=1_003, cache_read=507, output=211)
WORK = ScriptedUsage(input=2_017, cache_read=4_001, output=333)
ANSWER = ScriptedUsage(input=719, output=41)


def usd(model: str, usage: ScriptedUsage) -> Decimal:
    """By hand: fresh, cached and written tokens times dollars per million."""
    fresh, cached, written = RATES[model]
    assert usage.input is not None
    assert usage.output is not None
    return (usage.input * fresh + usage.cache_read * cached + usage.output * written) / 1_000_000


STRONG, WEAK, CHAT = usd("stub/strong", PLANNING), usd("stub/weak", WORK), usd("stub/weak", ANSWER)


def paid_script(*names: str) -> list[Rule]:
    """A planner and workers of one call each, with stated usage; and a chat that answers."""
    return [*paid_epic(*names), always(says("Hello.", usage=ANSWER), lacks=["hand_in", "submit_plan"])]


def paid_epic(*names: str) -> list[Rule]:
    """Planned once."""
    plan = says("", *documents(), plan_of(*(task(name) for name in names)), usage=PLANNING)
    built = [
        worker(name, says("", writes(file_of(name), f"{word_of(name)}\n"), hands_in(), usage=WORK)) for name in names
    ]
    return [rule(plan, model="strong", offers="submit_plan", times=1), *built]


def told(user: Stage, *arguments: str) -> dict[str, Any]:
    ended = user.run("cost", *arguments, "--output", "json")
    assert ended.code == 0, ended.brief
    return ended.result


def total(rows: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(row["usd"]) for row in rows), Decimal(0))


def two_lines(ended: Ended) -> tuple[str, str]:
    assert ended.code == 2, ended.brief
    first, second = ended.err.strip().splitlines()
    return first, second


def test_cost_adds_up_to_what_the_server_counted_for_both_models(stage: OpenStage) -> None:
    user = stage(paid_script("T1", "T2"))
    ran = user.run(*PLANNED, "--output", "json", "build words")
    assert ran.code == 0, ran.brief

    by_epic = told(user, "epic-001")

    expected = {"stub/strong": STRONG, "stub/weak": 2 * WEAK}
    assert {row["name"]: Decimal(row["usd"]) for row in by_epic["rows"]["model"]} == expected
    assert Decimal(by_epic["total"]) == sum(expected.values())
    assert len(by_epic["calls"]) == len(user.server.requests) == 3
    assert total(by_epic["calls"]) == Decimal(by_epic["total"])
    assert [(run["run"], run["limit"]) for run in by_epic["runs"]] == [(ran.result["run"], "10.00")]
    assert told(user, ran.result["run"]) == by_epic
    assert told(user, ran.result["run"].removeprefix("run-")[:5]) == by_epic

    chat = user.run("chat", "--output", "json", "hello")
    assert chat.code == 0, chat.brief

    both = told(user)
    assert Decimal(both["total"]) == STRONG + 2 * WEAK + CHAT
    assert [run["epic"] for run in both["runs"]] == [None, "epic-001"]
    assert told(user, "epic-001") == by_epic
    assert Decimal(told(user, chat.result["run"])["total"]) == CHAT


def test_every_breakdown_makes_the_total(stage: OpenStage) -> None:
    user = stage(paid_script("T1", "T2"))
    assert user.run(*PLANNED, "build words").code == 0
    assert user.run("chat", "hello").code == 0
    names = {
        "model": {"stub/strong", "stub/weak"},
        "task": {"-", "epic-001/T1", "epic-001/T2"},
        "purpose": {"planning", "work", "chat"},
    }

    for by in GROUPS:
        one = told(user, "--by", by)
        [rows] = one["rows"].values()
        assert total(rows) == Decimal(one["total"]) == STRONG + 2 * WEAK + CHAT
        assert {row["name"] for row in rows} == names.get(by, {row["name"] for row in rows})
        assert sum(row["calls"] for row in rows) == 4
        shown = user.run("cost", "--by", by)
        assert shown.code == 0, shown.brief
        assert f"by {by}" in shown.out
        assert shown.out.isascii()
        assert all(row["name"] in shown.out for row in rows if row["name"] != "-")

    whole = user.run("cost")
    assert [line for line in whole.out.splitlines() if line.startswith("by ")] == [
        "by run", "by model", "by agent", "by task", "by purpose",
    ]  # fmt: skip
    assert re.search(r"stub/strong +#+ +\$0\.0169 +\d+% +1 call  1510 in \(33% cached\), 211 out", whole.out)


def test_csv_has_a_line_for_each_call_with_everything_about_it(stage: OpenStage) -> None:
    user = stage(paid_script("T1"))
    ran = user.run(*PLANNED, "--output", "json", "build words")
    assert ran.code == 0, ran.brief

    rows = list(csv.DictReader(io.StringIO(user.run("cost", "--output", "csv").out, newline="")))

    assert [(row["model"], row["purpose"], row["task"], Decimal(row["usd"])) for row in rows] == [
        ("stub/strong", "planning", "", STRONG),
        ("stub/weak", "work", "T1", WEAK),
    ]
    name = pwd.getpwuid(os.getuid()).pw_name
    work = rows[1]
    assert {key: work[key] for key in ("user", "workspace", "run", "agent", "tier", "status", "basis")} == {
        "user": name,
        "workspace": str(user.repo),
        "run": ran.result["run"],
        "agent": "worker",
        "tier": "weak",
        "status": "settled",
        "basis": "reported",
    }
    assert [int(work[f"tokens_{kind}"]) for kind in ("input", "cache_read", "cache_write", "output")] == [
        2_017, 4_001, 0, 333,
    ]  # fmt: skip
    assert [Decimal(work[f"price_{kind}"]) for kind in ("input", "output", "cache_read")] == [1, 3, Decimal("0.1")]
    assert work["provider"]
    assert "llm.prices" in work["price_source"]
    assert Decimal(work["reserved"]) > Decimal(work["usd"])
    assert work["cache_share"] == "0.6648"
    assert datetime.fromisoformat(work["reserved_at"]) <= datetime.fromisoformat(work["ended_at"])


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.found: list[str | None] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_needs_nothing_from_outside(stage: OpenStage) -> None:
    user = stage(paid_script("T1"))
    assert user.run(*PLANNED, "build words").code == 0
    page = user.home / "cost.html"

    ended = user.run("cost", "epic-001", "--html", str(page))

    assert ended.code == 0, ended.brief
    text = page.read_text()
    links = Links(text)
    assert not re.search(r"https?://", text)
    assert links.found == []
    assert "script" not in links.tags
    assert links.tags.count("svg") >= 6
    assert {"By model", "By agent", "By task", "By purpose", "By day", "stub/strong", "T1"} <= set(links.words)
    assert f"${(STRONG + WEAK):.4f}" in links.words

    nowhere = user.run("cost", "--html", str(user.home / "missing" / "cost.html"))
    nobody = user.run("cost", "--html", "~nobody_of_that_name/cost.html")
    assert "cannot write" in two_lines(nowhere)[0]
    assert "there is no such user" in two_lines(nobody)[0]

    before = page.read_text()
    assert user.run("cost", "epic-001", "--html", str(page)).code == 0, "a page of ours is written anew"
    assert page.read_text()[:200] == before[:200]
    foreign = user.repo / "README.md"
    theirs = foreign.read_text()
    assert "is no page of ours" in two_lines(user.run("cost", "--html", str(foreign)))[0]
    assert foreign.read_text() == theirs


def test_a_forecast_is_a_prior_first_and_then_rests_on_past_tasks(stage: OpenStage) -> None:
    user = stage([*paid_epic("T1", "T2"), *paid_epic("T3", "T4")])

    first = user.run("epic", "create", "build words")

    assert first.code == 0, first.brief
    assert "a prior, not experience" in first.out
    assert re.search(r"Budget: \$9\.98\d\d left, (enough|tight)", first.out)
    requests = len(user.server.requests)
    waiting = user.run("epic", "status", "epic-001")
    assert "Forecast: " in waiting.out
    assert "Budget: $9.98" in waiting.out
    built = user.run("epic", "run", "epic-001", "--output", "json")
    assert built.code == 0, built.brief
    assert built.result["forecast"]["basis"] == "prior"
    assert len(user.server.requests) == requests + 2

    second = user.run("epic", "create", "--output", "json", "build words again")

    assert second.code == 0, second.brief
    forecast = second.result["forecast"]
    assert (forecast["basis"], forecast["past_tasks"], forecast["verdict"]) == ("same_model", 2, "enough")
    assert [(row["id"], row["past_tasks"]) for row in forecast["tasks"]] == [("T3", 2), ("T4", 2)]
    assert Decimal(forecast["total"]["likely"]) == 2 * WEAK.quantize(Decimal("1E-8"))
    assert Decimal(forecast["total"]["low"]) < 2 * WEAK < Decimal(forecast["total"]["high"])
    assert Decimal(forecast["left"]) == 10 - STRONG
    status = user.run("epic", "status", "epic-002")
    assert "rests on 2 past tasks of this workspace" in status.out
    assert user.run("epic", "status", "epic-002", "--output", "json").result["forecast"] == forecast

    assert user.run("epic", "run", "epic-002").code == 0
    past = user.run("cost", "--forecasts", "--output", "json").result
    assert [(row["epic"], row["forecast"]["past_tasks"], row["outcome"]) for row in past["forecasts"]] == [
        ("epic-002", 2, "inside"),
        ("epic-001", 0, "below"),
    ]
    assert [Decimal(row["spent"]) for row in past["forecasts"]] == [2 * WEAK, 2 * WEAK]
    assert (past["finished"], past["inside"], past["share_inside"]) == (2, 1, "0.5000")
    assert "Inside the range: 1 of 2 (50%)" in user.run("cost", "--forecasts").out


def test_a_forecast_warns_when_the_budget_will_not_do(stage: OpenStage) -> None:
    user = stage(paid_script("T1", "T2", "T3"), config={"llm": {"max_tokens": 600}})

    ended = user.run("epic", "create", "--budget", "0.10", "build words")

    assert ended.code == 0, ended.brief
    assert "short: even the likely cost does not fit" in ended.out
    assert user.run("epic", "status", "epic-001", "--output", "json").result["forecast"]["verdict"] == "short"


def test_the_summary_names_the_dearest_uses(stage: OpenStage) -> None:
    user = stage(paid_script("T1", "T2"))

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    head, after = ended.out.split("Most expensive (model / agent / purpose)\n")
    assert "Cost: " in head
    assert after.splitlines()[0].endswith("stub/strong / planner / planning")
    assert "stub/weak / worker_1 / work" in after
    top = user.run("epic", "status", "epic-001", "--output", "json").result["top"]
    assert [(use["model"], use["agent"], use["purpose"], Decimal(use["usd"])) for use in top] == [
        ("stub/strong", "planner", "planning", STRONG),
        ("stub/weak", "worker_1", "work", WEAK),
        ("stub/weak", "worker_2", "work", WEAK),
    ]
    assert told(user, "epic-001")["top"] == top


def test_an_open_reservation_is_shown_as_open(stage: OpenStage) -> None:
    user = stage([always(ScriptedReply(hang=True), model="weak")])
    process = user.start("chat", "hello")
    user.wait_for("weak")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    ended = user.run("cost")
    exact = told(user)

    assert ended.code == 0, ended.brief
    assert re.search(r"Open: 1 call with \$\d\.\d{4} reserved\n  \$\d.* stub/weak / assistant / chat since", ended.out)
    assert (exact["total"], exact["open_calls"]) == ("0", 1)
    [row] = exact["calls"]
    assert (row["status"], row["usd"], row["reserved"]) == ("open", None, exact["held"])


def test_an_unknown_price_is_shown_as_unknown(stage: OpenStage) -> None:
    user = stage(paid_script("T1"))
    user.environ["EQUITR_LLM__BUDGET"] = "unlimited"
    assert user.run("chat", "--model", "stub/new", "hello").code == 0

    ended = user.run("cost", "--by", "model")

    assert ended.code == 0, ended.brief
    assert re.search(r"stub/new .* unknown ", ended.out)
    assert "1 call without a known price (stub/new)" in ended.out
    exact = told(user)
    assert (exact["unpriced_calls"], exact["calls"][0]["usd"]) == (1, None)
    [line] = csv.DictReader(io.StringIO(user.run("cost", "--output", "csv").out, newline=""))
    assert line["usd"] == "unknown"


def test_a_terminal_gets_bars_of_blocks_unless_it_asks_for_none(stage: OpenStage) -> None:
    user = stage(paid_script("T1"))
    user.environ |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    assert user.run(*PLANNED, "build words").code == 0

    with user.terminal("cost", "epic-001", "--by", "model") as fancy:
        fancy.wait()
        assert re.search(r"stub/strong +█+ ", fancy.screen)
    user.environ["NO_COLOR"] = "1"
    with user.terminal("cost", "epic-001", "--by", "model") as plain:
        plain.wait()
        assert re.search(r"stub/strong +#+ ", plain.screen)


def test_an_unknown_run_or_a_wrong_call_is_two_lines(stage: OpenStage) -> None:
    user = stage(paid_script("T1"))
    for _ in range(2):
        assert user.run("chat", "hello").code == 0

    for arguments, words in (
        (("epic-009",), "there is no run or epic 'epic-009'"),
        (("run-nothing",), "there is no run or epic 'run-nothing'"),
        (("run",), "'run' is the beginning of 2 runs"),
        (("--output", "csv", "--by", "model"), "one line per call"),
        (("--by", "colour"), "colour"),
    ):
        first, second = two_lines(user.run("cost", *arguments))
        assert words in first
        assert second.startswith("hint: ")


def test_a_workspace_without_runs_costs_nothing(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])

    assert user.run("cost").out == "Cost: $0.0000 in 0 runs of this workspace, 0 calls\n"
    assert told(user)["total"] == "0"
    assert user.run("cost", "--output", "csv").out.count("\n") == 1
    assert "No forecasts here yet" in user.run("cost", "--forecasts").out


def test_a_damaged_log_is_named_and_left_out(stage: OpenStage) -> None:
    user = stage([always(says("Hello.", usage=ANSWER))])
    for text in ("one", "two"):
        assert user.run("chat", text).code == 0
    sound, damaged = (run["run"] for run in user.run("runs", "--output", "json").result["runs"])
    with closing(sqlite3.connect(user.equitr_home / "equitr.db")) as store, store:
        store.execute(
            "INSERT INTO events VALUES (?, 999, 'of_tomorrow', '{\"type\":\"of_tomorrow\"}', x'00')", (damaged,)
        )
        store.execute("UPDATE heads SET count = count + 1 WHERE run = ?", (damaged,))

    listed, summed = user.run("runs"), user.run("cost")
    asked = [user.run(command, damaged) for command in ("cost", "resume")]

    assert (listed.code, summed.code) == (0, 0)
    for ended in (listed, summed):
        assert f"! left out: {damaged}: the log is damaged, or a newer version wrote it" in ended.out
    assert sound in listed.out
    assert "in 1 run of this workspace, 1 call" in summed.out
    for ended in asked:
        first, second = two_lines(ended)
        assert f"the log of {damaged} cannot be read" in first
        assert "upgrade" in second
