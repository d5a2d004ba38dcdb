"""One agent with real parts: store, hub, ledger, dispatcher; the scripted model stands for the provider."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.budget import Ledger, Limits
from equitr_coder.budget.limiter import RateLimiter
from equitr_coder.domain.approvals import Decision, Touches, Verdict
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.events import Event, RunStarted
from equitr_coder.domain.ids import AgentName, RunId, SessionId, TreeId
from equitr_coder.domain.models import ModelInfo, ModelRequest, ModelSpec, Purpose, Tier, ToolSpec
from equitr_coder.domain.money import Price
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.engine.compaction import Compaction
from equitr_coder.engine.dispatch import Desk, Dispatcher
from equitr_coder.engine.guards import NoDeadline, StepLimit
from equitr_coder.engine.loop import AgentLoop, Opening
from equitr_coder.engine.model_call import Caller, ModelCalls, Providers
from equitr_coder.engine.outages import Outages
from equitr_coder.engine.summary import Summarizer
from equitr_coder.ports import Lane, Policy, Tool, ToolContext, ToolResult
from equitr_coder.session.approvals import ApprovalDesk
from equitr_coder.session.hub import Hub
from equitr_coder.session.outputs import KeptOutputs
from equitr_coder.testing.clock import ManualClock
from equitr_coder.testing.script import Rule, ScriptedReply, as_script
from equitr_coder.testing.scripted_model import ScriptedModel

RUN = RunId("run-1")
SESSION = SessionId("chat")
MODEL = ModelSpec(name="scripted/m", tier=Tier.WEAK, max_tokens=1000, adapter="scripted")


DEAR = "scripted/dear"
"""The one model that costs more than the others."""


class FlatPrices:
    """A dollar per million tokens, whatever the model; ten for the dear one."""

    def price(self, model: str) -> Price | None:
        if model == DEAR:
            return Price(input=Decimal(10), output=Decimal(10), source="flat")
        return Price(input=Decimal(1), output=Decimal(1), source="flat")

    def info(self, model: str) -> ModelInfo | None:
        return None


class ThousandTokens:
    """Every request counts as 1,000 input tokens."""

    def upper_bound(self, request: ModelRequest) -> int:
        return 1000

    def tighter_bound(self, request: ModelRequest) -> int:
        return 1000


@dataclass(frozen=True)
class Window:
    """Every model has this one."""

    tokens: int | None

    async def window(self, spec: ModelSpec) -> int | None:
        return self.tokens


class NoteArguments(BaseModel):
    text: str


@dataclass
class Note:
    """A tool that keeps what it is told; `writes` says what it claims to touch."""

    notes: list[str] = field(default_factory=list)
    writes: bool = False
    command: bool = False
    dies: Exception | None = None
    """Raised instead of running: the process is gone in the middle of the call."""
    spec = ToolSpec(name="note", description="", parameters={"type": "object", "properties": {}})

    def parse(self, arguments: Mapping[str, Any]) -> NoteArguments:
        if set(arguments) != {"text"}:
            raise ToolFailure("note takes `text` and nothing else")
        return NoteArguments(**arguments)

    def touches(self, arguments: NoteArguments) -> Touches:
        return Touches(writes=("notes",) if self.writes else (), command=arguments.text if self.command else None)

    async def run(self, arguments: NoteArguments, context: ToolContext) -> ToolResult:
        if self.dies is not None:
            raise self.dies
        self.notes.append(arguments.text)
        return ToolResult(for_model=f"noted {arguments.text}")


class Finish:
    spec = ToolSpec(name="hand_in", description="", parameters={"type": "object", "properties": {}})

    def parse(self, arguments: Mapping[str, Any]) -> None:
        return None

    def touches(self, arguments: None) -> Touches:
        return Touches()

    async def run(self, arguments: None, context: ToolContext) -> ToolResult:
        return ToolResult(for_model="taken", ends=ToolEnd(kind="handed_in", summary="done"))


@dataclass(frozen=True)
class Always:
    verdict: Verdict

    def decide(self, tool: str, touches: Touches) -> Decision:
        return Decision(verdict=self.verdict, reason="the test says so")


@dataclass
class Bench:
    """Everything an agent stands on; `agent()` may be called again to stand for a restarted process."""

    path: Path
    store: SqliteStore
    hub: Hub
    clock: ManualClock
    model: ScriptedModel
    note: Note
    ledger: Ledger
    desk: ApprovalDesk
    providers: Providers
    spec: ModelSpec = MODEL
    window: int | None = None

    def calls(self, caller: Caller, retries: int = 2) -> ModelCalls:
        return ModelCalls(
            caller=caller,
            providers=self.providers,
            budget=self.ledger,
            events=self.hub,
            clock=self.clock,
            deadline=NoDeadline(),
            retries=retries,
        )

    def agent(
        self,
        *,
        policy: Policy | None = None,
        steps: int = 20,
        may_rerun: bool = True,
        retries: int = 2,
        tools: Sequence[Tool] = (),
    ) -> AgentLoop:
        offered: list[Tool] = [self.note, Finish(), *tools]
        caller = Caller(SESSION, AgentName("assistant"), None, Purpose.CHAT)
        return AgentLoop(
            caller=caller,
            opening=Opening(system="be good", first_message="hello"),
            compaction=Compaction(
                events=self.hub,
                caller=caller,
                model=self.spec,
                tools=[tool.spec for tool in offered],
                windows=Window(self.window),
                outputs=KeptOutputs(self.store),
                summarizer=Summarizer(events=self.hub, caller=caller, model=self.spec, calls_of=self.calls),
            ),
            calls=self.calls(caller, retries),
            dispatcher=Dispatcher(
                desk=Desk(SESSION, AgentName("assistant"), None, confined=True, may_rerun=may_rerun),
                tools={tool.spec.name: tool for tool in offered},
                policy=policy or Always(Verdict.ALLOW),
                approvals=self.desk,
                events=self.hub,
                outputs=KeptOutputs(self.store),
                deadline=NoDeadline(),
                tree=None,
            ),
            events=self.hub,
            guards=[StepLimit(steps)],
        )

    async def events(self) -> list[Event]:
        """The log, once it holds all that the view holds."""
        found: list[Event] = []
        while len(found) < self.hub.view.seq:
            found = list(await self.store.read(RUN))
        return found

    async def kinds(self) -> list[str]:
        return [event.type for event in await self.events()]


OpenBench = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[OpenBench]:
    stores: list[SqliteStore] = []

    async def open_bench(
        *script: Rule | ScriptedReply, budget: str | None = "1", options: RunOptions | None = None
    ) -> Bench:
        home = tmp_path / f"home{len(stores)}" if stores else tmp_path
        store = SqliteStore(home)
        stores.append(store)
        clock = ManualClock()
        hub = Hub(run=RUN, store=store, clock=clock)
        limit = Decimal(budget) if budget is not None else None
        await hub.record(
            RunStarted(kind=RunKind.CHAT, request="hello", workspace="/w", options=options or RunOptions(budget=limit))
        )
        ledger = Ledger(RUN, limits=Limits(run=limit), prices=FlatPrices(), counter=ThousandTokens())
        model = ScriptedModel(as_script(list(script)))  # type: ignore[arg-type]
        providers = Providers(
            client=model,
            limiter=RateLimiter(lane_of=lambda spec: Lane(spec.name, "scripted"), clock=clock, spread=lambda: 1.0),
            outages=Outages(clock),
            name_of=lambda _: "scripted",
        )
        return Bench(home, store, hub, clock, model, Note(), ledger, ApprovalDesk(hub, clock), providers)

    yield open_bench
    for store in stores:
        await store.close()


TREE = TreeId("0" * 40)
