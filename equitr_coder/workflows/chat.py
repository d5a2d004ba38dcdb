"""Single-agent chat in the user's own checkout, behind a checkpoint that `undo` restores. Commits nothing."""

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import CheckpointTaken, Event, FileChanged, RunFinished
from equitr_coder.domain.ids import AgentName, SessionId, TreeId
from equitr_coder.domain.models import Purpose, StopCause
from equitr_coder.domain.runs import RunState
from equitr_coder.ports import AgentOrder, RunKit

SESSION = SessionId("chat")
AGENT = AgentName("assistant")


class ChatRun:
    """One turn: the user's message, the agent's work, its answer. The next message continues the same session."""

    def __init__(self, kit: RunKit) -> None:
        self._kit = kit

    async def run(self, message: str | None) -> None:
        """`message` is None for the first turn (the run's request) and when a broken turn is continued."""
        view = self._kit.events.view
        session = view.sessions.get(SESSION)
        tree = session.tree if session is not None else None
        if session is None or message is not None:
            tree = await self._checkpoint()
        agent = self._kit.spawner.spawn(
            AgentOrder(
                profile="chat",
                session=SESSION,
                agent=AGENT,
                task=None,
                purpose=Purpose.CHAT,
                first_message=view.request,
                root=self._kit.checkout,
                can_write=True,
                in_place=True,
                max_iterations=view.options.max_iterations,
                tree=tree,
            )
        )
        outcome = await agent.run(message)
        why = _shortcoming(outcome.text, self._kit.events.view.sessions[SESSION].last_stop)
        state = RunState.FAILED if why else RunState.COMPLETED
        await self._kit.events.record(RunFinished(state=state, content=outcome.text, detail=why))

    async def undo(self) -> tuple[str, ...]:
        """Take back what the last turn wrote; files that somebody changed since are left alone and returned.

        Raises:
            UserError: there is nothing to take back.
        """
        session = self._kit.events.view.sessions.get(SESSION)
        if session is None or not session.checkpoints or session.tree in (None, session.checkpoints[-1][1]):
            raise UserError("there is nothing to undo", hint="only changes of this chat's turns can be taken back")
        before, after = session.checkpoints[-1][1], session.tree
        assert after is not None
        kinds = await self._kit.repository.changed(after, before)
        left = await self._kit.repository.restore_files(after, before, self._kit.checkout)
        events: list[Event] = [
            FileChanged(session=SESSION, agent=AGENT, path=path, change=kind)
            for path, kind in sorted(kinds.items())
            if path not in left
        ]
        await self._kit.events.record(*events, CheckpointTaken(session=SESSION, agent=AGENT, tree=before))
        return tuple(left)

    async def _checkpoint(self) -> TreeId:
        repository = self._kit.repository
        tree = await repository.snapshot(self._kit.checkout)
        run = self._kit.events.view.run
        kept = await repository.commit_tree(tree, [], f"{run}: before a turn")
        await repository.move_ref(f"refs/equitr/checkpoints/{run}/{kept[:12]}", kept, None)
        await self._kit.events.record(CheckpointTaken(session=SESSION, agent=AGENT, tree=tree))
        return tree


def _shortcoming(text: str, stop: StopCause) -> str:
    """Why the last answer is not a whole one; empty when it is."""
    match stop:
        case StopCause.LENGTH:
            return "the model's answer was cut off at llm.max_tokens"
        case StopCause.FILTERED:
            return "the model's answer was withheld by the provider's filter"
        case _:
            return "" if text.strip() else "the model's answer was empty"
