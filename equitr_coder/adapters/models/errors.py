"""What a provider's refusal means: one table from status and words to a kind, and the text people read.

Both adapters use it. No text made here holds a key: what the provider wrote is cut and cleaned first.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from equitr_coder.adapters.models.providers import Route
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.redaction import without_shapes

_LONGEST = 300
_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key|AIza|Bearer)[-_ ][\w*.-]{8,}|\bAIza[\w-]{8,}")
_WAIT = re.compile(
    r'(?:try again in|retry[ _-]?(?:after|delay)"?[: ]+"?)\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s)\b', re.IGNORECASE
)

_CONTEXT = (
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "context length",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "exceeds the maximum number of tokens",
    "exceeds the available context size",
    "exceed context limit",
    "reduce the length of the messages",
    "request too large",
    "request_too_large",
)
_QUOTA = (
    "insufficient_quota",
    "exceeded your current quota",
    "insufficient balance",
    "insufficient credits",
    "insufficient funds",
    "credit balance is too low",
    "billing_hard_limit",
    "billing_not_active",
)
_FILTER = ("content_policy", "content policy", "content_filter", "content management policy", "flagged by moderation")
_BAD_KEY = ("invalid_api_key", "incorrect api key", "api key not valid", "api_key_invalid", "invalid api key")
_NO_MODEL = ("model_not_found", "is not a valid model", "model not found", "no such model", "unknown model")


class Rule(NamedTuple):
    """The first row whose status and words both fit decides. No statuses: any; no words: any."""

    statuses: tuple[int, ...]
    words: tuple[str, ...]
    kind: ModelErrorKind
    retryable: bool = False


RULES = (
    Rule((400, 402, 403, 429), _QUOTA, ModelErrorKind.QUOTA),
    Rule((400, 413, 422, 429, 500), _CONTEXT, ModelErrorKind.CONTEXT_OVERFLOW),
    Rule((400, 403, 422, 451), _FILTER, ModelErrorKind.REFUSED),
    Rule((400,), _BAD_KEY, ModelErrorKind.AUTH),
    Rule((400, 422), _NO_MODEL, ModelErrorKind.NOT_FOUND),
    Rule((401, 403), (), ModelErrorKind.AUTH),
    Rule((402,), (), ModelErrorKind.QUOTA),
    Rule((404, 410), (), ModelErrorKind.NOT_FOUND),
    Rule((408,), (), ModelErrorKind.TIMEOUT, retryable=True),
    Rule((409, 425), (), ModelErrorKind.SERVER, retryable=True),
    Rule((413,), (), ModelErrorKind.CONTEXT_OVERFLOW),
    Rule((429,), (), ModelErrorKind.RATE_LIMITED, retryable=True),
    Rule((501, 505), (), ModelErrorKind.SERVER),
    Rule(tuple(range(500, 600)), (), ModelErrorKind.SERVER, retryable=True),
    Rule(tuple(range(300, 400)), (), ModelErrorKind.BAD_RESPONSE),
    Rule((), _QUOTA, ModelErrorKind.QUOTA),
    Rule((), _CONTEXT, ModelErrorKind.CONTEXT_OVERFLOW),
    Rule((), ("rate_limit", "rate limit", "too many requests"), ModelErrorKind.RATE_LIMITED, retryable=True),
    Rule((), ("overloaded", "server_error", "internal error"), ModelErrorKind.SERVER, retryable=True),
    Rule((), (), ModelErrorKind.BAD_REQUEST),
)


@frozen
class Refusal:
    """What the provider answered instead of a reply."""

    status: int | None
    """None when it came inside an answer that had begun."""
    text: str
    """The provider's words, for people."""
    code: str = ""
    """Its machine-readable code and type, when it gave them."""
    headers: Mapping[str, str] | None = None
    """With lower-case names."""


def classify(status: int | None, words: str) -> Rule:
    """The row for an error; `words` are its code, type and message."""
    lower = words.lower()
    return next(
        rule
        for rule in RULES
        if (not rule.statuses or status in rule.statuses)
        and (not rule.words or any(word in lower for word in rule.words))
    )


def refused(refusal: Refusal, route: Route, *, now: datetime | None = None) -> ModelError:
    """The error for a provider's refusal. `now` (default: the clock) is what an HTTP date is measured from."""
    rule = classify(refusal.status, f"{refusal.code} {refusal.text}")
    headers = refusal.headers or {}
    message, hint = _words(rule.kind, refusal, route)
    return ModelError(
        message,
        kind=rule.kind,
        provider=route.name,
        hint=hint,
        status=refusal.status,
        retryable=rule.retryable,
        retry_after=retry_after(headers, refusal.text, now=now or datetime.now(UTC)),
        request_id=headers.get("x-request-id") or headers.get("request-id"),
    )


def unreachable(reason: str, route: Route) -> ModelError:
    """Nothing was sent: no connection came about."""
    return ModelError(
        f"cannot reach {route.name} at {route.base or 'its endpoint'}: {clean(reason, route.key)}",
        kind=ModelErrorKind.UNREACHABLE,
        provider=route.name,
        hint=_check_endpoint(route),
        retryable=True,
        sent=False,
    )


