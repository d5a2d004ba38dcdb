"""Long chats that are made up: a user who sets rules, an agent who asks, names things and reads, and tools that print a
lot. Twenty facts are planted in each; what surrounds them is drawn from the same words.
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Touches
from equitr_coder.domain.events import ApprovalRequested, ApprovalResolved, Event
from equitr_coder.domain.ids import AgentName, RequestId
from equitr_coder.domain.models import ToolSpec
from equitr_coder.ports import ToolContext, ToolResult
from equitr_coder.testing.script import Rule, ScriptedReply, always, call, says
from tests.engine.conftest import SESSION

Kind = Literal["constraint", "decision", "identifier", "value"]
EACH = 5

_THINGS = re.findall(
    r"\w+",
    "invoice order payment refund customer basket voucher shipment warehouse parcel tariff ledger receipt session "
    "token webhook retry queue cache index migration report export import schema locale currency discount tax rounding "
    "audit alert quota tenant profile avatar password backup archive thumbnail search ranking feed digest reminder",
)
_QUALITIES = re.findall(
    r"\w+", "late early nested partial stale legacy signed pending hidden bulk nightly regional primary spare"
)
_VERBS = re.findall(
    r"\w+", "reads writes checks skips merges splits counts sorts drops keeps locks renames parses loads"
)


@dataclass(frozen=True)
class Fact:
    kind: Kind
    needle: str
    """Word for word what must be found again."""
    query: str
    """What somebody who does not know it any more would ask."""


@dataclass
class Session:
    """What happens, turn by turn: the user's message, and how many steps the agent takes."""

    seed: int
    facts: list[Fact] = field(default_factory=list)
    turns: list[tuple[str, int]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    results: dict[int, str] = field(default_factory=dict)
    """Step -> what its tool prints."""
    approvals: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Turn -> the command a person refused after it, and why."""


def made_up(seed: int, *, turns: int = 12) -> Session:
    chance = random.Random(seed)
    session = Session(seed)
    topics = [f"{quality} {thing}" for quality in _QUALITIES for thing in _THINGS]
    chance.shuffle(topics)
    planted = {kind: [_fact(kind, topics.pop(), chance) for _ in range(EACH)] for kind in _KINDS}
    session.facts = [fact for facts in planted.values() for fact, _ in facts]
    step = 0
    for turn in range(turns):
        said = [_prose(chance, chance.randint(1, 4)), f"<turn {turn}>"]
        if turn % 2 == 0 and planted["constraint"]:
            said.insert(chance.randint(0, 1), planted["constraint"].pop()[1])
        steps = chance.randint(6, 12)
        session.turns.append((" ".join(said), steps))
        mark = f"<turn {turn}>"
        if turn % 4 == 1 and planted["decision"]:
            _, text = planted["decision"].pop()
            command, _, note = text.partition("|")
            session.approvals[turn] = (command, note)
        for number in range(steps):
            text = _prose(chance, 1)
            if number == 1 and turn % 2 == 1 and planted["identifier"]:
                text = f"{text} {planted['identifier'].pop()[1]}"
            asks = number == 2 and turn % 3 == 0 and bool(planted["decision"])
            if asks:
                fact, answer = planted["decision"].pop()
                topic, _, _ = answer.partition("|")
                made = call("ask_user", question=f"What about the {fact.query}? ({topic})", step=step)
                session.results[step] = f"The user answers: {fact.needle}"
            else:
                made = call("look", what=" ".join(chance.sample(_THINGS, 3)), step=step)
                lines = list(_output(chance))
                if number == 3 and turn % 2 == 0 and planted["value"]:
                    lines.insert(len(lines) // 2, planted["value"].pop()[1])
                session.results[step] = "\n".join(lines)
            session.results[step] += f"\n<step {step}>"
            session.rules.append(always(says(text, made), last=mark))
            mark = f"<step {step}>"
            step += 1
        session.rules.append(always(says(f"{_prose(chance, 2)} <end of {turn}>"), last=mark))
    left = {kind: len(facts) for kind, facts in planted.items() if facts}
    assert not left, f"not everything was planted: {left}"
    return session


_KINDS: tuple[Kind, ...] = ("constraint", "decision", "identifier", "value")


def _fact(kind: Kind, topic: str, chance: random.Random) -> tuple[Fact, str]:
    """And the text that plants it."""
    quality, thing = topic.split()
    number = chance.randint(10_000, 99_999)
    match kind:
        case "constraint":
            needle = f"never let the {topic} take more than {number} rows"
            return Fact(kind, needle, f"{topic} rows"), f"Mind this: {needle}."
        case "decision":
            needle = f"use plan {number} for the {topic}"
            return Fact(kind, needle, topic), f"./release --{quality} {thing}|{needle}"
        case "identifier":
            needle = f"src/{thing}s/{quality}_{thing}_{number}.py"
            return Fact(kind, needle, topic), f"The {topic} is made in {needle}."
        case "value":
            needle = f"{quality}_{thing}_limit = {number}"
            return Fact(kind, needle, f"{quality}_{thing}_limit"), f"    {needle}"


def _prose(chance: random.Random, sentences: int) -> str:
    said = []
    for _ in range(sentences):
        quality, thing, verb, other = map(chance.choice, (_QUALITIES, _THINGS, _VERBS, _THINGS))
        said.append(f"The {quality} {thing} {verb} the {other}.")
    return " ".join(said)


def _output(chance: random.Random) -> Iterator[str]:
    for _ in range(chance.randint(30, 120)):
        thing, quality = chance.choice(_THINGS), chance.choice(_QUALITIES)
        yield f"    {quality}_{chance.choice(_THINGS)} = {thing}.{chance.choice(_VERBS)}({chance.randint(0, 999)})"


SUMMARY: ScriptedReply = says("Work on the shop goes on; several parts were looked at and some of them were changed.")
"""It holds none of the facts: what is found again is found without the model's help."""


def summaries(reply: ScriptedReply = SUMMARY) -> Rule:
    return always(reply, system="You write the summary")


def refused(session: Session, turn: int) -> list[Event]:
    command, note = session.approvals[turn]
    approval = Approval(
        id=RequestId(f"{SESSION}:a{turn}"),
        session=SESSION,
        agent=AgentName("assistant"),
        task=None,
        tool="run_command",
        what=command,
        why="asks",
        confined=True,
        inside=False,
    )
    answer = ApprovalAnswer(allowed=False, note=note)
    return [ApprovalRequested(approval=approval), ApprovalResolved(approval=approval.id, answer=answer)]


class Prepared:
    """A tool that gives what the session says at its step."""

    def __init__(self, name: str, session: Session) -> None:
        self.spec = ToolSpec(name=name, description="", parameters={"type": "object", "properties": {}})
        self._session = session

    def parse(self, arguments: Mapping[str, Any]) -> int:
        return int(arguments["step"])

    def touches(self, arguments: int) -> Touches:
        return Touches()

    async def run(self, arguments: int, context: ToolContext) -> ToolResult:
        return ToolResult(for_model=self._session.results[arguments])
