"""Draws maps of a workspace and of its worktrees: what changed is parsed, the rest comes from the cache."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from equitr_coder.adapters.code_map import parse
from equitr_coder.adapters.code_map.lexicon import read_lexicon
from equitr_coder.adapters.code_map.question import read_question
from equitr_coder.adapters.code_map.ranking import Ranking, rank
from equitr_coder.adapters.code_map.sources import LARGEST, find_sources
from equitr_coder.adapters.local.processes import run_process
from equitr_coder.adapters.sqlite.outlines import DamagedCacheError, Outline, OutlineCache
from equitr_coder.domain.code_map import CodeMap, MappedDefinition, MappedFile, definition_row

PATIENCE = 15.0
"""Seconds that one map may spend on parsing."""
BYTES_PER_TOKEN = 3
"""Source lines with paths and numbers have more than three bytes to a token in the vocabularies that are known."""
_BATCH = 6_000_000
"""Bytes of source that one parser takes at the most, unless it is one file: what it found is lost when time is up."""
_ARGUMENTS = 500_000
"""Bytes of paths; Linux takes no more than a quarter of the stack's limit, which is 8 MB as a rule (execve(2))."""
_BUFFER = 1_000_000
_WORTH_A_PARSER = 200_000
"""Bytes of source below which a second parser costs more than it brings."""
_AT_ONCE = 4
"""Parsers."""
_FALLS = 5
_STUCK = 600.0
_CANNOT_RUN = 126
_NOTHING = Outline.empty()
_MORE_ROW = 16
_Outlines = list[tuple[str, Outline]]
_MISSES = 30


class LocalCodeMaps:
    """Implements `ports.CodeMaps`. `cache` is the workspace's file under EQUITR_HOME."""

    def __init__(self, cache: Path, *, tokens: int, environ: Mapping[str, str], patience: float = PATIENCE) -> None:
        self._cache = cache
        self._tokens = tokens
        self._patience = patience
        self._env = {
            "PATH": environ.get("PATH", os.defpath),
            "HOME": environ.get("HOME", "/"),
            "LC_ALL": "C.UTF-8",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LITERAL_PATHSPECS": "1",
        }

    async def draw(self, root: Path, request: str, *, files: Sequence[str] = (), tokens: int | None = None) -> CodeMap:
        tokens = self._tokens if tokens is None else tokens
        if tokens <= 0:
            return CodeMap()
        sources = await find_sources(root, env=self._env)
        for _ in range(2):
            try:
                return await self._drawn(root, sources, request, files, tokens)
            except DamagedCacheError:
                await asyncio.to_thread(OutlineCache.remove, self._cache)
        return CodeMap(sources=len(sources), unread=len(sources))  # somebody damages it all the time

    async def places(self, root: Path, name: str) -> list[tuple[str, int]]:
        """Path and line of every definition of this name in the tree."""
        sources = await find_sources(root, env=self._env)
        for _ in range(2):
            try:
                return await self._places(root, sources, name)
            except DamagedCacheError:
                await asyncio.to_thread(OutlineCache.remove, self._cache)
        return []

    async def _places(self, root: Path, sources: Mapping[str, str], name: str) -> list[tuple[str, int]]:
        unsaved: _Outlines = []
        await self._read(root, sources, unsaved)

        def found() -> list[tuple[str, int]]:
            with OutlineCache(self._cache, version=parse.VERSION) as cache:
                cache.lend(unsaved)
                lexicon = read_lexicon(cache)
                keys = {lexicon.keys[number] for number in lexicon.definers(name)}
                return [
                    (path, line)
                    for path, key in sources.items()
                    if key in keys
                    for line, defined, _ in cache.definitions(key)
                    if defined == name
                ]

        return await asyncio.to_thread(found)

    async def _drawn(
        self, root: Path, sources: Mapping[str, str], request: str, files: Sequence[str], tokens: int
    ) -> CodeMap:
        unsaved: _Outlines = []
        await self._read(root, sources, unsaved)

        def ranked() -> CodeMap:
            with OutlineCache(self._cache, version=parse.VERSION) as cache:
                cache.lend(unsaved)
                cache.prune(set(sources.values()))
                lexicon = read_lexicon(cache)
                keys = set(lexicon.keys)
                known = {path: key for path, key in sources.items() if key in keys}
                ranking = rank(cache, lexicon, known, read_question(request), files)
            chosen = fitting(ranking, tokens * BYTES_PER_TOKEN)
            return CodeMap(files=chosen, sources=len(sources), unread=len(sources) - len(known))

        return await asyncio.to_thread(ranked)

    # ------------------------------------------------------------ what is not known yet

    async def _read(self, root: Path, sources: Mapping[str, str], unsaved: _Outlines) -> None:
        """Parse what the cache does not hold, as far as there is time. What cannot be kept goes into `unsaved`."""
        batches = await asyncio.to_thread(self._batches, root, sources, unsaved)
        if not batches:
            return
        limit = asyncio.Semaphore(_parsers())

        async def read(paths: list[str]) -> None:
            async with limit:
                await self._parse(root, paths, sources, unsaved)

        with contextlib.suppress(TimeoutError):  # what is done is kept; the map says what it has not seen
            async with asyncio.timeout(self._patience), asyncio.TaskGroup() as tasks:
                for paths in batches:
                    tasks.create_task(read(paths))

    def _batches(self, root: Path, sources: Mapping[str, str], unsaved: _Outlines) -> list[list[str]]:
        """One path for each content that is not known, in loads for one parser; what is too large is known to hold
        nothing.
        """
        with OutlineCache(self._cache, version=parse.VERSION) as cache:
            missing = cache.missing(sources.values())
            by_key = {key: path for path, key in sources.items() if key in missing}
            sizes: dict[str, int] = {}
            too_large: _Outlines = []
            for key, path in sorted(by_key.items(), key=lambda item: item[1]):
                size = _size(root / path)
                if size > LARGEST:
                    too_large.append((key, _NOTHING))
                else:
                    sizes[path] = size
            if too_large and not cache.put(too_large):
                unsaved += too_large
        return in_batches(sizes, parsers=_parsers())

    async def _parse(self, root: Path, paths: list[str], sources: Mapping[str, str], unsaved: _Outlines) -> None:
        """A parser that falls over a file is started again: first so that it tells which one, then behind that one."""
        buffer = _BUFFER
        for _ in range(_FALLS):
            output = bytearray()
            argv = [sys.executable, "-I", parse.__file__, str(buffer), str(root), *paths]
            ended = await run_process(
                argv, cwd=root, env=self._env, timeout=_STUCK, on_output=output.extend,
                on_errors=lambda _: None, cap=2,
            )  # fmt: skip
            done = await asyncio.to_thread(self._keep, output, sources, unsaved)
            paths = [path for path in paths if path not in done]
            if not paths or ended.timed_out or ended.exit_code in (0, _CANNOT_RUN, parse.NO_PARSER):
                return
            if buffer == 0:
                await asyncio.to_thread(self._put, [(sources[paths.pop(0)], _NOTHING)], unsaved)
                if not paths:
                    return
            buffer = 0

    def _keep(self, output: bytearray, sources: Mapping[str, str], unsaved: _Outlines) -> set[str]:
        rows = dict(read_records(output))
        self._put([(sources[path], outline) for path, outline in rows.items() if path in sources], unsaved)
        return set(rows)

    def _put(self, outlines: _Outlines, unsaved: _Outlines) -> None:
        with OutlineCache(self._cache, version=parse.VERSION) as cache:
            if not cache.put(outlines):
                unsaved += outlines


