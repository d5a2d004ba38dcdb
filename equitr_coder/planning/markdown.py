"""Markdown as far as planning needs it: numbered sections, list items, code spans. Reads only, never judges."""

import re
from collections.abc import Iterator

from equitr_coder.domain.frozen import frozen

_ATX = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_BOLD_LINE = re.compile(r"^\s*\*\*([^*]+)\*\*\s*:?\s*$")
_NUMBERING = re.compile(
    r"^(?:(?:section|part|chapter)\s+)?[§(]?\s*"
    r"(?P<number>\d+(?:\.\d+)*|[IVXLC]+(?=[.):]))"
    r"(?:[.):]+|\s*[-–—:]|(?=\s))\s*(?P<title>\S.*)$",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s+)?(.*\S)\s*$")
_DOTTED_ITEM = re.compile(r"^\s*(\**\d+(?:\.\d+)+[\s.):*].*\S)\s*$")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_BOLD_LEVEL = 6


@frozen
class Line:
    number: int
    """1-based."""
    text: str


@frozen
class Section:
    """A heading and the lines up to the next heading of any level."""

    level: int
    number: str
    """As written (`2`, `1.3`, `IV`); empty when the heading has none."""
    title: str
    line: int
    body: tuple[Line, ...]
    path: tuple[str, ...]
    """Titles of the enclosing sections, outermost first."""

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.body).strip()


def lines_of(text: str) -> tuple[Line, ...]:
    """Lines without their ends; a byte order mark and carriage returns are dropped."""
    clean = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return tuple(Line(number, line) for number, line in enumerate(clean.split("\n"), start=1))


def read_sections(text: str) -> tuple[Section, ...]:
    """Every section in order: `#` headings and underlined ones; without any of these, lines that are bold as a whole.

    Text before the first heading belongs to none. Headings inside code fences are text.
    """
    heads: list[tuple[int, str, int]] = []
    bodies: list[list[Line]] = []
    lines = lines_of(text)
    read = list(_with_headings(lines, bold=False))
    if not any(heading for _, heading in read):
        read = list(_with_headings(lines, bold=True))
    for line, heading in read:
        if heading is not None:
            heads.append((heading[0], heading[1], line.number))
            bodies.append([])
        elif bodies:
            bodies[-1].append(line)
    found: list[Section] = []
    open_sections: list[tuple[int, str]] = []
    for (level, raw_title, number), body in zip(heads, bodies, strict=True):
        open_sections = [entry for entry in open_sections if entry[0] < level]
        numbering, title = split_numbering(raw_title)
        path = tuple(entry[1] for entry in open_sections)
        found.append(Section(level, numbering, title, number, tuple(body), path))
        open_sections.append((level, title))
    return tuple(found)


def below(sections: tuple[Section, ...], section: Section) -> tuple[Section, ...]:
    """The sections inside `section`, at any depth, in order."""
    start = sections.index(section) + 1
    inside: list[Section] = []
    for other in sections[start:]:
        if other.level <= section.level:
            break
        inside.append(other)
    return tuple(inside)


def split_numbering(heading: str) -> tuple[str, str]:
    """`1. PROJECT OVERVIEW` -> (`1`, `PROJECT OVERVIEW`); emphasis is dropped."""
    plain = heading.strip().strip("*_").strip()
    match = _NUMBERING.match(plain)
    return (match["number"], match["title"].strip("*_ ")) if match else ("", plain)


def items(section: Section) -> tuple[Line, ...]:
    """The list items of the section's own lines, without bullet, plain number and checkbox; `2.1.3` is text."""
    found = ((line, _DOTTED_ITEM.match(line.text) or _ITEM.match(line.text)) for line in section.body)
    return tuple(Line(line.number, match[1]) for line, match in found if match)


def code_span(text: str) -> str:
    """`text` as an inline code span that `read_code_span` gives back exactly."""
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text[:1] in ("`", " ") or text[-1:] in ("`", " ") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def read_code_span(text: str) -> tuple[str, str] | None:
    """The content of the code span `text` starts with, and what follows it; None when it starts with none."""
    opening = re.match(r"`+", text)
    if opening is None:
        return None
    width = opening.end()
    for run in re.finditer(r"`+", text[width:]):
        if run.end() - run.start() == width:
            content = text[width : width + run.start()]
            if len(content) > 2 and content[0] == content[-1] == " ":
                content = content[1:-1]
            return content, text[width + run.end() :]
    return None


def fence_for(text: str) -> str:
    """A run of backticks that can fence `text`."""
    return "`" * max(3, _longest_run(text) + 1)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _with_headings(lines: tuple[Line, ...], *, bold: bool) -> Iterator[tuple[Line, tuple[int, str] | None]]:
    """Each line, with (level, text) where it is a heading; underlines of headings are left out."""
    fence = ""
    skip = 0
    for index, line in enumerate(lines):
        if line.number == skip:
            continue
        mark = _FENCE.match(line.text)
        if fence or mark:
            if mark and not fence:
                fence = mark[1]
            elif mark and mark[1].startswith(fence) and not line.text.strip().strip(fence[0]):
                fence = ""
            yield line, None
            continue
        following = lines[index + 1].text if index + 1 < len(lines) else ""
        stands_alone = index == 0 or not lines[index - 1].text.strip()
        heading = _bold_heading(line.text) if bold else _heading(line.text, following, stands_alone=stands_alone)
        if heading is not None and heading[2]:
            skip = line.number + 1
        yield line, heading[:2] if heading is not None else None


def _bold_heading(text: str) -> tuple[int, str, bool] | None:
    match = _BOLD_LINE.match(text)
    return (_BOLD_LEVEL, match[1].rstrip(":"), False) if match else None


def _heading(text: str, following: str, *, stands_alone: bool) -> tuple[int, str, bool] | None:
    """Level, text, and whether the next line is its underline. A rule right under a list underlines nothing."""
    atx = _ATX.match(text)
    if atx and atx[2]:
        return len(atx[1]), atx[2], False
    if text.strip() and (stands_alone or not _ITEM.match(text)) and re.fullmatch(r"={3,}\s*|-{3,}\s*", following):
        return (1 if following.startswith("=") else 2), text.strip(), True
    return None
