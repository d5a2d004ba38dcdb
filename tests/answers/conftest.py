"""A provider that answers with exactly the bytes a case gives: real router and client, real server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.ids import AgentName, CallId, SessionId
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    ModelInfo,
    ModelRequest,
    ModelSpec,
    Purpose,
    Reply,
    TextDelta,
    Tier,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from equitr_coder.domain.money import Price
from equitr_coder.domain.run_view import LedgerRow, SessionView
from equitr_coder.engine.repair import cut_off, read_arguments
from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import Rule, Script
from equitr_coder.testing.server import ScriptedServer
from equitr_coder.tools.arguments import Arguments, parse_arguments, tool_spec
from equitr_coder.tools.edit_file import EditFileArguments
from equitr_coder.tools.hand_in import HandInArguments
from equitr_coder.tools.list_files import ListFilesArguments
from equitr_coder.tools.read_file import ReadFileArguments
from equitr_coder.tools.run_command import RunCommandArguments
from equitr_coder.tools.write_file import WriteFileArguments

SESSION = SessionId("T1.1")
TOOLS: Mapping[str, type[Arguments]] = {
    "read_file": ReadFileArguments,
    "write_file": WriteFileArguments,
    "edit_file": EditFileArguments,
    "run_command": RunCommandArguments,
    "list_files": ListFilesArguments,
    "hand_in": HandInArguments,
}
SPECS = {name: tool_spec(name, model) for name, model in TOOLS.items()}


@dataclass
class Book:
    """Says whether models have native tools; knows no prices."""

    tools: bool | None = None

    def price(self, model: str) -> Price | None:
        return None

    def info(self, model: str) -> ModelInfo | None:
        return ModelInfo(name=model, tools=self.tools)


@dataclass
class Outcome:
    """What became of one answer."""

    reply: Reply
    shown: str
    """The text that streamed."""
    runs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """What the model reads of calls that were not run."""
    results: list[Message] = field(default_factory=list)


@dataclass
class Stand:
    """A router before a server; `book` is what is known of the model."""

    server: ScriptedServer
    router: ModelRouter
    book: Book

    @property
    def requests(self) -> Sequence[Recorded]:
        return self.server.requests

    def request(
        self,
        *messages: Message,
        offers: Sequence[str] = tuple(TOOLS),
        max_tokens: int = 500,
        system: str = "You work.",
        **spec: Any,
    ) -> ModelRequest:
        return ModelRequest(
            model=ModelSpec(name="stub/m-1", tier=Tier.WEAK, api_base=self.server.url, **spec),
            system=system,
            messages=messages or (UserMessage(text="Do the task."),),
            tools=tuple(SPECS[name] for name in offers),
            max_tokens=max_tokens,
        )

    async def ask(self, request: ModelRequest) -> Outcome:
        """One answer, with every call decoded as the dispatcher does it."""
        parts = [part async for part in self.router.stream(request)]
        assert isinstance(parts[-1], Reply)
        assert not any(isinstance(part, Reply) for part in parts[:-1])
        outcome = Outcome(parts[-1], "".join(part.text for part in parts if isinstance(part, TextDelta)))
        for call in outcome.reply.message.calls:
            try:
                outcome.runs.append((call.name, decoded(call, outcome.reply, request.tools)))
                outcome.results.append(ToolMessage(call=call.id, name=call.name, text="ran"))
            except ToolFailure as failure:
                outcome.told.append(str(failure))
                outcome.results.append(ToolMessage(call=call.id, name=call.name, text=str(failure), is_error=True))
        return outcome

    async def goes_on(self, request: ModelRequest, outcome: Outcome) -> None:
        """Send the conversation with this answer in it: the server refuses any that is malformed."""
        message = outcome.reply.message
        if not message.calls and not message.text.strip():
            message = AssistantMessage(text="(no answer)")
        results = outcome.results or [UserMessage(text="Go on.")]
        await self.ask(request.model_copy(update={"messages": (*request.messages, message, *results)}))


def decoded(call: ToolCall, reply: Reply, tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """The arguments a tool would run with; raises ToolFailure."""
    session = SessionView(SESSION, AgentName("worker"), None, messages=[reply.message], last_stop=reply.stop)
    row = LedgerRow(
        CallId("c"),
        "m-1",
        session.agent,
        None,
        SESSION,
        Purpose.WORK,
        Tier.WEAK,
        reserved=Price(input=1, output=1, source="").input,
        usage=reply.usage,
        max_tokens=reply.usage.output,
        is_open=False,
    )
    if cut := cut_off(call, session, [row]):
        raise ToolFailure(cut)
    spec = next((tool for tool in tools if tool.name == call.name), None)
    if spec is None:
        raise ToolFailure(f"There is no tool named {call.name!r}.")
    parsed: Arguments = parse_arguments(call.name, TOOLS[call.name], read_arguments(call, spec))
    return parsed.model_dump(exclude_unset=True)


OpenStand = Callable[..., Awaitable[Stand]]


@pytest.fixture
async def stand() -> AsyncIterator[OpenStand]:
    async with AsyncExitStack() as stack:

        async def open_stand(*rules: Rule, models: Sequence[Mapping[str, Any]] = (), timeout: float = 5.0) -> Stand:
            script = Script.model_validate({"rules": rules, "models": list(models)})
            server = await stack.enter_async_context(ScriptedServer(script))
            book = Book()
            router = ModelRouter(keys=EnvironmentKeys({}), timeout=timeout, prices=book)
            stack.push_async_callback(router.close)
            return Stand(server, router, book)

        yield open_stand