def read_records(output: bytes | bytearray) -> Iterator[tuple[str, Outline]]:
    """Path and outline of each record of a parser's; the last may be cut off where it fell."""
    at = 0
    while at + parse.HEADER.size <= len(output):
        sizes = parse.HEADER.unpack_from(output, at)
        at += parse.HEADER.size
        fields = []
        for size in sizes:
            fields.append(bytes(output[at : at + size]))
            at += size
        if at > len(output):
            return
        path, names, uses, places = fields
        yield os.fsdecode(path), Outline(names=names.decode(), uses=uses.decode(), places=places)


def in_batches(sizes: Mapping[str, int], *, parsers: int) -> list[list[str]]:
    """`sizes` maps paths to bytes. Loads of about the same size, as many as keep all parsers busy to the end, none of
    more than a parser should take.
    """
    rounds = max(1, -(-sum(sizes.values()) // (parsers * _BATCH)))
    load = min(_BATCH, max(_WORTH_A_PARSER, -(-sum(sizes.values()) // (parsers * rounds))))
    batches: list[list[str]] = []
    taken = length = 0
    for path, size in sizes.items():
        length += len(os.fsencode(path)) + 1
        if not batches or taken >= load or (taken and taken + size > _BATCH) or length > _ARGUMENTS:
            batches.append([])
            taken, length = 0, len(os.fsencode(path)) + 1
        batches[-1].append(path)
        taken += size
    return batches


def _parsers() -> int:
    return min(_AT_ONCE, os.cpu_count() or 1)


def fitting(ranking: Ranking, room: int) -> tuple[MappedFile, ...]:
    """The best definitions that go into `room` bytes, by file, the file with the best one first."""
    chosen: dict[str, list[MappedDefinition]] = {}
    misses = 0
    for candidate in ranking.candidates:
        found = MappedDefinition(line=candidate.line, name=candidate.name, text=candidate.text)
        cost = _bytes(definition_row(found))
        if candidate.path not in chosen:
            cost += _bytes(candidate.path) + _MORE_ROW
        if cost > room:
            misses += 1
            if misses > _MISSES:
                break
            continue
        room -= cost
        chosen.setdefault(candidate.path, []).append(found)
    return tuple(
        MappedFile(
            path=path,
            rank=round(ranking.ranks[path], 6),
            definitions=tuple(sorted(shown, key=lambda one: (one.line, one.name))),
            left_out=ranking.definitions[path] - len(shown),
        )
        for path, shown in chosen.items()
    )


def _bytes(row: str) -> int:
    return len(row.encode(errors="replace")) + 1


def _size(path: Path) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
