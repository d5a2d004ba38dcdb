"""What a command may leave behind: the policy for writes, asked once the files are there. Pure: decisions and words."""

import hashlib
from collections.abc import Collection, Iterable, Mapping

from equitr_coder.domain.approvals import Touches, Verdict
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.path_text import is_text, shown
from equitr_coder.ports import Policy

PUT_BACK_OPENING = "[The host put back"
"""How the line begins that tells a model what was put back."""
_NAMED = 20


@frozen
class Beyond:
    """Paths that a command changed and that the session may not write on its own; each with the reason."""

    forbidden: Mapping[str, str]
    """Nobody can allow these."""
    asks: Mapping[str, str]
    """A person can."""
    is_about_proof: bool = False
    """Some of what a person is asked about proves the task."""


def beyond(policy: Policy, tool: str, paths: Iterable[str], *, allowed: Collection[str]) -> Beyond:
    forbidden: dict[str, str] = {}
    asks: dict[str, str] = {}
    is_about_proof = False
    for path in paths:
        if not is_text(path):
            forbidden[path] = "its name is not UTF-8, so it cannot be named in the log nor landed"
            continue
        decision = policy.decide(tool, Touches(writes=(path,)))
        if decision.verdict is Verdict.DENY:
            forbidden[path] = decision.reason
        elif decision.verdict is Verdict.ASK and path not in allowed:
            asks[path] = decision.reason
            is_about_proof = is_about_proof or decision.is_about_proof
    return Beyond(forbidden, asks, is_about_proof)


def digest(paths: Iterable[str]) -> str:
    """A name for this set of paths: the same set is the same question."""
    return hashlib.sha256("\0".join(sorted(paths)).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def question(command: str, paths: Collection[str]) -> str:
    return f"keep what a command changed in: {', '.join(sorted(paths))}\n{command}"


def put_back_words(reasons: Mapping[str, str], created: Collection[str], answer: str) -> str:
    """For the model: what was put back, why, and how to go on. `answer` is what was said when somebody was asked."""
    paths = sorted(reasons)
    named = [f"{shown(path)} (removed)" if path in created else shown(path) for path in paths[:_NAMED]]
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    why = reasons[paths[0]]
    said = f" {answer}" if answer else ""
    return (
        f"{PUT_BACK_OPENING} as it was before this command: {', '.join(named)}{more}. Why: {why}.{said} What it did "
        "elsewhere stands. Do the rest of the task, and say in the summary what is missing and why.]"
    )
