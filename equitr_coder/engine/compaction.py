"""Keeps what a session sends within its model's window: old tool results go first, in one large step, then the middle
of the conversation, for which records and a summary stand in. Every such step is an event: a restart sends the same.

The marks lie far apart (`_HIGH`, `_LOW`), because every step makes a provider's cached prefix worthless once.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

from equitr_coder.domain.errors import ModelError
from equitr_coder.domain.events import ContextCompacted, ContextElided
from equitr_coder.domain.models import ModelRequest, ModelSpec, ToolMessage, ToolSpec
from equitr_coder.domain.run_view import SessionView
from equitr_coder.domain.tools import output_id
from equitr_coder.engine import context
from equitr_coder.engine.model_call import Caller
from equitr_coder.engine.records import records
from equitr_coder.engine.summary import Summarizer, Summary
from equitr_coder.ports import ContextWindows, EventSink, Outputs

_LAST, _HIGH, _ENOUGH, _LOW = 0.95, 0.8, 0.65, 0.5
"""Of the tokens that fit: where something is left out (`_HIGH`), what that must come to, and what it aims at. A step
that would not come to it is put off until `_LAST`, and no summary is paid for it: the next one comes soon after.
"""
_TAIL, _RECORDS = 0.25, 0.15
"""Of the same: what is kept word for word at the end, and what the records may take."""
_MOST_RECORDS = 24_000
"""Characters of records, however large the window."""
_LEAST_RECORDS = 1_500
_BYTES_PER_TOKEN = 3.0
"""Until an answer tells; code has about 3.5, so this guesses rather too many tokens."""
_PLAUSIBLE = (1.5, 6.0)
_ASKED_ABOVE = 6_000
"""Tokens below which no model's window matters, so that nobody has to be asked for it."""
_SMALLER = 0.8
"""How much smaller a refused request has to become when the refusal names no figure."""
_GAIN = 0.95
_STATED = re.compile(
    r"(?:maximum|max|limit|window)[^\d]{0,60}(\d[\d,]{2,})|(\d[\d,]{2,})\s*(?:tokens?\s*)?(?:maximum|max\b)",
    re.IGNORECASE,
)

_NOT_WORTH_IT = Summary("", why_not="the fixed part fills the window, so a summary would be dropped again soon")

_Why = Literal["window", "refused"]


