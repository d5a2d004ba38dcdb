"""The policy of one session: what runs unasked, what asks, what is refused. Pure; the sandbox is the wall behind it.

Refusal wins, then asking: a rule that denies, the root and the planning documents stand above everything, and a rule
of the user's that asks stands above approved commands and above what only reads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Literal

from equitr_coder.domain.approvals import Decision, Touches, Verdict
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.globs import covers
from equitr_coder.engine.command_line import leaves_root, parse, spellings
from equitr_coder.engine.read_only import is_read_only, only_reads

_SEVERITY = (Verdict.ALLOW, Verdict.ASK, Verdict.DENY)
LEAVES_FOOTPRINT = "leaves its footprint"
"""Stands in the reason of every decision about a write outside the footprint."""
_LEAVE_THE_PROOF = (
    "Leave it as it is and make the code pass it. Put further tests into a new file. If the check or a test is wrong, "
    "say so in the summary of hand_in."
)
_ALLOWED = Decision(verdict=Verdict.ALLOW, reason="reads only")


@frozen
class Rules:
    """The user's own (`permission.*`): patterns with `*` and `?` over whole commands."""

    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


def _nobody(_path: str) -> None:
    return None


@frozen
class SessionPolicy:
    """Implements `ports.Policy` for one session."""

    rules: Rules = field(default_factory=Rules)
    roots: tuple[str, ...] = ()
    """Absolute paths at which commands find the session's files: its root, and in the sandbox what it stands for."""
    can_write: bool = True
    footprint: tuple[str, ...] = ()
    """Paths, folders or globs; empty means not declared."""
    is_closed: bool = False
    """Whether a write outside the footprint is refused instead of asked about."""
    leaving: Literal["ask", "refuse"] = "ask"
    """What becomes of a write outside the footprint (`orchestrator.footprint`)."""
    holder: Callable[[str], str | None] = _nobody
    """The task at work beside this one whose file it is. What somebody holds is never asked for."""
    approved_commands: frozenset[str] = frozenset()
    """Checks of an approved plan; they run unasked as they stand, to the letter."""
    documents: tuple[str, ...] = ()
    """Planning documents that a worker must not write, relative to the root."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Files that prove the task, each with what they are to it: writing one asks a person, whoever else may say yes."""
    is_confined: bool = True
    """Whether commands run in a sandbox; without one every command asks."""

    def decide(self, tool: str, touches: Touches) -> Decision:
        decisions = [self._decide_path(path, is_write=False) for path in touches.reads]
        decisions += [self._decide_path(path, is_write=True) for path in touches.writes]
        if touches.command is not None:
            decisions.append(self._decide_command(touches.command.strip()))
        if touches.unknown:
            decisions.append(Decision(verdict=Verdict.ASK, reason=f"{tool} does not say what it touches"))
        return max(decisions, key=lambda decision: _SEVERITY.index(decision.verdict), default=_ALLOWED)

    def _decide_path(self, path: str, *, is_write: bool) -> Decision:
        clean = normpath(path)
        if clean.startswith(("/", "~")) or ".." in clean.split("/"):
            return _deny(f"{path} is outside the workspace")
        if ".git" in clean.lower().split("/"):
            return _deny(f"{path} belongs to git; it is out of bounds")
        if not is_write:
            return _ALLOWED
        if not self.can_write:
            return _deny("this session only reads")
        if clean.casefold() in {normpath(document).casefold() for document in self.documents}:
            return _deny(f"{path} is a planning document; the plan is fixed and the host keeps its checkboxes")
        footprint = [entry for entry in self.footprint if entry.strip()]
        if footprint and not any(covers(entry, clean) for entry in footprint):
            if self.is_closed:
                return _deny(f"{path} is none of the files this is about ({', '.join(footprint)})")
            decision = self._decide_leaving(path, clean, f"{path} {LEAVES_FOOTPRINT} ({', '.join(footprint)})")
        else:
            decision = Decision(verdict=Verdict.ALLOW, reason="inside the workspace and its footprint")
        if clean in self.held and decision.verdict is not Verdict.DENY:
            return Decision(
                verdict=Verdict.ASK,
                reason=f"{path} {self.held[clean]}, and what proves the task is not changed by who must pass it",
                when_alone=_LEAVE_THE_PROOF,
                is_about_proof=True,
            )
        return decision

    def _decide_leaving(self, path: str, clean: str, reason: str) -> Decision:
        if holder := self.holder(clean):
            return _deny(f"{reason}, and {holder} holds {path}: work without it, or say in the summary what it needs")
        if self.leaving == "refuse":
            return _deny(f"{reason}; the configuration refuses it (orchestrator.footprint)")
        return Decision(verdict=Verdict.ASK, reason=reason)

    def _decide_command(self, command: str) -> Decision:
        forms = spellings(command)
        if rule := _matching(self.rules.deny, forms):
            return _deny(f"the rule permission.deny {rule!r} forbids it")
        is_approved = command in {approved.strip() for approved in self.approved_commands}
        if not is_approved and leaves_root(command, self.roots):
            return _deny("it changes into a folder outside the workspace; every command starts at its root")
        reads_only = is_read_only(command, self.roots)
        if not self.can_write and not reads_only:
            return _deny("this session only reads")
        if rule := _matching(self.rules.ask, forms):
            return Decision(verdict=Verdict.ASK, reason=f"the rule permission.ask {rule!r} asks")
        if self._is_allowed_by_rule(command):
            return Decision(verdict=Verdict.ALLOW, reason="allowed by permission.allow")
        if not self.is_confined:
            return Decision(verdict=Verdict.ASK, reason="there is no sandbox, so every command asks")
        if is_approved:
            return Decision(verdict=Verdict.ALLOW, reason="an approved check")
        return _ALLOWED if reads_only else Decision(verdict=Verdict.ASK, reason="it may do more than read")

    def _is_allowed_by_rule(self, command: str) -> bool:
        """A pattern must cover every part: `pytest*` does not let `pytest; rm -r .` through."""
        allow = self.rules.allow
        if "*" in allow or command in allow:
            return True
        commands = parse(command)
        if commands is None or not allow:
            return False
        sizes = {rule: len(parse(rule) or ()) for rule in allow}
        if any(fnmatchcase(command, rule) for rule in allow if sizes[rule] == len(commands)):
            return True
        single = [rule for rule in allow if sizes[rule] == 1]
        named = [any(fnmatchcase(" ".join(word.text for word in part), rule) for rule in single) for part in commands]
        return any(named) and all(
            is_named or only_reads(part, self.roots) for part, is_named in zip(commands, named, strict=True)
        )


def _matching(rules: Sequence[str], forms: Sequence[str]) -> str | None:
    return next((rule for rule in rules if any(fnmatchcase(form, rule.strip()) for form in forms)), None)


def _deny(reason: str) -> Decision:
    return Decision(verdict=Verdict.DENY, reason=reason)
