"""Measures finding things: the map of a repository, first and next, and searches in it, on generated repositories.

`python bench/map.py [--files 10000] [--megabytes 34] [--keep FOLDER]`. Two repositories are made: one of many small
files in five languages, one of Python modules of the given size in all. Every map is drawn by a process of its own, as
a run does; its time is from the question to the map, without the interpreter's start. Memory is the process's own
peak, and the largest of the parsers it started.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from equitr_coder.adapters.code_map.maps import LocalCodeMaps
from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.code_map import map_text

_WORDS: list[str] = re.findall(
    r"\w+",
    """
    account address audit basket billing cache carrier catalog charge client contact coupon customer delivery discount
    invoice item journal ledger limit mailer member message notice offer order parcel partner payment payout person
    price product profile quote rate receipt refund region rental report route sale schedule seller session shipment
    stock store supplier tariff tax ticket token transfer user vault voucher warehouse
    """,
)
_VERBS: list[str] = re.findall(
    r"\w+", "apply build check close collect count create find freeze load make merge move open parse post"
)
REFUND = _WORDS.index("refund")
QUESTION = f"Refunds of an order that was paid with a voucher are booked twice: look at RefundLedger{REFUND}."
PATTERNS = (
    ("a name", rf"\bRefundLedger{REFUND}\b"),
    ("a common word", "return"),
    ("nothing", "no_such_name_anywhere"),
)
_TS = """import {{ {uses} }} from './{uses}'
export class {name} {{
  {noun}(x: {uses}): number {{ return x.total }}
}}
"""
_GO = """package {noun}

type {name} struct {{ total int }}

