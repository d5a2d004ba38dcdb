"""`@file`, `@file:10-20`, `@folder`, `@symbol` and `@image` in a request: finds what is meant and reads it, capped.

What is no mention stays text without a word: an address (`me@example.com`), and anything in backticks or in a fenced
block. What could be one and is not found (a decorator, a scope such as `@types/node`) stays text too; it is told. An
image that cannot be shown is an error: the request hardly means anything without it.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from equitr_coder.adapters.local.pictures import HEAD, Picture, is_picture, read_picture
from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.attachments import Attachments
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.images import MOST_BYTES

_CODE = re.compile(r"(`{3,}|~{3,}).*?(?:\1|\Z)|`[^`\n]*`", re.DOTALL)
_MENTION = re.compile(r"""(?<![\w@./+-])@(?:"([^"\n]+)"((?::\d+(?:-\d+)?)?)|([^\s"'`@(){}\[\]<>,;|]+))""")
_LINES = re.compile(r":(\d+)(?:-(\d+))?\Z")
_SYMBOL = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_MOST_MENTIONS = 20
_FILE = 12_000
_ALL = 40_000
"""Characters: of one thing, and of all together."""
_LISTED = 200
_MEANT = 3
"""So many definitions of one name are attached; with more nobody can tell which is meant."""
_DEFINITION_LINES = 150
_HEAD = "# What the request mentions with @"

FindDefinitions = Callable[[str], Awaitable[Sequence[tuple[str, int]]]]
"""Path and line of the definitions of a name."""


KeepBytes = Callable[[bytes], Awaitable[str]]
"""Returns the hash under which they are kept."""


@frozen
class _Found:
    label: str
    """In words."""
    tag: str
    """Opens the block, attributes included."""
    text: str
    picture: Picture | None = None


class Mentions:
    def __init__(self, root: Path, find_definitions: FindDefinitions, keep: KeepBytes) -> None:
        self._workspace = LocalWorkspace(root)
        self._find_definitions = find_definitions
        self._keep = keep

    async def attach(self, request: str) -> Attachments | None:
        """None when the request mentions nothing. Runs nothing, and changes nothing but that images are kept.

        Raises:
            UserError: an image is damaged or too large.
        """
        attached: list[str] = []
        missing: list[str] = []
        blocks: list[str] = []
        pictures: dict[str, Picture] = {}
        left = _ALL
        written_all = mentioned(request)
        for written in written_all[:_MOST_MENTIONS]:
            try:
                found = await self._find(written)
            except ToolFailure as failure:
                missing.append(f"@{written}: {str(failure).rstrip('.')}")
                continue
            for one in found:
                if one.picture is not None:
                    if one.picture.path not in pictures:
                        pictures[one.picture.path] = one.picture
                        blocks.append(f'<{one.tag} number="{len(pictures)}"/>')
                        attached.append(one.label)
                    continue
                block, used = _block(one, min(_FILE, left))
                left -= used
                blocks.append(block)
                attached.append(one.label)
        if len(written_all) > _MOST_MENTIONS:
            missing.append(f"{len(written_all) - _MOST_MENTIONS} more than the {_MOST_MENTIONS} that are read")
        if not attached and not missing:
            return None
        text = "\n\n".join([_HEAD, *blocks]) if blocks else ""
        images = [picture.image(await self._keep(picture.data)) for picture in pictures.values()]
        return Attachments(text=text, attached=tuple(attached), missing=tuple(missing), images=tuple(images))

    async def _find(self, written: str) -> list[_Found]:
        """Raises ToolFailure: nothing is there, or it cannot be shown; says why."""
        name, first, last = _with_lines(written)
        path = self._workspace.relative(name)
        place = self._workspace.root / path
        if place.is_dir():
            return [await self._folder(path)]
        if place.exists():
            return [await self._file(path, first, last)]
        if _SYMBOL.fullmatch(name):
            return await self._definitions(name)
        raise ToolFailure("there is no such file or definition")

    async def _folder(self, path: str) -> _Found:
        files = await self._workspace.list(path, limit=100_000)
        more = [f"[... {len(files) - _LISTED} more files; use list_files ...]"] if len(files) > _LISTED else []
        count = "1 file" if len(files) == 1 else f"{len(files)} files"
        return _Found(f"{path}/ ({count})", f'folder path="{path}"', "\n".join([*files[:_LISTED], *more]))

    async def _file(self, path: str, first: int | None, last: int | None) -> _Found:
        if is_picture(path, await self._workspace.read_bytes(path, most=HEAD)):
            picture = read_picture(path, await self._workspace.read_bytes(path, most=MOST_BYTES + 1))
            tag = f'image path="{path}" width="{picture.size.width}" height="{picture.size.height}"'
            return _Found(picture.shown, tag, "", picture)
        text = (await self._workspace.read(path)).text
        if first is None:
            return _Found(path, f'file path="{path}"', text)
        lines = text.split("\n")
        last = min(last or first, len(lines))
        if not 1 <= first <= last:
            raise ToolFailure(f"{path} has {len(lines)} lines")
        return _lines_of(path, lines, first, last)

    async def _definitions(self, name: str) -> list[_Found]:
        places = await self._find_definitions(name.rpartition(".")[2])
        if not places:
            raise ToolFailure("there is no such file or definition")
        if len(places) > _MEANT:
            raise ToolFailure(f"{len(places)} definitions have this name; name the file as well")
        found = []
        for path, line in places:
            lines = (await self._workspace.read(path)).text.split("\n")
            found.append(_lines_of(path, lines, line, _end_of_definition(lines, line), name=name))
        return found


