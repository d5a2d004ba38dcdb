"""Kill the process while two tasks clash: structure merges, or the supervisor proposes, or a person is waited for."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from equitr_coder.domain.conflicts import ConflictState
from equitr_coder.domain.runs import RunState
from tests.faults import scenes
from tests.faults.conftest import OpenVictim
from tests.faults.laws import assert_laws, assert_sound_in_death
from tests.faults.plays import BY_HAND, PROPOSED, STRUCTURAL
from tests.faults.points import Point, moments_of
from tests.faults.victim import Ended, Victim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
slow = pytest.mark.slow


def _both_are_there(victim: Victim, path: str) -> None:
    text = victim.files[path]
    assert text.count("T1-built") == text.count("T2-built") == 1, text
    assert "<<<<" not in text


def _points(kind: str, *numbers: int) -> Iterator[Point]:
    return (Point(kind, when, number) for number in numbers for when in moments_of(kind))


_MERGING = [
    *_points("append.merge_queued", 2),
    *_points("append.conflict_found", 1),
    *_points("append.conflict_resolved", 1),
    *_points("append.merge_landed", 2),
    *_points("executor.run", 5, 6),
    *_points("git.merge-tree", 1, 2, 3),
    *_points("git.commit-tree", 4, 5, 6, 7),
    *_points("git.update-ref", 8, 10, 12, 14, 16, 18),
    *_points("store.write_journal", 2, 3, 4),
    *_points("store.clear_journal", 2, 3, 4),
]


def _sampled(points: list[Point], *, always: Point) -> list[object]:
    """All of them in the slow suite; `always` in the default one as well, and that one has to be reached."""
    assert always in points
    return [pytest.param(point, marks=() if point == always else slow, id=str(point)) for point in points]


def _die_once(victim: Victim, point: Point) -> None:
    """A point that is not passed this time leaves an ordinary run."""
    if victim.kill(point):
        assert_sound_in_death(victim)


@pytest.mark.parametrize(
    "point",
    _sampled([*_MERGING, *_points("repository.mixed", 1)], always=Point("append.conflict_resolved", "before", 1)),
)
def test_what_structure_merges_survives_every_death(victim: OpenVictim, point: Point) -> None:
    killed = victim(STRUCTURAL)
    _die_once(killed, point)
    killed.finish()
    assert killed.is_done, killed.view.detail
    _both_are_there(killed, "names.py")
    assert_laws(killed)


@pytest.mark.parametrize(
    "point",
    _sampled(
        [
            *_MERGING,
            *_points("append.conflict_changed", 1),
            *_points("append.model_call_reserved", 5, 6, 7, 8, 9),
            *_points("append.model_call_settled", 5, 6, 7, 8, 9),
            *_points("append.tool_called", 6, 7),
            *_points("append.tool_returned", 6, 7),
            *_points("repository.keep", 6, 7, 8),
        ],
        always=Point("append.conflict_changed", "after", 1),
    ),
)
def test_what_the_supervisor_merges_survives_every_death(victim: OpenVictim, point: Point) -> None:
    killed = victim(PROPOSED)
    _die_once(killed, point)
    killed.finish()
    assert killed.is_done, killed.view.detail
    _both_are_there(killed, "line.txt")
    assert_laws(killed)


def _next_words(victim: Victim) -> tuple[str, ...] | None:
    """What the person types now; files of a conflict that waits are mended first."""
    waiting = [
        (name, found)
        for log in [victim.log_or_nothing]
        if log
        for name, found in victim.view.conflicts.items()
        if found.state is ConflictState.ESCALATED and victim.view.state is RunState.PAUSED
    ]
    if not waiting:
        return victim.next_command()
    [(name, found)] = waiting
    assert found.worktree is not None
    (Path(found.worktree) / "line.txt").write_text(scenes.BOTH)
    return ("conflict", "resolve", name)


def _by_hand(victim: Victim, point: Point | None) -> None:
    """Play to the end, with at most one death."""
    for _ in range(8):
        words = _next_words(victim)
        if words is None:
            return
        if point is None:
            ended = victim.run(*words)
        else:
            ended, _passed = victim.drive(words, point)
            if ended.code < 0:
                victim.note_death(str(point))
                assert_sound_in_death(victim)
                point = None
                continue
        assert ended.code in (0, 1), ended.brief
    raise AssertionError(f"it does not end: {victim.view.state} {victim.view.reason} {victim.view.detail}")


@pytest.mark.parametrize(
    "point",
    _sampled(
        [
            *_MERGING,
            *_points("append.conflict_changed", 1, 2),
            *_points("append.run_paused", 1),
            *_points("append.run_resumed", 1),
            *_points("repository.mixed", 1),
            *_points("append.run_finished", 1),
        ],
        always=Point("append.run_paused", "before", 1),
    ),
)
def test_what_a_person_merges_survives_every_death(victim: OpenVictim, point: Point) -> None:
    killed = victim(BY_HAND)
    _by_hand(killed, point)
    assert killed.is_done, killed.view.detail
    _both_are_there(killed, "line.txt")
    assert_laws(killed)


def _words_after(victim: Victim, meanwhile: Callable[[Victim], None], words: tuple[str, ...]) -> Ended:
    """A conflict waits and its files are mended; something happens, and the person types `words`."""
    victim.run(*victim.play.command)
    assert _next_words(victim) == ("conflict", "resolve", "C1")
    meanwhile(victim)
    return victim.run(*words)


def _forget_worktrees(victim: Victim) -> None:
    shutil.rmtree(victim.repo / ".git" / "worktrees")


@slow
@pytest.mark.parametrize("words", [("conflict", "resolve", "C1"), ("resume", "--yes")], ids=" ".join)
def test_what_a_person_merged_stays_when_git_forgets_the_worktree_it_lies_in(
    victim: OpenVictim, words: tuple[str, ...]
) -> None:
    waits = victim(BY_HAND)
    ended = _words_after(waits, _forget_worktrees, words)
    assert ended.code == (0 if words[0] == "conflict" else 1), ended.brief
    if words[0] == "resume":
        ended = waits.run("conflict", "resolve", "C1")
        assert ended.code == 0, ended.brief
    waits.finish()
    assert waits.is_done, waits.view.detail
    assert waits.files["line.txt"] == scenes.BOTH
    assert_laws(waits)


@slow
def test_what_a_person_merged_moves_with_the_home_folder(victim: OpenVictim) -> None:
    waits = victim(BY_HAND)
    ended = _words_after(waits, lambda moved: moved.move("home", "another home"), ("conflict", "resolve", "C1"))
    assert ended.trouble[0] == "the files of C1 are nowhere to be edited"
    assert "equitrcoder resume epic-001 lays them out" in ended.trouble[1]

    ended = waits.run("resume", "--yes")
    assert ended.code == 1, ended.brief
    assert str(waits.home) in ended.trouble[1]
    ended = waits.run("conflict", "resolve", "C1")
    assert ended.code == 0, ended.brief
    waits.finish()
    assert waits.is_done, waits.view.detail
    assert waits.files["line.txt"] == scenes.BOTH
    assert_laws(waits)


@slow
def test_the_three_plays_clash_as_they_are_meant_to(victim: OpenVictim) -> None:
    how: dict[str, list[str]] = {}
    for name, play in (("structure", STRUCTURAL), ("proposal", PROPOSED)):
        calm = victim(play)
        calm.finish()
        how[name] = [event.how for event in calm.log if event.type == "conflict_resolved"]
    calm = victim(BY_HAND)
    _by_hand(calm, None)
    how["user"] = [event.how for event in calm.log if event.type == "conflict_resolved"]
    assert how == {"structure": ["structure"], "proposal": ["proposal"], "user": ["user"]}
