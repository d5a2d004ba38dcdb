"""Going back, and forth again, in what a chat did to the user's files: what the agent wrote, and nothing else."""

from equitr_coder.domain import commands as c
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import CheckpointTaken, FileChanged
from equitr_coder.domain.file_history import FileState
from equitr_coder.domain.run_view import SessionView
from equitr_coder.engine.step_trees import is_readable
from equitr_coder.ports import RunKit
from equitr_coder.workflows.chat import AGENT, SESSION


class Rewinding:
    def __init__(self, kit: RunKit) -> None:
        self._kit = kit

    async def follow(self, command: c.UndoChange | c.RedoChange | c.RewindChange) -> None:
        """Bring the files to the state that the command means and record it. Files that somebody changed since are
        left alone and named in the record.

        Raises:
            UserError: there is no such state, or git has lost it.
        """
        session = self._kit.events.view.sessions.get(SESSION)
        target = _target(session, command)
        assert session is not None
        repository, root = self._kit.repository, self._kit.checkout
        hops = session.history.route(target)
        for tree in {tree for hop in hops for tree in hop}:
            if not await is_readable(repository, tree):
                raise UserError(
                    "git no longer has the files of that state, so it cannot be brought back",
                    hint="compare with the last commit: git diff HEAD",
                )
        before = await repository.snapshot(root, also=session.changed)
        left: set[str] = set()
        for here, there in hops:
            left.update(await repository.restore_files(here, there, root))
        after = await repository.snapshot(root, also=session.changed)
        changes = await repository.file_changes(before, after) if before != after else {}
        await self._kit.events.record(
            *(
                FileChanged(session=SESSION, agent=AGENT, path=path, change=change, added=added, removed=removed)
                for path, (change, added, removed) in sorted(changes.items())
            ),
            CheckpointTaken(
                session=SESSION,
                agent=AGENT,
                tree=after,
                state=target,
                left=tuple(sorted(left)),
                uncovered=tuple(sorted(session.uncovered)),
            ),
        )


def state_of(session: SessionView | None, number: int) -> FileState:
    """Raises UserError when the chat has no such state."""
    states = session.history.states if session is not None else []
    if not 0 <= number < len(states):
        has = f"they go from 0 to {len(states) - 1}" if states else "nothing was changed yet"
        raise UserError(f"there is no state {number} of the files: {has}", hint="/rewind lists them")
    return states[number]


def _besides(session: SessionView | None) -> str:
    if session is None or not session.uncovered:
        return ""
    return f". What commands did to {', '.join(sorted(session.uncovered))} is not covered"


def _target(session: SessionView | None, command: c.UndoChange | c.RedoChange | c.RewindChange) -> int:
    match command:
        case c.UndoChange():
            found = session.history.undo_target if session is not None else None
            if found is None:
                raise UserError(
                    "there is nothing to undo",
                    hint=f"only changes of this chat's turns can be taken back; /rewind lists{_besides(session)}",
                )
            return found
        case c.RedoChange():
            found = session.history.redo_target if session is not None else None
            if found is None:
                raise UserError(
                    "there is nothing to redo", hint="/redo brings back what /undo took, until the agent works on"
                )
            return found
        case c.RewindChange():
            return state_of(session, command.state).number
