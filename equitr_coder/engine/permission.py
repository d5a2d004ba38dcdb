"""The policy of one session: what runs unasked, what asks, what is refused. Pure; the sandbox is the wall behind it.

Refusal wins, then asking: a rule that denies, a guard, the root and the planning documents stand above everything, and
a rule of the user's that asks stands above allowed and approved commands and above what only reads. A command is judged
by its syntax tree, each simple command of it; nothing says yes to what cannot be read but the user's own whole rule.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Literal

from equitr_coder.domain.approvals import Decision, PermissionMode, Touches, Verdict
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.globs import covers
from equitr_coder.engine.command_classes import git_words, ruin, worry
from equitr_coder.engine.command_line import leaves_root, parse, spellings
from equitr_coder.engine.read_only import is_read_only, only_reads
from equitr_coder.engine.shell_syntax import SHELLS, WRAPPERS, Call, ShellLine, Word, read_line

_TARGETED = re.compile(r"(read|write|tool)\((.+)\)")
"""Text that no shell command has: a rule about paths or tools."""
_SEVERITY = (Verdict.ALLOW, Verdict.ASK, Verdict.DENY)
LEAVES_FOOTPRINT = "leaves its footprint"
"""Stands in the reason of every decision about a write outside the footprint."""
_LEAVE_THE_PROOF = (
    "Leave it as it is and make the code pass it. Put further tests into a new file. If the check or a test is wrong, "
    "say so in the summary of hand_in."
)
_ALLOWED = Decision(verdict=Verdict.ALLOW, reason="reads only", rule="guard: reads only")


@frozen
class Rules:
    """The user's own (`permission.*`): patterns with `*` and `?` over whole commands, `read(GLOB)` and `write(GLOB)`
    over paths, `tool(NAME)` over tools.
    """

    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def of_commands(self, rules: Sequence[str]) -> tuple[str, ...]:
        return tuple(rule for rule in rules if not _TARGETED.fullmatch(rule.strip()))

    def of(self, kind: str, rules: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """Pattern and whole rule of those that are about paths or tools."""
        found = ((_TARGETED.fullmatch(rule.strip()), rule) for rule in rules)
        return tuple((match[2], rule) for match, rule in found if match and match[1] == kind)


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
    """Those of the task in an approved plan; they run unasked as they stand, to the letter."""
    documents: tuple[str, ...] = ()
    """Planning documents that a worker must not write, relative to the root."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Files that prove the task, each with what they are to it: writing one asks a person, whoever else may say yes."""
    is_confined: bool = True
    """Whether commands run in a sandbox; without one every command asks."""
    lack: str = "there is no sandbox"
    """Why they ask, when they are not confined."""
    mode: PermissionMode = PermissionMode.ASK

    def decide(self, tool: str, touches: Touches) -> Decision:
        decisions = [self._decide_path(path, is_write=False) for path in touches.reads]
        decisions += [self._decide_path(path, is_write=True) for path in touches.writes]
        if touches.command is not None:
            decisions.append(self._decide_command(touches.command.strip()))
        if touches.unknown:
            decisions.append(self._decide_unknown(tool))
        decisions.append(self._decide_tool(tool))
        strictest = max(decisions, key=lambda decision: _SEVERITY.index(decision.verdict))
        others = [each for each in decisions if each.verdict is strictest.verdict and each is not _ALLOWED]
        return others[0] if others else strictest

    def _decide_tool(self, tool: str) -> Decision:
        for verdict, rules in ((Verdict.DENY, self.rules.deny), (Verdict.ASK, self.rules.ask)):
            for pattern, rule in self.rules.of("tool", rules):
                if fnmatchcase(tool, pattern):
                    return _by_rule(verdict, rule)
        return _ALLOWED

    def _decide_unknown(self, tool: str) -> Decision:
        if not self._can_write:
            return _deny(f"this session only reads, and {tool} does not say what it touches", self._why_only_reading)
        for pattern, rule in self.rules.of("tool", self.rules.allow):
            if fnmatchcase(tool, pattern):
                return _by_rule(Verdict.ALLOW, rule)
        return Decision(verdict=Verdict.ASK, reason=f"{tool} does not say what it touches", rule="guard: unknown reach")

    @property
    def _can_write(self) -> bool:
        return self.can_write and self.mode is not PermissionMode.PLAN

    @property
    def _why_only_reading(self) -> str:
        return "permission.mode: plan" if self.mode is PermissionMode.PLAN else "profile: reads only"

    def _decide_path(self, path: str, *, is_write: bool) -> Decision:
        clean = normpath(path)
        if clean.startswith(("/", "~")) or ".." in clean.split("/"):
            return _deny(f"{path} is outside the workspace", "guard: workspace")
        if ".git" in clean.lower().split("/"):
            return _deny(f"{path} belongs to git; it is out of bounds", "guard: git")
        by_rule = self._path_rule(clean, is_write=is_write)
        if by_rule is not None and by_rule.verdict is Verdict.DENY:
            return by_rule
        if not is_write:
            return by_rule or _ALLOWED
        if not self._can_write:
            return _deny("this session only reads", self._why_only_reading)
        if clean.casefold() in {normpath(document).casefold() for document in self.documents}:
            fixed = f"{path} is a planning document; the plan is fixed and the host keeps its checkboxes"
            return _deny(fixed, "guard: planning documents")
        footprint = [entry for entry in self.footprint if entry.strip()]
        if footprint and not any(covers(entry, clean) for entry in footprint):
            if self.is_closed:
                return _deny(f"{path} is none of the files this is about ({', '.join(footprint)})", "footprint")
            decision = self._decide_leaving(path, clean, f"{path} {LEAVES_FOOTPRINT} ({', '.join(footprint)})")
        else:
            inside = "inside the workspace and its footprint"
            decision = by_rule or Decision(verdict=Verdict.ALLOW, reason=inside, rule=f"permission.mode: {self.mode}")
        if clean in self.held and decision.verdict is not Verdict.DENY:
            return Decision(
                verdict=Verdict.ASK,
                reason=f"{path} {self.held[clean]}, and what proves the task is not changed by who must pass it",
                rule="guard: proof",
                when_alone=_LEAVE_THE_PROOF,
                is_about_proof=True,
            )
        return decision

    def _path_rule(self, clean: str, *, is_write: bool) -> Decision | None:
        """What a rule about paths says; who may not read a file may not write it."""
        for verdict, rules in ((Verdict.DENY, self.rules.deny), (Verdict.ASK, self.rules.ask)):
            for kind in ("write", "read") if is_write else ("read",):
                for pattern, rule in self.rules.of(kind, rules):
                    if covers(pattern, clean):
                        return _by_rule(verdict, rule)
        return None

    def _decide_leaving(self, path: str, clean: str, reason: str) -> Decision:
        if holder := self.holder(clean):
            held = f"{reason}, and {holder} holds {path}: work without it, or say in the summary what it needs"
            return _deny(held, "footprint")
        if self.leaving == "refuse":
            return _deny(f"{reason}; the configuration refuses it (orchestrator.footprint)", "orchestrator.footprint")
        return Decision(verdict=Verdict.ASK, reason=reason, rule="footprint")

    def _decide_command(self, command: str) -> Decision:
        line = read_line(command)
        forms = (*spellings(command), *(form for call in line.calls for form in _forms(call)))
        if refused := self._refusal(command, line, forms):
            return refused
        reads_only = is_read_only(command, self.roots)
        if not self._can_write and not reads_only:
            return _deny("this session only reads", self._why_only_reading)
        if asks := self._question(line, forms):
            return asks
        if rule := self._allowing_rule(command, line):
            return Decision(
                verdict=Verdict.ALLOW, reason="allowed by permission.allow", rule=f"permission.allow: {rule}"
            )
        if not self.is_confined:
            return Decision(verdict=Verdict.ASK, reason=f"{self.lack}, so every command asks", rule="guard: no sandbox")
        if self._is_approved(command):
            return Decision(verdict=Verdict.ALLOW, reason="approved with the plan", rule="the approved plan")
        return _ALLOWED if reads_only else self._by_mode(line)

    def _is_approved(self, command: str) -> bool:
        return command in {approved.strip() for approved in self.approved_commands}

    def _refusal(self, command: str, line: ShellLine, forms: Sequence[str]) -> Decision | None:
        if rule := _matching(self.rules.of_commands(self.rules.deny), forms):
            return _deny(f"the rule permission.deny {rule!r} forbids it", f"permission.deny: {rule}")
        for call in line.calls:
            if why := ruin(call):
                return _deny(why, "guard: ruin")
            if (decision := self._path_of_call(call)) is not None and decision.verdict is Verdict.DENY:
                return decision
        if not self._is_approved(command) and leaves_root(command, self.roots):
            where = "it changes into a folder outside the workspace; every command starts at its root"
            return _deny(where, "guard: workspace")
        return None

    def _question(self, line: ShellLine, forms: Sequence[str]) -> Decision | None:
        """What a rule asks about, and what a rule might forbid if the shell makes of the line what nobody can know."""
        if rule := _matching(self.rules.of_commands(self.rules.ask), forms):
            return _by_rule(Verdict.ASK, rule)
        for call in line.calls:
            if (decision := self._path_of_call(call)) is not None:
                return decision
        denied = self.rules.of_commands(self.rules.deny)
        if line.problem and denied:
            return Decision(
                verdict=Verdict.ASK, reason=f"{line.problem}, and there are rules that forbid", rule="guard: unreadable"
            )
        if rule := next((each for each in denied for call in line.calls if _may_match(each.strip(), call)), None):
            return Decision(
                verdict=Verdict.ASK,
                reason=f"only when it runs will it be known whether the rule permission.deny {rule!r} forbids it",
                rule=f"permission.deny: {rule}",
            )
        return None

    def _path_of_call(self, call: Call) -> Decision | None:
        """What a rule about paths says of the words of a command, which may be files that it reads or writes."""
        rules = [*self.rules.of("read", (*self.rules.deny, *self.rules.ask))]
        rules += self.rules.of("write", (*self.rules.deny, *self.rules.ask))
        if not rules:
            return None
        targets = [each.target for each in call.redirections]
        found: Decision | None = None
        for word in (*call.words, *targets):
            clean = normpath(word.text.rpartition("=")[2] or ".")
            for pattern, rule in rules:
                verdict = Verdict.DENY if rule in self.rules.deny else Verdict.ASK
                if word.is_certain and not word.has_glob:
                    if covers(pattern, clean):
                        decision = _by_rule(verdict, rule)
                        if verdict is Verdict.DENY:
                            return decision
                        found = found or decision
                elif word is not (call.words[0] if call.words else None):
                    found = found or _by_rule(Verdict.ASK, rule)
        return found

    def _by_mode(self, line: ShellLine) -> Decision:
        mode = f"permission.mode: {self.mode}"
        if self.mode is PermissionMode.YOLO:
            return Decision(verdict=Verdict.ALLOW, reason="in the sandbox everything runs", rule=mode)
        if self.mode is PermissionMode.AUTO:
            why = line.problem or next((why for call in line.calls if (why := worry(call, self.roots))), "")
            if not why:
                return Decision(verdict=Verdict.ALLOW, reason="it runs in the sandbox", rule=mode)
            return Decision(verdict=Verdict.ASK, reason=why, rule="guard: worth a question")
        return Decision(verdict=Verdict.ASK, reason="it may do more than read", rule=mode)

    def _allowing_rule(self, command: str, line: ShellLine) -> str:
        """A pattern covers no more than its words: `pytest*` does not let `pytest; rm -r .` through, `find *` not what
        `-exec` runs, and `git *` no setting of git that runs something.
        """
        allow = self.rules.of_commands(self.rules.allow)
        if "*" in allow or command in allow:
            return "*" if "*" in allow else command
        commands = parse(command)
        if commands is None or not allow or line.problem or any(_steers(call) for call in line.calls):
            return ""
        inner = [call for call in line.calls if call.is_inner]
        sizes = {rule: len(parse(rule) or ()) for rule in allow}
        if whole := next((each for each in allow if sizes[each] == len(commands) and fnmatchcase(command, each)), ""):
            return whole if self._are_covered(inner, whole, allow) else ""
        single = [rule for rule in allow if sizes[rule] == 1]
        texts = [" ".join(word.text for word in part) for part in commands]
        named = [next((rule for rule in single if fnmatchcase(text, rule)), "") for text in texts]
        if not any(named):
            return ""
        is_covered = all(rule or only_reads(part, self.roots) for part, rule in zip(commands, named, strict=True))
        first = next(rule for rule in named if rule)
        return first if is_covered and self._are_covered(inner, first, allow) else ""

    def _are_covered(self, inner: Sequence[Call], rule: str, allow: Sequence[str]) -> bool:
        """What a command starts in its turn needs a yes of its own, unless the rule speaks of just that start."""
        starter = rule.split(" ", 1)[0]
        if starter in SHELLS or starter in WRAPPERS:
            return True
        return all(
            call.is_certain
            and (any(fnmatchcase(call.text, each) for each in allow) or is_read_only(call.text, self.roots))
            for call in inner
        )


