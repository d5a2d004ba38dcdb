"""The one question of a run that nothing confines: may what runs unasked do so with the user's rights?

An agent's own commands ask one by one there. Checks, the set-up of a worktree and commands after an edit do not, and
what they run is code that an agent wrote.
"""

from equitr_coder.domain.approvals import Approval
from equitr_coder.domain.errors import RunStopped, StopReason
from equitr_coder.domain.ids import AgentName, RequestId, SessionId
from equitr_coder.domain.run_view import RunView
from equitr_coder.ports import Approvals

TOOL = "run_unconfined"
_WHAT = "checks, the set-up of worktrees and commands after an edit of this run, without asking for each"
_HINT = (
    "`equitrcoder doctor` says why; answer in a terminal, or put `sandbox.mode: off` into your own configuration for a "
    "lasting yes."
)


async def agree_to_unconfined(view: RunView, approvals: Approvals, *, why: str) -> None:
    """Asked once: a yes counts for the whole run, a no ends it, and the next start asks again.

    Raises:
        RunStopped: nobody is there to ask, or they said no.
    """
    asked = [(approval, resolved.answer) for approval, resolved in view.grants if approval.tool == TOOL]
    if any(answer.allowed for _, answer in asked):
        return
    if not view.options.can_ask:  # --yes says nothing here either: it reaches no further than a sandbox
        raise RunStopped(
            StopReason.APPROVAL_NEEDED,
            "No sandbox to rely on: checks, set-up and commands after an edit would run with your rights.",
            hint=_HINT,
        )
    answer = await approvals.ask(
        Approval(
            id=RequestId(f"unconfined:{len(asked)}"),
            session=SessionId("run"),
            agent=AgentName("equitrcoder"),
            tool=TOOL,
            what=_WHAT,
            why=f"{why}; and they run code that an agent wrote",
            confined=False,
            inside=False,
        )
    )
    if not answer.allowed:
        raise RunStopped(StopReason.APPROVAL_NEEDED, "It was not allowed to work without a sandbox.", hint=_HINT)
