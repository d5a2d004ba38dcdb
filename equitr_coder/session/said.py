"""What the user says to a run that is at work, as events. Pure: whether it can reach anybody is read off the view."""

from collections.abc import Sequence

from equitr_coder.domain.commands import QueueMessage
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.events import Event, MessageCancelled, MessageSent
from equitr_coder.domain.ids import RequestId
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.workflows.chat import SESSION

USER = "user"


def queued(view: RunView, command: QueueMessage) -> Sequence[Event]:
    """Nothing when the run has ended or is paused.

    Raises:
        UserError: nobody of that name can hear it.
    """
    if view.state.is_final or view.state is RunState.PAUSED:
        return []
    number = sum(sent.sender == USER for sent in view.messages) + 1
    kind = "steer" if command.steer else "queue"
    return [
        MessageSent(
            id=RequestId(f"u{number}"), sender=USER, to=_addressee(view, command), kind=kind, content=command.text
        )
    ]


def cancelled(view: RunView, message: RequestId) -> Sequence[Event]:
    """Nothing when no such message of the user waits."""
    sent = next((sent for sent in view.messages if sent.id == message and sent.sender == USER), None)
    is_waiting = sent is not None and sent in view.waiting_for(sent.to)
    return [MessageCancelled(message=message)] if is_waiting else []


def _addressee(view: RunView, command: QueueMessage) -> str:
    if view.kind is RunKind.CHAT:
        if command.to is not None:
            raise UserError(f"a chat has no task {command.to}", hint="leave the task out")
        return SESSION
    name = view.epic or view.run
    open_tasks = [task.id for task in view.tasks.values() if not task.state.is_final]
    if command.to is None or not command.steer:
        raise UserError(
            f"{name} has several agents, each with a task of its own",
            hint=f"say which task is steered: {', '.join(open_tasks) or 'none is open'}",
        )
    found = next((task for task in open_tasks if task.lower() == command.to.lower()), None)
    if found is None:
        raise UserError(f"{name} has no open task {command.to!r}", hint=f"open: {', '.join(open_tasks) or 'none'}")
    return found
