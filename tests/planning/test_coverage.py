import pytest

from equitr_coder.domain.epic import Plan
from equitr_coder.planning.coverage import coverage_problems, tidy_covers

REQUIREMENTS = """# Shop

## 1. Overview
A shop.

## 2. Features
### 2.1 Import
- 2.1.1 Import a file
- 2.1.2 Refuse a bad one
### 2.2 Export
- 2.2.1 Export a file
- without a number

## 3. Non-functional requirements
- 3.1 It is fast
"""


def problems(*covers: list[str], requirements: str = REQUIREMENTS) -> list[str]:
    tasks = [{"id": f"T{n}", "title": "x", "covers": covered} for n, covered in enumerate(covers, start=1)]
    return coverage_problems(Plan.model_validate({"title": "p", "tasks": tasks}), requirements)


@pytest.mark.parametrize(
    "covers",
    [
        ([], []),
        (["2.1.1", "2.1.2"], ["2.2.1"]),
        (["2.1"], ["2.2"]),
        (["2"], []),
        (["2.1", "2.2.1", "3.1", "3"], []),
    ],
)
def test_numbers_and_sections_cover_requirements(covers: tuple[list[str], ...]) -> None:
    assert problems(*covers) == []


def test_every_number_without_a_task_and_every_number_that_is_none_is_named() -> None:
    assert problems(["2.1.1"], ["2.3", "9.9.9"]) == [
        "no task covers requirement 2.1.2: Refuse a bad one",
        "no task covers requirement 2.2.1: Export a file",
        "task T2 covers 2.3, which is not a number in requirements.md",
        "task T2 covers 9.9.9, which is not a number in requirements.md",
    ]


def test_lettered_numbers_are_numbers() -> None:
    text = "## 1. Features\n- R1: Log in\n- R2: Log out\n"

    assert problems(["R1"], requirements=text) == ["no task covers requirement R2: Log out"]
    assert problems(["R1", "R2"], requirements=text) == []


def test_a_document_without_numbers_asks_for_nothing() -> None:
    assert problems(["2.1.1"], requirements="## Features\n- Log in\n") == []


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (["2.1.1-2.1.3"], ("2.1.1", "2.1.2", "2.1.3")),
        (["2.1.1, 2.1.10 and 2.1.2"], ("2.1.1", "2.1.2", "2.1.10")),
        (["R-3", "FR 2"], ("R3", "FR2")),
        ([" 2 ", "2", ""], ("2",)),
        (["the log-in"], ("the log-in",)),
    ],
)
def test_covers_are_kept_one_number_an_entry(written: list[str], kept: tuple[str, ...]) -> None:
    assert tidy_covers(written) == kept
    assert tidy_covers(kept) == kept
