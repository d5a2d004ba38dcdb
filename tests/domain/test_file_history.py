"""States of files, and the way from one to another."""

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.file_history import START, FileHistory
from equitr_coder.domain.ids import TreeId

Files = Mapping[str, str]
Script = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.sampled_from("abc"), st.sampled_from("xyz")),
        st.tuples(st.just("command"), st.sampled_from("aij"), st.sampled_from(["", "x", "y"])),
        st.tuples(st.just("turn"), st.just(""), st.just("")),
        st.tuples(st.just("user"), st.sampled_from("uv"), st.sampled_from("xyz")),
        st.tuples(st.just("go"), st.integers(0, 8), st.just("")),
        st.tuples(st.just("undo"), st.just(""), st.just("")),
        st.tuples(st.just("redo"), st.just(""), st.just("")),
    ),
    max_size=25,
)


IGNORED = "ijv"
START_FILES = {"i": "the user's", "v": "the user's"}


class World:
    """Files as dicts; the agent writes a, b, c, i and j and the user u and v. Git ignores i, j and v: trees hold those
    that a command of the agent's changed, from just before it on.
    """

    def __init__(self) -> None:
        self.trees: dict[TreeId, Files] = {}
        self.files: dict[str, str] = dict(START_FILES)
        self.covered: set[str] = set()
        self.history = FileHistory()
        self.agents: dict[int, Files] = {START: self.of_agent()}
        """What the agent's files were at each state."""
        self.numbers = itertools.count()
        self.history.begin_turn(self.tree())

    def tree(self) -> TreeId:
        name = TreeId(f"{next(self.numbers):040x}")
        is_out = set(IGNORED) - self.covered
        self.trees[name] = {path: text for path, text in self.files.items() if path not in is_out}
        return name

    def command(self, path: str, text: str) -> None:
        """Creates, changes or deletes a file, which git may ignore."""
        was = self.files.get(path)
        now = f"{text}{next(self.numbers)}" if text else None
        if path in IGNORED:
            self.covered.add(path)
        before = self.tree()
        self.files.pop(path, None)
        self.files |= {path: now} if now is not None else {}
        if was != now:
            self.history.step(before, self.tree(), "run_command", [path])
            self.agents[self.history.position] = self.of_agent()

    def go(self, target: int) -> None:
        for here, there in self.history.route(target):
            old, new = self.trees[here], self.trees[there]
            for path in {*old, *new}:
                if old.get(path) != new.get(path) and self.files.get(path) == old.get(path):
                    self.files.pop(path, None)
                    self.files |= {path: new[path]} if path in new else {}
        self.history.move(target)

    def of_agent(self) -> Files:
        return {path: text for path, text in self.files.items() if path in "abcij"}


@given(Script)
def test_every_state_comes_back_and_the_users_files_stay(script: list[tuple[str, str | int, str]]) -> None:
    world = World()
    users: dict[str, str] = {}
    for what, where, text in script:
        match what:
            case "step":
                before = world.tree()
                world.files[str(where)] = f"{text}{len(world.agents)}"
                world.history.step(before, world.tree(), "write_file", [str(where)])
                world.agents[world.history.position] = world.of_agent()
            case "command":
                world.command(str(where), text)
            case "turn":
                world.history.begin_turn(world.tree())
            case "user":
                world.files[str(where)] = users[str(where)] = text
            case "go" if int(where) in world.agents:
                world.go(int(where))
            case "undo" if (target := world.history.undo_target) is not None:
                world.go(target)
            case "redo" if (target := world.history.redo_target) is not None:
                world.go(target)
        assert world.of_agent() == world.agents[world.history.position]
        assert {path: world.files[path] for path in users} == users


@given(Script)
def test_redo_is_the_inverse_of_undo(script: list[tuple[str, str | int, str]]) -> None:
    world = World()
    for what, where, text in script:
        if what == "step":
            before = world.tree()
            world.files[str(where)] = text + str(len(world.trees))
            world.history.step(before, world.tree(), "write_file", [str(where)])
        elif what == "command":
            world.command(str(where), text)
        elif what == "turn":
            world.history.begin_turn(world.tree())
    there, files, back = world.history.position, dict(world.files), 0
    while (target := world.history.undo_target) is not None:
        world.go(target)
        back += 1
    assert world.history.position == START
    assert world.of_agent() == world.agents[START]
    for _ in range(back):
        target = world.history.redo_target
        assert target is not None
        world.go(target)
    assert (world.history.position, world.files) == (there, files)
    assert world.history.redo_target is None


def test_new_work_after_going_back_is_a_branch_and_the_old_one_stays() -> None:
    world = World()
    for text in ("one", "two"):
        before = world.tree()
        world.files["a"] = text
        world.history.step(before, world.tree(), "write_file", ["a"])
    world.go(1)
    before = world.tree()
    world.files["a"] = "three"
    world.history.step(before, world.tree(), "write_file", ["a"])

    assert world.history.redo_target is None
    assert [state.parent for state in world.history.states] == [None, 0, 1, 1]
    world.go(2)
    assert world.files == START_FILES | {"a": "two"}
    world.go(3)
    assert world.files == START_FILES | {"a": "three"}


def test_a_state_that_never_was_is_no_target() -> None:
    with pytest.raises(KeyError):
        World().history.route(1)
