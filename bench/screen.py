"""Measures the screen in a real pseudo terminal of 120x36 against the scripted server in a process of its own.

`python bench/screen.py [--runs 5] [--only launch,echo,...]` prints each figure beside its goal.
Leave the machine alone meanwhile, or give it real-time priority (`chrt -r 1`). Figures stand in bench/README.md.
"""

import argparse
import fcntl
import json
import os
import platform
import pty
import re
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from equitr_coder.testing.script import Rule, Script, ScriptedReply, always, call, calls, rule, says

PROGRAM = Path(sys.executable).with_name("equitrcoder")
_SERVER = (sys.executable, "-m", "equitr_coder.testing.server")
COLUMNS, ROWS = 120, 36
LETTERS = "qwertzuiopasdfghjklyxcvbnmqwertzuiop"
TOKENS = 2000
TOKEN = (4, 3, 5, 4, 2, 6, 4)
"""Characters of the tokens of a stream; four on average."""
END = "THE-END-OF-IT"
REQUIREMENTS = """# Requirements

## 1. Overview
Lanes.

## 2. Features
### 2.1 Files
- 2.1.1 each task writes its word

## 3. Non-functional requirements
- 3.1 plain text
"""
DESIGN = "# Design\n\n## 1. Architecture\nFiles.\n\n## 2. Parts\nPlain files.\n\n## 3. Deployment\nNone.\n"
_LINES = 5000
_CODES = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_TICK = os.sysconf("SC_CLK_TCK")


class Window:
    """The program on a terminal that shows nothing; what it writes is counted and searched."""

    def __init__(self, home: Path, repo: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        environ |= {"COLORTERM": "truecolor"}
        self.written = b""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", str(PROGRAM), *arguments],
            cwd=repo,
            env=environ,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, text: str, *, after: int = 0, timeout: float = 60.0) -> float:
        """When the text has been written, past the `after` first bytes; codes between its letters do not count."""
        wanted, ends = text.encode(), time.monotonic() + timeout
        while wanted not in _CODES.sub(b"", self.written[after:]):
            if not self.read(ends - time.monotonic()):
                tail = _CODES.sub(b"", self.written[after:])[-3000:].decode(errors="replace")
                raise SystemExit(f"never written: {text!r}\n{tail}")
        return time.monotonic()

    def read(self, timeout: float) -> bool:
        """Take what comes next; False when nothing came in time."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, timeout))
        if not ready:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            return False
        self.written += data
        return bool(data)

    def rest(self, seconds: float) -> None:
        """Only read for so long."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self.read(left)

    def settle(self) -> None:
        """Until nothing has been written for a while."""
        while self.read(0.6):
            pass

    def echo(self, letters: str = LETTERS, *, gap: float = 0.05) -> list[float]:
        """Milliseconds from each key until the prompt shows it."""
        typed, took = "", []
        for letter in letters:
            typed += letter
            place, pressed = len(self.written), time.monotonic()
            self.press(letter)
            took.append((self.until(typed, after=place) - pressed) * 1000)
            self.rest(gap)
        self.press("\x15")
        self.rest(0.2)
        return took

    @property
    def cpu(self) -> float:
        """Seconds of the process, its children left out."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def memory(self) -> float:
        """Proportional set size in MB."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        assert found is not None
        return int(found[1]) / 1024

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)


