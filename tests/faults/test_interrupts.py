"""Ctrl-C anywhere: exit 130, no process of ours left, the repository as it was, and a resume that goes on."""

import signal
from pathlib import Path

import pytest

from tests.faults.conftest import OpenVictim, Undisturbed
from tests.faults.laws import assert_nothing_lost, assert_sound_in_death
from tests.faults.plays import SHORT
from tests.faults.points import KINDS, Point
from tests.faults.victim import Victim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_ONCE, _TERM, _TWICE = (signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)
_POINTS = (
    Point("client.stream", "before", 2),
    Point("append.tool_called", "after", 4),
    Point("git.read-tree", "during", 3),
    Point("executor.run", "before", 1),
    Point("store.write_journal", "after", 2),
    Point("files.put", "after", 2),
)


def _left_behind(victim: Victim) -> list[str]:
    """Processes that work in the victim's folders."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            where, line = (entry / "cwd").readlink(), (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if where.is_relative_to(victim.folder):
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def _interrupt(victim: Victim, point: Point, signals: tuple[int, ...]) -> None:
    ended, _ = victim.drive(victim.play.command, point, signals=signals)
    victim.note_death(str(point))
    assert not _left_behind(victim)
    assert "Traceback" not in ended.err, ended.brief
    if victim.log_or_nothing and not victim.view.state.is_final:
        assert ended.code == 130, ended.brief
        if signals != _TWICE:
            assert "equitrcoder resume" in ended.out + ended.err, ended.brief
            assert "Summary: " in ended.out or not victim.view.is_approved, "it says what was done"
    assert_sound_in_death(victim)


@pytest.mark.parametrize(
    ("point", "signals"),
    [
        *((point, _ONCE) for point in _POINTS[1::2]),
        *(pytest.param(point, _ONCE, marks=pytest.mark.slow) for point in _POINTS[::2]),
        (_POINTS[1], _TERM),
        (_POINTS[3], _TWICE),
        (_POINTS[4], _TWICE),  # while a process starts
        *(pytest.param(point, how, marks=pytest.mark.slow) for point in _POINTS[:3:2] for how in (_TERM, _TWICE)),
        pytest.param(_POINTS[4], _TERM, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_an_interrupt_ends_with_130_and_leaves_nothing_behind(
    victim: OpenVictim, undisturbed: Undisturbed, point: Point, signals: tuple[int, ...]
) -> None:
    stopped = victim(SHORT)
    _interrupt(stopped, point, signals)
    stopped.finish()
    assert_nothing_lost(stopped, undisturbed(SHORT).files)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_anywhere_is_a_clean_stop(victim: OpenVictim, undisturbed: Undisturbed, kind: str) -> None:
    count = undisturbed(SHORT).counts.get(kind, 0)
    for number in sorted({1, count // 2, count} - {0}) if count else ():
        stopped = victim(SHORT)
        _interrupt(stopped, Point(kind, "before", number), _ONCE)
        stopped.finish()
        assert_nothing_lost(stopped, undisturbed(SHORT).files)