def mentioned(request: str) -> list[str]:
    """What is written behind each `@`, each once; a sentence's punctuation is not part of it."""
    plain = _CODE.sub(" ", request)
    found: dict[str, None] = {}
    for match in _MENTION.finditer(plain):
        written = f"{match[1]}{match[2]}" if match[1] else match[3].rstrip(".:!?*_/\\") if match[3] != "/" else ""
        if written:
            found[written] = None
    return list(found)


def _with_lines(written: str) -> tuple[str, int | None, int | None]:
    lines = _LINES.search(written)
    if lines is None:
        return written, None, None
    return written[: lines.start()], int(lines[1]), int(lines[2]) if lines[2] else None


def _lines_of(path: str, lines: Sequence[str], first: int, last: int, *, name: str = "") -> _Found:
    where = f"lines {first}-{last}" if last > first else f"line {first}"
    label = f"{name} ({path} {where})" if name else f"{path} {where}"
    named = f' definition="{name}"' if name else ""
    return _Found(label, f'file path="{path}"{named} lines="{first}-{last}"', "\n".join(lines[first - 1 : last]))


def _end_of_definition(lines: Sequence[str], first: int) -> int:
    """The last line that is indented more than the first, and the bracket that closes it."""
    start = _indent(lines[first - 1])
    end = first
    for number, line in enumerate(lines[first : first + _DEFINITION_LINES], first + 1):
        if not line.strip():
            continue
        if _indent(line) > start:
            end = number
        elif line.strip()[0] in ")]}":
            end = number
            if line.strip()[0] == "}":
                break
        else:
            break
    return end


def _indent(line: str) -> int:
    return len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())


def _block(found: _Found, most: int) -> tuple[str, int]:
    """And how many characters of the content are in it."""
    text = found.text.rstrip("\n")
    if len(text) > most:
        kept = text[:most].rpartition("\n")[0]
        shown = f"{kept}\n[... {len(text) - len(kept)} more characters; read_file opens all of it ...]".lstrip("\n")
        return f"<{found.tag}>\n{shown}\n</{found.tag.split()[0]}>", len(kept)
    return f"<{found.tag}>\n{text}\n</{found.tag.split()[0]}>", len(text)
