"""Code that is imported from outside its site-packages folder: editable installs, `.pth` lines and the like."""

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from equitr_coder.domain.frozen import frozen


@frozen
class Detour:
    """`via`, a file in site-packages, leads imports to `target`."""

    via: Path
    target: Path


def site_packages(prefix: Path) -> list[Path]:
    """Of an interpreter's or environment's prefix."""
    found = [*prefix.glob("lib*/python3*/site-packages"), *prefix.glob("lib/python3*/dist-packages")]
    return [folder for folder in found if not folder.parent.parent.is_symlink()]


def detours(site: Path) -> Iterator[Detour]:
    """Every absolute path that something in `site` adds to what can be imported."""
    try:
        names = sorted(path.name for path in site.iterdir())
    except OSError:
        return
    for name in names:
        path = site / name
        if name.endswith(".pth"):
            yield from _pth(path)
        elif name.endswith(".egg-link"):
            yield from _lines_that_are_paths(path)
        elif name.endswith(".dist-info"):
            yield from _direct_url(path / "direct_url.json")
        elif path.is_symlink():
            yield Detour(path, Path(os.path.realpath(path)))


def _pth(path: Path) -> Iterator[Detour]:
    yield from _lines_that_are_paths(path)
    for line in _text(path).splitlines():
        if line.startswith(("import ", "import\t")):
            for name in re.findall(r"[A-Za-z_]\w*", line[7:].split(";")[0]):
                yield from _constants(path.with_name(f"{name}.py"), via=path)


def _lines_that_are_paths(path: Path) -> Iterator[Detour]:
    for line in _text(path).splitlines():
        if line.startswith("/"):
            yield Detour(path, Path(os.path.normpath(line.strip())))
        elif line.startswith(("./", "../")):
            yield Detour(path, Path(os.path.normpath(path.parent / line.strip())))


def _constants(module: Path, *, via: Path) -> Iterator[Detour]:
    """The import hooks of editable installs carry their targets as absolute paths in literals."""
    source = _text(module)
    if not source or len(source) > 1_000_000:
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/"):
            yield Detour(via, Path(os.path.normpath(node.value)))


def _direct_url(path: Path) -> Iterator[Detour]:
    text = _text(path)
    if '"editable"' not in text:
        return
    try:
        record = json.loads(text)
        address = urlsplit(record["url"])
        is_editable = record["dir_info"]["editable"]
    except (ValueError, KeyError, TypeError):
        return
    if is_editable is True and address.scheme == "file":
        yield Detour(path, Path(os.path.normpath(unquote(address.path))))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