func (l *{name}) Post(x *{uses}) int {{ return x.total }}
"""


def python_module(number: int, chance: random.Random, *, size: int) -> str:
    """Classes and functions that use those of other modules."""
    others = [chance.randrange(max(1, number)) for _ in range(6)]
    lines = [f'"""Module {number}."""', "", "from dataclasses import dataclass"]
    lines += [f"from shop.{package_of(other)}.module_{other} import {class_of(other)}" for other in sorted(set(others))]
    lines += ["", f"LIMIT_{number} = {chance.randrange(1000)}", ""]
    written = sum(map(len, lines))
    part = 0
    while written < size:
        noun, verb, other = chance.choice(_WORDS), chance.choice(_VERBS), chance.choice(others)
        name = class_of(number) if part == 0 else f"{noun.title()}{chance.choice(_WORDS).title()}{number}_{part}"
        block = [
            "",
            "@dataclass",
            f"class {name}:",
            f'    """What a {noun} is, and how to {verb} it."""',
            "",
            f"    {noun}: int = 0",
        ]
        for step in range(4):
            method = f"{chance.choice(_VERBS)}_{noun}_{(number + step) % 97}"
            block += [
                "",
                f"    def {method}(self, {noun}: int, *, limit: int = LIMIT_{number}) -> int:",
                f"        # the {noun} is taken as it comes",
                f"        other = {class_of(other)}({noun})",
                f"        if {noun} > limit:",
                f"            return other.{noun} if hasattr(other, '{noun}') else limit",
                f"        total = sum(value * {step + 2} for value in range({noun}) if value % 3)",
                f"        return self.{noun} + total + {noun}",
            ]
        lines += block
        written += sum(len(line) + 1 for line in block)
        part += 1
    return "\n".join(lines) + "\n"


def class_of(number: int) -> str:
    return f"{_WORDS[number % len(_WORDS)].title()}Ledger{number % 997}"


def package_of(number: int) -> str:
    return _WORDS[(number // 60) % len(_WORDS)]


def make_python(root: Path, megabytes: float) -> int:
    chance = random.Random(5)
    left, number = int(megabytes * 1_000_000), 0
    while left > 0:
        path = root / "shop" / package_of(number) / f"module_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = python_module(number, chance, size=6_400)
        path.write_text(text)
        left -= len(text)
        number += 1
    commit(root)
    return number


def make_mixed(root: Path, files: int) -> int:
    chance = random.Random(6)
    for number in range(files):
        noun, other = _WORDS[number % len(_WORDS)], chance.randrange(max(1, number))
        name, uses = class_of(number), class_of(other)
        suffix, text = (
            ("py", python_module(number, chance, size=1_500)),
            ("ts", _TS.format(name=name, uses=uses, noun=noun) * 8),
            ("go", _GO.format(name=name, uses=uses, noun=noun) * 8),
            ("md", f"# {noun}\n\nHow a {noun} is returned, see `{uses}`.\n" * 20),
            ("json", json.dumps({noun: list(range(200)), "uses": uses}, indent=1)),
        )[number % 5]
        path = root / package_of(number) / f"{noun}_{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    commit(root)
    return files


def commit(root: Path) -> None:
    for argv in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "b"],
    ):
        subprocess.run(["git", *argv], cwd=root, check=True, capture_output=True)


# ---------------------------------------------------------------- measuring


async def draw(root: Path, cache: Path) -> dict[str, float]:
    maps = LocalCodeMaps(cache, tokens=2_000, environ=os.environ, patience=300)
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - asked - 0.001)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        started, cpu = time.perf_counter(), time.process_time()
        drawn = await maps.draw(root, QUESTION)
        seconds, busy = time.perf_counter() - started, time.process_time() - cpu
        watching.cancel()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    await maps.draw(root, QUESTION)
    again = time.perf_counter() - started
    return {
        "seconds": seconds,
        "again": again,
        "cpu": busy,
        "parser_cpu": children.ru_utime + children.ru_stime,
        "stall": longest,
        "own_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "parser_mb": children.ru_maxrss / 1024,
        "sources": drawn.sources,
        "bytes": len(map_text(drawn)),
    }


def drawn_apart(root: Path, cache: Path) -> dict[str, float]:
    argv = [sys.executable, __file__, "--draw", str(root), str(cache)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_map(name: str, root: Path, scratch: Path) -> None:
    cache = scratch / f"{name}.db"
    first = drawn_apart(root, cache)
    following = [drawn_apart(root, cache) for _ in range(7)]
    changed = sorted(root.rglob("*.py"))[:10]
    for path in changed:
        path.write_text(path.read_text() + "\n\ndef one_more_than_before() -> None: ...\n")
    dirty = drawn_apart(root, cache)
    times = [f["seconds"] * 1000 for f in following]
    stalls = [f["stall"] * 1000 for f in (first, following[0])]
    rows = (
        (f"{name}: first map ({first['sources']:.0f} sources)", f"{first['seconds']:.2f} s"),
        ("CPU of it, parsers and git included", f"{first['cpu'] + first['parser_cpu']:.2f} s"),
        ("next, new process: median of 7 (best)", f"{statistics.median(times):.0f} ms ({min(times):.0f} ms)"),
        ("CPU of it", f"{statistics.median(f['cpu'] for f in following) * 1000:.0f} ms"),
        ("next in the same process", f"{following[0]['again'] * 1000:.0f} ms"),
        ("after 10 files changed", f"{dirty['seconds'] * 1000:.0f} ms"),
        ("longest stall of the event loop, first and next", f"{stalls[0]:.0f} ms, {stalls[1]:.0f} ms"),
        ("peak memory of the first, its largest parser", f"{first['own_mb']:.0f} MB, {first['parser_mb']:.0f} MB"),
        ("peak memory of the next", f"{following[0]['own_mb']:.0f} MB"),
        ("cache on disk", f"{cache.stat().st_size / 1e6:.1f} MB"),
    )
    for what, figure in rows:
        print(f"| {what} | {figure} |")


async def measure_search(root: Path, scratch: Path) -> None:
    for engine, programs in (("ripgrep", ("rg", "git")), ("git grep", ("git",)), ("Python", ())):
        folder = scratch / engine
        folder.mkdir()
        for program in programs:
            if (found := shutil.which(program)) is not None:
                (folder / program).symlink_to(found)
        workspace = LocalWorkspace(root, environ={"PATH": str(folder), "HOME": str(scratch)})
        for what, pattern in PATTERNS:
            times = []
            for _ in range(5):
                started = time.perf_counter()
                result = await workspace.search(pattern, limit=100)
                times.append(time.perf_counter() - started)
            hits = sum(result.per_file.values())
            print(f"| {engine}: {what} ({hits} hits) | {statistics.median(times) * 1000:.0f} ms |")


def main() -> None:
    if sys.argv[1:2] == ["--draw"]:
        print(json.dumps(asyncio.run(draw(Path(sys.argv[2]), Path(sys.argv[3])))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--megabytes", type=float, default=34.0)
    parser.add_argument("--keep", type=Path, help="folder for the repositories, kept and used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        base = options.keep or scratch / "repositories"
        if not (base / "python" / ".git").exists():
            make_python(base / "python", options.megabytes)
        if not (base / "mixed" / ".git").exists():
            make_mixed(base / "mixed", options.files)
        machine = f"{platform.system()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, Python {platform.python_version()}\n")
        print("| what | |\n|---|--:|")
        measure_map("python", base / "python", scratch)
        measure_map("mixed", base / "mixed", scratch)
        asyncio.run(measure_search(base / "mixed", scratch))


if __name__ == "__main__":
    main()
