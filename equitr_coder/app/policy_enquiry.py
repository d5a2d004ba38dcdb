"""What the policy of a chat in this workspace says of one call, and where the rule that decided is set."""

from equitr_coder.app.workshop import Workshop
from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.queries import PolicyAnswer, PolicyQuery
from equitr_coder.engine.permission import Rules, SessionPolicy

_READING = frozenset({"read_file", "search", "list_files"})
_WRITING = frozenset({"write_file", "edit_file", "apply_patch"})
_TALKING = frozenset(
    {
        "ask_supervisor", "ask_user", "hand_in", "publish_artifact", "read_artifact", "recall", "review", "submit_plan",
        "tick_todo", "write_document", "send_message", "share", "search_knowledge",
    }
)  # fmt: skip
"""They touch no file and run nothing."""


async def policy_answer(shop: Workshop, query: PolicyQuery) -> PolicyAnswer:
    """As for the chat, which works in the checkout and has no footprint. Runs nothing."""
    permission, executor = shop.settings.permission, await shop.executor()
    mode = query.mode or permission.mode
    policy = SessionPolicy(
        rules=Rules(allow=permission.allow, ask=permission.ask, deny=permission.deny),
        roots=(str(shop.checkout),),
        is_confined=executor.confinement.holds(in_place=True),
        lack=executor.confinement.lack(in_place=True),
        mode=mode,
    )
    decision = policy.decide(query.tool, _touches(query.tool, query.input))
    key = decision.rule.partition(":")[0]
    is_given = query.mode is not None and key == "permission.mode"
    sources = {entry.key: entry.source for entry in shop.loaded.entries}
    return PolicyAnswer(
        decision=decision,
        source="flag --mode" if is_given else sources.get(key, ""),
        mode=mode,
        confinement=f"{executor.confinement.kind} ({executor.confinement.reason})",
    )


def _touches(tool: str, given: str) -> Touches:
    if tool == "run_command":
        return Touches(command=given)
    if tool in _READING:
        return Touches(reads=(given,))
    if tool in _WRITING:
        return Touches(writes=(given,))
    return Touches(unknown=tool not in _TALKING)
