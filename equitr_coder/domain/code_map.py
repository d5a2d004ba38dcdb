"""A map of a repository: the definitions that matter most for a request, file by file. Pure values, and their text."""

from equitr_coder.domain.value import Value

GAP = "⋮"


class MappedDefinition(Value):
    line: int
    """From 1."""
    name: str
    text: str
    """Its source line, with the indentation."""


class MappedFile(Value):
    path: str
    rank: float
    """Share of the whole attention, from 0 to 1."""
    definitions: tuple[MappedDefinition, ...]
    """In the order of their lines."""
    left_out: int = 0
    """How many more definitions the file has."""


class CodeMap(Value):
    files: tuple[MappedFile, ...] = ()
    """The one with the most important definition first."""
    sources: int = 0
    """Source files there are."""
    unread: int = 0
    """Of those, how many there was no time for; the next map knows more of them."""


def map_text(drawn: CodeMap) -> str:
    """Path, then number and line of each definition; `⋮` stands for the definitions in between that are left out."""
    return "\n".join("\n".join(file_rows(file)) for file in drawn.files)


def file_rows(file: MappedFile) -> list[str]:
    rows = [file.path, *(definition_row(found) for found in file.definitions)]
    return [*rows, f"{GAP:>5} {file.left_out} more"] if file.left_out else rows


def definition_row(found: MappedDefinition) -> str:
    return f"{found.line:>5} {found.text}"
