"""Which requirements a plan's tasks say they fulfil (`covers`), against the numbers the document has. Pure.

A dotted number covers all below it: `2.1` stands for `2.1.1`, `2.1.2` and so on.
"""

import re
from collections.abc import Iterable

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.frozen import frozen
from equitr_coder.planning.markdown import items, read_sections
from equitr_coder.planning.structure import find_features

NUMBER = re.compile(r"(?<![A-Za-z0-9])(?P<kind>R|FR|NFR|REQ)[- ]?(?P<number>\d+(?:\.\d+)*)(?!\w)")
DOTTED = re.compile(r"(?<![\w.])\d+(?:\.\d+)+(?!\w)")
_RANGE = re.compile(
    r"(?<![A-Za-z0-9.])(?P<kind>R|FR|NFR|REQ|)[- ]?(?P<stem>(?:\d+\.)*)(?P<first>\d+)"
    r"\s*(?:-|–|—|to|through|\.\.\.?)\s*(?:(?P=kind)[- ]?)(?P=stem)(?P<last>\d+)(?![\w.])"
)
_MOST_IN_RANGE = 100


@frozen
class Requirement:
    number: str
    """Canonical, such as `R3` or `2.1.3`; empty when the document gives none."""
    text: str
    line: int


def read_requirements(text: str) -> tuple[Requirement, ...]:
    """The list items of the feature sections, and every item with a number of its own elsewhere."""
    features = set(find_features(text))
    found: list[Requirement] = []
    for section in read_sections(text):
        for item in items(section):
            plain = item.text.replace("**", "")
            match, dotted = NUMBER.search(plain[:20]), DOTTED.match(plain)
            if match or section in features:
                number = f"{match['kind']}{match['number']}" if match else dotted[0] if dotted else ""
                found.append(Requirement(number, plain, item.number))
    return tuple(found)


def named_numbers(text: str) -> set[str]:
    """Every number of a requirement that a text names, those inside a range such as `2.1.1-2.1.4` included."""
    named = {f"{match['kind']}{match['number']}" for match in NUMBER.finditer(text)} | set(DOTTED.findall(text))
    for match in _RANGE.finditer(text):
        first, last = int(match["first"]), int(match["last"])
        if (match["kind"] or match["stem"]) and first < last <= first + _MOST_IN_RANGE:
            named |= {f"{match['kind']}{match['stem']}{number}" for number in range(first, last + 1)}
    return named


def is_named(number: str, named: set[str]) -> bool:
    """By itself or, for a dotted number, by a section it stands in."""
    parts = number.split(".")
    return bool(number) and any(".".join(parts[:length]) in named for length in range(1, len(parts) + 1))


def tidy_covers(texts: Iterable[str]) -> tuple[str, ...]:
    """One number an entry, ranges spelled out; what names no number is kept as it was, to be called unknown."""
    found: list[str] = []
    for text in texts:
        plain = " ".join(text.split())
        found += sorted(named_numbers(plain), key=_natural) or ([plain] if plain else [])
    return tuple(dict.fromkeys(found))


def coverage_problems(plan: Plan, requirements: str) -> list[str]:
    """Numbers that no task covers, and covered ones that the document does not have; nothing while no task uses
    `covers`, or the document has no numbers.
    """
    covered = {number for task in plan.tasks for number in task.covers}
    numbered = [requirement for requirement in read_requirements(requirements) if requirement.number]
    if not covered or not numbered:
        return []
    known = _all_numbers(requirements)
    problems = [
        f"no task covers requirement {requirement.number}: {_shortened(_without_number(requirement))}"
        for requirement in numbered
        if not is_named(requirement.number, covered)
    ]
    problems += [
        f"task {task.id} covers {number}, which is not a number in requirements.md"
        for task in plan.tasks
        for number in task.covers
        if number not in known
    ]
    return problems


def _all_numbers(text: str) -> set[str]:
    """Of headings and items anywhere in the document, with every section that they stand in."""
    found: set[str] = set()
    for section in read_sections(text):
        found.add(section.number)
        found |= named_numbers(section.title)
        for item in items(section):
            found |= named_numbers(item.text[:40])
    dotted = {number for number in found if number}
    return dotted | {
        ".".join(number.split(".")[:length]) for number in dotted for length in range(1, number.count("."))
    }


def _without_number(requirement: Requirement) -> str:
    return requirement.text.removeprefix(requirement.number).lstrip(" .):-")


def _natural(number: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[^\d.]+", number)]


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