class Person:
    """A home, a repository and a server that plays a script in another process."""

    def __init__(self, folder: Path, script: Sequence[Rule], *, workers: int = 4) -> None:
        self.home, self.repo, self._log = folder / "home", folder / "repo", folder / "log"
        (folder / "script.yaml").write_text(yaml.safe_dump(Script(rules=tuple(script)).model_dump(mode="json")))
        self._log.touch()
        self._server = subprocess.Popen(
            [*_SERVER, "--script", str(folder / "script.yaml"), "--log", str(self._log)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._server.stdout is not None
        url = self._server.stdout.readline().strip()
        config: dict[str, Any] = {
            "llm": {
                "api_base": url,
                "models": {"supervisor": "stub/strong", "worker": "stub/weak"},
                "prices": {name: {"input": 1, "output": 1} for name in ("stub/strong", "stub/weak")},
                "budget": 1000,
                "context_window": 10_000_000,
            },
            "orchestrator": {"max_iterations": 5000, "max_workers": workers},
        }
        (self.home / ".equitr").mkdir(parents=True)
        (self.home / ".equitr" / "config.yaml").write_text(yaml.safe_dump(config))
        self.repo.mkdir()
        self._git("init", "-q", "-b", "main")
        (self.repo / "README.md").write_text("# Bench\n" * 20)
        (self.repo / "rows.txt").write_text("".join(f"row {number} is in order\n" for number in range(1, _LINES + 1)))
        self._git("add", "-A")
        self._git("-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "start")

    def answered(self) -> list[dict[str, Any]]:
        """The requests that have ended, as the server logged them."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def asked(self) -> int:
        """How many requests have ended."""
        return self._log.read_text().count("\n")

    @contextmanager
    def window(self, *arguments: str) -> Iterator[Window]:
        window = Window(self.home, self.repo, *arguments)
        try:
            yield window
        finally:
            window.close()

    def close(self) -> None:
        self._server.terminate()
        self._server.wait()

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.repo, env=os.environ | {"HOME": str(self.home)}, check=True)


@contextmanager
def person(script: Sequence[Rule], *, workers: int = 4) -> Iterator[Person]:
    folder = Path(tempfile.mkdtemp(prefix="equitr-screen-"))
    someone = Person(folder, script, workers=workers)
    try:
        yield someone
    finally:
        someone.close()
        shutil.rmtree(folder, ignore_errors=True)


class Table:
    def __init__(self) -> None:
        self.missed = 0

    def row(self, name: str, figure: float, unit: str, goal: float | None = None, note: str = "") -> None:
        is_met = goal is None or figure <= goal
        self.missed += not is_met
        verdict = "" if goal is None else f"<= {goal:g}".ljust(10) + ("pass" if is_met else "MISS")
        print(f"  {name:<46} {figure:10.2f} {unit:<4} {verdict:<16} {note}", flush=True)


def markdown(tokens: int) -> str:
    """An answer with every kind of block, of about so many tokens."""
    parts: list[str] = []
    number = 0
    while sum(len(part) for part in parts) < tokens * 4:
        number += 1
        parts.append(f"## Part {number}\n\nThe *order* service keeps `rows{number}` until the **import** is whole.\n\n")
        parts.append("".join(f"- point {item} of part {number} says what to do\n" for item in range(4)) + "\n")
        parts.append(f"```python\ndef part_{number}(rows: list[int]) -> int:\n    return sum(rows) + {number}\n```\n\n")
    return "".join(parts)[: tokens * 4] + f"\n\n{END}\n"


def prose(name: str, tokens: int) -> str:
    words = (f"{name} looks at row {number} of the import and finds it in order. " for number in range(tokens))
    text = ""
    while len(text) < tokens * 4:
        text += next(words)
    return text


def planned(lanes: int, *, pace: float, tokens: int) -> list[Rule]:
    """A plan of as many tasks as lanes; each worker talks for a while, then hands in."""
    plan = call(
        "submit_plan",
        title="Lanes",
        sync_points=[],
        tasks=[
            {
                "id": f"T{number}",
                "title": f"lane {number}",
                "description": f"Write lane{number}.txt with the word lane-{number}-built.",
                "needs": [],
                "files": [f"lane{number}.txt"],
                "todos": [f"create lane{number}.txt"],
                "check": f"grep lane-{number}-built lane{number}.txt",
            }
            for number in range(1, lanes + 1)
        ],
    )
    documents = [
        call("write_document", name=name, content=content)
        for name, content in (("requirements", REQUIREMENTS), ("design", DESIGN))
    ]
    workers = [
        rule(
            says(
                prose(f"lane {number}", tokens),
                call("write_file", path=f"lane{number}.txt", content=f"lane-{number}-built\n"),
                pace=pace,
                sizes=TOKEN,
            ),
            calls("hand_in", summary="it is built"),
            model="weak",
            offers="hand_in",
            first=f"lane-{number}-built",
        )
        for number in range(1, lanes + 1)
    ]
    return [rule(says("", *documents, plan), model="strong", offers="submit_plan"), *workers]


def launch(table: Table, runs: int) -> None:
    first, takes, ready = [], [], []
    with person([always(says("hello"), model="*")]) as someone:
        for turn in range(runs + 1):
            with someone.window() as window:
                seen = window.until("╭") - window.started
                place = len(window.written)
                window.press("q")
                echoed = window.until("> q", after=place) - window.started
                connected = window.until("main", timeout=30)
                if turn:  # the first warms bytecode and disk caches
                    first.append(seen)
                    takes.append(echoed)
                    ready.append(connected - window.started)
    table.row("launch to first frame (median)", statistics.median(first), "s", 0.5, f"max {max(first):.2f}, n {runs}")
    table.row("launch to a letter typed then (median)", statistics.median(takes), "s", 0.8, f"max {max(takes):.2f}")
    table.row("launch to engine ready (median)", statistics.median(ready), "s", None, f"max {max(ready):.2f}")


def echo(table: Table, _runs: int) -> None:
    with person([always(says("hello"), model="*")]) as someone, someone.window() as window:
        window.until("main")
        window.settle()
        took = window.echo()
        table.row("key to echo, idle, median", statistics.median(took), "ms", 20, f"max {max(took):.1f}, n {len(took)}")
        place, before, began = len(window.written), window.cpu, time.monotonic()
        window.rest(10)
        share = (window.cpu - before) / (time.monotonic() - began) * 100
        table.row("idle CPU", share, "%", 1, f"{len(window.written) - place} bytes written in 10 s")


def answer(table: Table, _runs: int) -> None:
    replies = says(markdown(TOKENS), pace=0.01, sizes=TOKEN)
    with person([always(replies, model="*")]) as someone, someone.window() as window:
        _talk(window, "chat")
        memory, cpu, place = window.memory, window.cpu, len(window.written)
        window.press("write it all down\r")
        window.rest(3)
        took = window.echo(LETTERS[:20], gap=0.2)
        shown = window.until(END, after=place, timeout=180)
        window.settle()
        ended = someone.answered()[-1]["ended"]
        table.row(f"{TOKENS} tokens of Markdown: CPU", window.cpu - cpu, "s", 6)
        table.row("  output", (len(window.written) - place) / 1e6, "MB", 1.6)
        table.row("  memory grew (PSS)", window.memory - memory, "MB", 40, f"to {window.memory:.0f} MB")
        table.row("  last token to screen", max(0.0, shown - ended) * 1000, "ms", 250)
        table.row("  key to echo meanwhile, median", statistics.median(took), "ms", 40, f"max {max(took):.1f}")


def interrupt(table: Table, runs: int) -> None:
    """From Esc until the server sees that its answer is not wanted any more, and until the screen says so."""
    closed, told = [], []
    replies = [says(prose("it", 4000), pace=0.01, sizes=TOKEN) for _ in range(runs)]
    with person([rule(*replies, model="*")]) as someone, someone.window() as window:
        _talk(window, "chat")
        for turn in range(runs):
            place = len(window.written)
            window.press("go\r")
            window.until("at row 9", after=place)
            pressed = time.monotonic()
            window.press("\x1b")
            place = len(window.written)
            told.append(window.until("$", after=place) - pressed)
            _until(lambda turn=turn: len(someone.answered()) > turn, window)  # type: ignore[misc]
            closed.append(someone.answered()[-1]["ended"] - pressed)
            window.settle()
    table.row("Esc to closed request, longest", max(closed) * 1000, "ms", 300, f"n {len(closed)}")
    table.row("Esc to the screen, longest", max(told) * 1000, "ms")


def lanes(table: Table, _runs: int) -> None:
    for count, rate, goals in ((4, 100, (6.0, 1.0)), (8, 25, (None, None))):
        script = planned(count, pace=1 / rate, tokens=rate * 45)
        with person(script, workers=count) as someone, someone.window() as window:
            _talk(window, "plan")
            place = len(window.written)
            window.press("build the lanes\r")
            window.until(f"lane {count}", after=place)
            window.settle()
            window.press("/run \r")
            window.until(f"{count} of {count} workers", after=place)
            window.rest(5)
            cpu, place, began = window.cpu, len(window.written), time.monotonic()
            window.rest(20)
            seconds = time.monotonic() - began
            used, wrote = (window.cpu - cpu) / seconds * 20, (len(window.written) - place) / 1e6
            took = window.echo(LETTERS[:30], gap=0.1)
            print(f"  {count} lanes, {count * rate} events/s")
            table.row("  20 s: CPU", used, "s", goals[0])
            table.row("  20 s: output", wrote, "MB", goals[1])
            table.row("  key to echo, median", statistics.median(took), "ms", 40)
            table.row("  key to echo, P95", statistics.quantiles(took, n=20)[-1], "ms", 50, f"max {max(took):.1f}")
            table.row("  memory (PSS)", window.memory, "MB")


def events(table: Table, _runs: int) -> None:
    """10,000 events of one conversation: memory after the first fifth and after all."""
    turns = 160
    reads: list[ScriptedReply] = [
        says(f"Turn {turn}.", *(call("read_file", path="rows.txt", offset=row + 1, limit=1) for row in rows))
        for turn, rows in enumerate(batched(range(_LINES), _LINES // turns))
    ]
    with person([rule(*reads, says(END), model="*")]) as someone, someone.window() as window:
        _talk(window, "chat")
        at_rest = window.memory
        window.press("read on\r")
        _until(lambda: someone.asked() >= turns // 5, window)
        early = window.memory
        window.until(END, timeout=1200)
        window.settle()
        late = window.memory
        took = window.echo(LETTERS[:20])
        [store] = (someone.home / ".equitr").glob("*.db")
        table.row("memory (PSS) before", at_rest, "MB")
        table.row("  after 1/5 of the events", early, "MB", None, f"{_count(store)} events in all")
        table.row("  after all of them grew by", late - early, "MB", 40, f"to {late:.0f} MB")
        table.row("  key to echo then, median", statistics.median(took), "ms", 20, f"max {max(took):.1f}")


def batched(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (numbers[at : at + size] for at in range(0, len(numbers), size))


def _count(store: Path) -> int:
    import sqlite3

    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as log:
        return int(log.execute("select count(*) from events").fetchone()[0])


def _talk(window: Window, mode: str) -> None:
    """Wait for the engine and choose the mode."""
    window.until("main")
    window.settle()
    for _ in range(3):
        border = _CODES.sub(b"", window.written).decode(errors="replace").rsplit("╭", 1)[-1]
        if border.startswith(f"─ {mode} ─"):
            return
        window.press("\x1b[Z")
        window.settle()


def _until(holds: Callable[[], bool], window: Window, timeout: float = 600.0) -> None:
    ends = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > ends:
            raise SystemExit("the script did not get that far")
        window.rest(0.2)


MEASURES = {"launch": launch, "echo": echo, "answer": answer, "interrupt": interrupt, "lanes": lanes, "events": events}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(MEASURES))
    given = parser.parse_args()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {load}")
    table = Table()
    for name in given.only.split(","):
        print(f"\n{name}")
        MEASURES[name](table, given.runs)
    print(f"\n{table.missed} missed" if table.missed else "\nall goals met")


if __name__ == "__main__":
    main()
