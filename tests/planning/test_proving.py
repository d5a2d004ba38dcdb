import asyncio

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.proving import Proving, dependent_tests

TEST = "python3 -m unittest tests.test_sale"


class Probe:
    """Implements `ports.CheckProbe`; remembers what it ran."""

    def __init__(self, *passing: str) -> None:
        self.passing = passing
        self.ran: list[str] = []

    async def passes_untouched(self, command: str) -> bool:
        self.ran.append(command)
        return command in self.passing


def task(name: str, check: str | None, **fields: object) -> Task:
    return Task.model_validate({"id": name, "title": name, "check": check} | fields)


def plan(*tasks: Task) -> Plan:
    return Plan(title="Shop", tasks=tasks)


def problems(probe: Probe, *plans: Plan) -> list[list[str]]:
    proving = Proving(probe)

    async def look() -> list[list[str]]:
        found = []
        for each in plans:
            await proving.look(each)
            found.append(proving.problems(each))
        return found

    return asyncio.run(look())


def test_every_check_that_passes_already_is_told_at_once() -> None:
    probe = Probe("make lint", "grep a b")

    [found] = problems(probe, plan(task("T1", "make lint"), task("T2", "make test"), task("T3", "grep a b")))

    assert [text.split("`")[1] for text in found] == ["make lint", "grep a b"]
    assert all("check_reason" in text for text in found)


def test_a_reason_settles_it_and_nothing_is_run() -> None:
    probe = Probe("make lint")

    [found] = problems(probe, plan(task("T1", "make lint", check_reason="a refactoring")))

    assert (found, probe.ran) == ([], [])


def test_a_check_is_run_once_however_often_the_plan_comes() -> None:
    probe = Probe("make lint")
    twice = plan(task("T1", "make lint"), task("T2", "make lint"), task("T3", None))

    first, second = problems(probe, twice, twice)

    assert probe.ran == ["make lint"]
    assert len(first) == len(second) == 2


def test_what_cannot_fail_is_told_elsewhere_and_not_run() -> None:
    probe = Probe("true")

    assert problems(probe, plan(task("T1", "true"))) == [[]]
    assert probe.ran == []


def test_tests_that_only_their_own_task_writes_are_named() -> None:
    alone = plan(task("T1", TEST, files=["sale.py", "tests/test_sale.py"]))
    by_folder = plan(task("T1", "pytest tests/test_sale.py", files=["sale.py", "tests/"]))

    assert ["tests/test_sale.py" in text for text in dependent_tests(alone, ["shop.py"])] == [True]
    assert ["tests/test_sale.py" in text for text in dependent_tests(by_folder, ["shop.py"])] == [True]


def test_tests_of_another_task_or_of_the_repository_are_fine() -> None:
    other = plan(task("T1", None, files=["tests/test_sale.py"]), task("T2", TEST, files=["sale.py"]))
    own = plan(task(TaskId("T1"), TEST, files=["sale.py", "tests/test_sale.py"]))

    assert dependent_tests(other, ["shop.py"]) == []
    assert dependent_tests(own, ["tests/test_sale.py"]) == []


def test_none_on_purpose_differs_from_left_out() -> None:
    assert (task("T1", "none").check, task("T1", "none").check_waived) == (None, True)
    assert (task("T1", None).check, task("T1", None).check_waived) == (None, False)
