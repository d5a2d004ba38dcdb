"""The script of a scripted model: rules that say which reply a request gets. Values and pure matching.

A rule is chosen by the request alone, so that a request sent again (after a crash, after a retry) gets the same answer;
only `times` and `barrier` need memory, which `backend` keeps.
"""

import fnmatch
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.value import Value
from equitr_coder.testing.rates import Quota
from equitr_coder.testing.wire import WireRequest


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _as_pieces(value: Any) -> Any:
    return (value,) if isinstance(value, str | bytes) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""One text or a list of them; all must hold."""


class ScriptedCall(Value):
    """A tool call. `raw` is sent as the arguments' text as it is, valid JSON or not."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    raw: str | None = None
    id: str | None = None

    @property
    def text(self) -> str:
        """The arguments as they are sent."""
        return self.raw if self.raw is not None else json.dumps(self.arguments, ensure_ascii=False)


class ScriptedUsage(Value):
    """What the provider reports. What is not given is estimated from lengths."""

    input: int | None = None
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int | None = None
    reasoning: int = 0
    cost: Decimal | None = None
    """US dollars; reported by the providers that state a cost."""

    @property
    def cached(self) -> int:
        """Input tokens that were read from or written to a cache."""
        return self.cache_read + self.cache_write + self.cache_write_1h


class ScriptedError(Value):
    status: int = Field(ge=400, le=599)
    message: str = "scripted error"
    code: str | None = None
    retry_after: float | None = None


class Barrier(Value):
    """Nobody is answered before `parties` requests have arrived at `name`; it then opens for the next round."""

    name: str
    parties: int = Field(ge=1)
    timeout: float = 60.0
    """Seconds after which the waiting request is answered with status 500."""


class RawAnswer(Value):
    """Exactly these bytes with status 200, each piece written by itself. Only the server can send them."""

    pieces: Annotated[tuple[bytes, ...], BeforeValidator(_as_pieces)]
    """Texts are sent as UTF-8."""
    kind: str = "text/event-stream"
    drops: bool = False
    """The connection breaks after the last piece."""


class ScriptedReply(Value):
    """One answer and the ways it can go wrong. The order is: barrier, delay, error or hang, content."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    usage: ScriptedUsage = ScriptedUsage()
    no_usage: bool = False
    barrier: Barrier | None = None
    delay: float = 0.0
    """Seconds of silence before the first byte."""
    pace: float = 0.0
    """Seconds between the chunks of a stream."""
    sizes: tuple[int, ...] = ()
    """Characters of the chunks of text, over and over; empty: of differing lengths. Chat completions only."""
    error: ScriptedError | None = None
    cut_after: int | None = Field(default=None, ge=0)
    """Chunks of content after which the connection drops; never after the finishing one."""
    hang: bool = False
    """Never answers; together with `cut_after`, falls silent after that many chunks."""
    stop: str | None = None
    """Finish reason; None means `tool_calls` when there are calls, else `stop`."""
    raw: RawAnswer | None = None
    """Sent instead of all content."""

    @property
    def finish_reason(self) -> str:
        return self.stop or ("tool_calls" if self.calls else "stop")


class When(Value):
    """Conditions on a request; all that are given must hold."""

    model: str = "*"
    offers: Texts = ()
    lacks: Texts = ()
    system: Texts = ()
    first: Texts = ()
    last: Texts = ()
    contains: Texts = ()
    turn: int | None = None

    def holds(self, request: WireRequest) -> bool:
        offered = set(request.tool_names)
        return (
            fnmatch.fnmatchcase(request.model, self.model)
            and (self.turn is None or self.turn == request.turn)
            and offered.issuperset(self.offers)
            and offered.isdisjoint(self.lacks)
            and all(text in request.system for text in self.system)
            and all(text in request.first for text in self.first)
            and all(text in request.last for text in self.last)
            and all(text in request.everything for text in self.contains)
        )


class Rule(Value):
    """`turns` answer by the number of assistant messages in the request, `reply` whatever the turn.

    A request beyond the last of `turns` is not this rule's.
    """

    when: When = When()
    turns: tuple[ScriptedReply, ...] = ()
    reply: ScriptedReply | None = None
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _answers_one_way(self) -> Self:
        if bool(self.turns) == (self.reply is not None):
            raise ValueError("a rule has either `turns` or `reply`")
        return self

    def reply_to(self, request: WireRequest) -> ScriptedReply | None:
        if not self.when.holds(request):
            return None
        if self.reply is not None:
            return self.reply
        return self.turns[request.turn] if request.turn < len(self.turns) else None


class OfferedModel(Value):
    """A row of the model list. With `tools: false` a request that offers tools is refused, as local servers do."""

    id: str
    context_window: int | None = None
    tools: bool = True


class RateLimit(Value):
    """More than `requests` within any `seconds`, or more than `parallel` at once, is answered with status 429."""

    requests: int | None = Field(default=None, ge=1)
    seconds: float = 60.0
    parallel: int | None = Field(default=None, ge=1)
    retry_after: float = 1.0


def _as_models(value: Any) -> Any:
    return [{"id": row} if isinstance(row, str) else row for row in value] if isinstance(value, list | tuple) else value


class Script(Value):
    rules: tuple[Rule, ...]
    models: Annotated[tuple[OfferedModel, ...], BeforeValidator(_as_models)] = ()
    """When given, every other model is answered with status 404."""
    require_key: bool | str | tuple[str, ...] = False
    """True: some key must be sent. Text: this one, or one of these; any other is answered with status 401."""
    rate_limit: RateLimit | None = None
    quota: Quota | None = None
    tools_as_text: bool = False
    """The models know no native tools: who offers them in the system prompt is answered with calls in the text, in
    the form that Hermes and Qwen were trained on.
    """

    @classmethod
    def of(cls, *replies: ScriptedReply) -> Self:
        """One rule that answers turn by turn, whoever asks; without replies, nothing may be asked."""
        return cls(rules=(Rule(turns=replies),) if replies else ())

    def find(self, request: WireRequest, *, used_up: Callable[[int], bool] = lambda _: False) -> "Choice | None":
        """The first rule that matches and is not used up, and its reply."""
        for number, rule in enumerate(self.rules):
            reply = None if used_up(number) else rule.reply_to(request)
            if reply is not None:
                return Choice(rule=number, reply=_filled(reply, request))
        return None


class Choice(Value):
    rule: int
    reply: ScriptedReply


_ANSWER = re.compile(r"\{answer:([^{}]+)\}")


def _filled(reply: ScriptedReply, request: WireRequest) -> ScriptedReply:
    """`{answer:TEXT}` in text and arguments becomes what followed the model's message that holds TEXT."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return _ANSWER.sub(lambda found: request.after(found[1]) or found[0], value)
        if isinstance(value, dict):
            return {name: fill(item) for name, item in value.items()}
        return [fill(item) for item in value] if isinstance(value, list | tuple) else value

    written = [reply.text, *(call.text for call in reply.calls)]
    if not any("{answer:" in text for text in written):
        return reply
    calls = tuple(
        call.model_copy(update={"arguments": fill(call.arguments), "raw": fill(call.raw)}) for call in reply.calls
    )
    return reply.model_copy(update={"text": fill(reply.text), "calls": calls})


