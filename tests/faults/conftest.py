"""Victims for the tests beside it, and what their plays come to when nothing happens."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from equitr_coder.testing.server import serve_in_thread
from tests.faults.laws import assert_nothing_lost
from tests.faults.victim import Play, Victim


@dataclass(frozen=True)
class Calm:
    """A play to which nothing happened."""

    files: dict[str, str]
    counts: Mapping[str, int]
    """How often each kind of point was passed."""


OpenVictim = Callable[[Play], Victim]
Undisturbed = Callable[[Play], Calm]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    known: list[tuple[Play, Calm]] = []

    def calm(play: Play) -> Calm:
        found = next((calm for other, calm in known if other is play), None)
        if found is None:
            with serve_in_thread(list(play.rules)) as server:
                lucky = Victim(tmp_path_factory.mktemp("calm"), play, server)
                lucky.prepare()
                counts = lucky.count()
                found = Calm(lucky.files, counts)
                assert_nothing_lost(lucky, found.files)
            known.append((play, found))
        return found

    return calm


@pytest.fixture
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVictim]:
    with ExitStack() as stack:

        def open_victim(play: Play) -> Victim:
            server = stack.enter_context(serve_in_thread(list(play.rules)))
            made = Victim(tmp_path_factory.mktemp("victim"), play, server)
            made.prepare()
            return made

        yield open_victim
