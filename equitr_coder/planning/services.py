"""The services a design names, with their database, endpoints and dependencies, and the edges between them."""

import re
from collections.abc import Iterable, Iterator, Sequence

from equitr_coder.domain.frozen import frozen
from equitr_coder.planning.keywords import keywords
from equitr_coder.planning.markdown import Line, Section, below, read_sections, split_numbering

_FIELDS = {
    "database": r"databases?|data ?stores?|storage|persistence|db",
    "endpoints": r"endpoints?|apis?|routes?|interfaces?|public api",
    "dependencies": r"dependenc(?:y|ies)|depends on|needs|requires",
}
_FIELD_LINE = re.compile(
    r"^\s*(?:[-*+]\s+|\|\s*)?\**(?P<name>"
    + "|".join(_FIELDS.values())
    + r")\**\s*(?::|\||\s[-–—]\s)\**\s*(?P<value>.*)$",
    re.IGNORECASE,
)
_SERVICE_TITLE = re.compile(r"\b(?:micro-?)?service(?:\s*\([^)]*\))?$", re.IGNORECASE)
_SERVICE_PARENT = re.compile(r"\b(?:micro-?)?services?\b", re.IGNORECASE)
_NOT_A_LIST_OF_SERVICES = re.compile(
    r"architecture|communication|discovery|mesh|deployment|overview|parts?\b|components?\b|modules?\b", re.IGNORECASE
)
_NONE = re.compile(r"^(?:none|nothing|n/?a)\b|^no$|^[-–—]?$", re.IGNORECASE)
_FILLER = re.compile(r"\b(?:the|micro-?services?|services?)\b", re.IGNORECASE)
_SEPARATOR = re.compile(r",|;|/|\band\b|&|\+", re.IGNORECASE)


@frozen
class Service:
    """`database` and `endpoints` are empty, `dependencies` None, when the design does not state them.

    A part of a library or tool that states nothing but its dependencies is read too; `is_part` tells it.
    """

    name: str
    line: int
    database: str
    endpoints: str
    dependencies: tuple[str, ...] | None
    """Names as written, without remarks in brackets."""
    is_part: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        if self.is_part:
            return ()
        stated = {"database": self.database, "endpoints": self.endpoints}
        lacking = [name for name, value in stated.items() if not value]
        return (*lacking, *(("dependencies",) if self.dependencies is None else ()))


@frozen
class Edge:
    """`service` depends on `needs`; both as the design's headings name them."""

    service: str
    needs: str


def read_services(design: str) -> tuple[Service, ...]:
    """Sections that are called "... Service", stand in a section on services, or state at least two of database,
    endpoints and dependencies; and parts that state dependencies.
    """
    sections = read_sections(design)
    found = (_service(section, sections) for section in sections if section.path and not _field_of(section.title))
    return tuple(service for service in found if service is not None)


def service_names(document: str) -> tuple[str, ...]:
    """The services that a document's headings name, its main title aside."""
    return tuple(
        section.title for section in read_sections(document) if section.path and _SERVICE_TITLE.search(section.title)
    )


def read_edges(services: Sequence[Service]) -> tuple[Edge, ...]:
    """Dependencies between the services; names that are none of them are left out."""
    edges = [
        Edge(service.name, found.name)
        for service in services
        for name in service.dependencies or ()
        if (found := find_service(name, services)) is not None and found.name != service.name
    ]
    return tuple(dict.fromkeys(edges))


def unknown_dependencies(design: str) -> tuple[tuple[str, str], ...]:
    """(service, name) where the name is no service and the design mentions it nowhere but in dependency lines.

    A message broker or a cache that the architecture section describes is therefore known.
    """
    services = read_services(design)
    described = " ".join(_significant(line) for line in _lines_without_dependencies(design))
    return tuple(
        (service.name, name)
        for service in services
        for name in service.dependencies or ()
        if find_service(name, services) is None and f" {_significant(name)} " not in f" {described} "
    )


