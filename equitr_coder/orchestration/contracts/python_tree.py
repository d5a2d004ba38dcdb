"""Finding what a name means in the files of a tree: definitions, through imports, with what classes inherit."""

import ast
import builtins
from collections.abc import Iterator, Mapping

from equitr_coder.domain.frozen import frozen
from equitr_coder.orchestration.contracts.python_code import (
    KNOWN_BASES,
    Class,
    Field,
    Function,
    Module,
    Shape,
    read_module,
)
from equitr_coder.orchestration.contracts.sources import Sources

_DEEP = 6
"""Imports followed, and bases climbed."""


@frozen
class Place:
    """Where a definition was found."""

    path: str
    what: Function | Class | Field | None
    """None: the name is there, and where it comes from lies outside of the tree."""


@frozen
class Members:
    """Of a class with its bases."""

    methods: Mapping[str, Function]
    fields: Mapping[str, Field]
    inner: Mapping[str, Class]
    bases: frozenset[str]
    """All of them, by name."""
    is_open: bool
    """Some base lies outside of the tree: more may be there than is seen."""
    shape: Shape


class PythonTree:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._modules: dict[str, Module | None] = {}

    def module(self, path: str) -> Module | None:
        if path not in self._modules:
            text = self._sources.text(path)
            if text is None:
                return None
            self._modules[path] = read_module(text)
        return self._modules[path]

    def find(self, path: str, name: str, depth: int = 0) -> Place | None:
        module = self.module(path)
        if module is None:
            return None
        for group in (module.classes, module.functions, module.names):
            if name in group:
                return Place(path, group[name])
        if name in module.imports and depth < _DEEP:
            origin, there, level = module.imports[name]
            for target in self._files_of(path, origin, level, there):
                found = self.find(target, there, depth + 1) if there else None
                if found is not None:
                    return found
            return Place(path, None)
        if "*" in module.imports and depth < _DEEP:
            origin, _, level = module.imports["*"]
            for target in self._files_of(path, origin, level, ""):
                found = self.find(target, name, depth + 1)
                if found is not None:
                    return found
        return Place(path, None) if "__getattr__" in module.functions else None

    def _files_of(self, path: str, origin: str, level: int, there: str) -> Iterator[str]:
        parts = [part for part in origin.split(".") if part]
        if level:
            folder = path.split("/")[:-level]
            yield from self._either("/".join((*folder, *parts)), exact=True)
            if there and not parts:
                yield from self._either("/".join((*folder, there)), exact=True)
        else:
            yield from self._either("/".join(parts), exact=False)

    def _either(self, stem: str, *, exact: bool) -> Iterator[str]:
        for ending in (".py", "/__init__.py", ".pyi"):
            name = f"{stem}{ending}".lstrip("/")
            if exact:
                if name in self._sources.paths:
                    yield name
            else:
                yield from self._sources.named(name)[:1]

    def members(self, path: str, found: Class, depth: int = 0) -> Members:
        methods: dict[str, Function] = {}
        fields: dict[str, Field] = {}
        inner: dict[str, Class] = {}
        bases: set[str] = set()
        is_open, shape = found.is_dynamic, found.shape
        for base in reversed(found.bases):
            bases.add(base)
            place = self.find(path, base) if depth < _DEEP else None
            if place is not None and isinstance(place.what, Class) and place.what is not found:
                above = self.members(place.path, place.what, depth + 1)
                methods.update(above.methods)
                fields.update(above.fields)
                inner.update(above.inner)
                bases |= above.bases
                is_open = is_open or above.is_open
                shape = above.shape if shape == "plain" else shape
            elif base not in KNOWN_BASES and not _is_builtin(base):
                is_open = True
            else:
                bases |= _builtin_bases(base)
        return Members(
            {**methods, **found.methods},
            {**fields, **found.fields},
            {**inner, **found.inner},
            frozenset(bases),
            is_open,
            shape,
        )

    def aliases(self, path: str) -> dict[str, ast.expr]:
        """Names that stand for types there, imported ones included; renamed imports stand for their first name."""
        module = self.module(path)
        if module is None:
            return {}
        found = dict(module.aliases)
        for name, (origin, there, level) in module.imports.items():
            if there and there != name:
                found[name] = ast.Name(there)
            for target in self._files_of(path, origin, level, there) if there else ():
                other = self.module(target)
                if other is not None and there in other.aliases:
                    found[name] = other.aliases[there]
        return found

    def parents(self, path: str) -> dict[str, frozenset[str]]:
        """Bases of the classes that are known there by name."""
        module = self.module(path)
        found: dict[str, frozenset[str]] = {}
        for name in (*module.classes, *module.imports) if module is not None else ():
            place = self.find(path, name)
            if place is not None and isinstance(place.what, Class):
                found[name] = self.members(place.path, place.what).bases
        return found


def _is_builtin(name: str) -> bool:
    return isinstance(getattr(builtins, name, None), type)


def _builtin_bases(name: str) -> set[str]:
    kind = {"StrEnum": str, "IntEnum": int, "IntFlag": int}.get(name) or getattr(builtins, name, None)
    return {base.__name__ for base in kind.__mro__} if isinstance(kind, type) else set()