def with_calls_in_text(reply: ScriptedReply) -> ScriptedReply:
    """The same answer by a model that writes its calls into the text."""
    blocks = (f'<tool_call>\n{{"name":"{call.name}","arguments":{call.text}}}\n</tool_call>' for call in reply.calls)
    return reply.model_copy(update={"text": "\n".join(filter(None, (reply.text, *blocks))), "calls": ()})


def call_ids(request: WireRequest, reply: ScriptedReply) -> tuple[str, ...]:
    """An id for every call: the same for the same request, different from all in the request and between sessions."""
    session = hashlib.sha256(request.first.encode()).hexdigest()[:6]
    ids: list[str] = []
    for index, call in enumerate(reply.calls):
        wanted = call.id or f"call_{session}_{request.turn}_{index}"
        free = wanted
        number = 2
        while call.id is None and (free in ids or free in request.call_ids):
            free, number = f"{wanted}_{number}", number + 1
        ids.append(free)
    return tuple(ids)


# ---------------------------------------------------------------- builders and files


def call(name: str, /, **arguments: Any) -> ScriptedCall:
    return ScriptedCall(name=name, arguments=arguments)


def says(text: str, *more: ScriptedCall, **settings: Any) -> ScriptedReply:
    """A reply with text, and any tool calls after it. `settings` are fields of `ScriptedReply`."""
    return ScriptedReply(text=text, calls=more, **settings)


def calls(name: str, /, **arguments: Any) -> ScriptedReply:
    """A reply that is one tool call."""
    return ScriptedReply(calls=(call(name, **arguments),))


def fails(status: int, message: str = "scripted error", **details: Any) -> ScriptedReply:
    """A reply that is an error; `details` are `code` and `retry_after`."""
    return ScriptedReply(error=ScriptedError(status=status, message=message, **details))


def rule(*replies: ScriptedReply, times: int | None = None, **when: Any) -> Rule:
    """Answers turn by turn where `when` holds."""
    return Rule(when=When(**when), turns=replies, times=times)


def always(reply: ScriptedReply, *, times: int | None = None, **when: Any) -> Rule:
    """Answers every turn alike where `when` holds."""
    return Rule(when=When(**when), reply=reply, times=times)


def as_script(script: Script | Sequence[Rule] | Sequence[ScriptedReply]) -> Script:
    """A script as it is; rules make one; bare replies answer turn by turn."""
    if isinstance(script, Script):
        return script
    rules = tuple(item for item in script if isinstance(item, Rule))
    if rules:
        return Script(rules=rules)
    return Script.of(*(item for item in script if isinstance(item, ScriptedReply)))


def load_script(source: Path | str) -> Script:
    """Read a script from a file, or from YAML text (any text with a line break).

    Raises:
        UserError: it cannot be read; names the place.
    """
    import yaml

    if isinstance(source, str) and "\n" in source:
        text, name = source, "the script"
    else:
        name = str(source)
        try:
            text = Path(source).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot read {name}: {error.strerror}", hint="give the path of a script file") from error
    try:
        return Script.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UserError(f"{name} is not YAML: {' '.join(str(error).split())}", hint="mend the script") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        raise UserError(f"{name}: {place}: {first['msg']}", hint="mend the script") from error