def timed_out(seconds: float, route: Route, *, what: str = "nothing") -> ModelError:
    return ModelError(
        f"{route.name} sent {what} for {seconds:g} s",
        kind=ModelErrorKind.TIMEOUT,
        provider=route.name,
        hint="Raise llm.timeout if the model is just slow.",
        retryable=True,
    )


def bad_response(reason: str, route: Route, *, hint: str = "", retryable: bool = True) -> ModelError:
    """The answer broke off, or cannot be read."""
    return ModelError(
        f"{route.name}: {clean(reason, route.key)}",
        kind=ModelErrorKind.BAD_RESPONSE,
        provider=route.name,
        hint=hint,
        retryable=retryable,
    )


def web_page(wire: str, route: Route) -> ModelError:
    """No model was there to answer, so the status that came is said, and nothing is charged."""
    hint = f"Check llm.api_base: it has to lead to an endpoint for {wire}."
    error = bad_response("the answer is a web page", route, hint=hint, retryable=False)
    error.status = 200
    return error


def retry_after(headers: Mapping[str, str], text: str, *, now: datetime) -> float | None:
    """Seconds to wait, from `retry-after-ms`, `retry-after` (seconds or HTTP date) or the provider's words."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * scale)
        except (KeyError, ValueError):
            continue
    try:
        at = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    except (KeyError, ValueError):
        pass
    found = _WAIT.search(text)
    return float(found[1]) * (0.001 if found[2].lower() == "ms" else 1.0) if found else None


def clean(text: str, key: str | None) -> str:
    """One line of a provider's words, short, with anything that looks like a key taken out."""
    if key:
        text = text.replace(key, "[key]")
    line = _KEY.sub("[key]", without_shapes(" ".join(text.split())))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _words(kind: ModelErrorKind, refusal: Refusal, route: Route) -> tuple[str, str]:
    """Message and hint: what is wrong, and what the person can do."""
    status = f" ({refusal.status})" if refusal.status else ""
    said = clean(refusal.text, route.key)
    tail = f": {said}" if said else ""
    match kind:
        case ModelErrorKind.AUTH:
            return _refused_key(refusal, route, status, tail)
        case ModelErrorKind.NOT_FOUND:
            return (
                f"{route.name} has no model `{route.model}` at {route.base or 'its endpoint'}{status}{tail}",
                f"`equitrcoder models --discover` lists what it offers.{route.hint and ' ' + route.hint}",
            )
        case ModelErrorKind.RATE_LIMITED:
            return f"{route.name} limits the rate{status}{tail}", "Wait, or lower orchestrator.max_workers."
        case ModelErrorKind.QUOTA:
            return f"{route.name}: the account has no credit left{status}{tail}", _other_model(route, "Add credit")
        case ModelErrorKind.CONTEXT_OVERFLOW:
            return (
                f"the request is too long for {route.name}'s `{route.model}`{status}{tail}",
                "Choose a model with a larger context window, or split the task.",
            )
        case ModelErrorKind.REFUSED:
            return f"{route.name} refused the content{status}{tail}", "Word the request differently."
        case ModelErrorKind.BAD_RESPONSE:
            return f"{route.name} answered from elsewhere{status}{tail}", _check_endpoint(route)
        case ModelErrorKind.TIMEOUT | ModelErrorKind.SERVER:
            return f"{route.name} failed{status}{tail}", "It is not your fault; try again later."
        case _:
            return f"{route.name} rejected the request{status}{tail}", _other_model(route, "Check the llm settings")


def _refused_key(refusal: Refusal, route: Route, status: str, tail: str) -> tuple[str, str]:
    if route.key is None:
        named = route.key_variable or "NAME_OF_THE_VARIABLE"
        return (
            f"{route.name} wants a key and none was sent{status}{tail}",
            f"Set `llm.api_key_env: {named}` to the variable that holds it, then run `equitrcoder doctor`.",
        )
    if refusal.status == 403:
        return (
            f"{route.name} does not let the key in {route.key_variable} do this{status}{tail}",
            f"Check that the key may use `{route.model}`; `equitrcoder models --discover` lists what is offered.",
        )
    return (
        f"{route.name} rejects the key in {route.key_variable}{status}{tail}",
        f"Run `{_new_key(route)}` with a valid key and then `equitrcoder doctor`.",
    )


def _new_key(route: Route) -> str:
    return f"equitrcoder keys rotate {route.key_variable}" if route.is_stored else f"export {route.key_variable}=..."


def _other_model(route: Route, first: str) -> str:
    return f"{first}, or choose another model than `{route.model}`: `equitrcoder models --discover` lists them."


def _check_endpoint(route: Route) -> str:
    if route.is_own_endpoint:
        return "Check that the server runs and that llm.api_base is right, then run `equitrcoder doctor`."
    return "Check the network, then run `equitrcoder doctor`."
