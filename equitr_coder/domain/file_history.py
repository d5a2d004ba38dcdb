"""What an agent did to the user's files, state by state, and how to get from one state to another and back.

States form a tree: who goes back and then works on begins a branch, and no state is ever forgotten. A state says what
one step changed, `before` and `after`; between two states the user may have changed files too, so the way from one to
another is walked in hops, and each hop takes back (or brings again) only files that are as the hop expects them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TreeId

START = 0
"""The state before the first turn."""


@frozen
class FileState:
    """The files after one step that changed some. `START` has no parent and changed nothing."""

    number: int
    parent: int | None
    turn: int
    """Counts the user's messages, from 1; 0 for `START`."""
    before: TreeId
    after: TreeId
    what: str
    """The tool that changed them."""
    paths: tuple[str, ...]


Hop = tuple[TreeId, TreeId]
"""The files as they are expected, and as they are to become."""


@dataclass
class FileHistory:
    """Of one session in the user's checkout. Folded from its events."""

    states: list[FileState] = field(default_factory=list)
    position: int = START
    turn: int = 0
    """Of the work that goes on now."""
    undone: list[int] = field(default_factory=list)
    """Positions that were left by going back, newest last; new work forgets them."""

    def begin_turn(self, tree: TreeId) -> None:
        self.turn += 1
        if not self.states:
            self.states.append(FileState(START, None, 0, tree, tree, "", ()))

    def step(self, before: TreeId, after: TreeId, what: str, paths: Iterable[str]) -> None:
        if not self.states:
            return  # no checkpoint: the session works in a worktree, which nobody rewinds
        number = len(self.states)
        self.states.append(FileState(number, self.position, self.turn, before, after, what, tuple(paths)))
        self.position = number
        self.undone.clear()

    def move(self, target: int) -> None:
        """The files were brought to this state."""
        if self.undone and self.undone[-1] == target:
            self.undone.pop()
        elif target in self._line(self.position):
            self.undone.append(self.position)
        else:
            self.undone.clear()
        self.position = target

    @property
    def undo_target(self) -> int | None:
        """The state before the turn that made the present one; None when there is nothing to take back."""
        if self.position == START:
            return None
        turn = self.states[self.position].turn
        return next(at for at in self._line(self.position) if self.states[at].turn != turn)

    @property
    def redo_target(self) -> int | None:
        """Where the last undo or rewind came from; None when nothing was taken back, or work went on since."""
        return self.undone[-1] if self.undone else None

    def route(self, target: int) -> Sequence[Hop]:
        """From the present state to another, through the last state that both come from.

        Raises:
            KeyError: there is no such state.
        """
        if not 0 <= target < len(self.states):
            raise KeyError(target)
        ours, theirs = self._line(self.position), self._line(target)
        common = next(at for at in ours if at in theirs)
        back = [(self.states[at].after, self.states[at].before) for at in ours[: ours.index(common)]]
        forth = [(self.states[at].before, self.states[at].after) for at in reversed(theirs[: theirs.index(common)])]
        return _joined([*back, *forth])

    def _line(self, number: int) -> list[int]:
        """A state and those it comes from, up to `START`."""
        line, at = [], number if self.states else None
        while at is not None:
            line.append(at)
            at = self.states[at].parent
        return line


def _joined(hops: Sequence[Hop]) -> list[Hop]:
    """Hops that meet are one: nobody else changed anything in between."""
    joined: list[Hop] = []
    for here, there in hops:
        if joined and joined[-1][1] == here:
            joined[-1] = (joined[-1][0], there)
        else:
            joined.append((here, there))
    return [hop for hop in joined if hop[0] != hop[1]]
