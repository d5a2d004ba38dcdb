"""Whether the documents have the sections they must have. Tolerant in wording, letter case and numbering style.

Every finding is a sentence for the planner and for review; nothing here blocks.
"""

import re
from collections.abc import Iterable

from equitr_coder.planning.markdown import Section, below, read_sections
from equitr_coder.planning.services import read_services, unknown_dependencies

_OVERVIEW = r"overview|introduction|intro|purpose|summary|goals?|objectives?|scope|background|context|vision|about"
_NON_FUNCTIONAL = (
    r"non[- ]?functional|nfrs?|quality|constraints|performance|reliability|security (?:and|&)|service levels?"
)
_FEATURES = (
    r"features?|functional|functionality|capabilit(?:y|ies)|(?:micro-?)?services?|user stories|use cases|requirements"
    r"|components?|modules?|behaviou?r|commands?|what it does"
)
_ARCHITECTURE = r"architecture|system design|high[- ]level|overview|structure|approach|components?|modules?"
_DEPLOYMENT = (
    r"deploy\w*|infrastructure|operations?|hosting|releas(?:e|es|ing)|packaging|distribution|install\w*|rollout"
    r"|delivery|running|run it|environments?"
)


def requirements_problems(text: str) -> tuple[str, ...]:
    """Overview, features (per service or part) and non-functional requirements, under numbered headings."""
    sections = _without_title(read_sections(text))
    whole = read_sections(text)
    non_functional = _find(sections, _NON_FUNCTIONAL)
    rest = tuple(section for section in sections if section not in non_functional)
    overview = _find(rest, _OVERVIEW)
    features = _find(tuple(section for section in rest if section not in overview), _FEATURES)
    problems: list[str] = []
    for found, subject in (
        (overview, "overview"),
        (features, "features"),
        (non_functional, "non-functional requirements"),
    ):
        problems += _missing_or_empty(found, whole, document="requirements.md", subject=subject)
    problems += [
        f"requirements.md, line {part.line}: {part.title} lists no features"
        for section in features[:1]
        for part in _children(whole, section)
        if not _has_content(whole, part)
    ]
    return (*problems, *_unnumbered(sections))


def design_problems(text: str) -> tuple[str, ...]:
    """Architecture and deployment; of every service that is named its database, endpoints and dependencies."""
    whole = read_sections(text)
    sections = _without_title(whole)
    deployment = _find(sections, _DEPLOYMENT)
    architecture = _find(tuple(section for section in sections if section not in deployment), _ARCHITECTURE)
    problems: list[str] = []
    for found, subject in ((architecture, "architecture"), (deployment, "deployment")):
        problems += _missing_or_empty(found, whole, document="design.md", subject=subject)
    for service in read_services(text):
        if service.missing:
            problems.append(
                f"design.md, line {service.line}: {service.name} does not state its {_listed(service.missing)}"
            )
    problems += [
        f"design.md: {service} depends on {name}, which the design does not describe"
        for service, name in unknown_dependencies(text)
    ]
    return tuple(problems)


def find_features(text: str) -> tuple[Section, ...]:
    """The sections of a requirements document that hold features: the first on features, and all inside it."""
    whole = read_sections(text)
    sections = _without_title(whole)
    named = [
        section
        for section in _find(sections, _FEATURES)
        if not _matches(section, _NON_FUNCTIONAL) and not _matches(section, _OVERVIEW)
    ]
    top = min((section.level for section in named), default=0)
    chosen: list[Section] = []
    for section in named:
        if section.level == top:
            chosen += [section, *below(whole, section)]
    return tuple(dict.fromkeys(chosen))


def _without_title(sections: tuple[Section, ...]) -> tuple[Section, ...]:
    """A single heading of the highest level that stands first, without a number, is the document's title."""
    if not sections:
        return ()
    first, rest = sections[0], sections[1:]
    return rest if rest and not first.number and all(section.level > first.level for section in rest) else sections


def _find(sections: Iterable[Section], pattern: str) -> tuple[Section, ...]:
    """Matching sections, the shallowest first."""
    return tuple(sorted((s for s in sections if _matches(s, pattern)), key=lambda s: (s.level, s.line)))


def _matches(section: Section, pattern: str) -> bool:
    return re.search(rf"\b(?:{pattern})(?!\w)", section.title, re.IGNORECASE) is not None


def _missing_or_empty(
    found: tuple[Section, ...], whole: tuple[Section, ...], *, document: str, subject: str
) -> list[str]:
    if not found:
        return [f"{document} has no section on {subject}"]
    if not any(_has_content(whole, section) for section in found):
        return [f"{document}, line {found[0].line}: the section on {subject} is empty"]
    return []


def _has_content(whole: tuple[Section, ...], section: Section) -> bool:
    return bool(section.text) or any(inner.text for inner in below(whole, section))


def _children(whole: tuple[Section, ...], section: Section) -> list[Section]:
    inside = below(whole, section)
    level = min((inner.level for inner in inside), default=0)
    return [inner for inner in inside if inner.level == level]


def _unnumbered(sections: tuple[Section, ...]) -> list[str]:
    level = min((section.level for section in sections), default=0)
    bare = [section.title for section in sections if section.level == level and not section.number]
    if not bare:
        return []
    return [
        f'requirements.md: {_listed(bare)} {"is" if len(bare) == 1 else "are"} not numbered (write "## 1. {bare[0]}")'
    ]


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