def find_service(name: str, services: Sequence[Service]) -> Service | None:
    """By the whole name without the word "service", else by a part of it that only one service has."""
    plain = _significant(name)
    exact = [service for service in services if _significant(service.name) == plain]
    if exact:
        return exact[0]
    words = set(plain.split())
    alike = [service for service in services if words and _is_part(words, set(_significant(service.name).split()))]
    return alike[0] if len(alike) == 1 else None


def service_words(name: str) -> frozenset[str]:
    """The words by which tasks and files would name the service."""
    return keywords(_FILLER.sub(" ", name))


def _is_part(one: set[str], other: set[str]) -> bool:
    return one <= other or (bool(other) and other <= one)


def _significant(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", _FILLER.sub(" ", text).lower()))


def _is_service_list(title: str) -> bool:
    return bool(_SERVICE_PARENT.search(title)) and not (
        _NOT_A_LIST_OF_SERVICES.search(title) or _SERVICE_TITLE.search(title)
    )


def _service(section: Section, sections: tuple[Section, ...]) -> Service | None:
    stated: dict[str, list[str]] = {}
    for name, value in _fields_of(section, sections):
        stated.setdefault(name, []).append(value)
    is_called_service = _is_service_list(section.path[-1]) or _SERVICE_TITLE.search(section.title) is not None
    dependencies = stated.get("dependencies")
    is_part = not is_called_service and len(stated) < 2
    if is_part and dependencies is None:
        return None
    return Service(
        name=section.title,
        line=section.line,
        database=" ".join(stated.get("database", ())).strip(),
        endpoints=" ".join(stated.get("endpoints", ())).strip(),
        dependencies=_split_names(dependencies) if dependencies and any(dependencies) else None,
        is_part=is_part,
    )


def _fields_of(section: Section, sections: tuple[Section, ...]) -> Iterator[tuple[str, str]]:
    """(field, value) of `Database: x` lines with the nested lines under them, and of sections named so."""
    current = ""
    for line in section.body:
        match = _FIELD_LINE.match(line.text)
        if match:
            current = _field_of(match["name"])
            yield current, _plain(match["value"])
        elif re.match(r"^\s*[-*+]?\s*\*\*[^*]+\*\*\s*:|^\s*[-*+]?\s*\*\*[^*]+:\*\*", line.text):
            current = ""
        elif current and line.text.strip():
            yield current, _plain(line.text)
    for inner in below(sections, section):
        if inner.path == (*section.path, section.title) and (field := _field_of(inner.title)):
            for line in inner.body:
                yield field, _plain(line.text)


def _field_of(title: str) -> str:
    plain = split_numbering(title)[1].rstrip(":").strip().lower()
    return next((name for name, pattern in _FIELDS.items() if re.fullmatch(pattern, plain)), "")


def _plain(text: str) -> str:
    return re.sub(r"^\s*[-*+]\s+", "", text).strip().strip("|").strip().strip("*`").strip()


def _split_names(values: Iterable[str]) -> tuple[str, ...]:
    names: list[str] = []
    for value in values:
        for part in _SEPARATOR.split(re.sub(r"\([^)]*\)", "", value)):
            name = part.strip().strip(".`*").strip()
            if name and not _NONE.match(name):
                names.append(name)
    return tuple(dict.fromkeys(names))


def _lines_without_dependencies(design: str) -> Iterator[str]:
    for section in read_sections(design):
        if _field_of(section.title) == "dependencies":
            continue
        yield section.title
        yield from (line.text for line in _outside_dependencies(section.body))


def _outside_dependencies(body: Sequence[Line]) -> Iterator[Line]:
    inside = False
    for line in body:
        match = _FIELD_LINE.match(line.text)
        if match:
            inside = _field_of(match["name"]) == "dependencies"
        elif not line.text.startswith((" ", "\t")):
            inside = False
        if not inside:
            yield line