class Compaction:
    """Of one session: makes its requests, and room for them."""

    def __init__(
        self,
        *,
        events: EventSink,
        caller: Caller,
        model: ModelSpec,
        tools: Sequence[ToolSpec],
        windows: ContextWindows,
        outputs: Outputs,
        summarizer: Summarizer,
    ) -> None:
        self._events = events
        self._caller = caller
        self._model = model
        self._tools = tuple(tools)
        self._windows = windows
        self._outputs = outputs
        self._summarizer = summarizer
        self._can_recall = any(tool.name == "recall" for tool in tools)
        self._tools_size = context.size_of_tools(tools)
        self._bytes_per_token = _BYTES_PER_TOKEN

    def request(self) -> ModelRequest:
        session = self._session
        return ModelRequest(
            model=self._model,
            system=session.system,
            messages=context.sent_messages(session),
            tools=self._tools,
            max_tokens=self._model.max_tokens,
            session=session.id,
        )

    async def make_room(self) -> None:
        """Before a call: nothing as long as the request is well within the window. When what can be left out does not
        help, the request goes as it is: the provider knows better.
        """
        session = self._session
        tokens = self._tokens(session)
        asked = self._summarizer.left_open(context.first_kept(session))
        limit = await self._limit(session, tokens)
        if asked is not None and await self._compact(session, tokens, limit or tokens, "window", upto=asked):
            return
        if limit is not None and tokens > _HIGH * limit:
            await self._cut(session, tokens, limit, "window")

    async def make_room_after(self, error: ModelError) -> None:
        """The provider refused the request as too long.

        Raises:
            ModelError: nothing more can be left out.
        """
        session = self._session
        tokens = self._tokens(session)
        limit = round(_SMALLER * tokens)
        if (stated := stated_window(str(error))) is not None:
            limit = min(limit, self._usable(stated))
        if not await self._cut(session, tokens, limit, "refused"):
            raise ModelError(
                f"the conversation does not fit {self._model.name} even without all that can be left out: {error}",
                kind=error.kind,
                provider=error.provider,
                hint="split the work, or use a model with a larger context window",
                status=error.status,
                request_id=error.request_id,
            ) from error

    @property
    def _session(self) -> SessionView:
        return self._events.view.sessions[self._caller.session]

    async def _limit(self, session: SessionView, tokens: int) -> int | None:
        """Tokens that a request may have; None when nobody knows."""
        refused = [done.limit for done in session.compacted if done.why == "refused"]
        window = await self._windows.window(self._model) if tokens > _ASKED_ABOVE else None
        return min([*refused, *([] if window is None else [self._usable(window)])], default=None)

    def _usable(self, window: int) -> int:
        """Most providers count what may be answered as well."""
        return window - min(self._model.max_tokens, window // 2)

    def _tokens(self, session: SessionView) -> int:
        """Of the next request: what the provider counted last time, and an estimate of what has come since."""
        measured = session.measured
        if measured is None or measured.cuts != session.cuts:
            return context.tokens_in(self._size(session), self._bytes_per_token)
        sent = context.sent_messages(session)
        new = len(session.messages) - measured.messages
        counted = self._size(session) - (fresh := context.size(sent[len(sent) - new :]))
        low, high = _PLAUSIBLE
        self._bytes_per_token = min(high, max(low, counted / measured.tokens))
        return measured.tokens + context.tokens_in(fresh, min(self._bytes_per_token, _BYTES_PER_TOKEN))

    def _size(self, session: SessionView) -> int:
        return len(session.system.encode()) + self._tools_size + context.size(context.sent_messages(session))

    # ---------------------------------------------------------------- leaving out

    async def _cut(self, session: SessionView, tokens: int, limit: int, why: _Why) -> bool:
        """Whether the next request is smaller."""
        excess = (tokens - _LOW * limit) * self._bytes_per_token
        results = context.results_to_leave_out(session, excess)
        saved = sum(map(context.saved_by, results)) / self._bytes_per_token
        if results and tokens - saved <= _ENOUGH * limit:
            await self._elide(results, tokens, round(tokens - saved))
            return True
        if await self._compact(session, tokens, limit, why):
            return True
        if why == "window" and tokens <= _LAST * limit:
            return False  # what the model has not read yet goes only when there is no other way
        results = context.results_to_leave_out(session, excess, even_recent=True)
        if not results:
            return False
        saved = sum(map(context.saved_by, results)) / self._bytes_per_token
        await self._elide(results, tokens, round(tokens - saved))
        return True

    async def _elide(self, results: Sequence[ToolMessage], before: int, after: int) -> None:
        # The whole is kept before anything refers to it.
        kept = [await self._outputs.keep(one.text) for one in results]
        await self._events.record(
            ContextElided(
                **self._who,
                results={
                    one.call: context.stand_in(one, output_id(digest))
                    for one, digest in zip(results, kept, strict=True)
                },
                tokens_before=before,
                tokens_after=after,
                kept=tuple(dict.fromkeys(kept)),
            )
        )

    async def _compact(
        self, session: SessionView, tokens: int, limit: int, why: _Why, *, upto: int | None = None
    ) -> bool:
        rate = self._bytes_per_token
        is_asked = upto is not None
        upto = upto or context.cut_after(session, _TAIL * limit * rate)
        if upto is None:
            return False
        room = round(min(_MOST_RECORDS, max(_LEAST_RECORDS, _RECORDS * limit * rate)))
        kept = records(session, self._events.view, upto, room=room)
        least = context.tokens_in(self._size_after(session, upto, kept), rate)
        is_early = why == "window" and tokens <= _LAST * limit
        lasts = least <= _ENOUGH * limit
        if least > _GAIN * tokens or (is_early and not lasts):
            return False
        summary = await self._summarizer.summarize(session, upto) if lasts or is_asked else _NOT_WORTH_IT
        text = _instead(kept, summary, can_recall=self._can_recall)
        after = context.tokens_in(self._size_after(session, upto, text), rate)
        done = ContextCompacted(
            **self._who,
            upto=upto,
            text=text,
            summary=summary.text,
            why=why,
            limit=limit,
            tokens_before=tokens,
            tokens_after=after,
            detail=summary.why_not,
        )
        await self._events.record(done)
        if after <= _ENOUGH * limit:
            return True
        over = (after - _ENOUGH * limit) * rate
        if results := context.results_to_leave_out(session, over, even_recent=after > _LAST * limit):
            saved = sum(map(context.saved_by, results)) / rate
            await self._elide(results, after, round(after - saved))
        return True

    def _size_after(self, session: SessionView, upto: int, text: str) -> int:
        now = self._size(session)
        dropped = context.size(context.sent_messages(session)) - context.size(session.messages[:1])
        tail = context.size(context.sent_messages(session)[-len(session.messages[upto:]) :])
        return now - dropped + tail + len(text.encode())

    @property
    def _who(self) -> dict[str, Any]:
        return {"session": self._caller.session, "agent": self._caller.agent, "task": self._caller.task}


def stated_window(words: str) -> int | None:
    """The window that a refusal names, in tokens."""
    found = [int((match[1] or match[2]).replace(",", "")) for match in _STATED.finditer(words)]
    return min((figure for figure in found if figure >= 1_000), default=None)


def _instead(kept: str, summary: Summary, *, can_recall: bool) -> str:
    """What is sent in place of the middle of a conversation."""
    found = " recall(query) finds the rest by its words." if can_recall else ""
    parts = [
        "# The conversation up to here, shortened\n\nTo save room the messages between the first one and those below "
        f"are left out. The records are exact; the summary was written by a model.{found} Go on with the work.",
        kept,
        f"## Summary\n{summary.text}" if summary.text else "",
    ]
    return "\n\n".join(part for part in parts if part)