def _matching(rules: Sequence[str], forms: Sequence[str]) -> str | None:
    return next((rule for rule in rules if any(fnmatchcase(form, rule.strip()) for form in forms)), None)


def _forms(call: Call) -> tuple[str, ...]:
    """The ways in which a rule may name the command."""
    if not call.program:
        return ()
    plain = " ".join((call.program, *(word.text for word in call.arguments)))
    return (call.text, plain, " ".join(git_words(call))) if call.program == "git" else (call.text, plain)


def _may_match(rule: str, call: Call) -> bool:
    """Whether the rule could be about this command, as far as it is known: an expansion may become any words."""
    wanted = rule.split()
    if call.program == "git":
        words = [Word("git"), *call.arguments[len(call.words) - len(git_words(call)) :]]
    else:
        words = list(call.words)
    is_open = False
    for at, pattern in enumerate(wanted):
        if at >= len(words):
            return False
        word = words[at]
        if not word.is_certain:
            return True
        is_open = is_open or word.has_glob
        text = word.text.rpartition("/")[2] if at == 0 else word.text
        if not (fnmatchcase(text, pattern) or (word.has_glob and fnmatchcase(pattern, text))):
            return False
    return is_open


def _steers(call: Call) -> bool:
    return bool(call.assignments) or (call.program == "git" and bool(worry(call, ("/",))))


def _by_rule(verdict: Verdict, rule: str) -> Decision:
    does = {Verdict.ALLOW: "allows", Verdict.ASK: "asks", Verdict.DENY: "forbids it"}[verdict]
    return Decision(
        verdict=verdict, reason=f"the rule permission.{verdict} {rule!r} {does}", rule=f"permission.{verdict}: {rule}"
    )


def _deny(reason: str, rule: str) -> Decision:
    return Decision(verdict=Verdict.DENY, reason=reason, rule=rule)
