"""What litellm raises, as our kinds of errors. The chain below its error tells more than its class does."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from equitr_coder.adapters.direct.refusals import read_refusal
from equitr_coder.adapters.direct.transport import transport_error
from equitr_coder.adapters.models.errors import Refusal, bad_response, classify, refused
from equitr_coder.adapters.models.providers import Route
from equitr_coder.domain.errors import EquitrError, ModelErrorKind, UserError

_PREFIX = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)\b(?: -|:) *)+")
_BODY = re.compile(r"\{.*\}", re.DOTALL)
_WITHOUT_STATUS = ("APIConnectionError", "InternalServerError", "ServiceUnavailableError", "APIError")
"""Classes that litellm also uses when no answer with a status came, and then gives one of its own."""


def litellm_error(error: Exception, route: Route, *, timeout: float) -> EquitrError:
    """A `ModelError`, or a `UserError` when a package for the provider is missing."""
    import httpx

    answer: httpx.Response | None = None
    for cause in causes(error):
        if isinstance(cause, httpx.HTTPStatusError):
            answer = cause.response
            break
        if isinstance(cause, httpx.TransportError):
            return transport_error(cause, route, timeout=timeout)
        if isinstance(cause, ImportError):
            hint = f"Install it beside this program: pip install {cause.name or 'the package'}."
            return UserError(f"{route.name} needs a package that is not installed: {cause}", hint=hint)
    refusal = _refusal(error, answer)
    if refusal.status is None and classify(None, f"{refusal.code} {refusal.text}").kind is ModelErrorKind.BAD_REQUEST:
        return bad_response(f"the answer broke off ({refusal.text})", route)
    return refused(refusal, route)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what litellm wrapped in it, and what led to it; never what was being handled when we were called."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and not isinstance(current, EquitrError):
        seen.add(id(current))
        yield current
        wrapped = getattr(current, "original_exception", None)
        current = wrapped if isinstance(wrapped, BaseException) else current.__cause__ or current.__context__


def _refusal(error: Exception, answer: object) -> Refusal:
    """Status, words, code and headers, from wherever litellm left them."""
    chain = list(causes(error))
    text = _PREFIX.sub("", _first(chain, "message", str) or str(error))
    headers = _first(chain, "litellm_response_headers", Mapping) or {}
    status = getattr(answer, "status_code", None)
    if status is None and not any(type(link).__name__ in _WITHOUT_STATUS for link in chain):
        status = _first(chain, "status_code", int)
    found = _BODY.search(text)
    refusal = read_refusal(status, found[0] if found else text, {str(k).lower(): str(v) for k, v in headers.items()})
    body = _first(chain, "body", Mapping) or {}
    code = " ".join(str(body[name]) for name in ("code", "type") if body.get(name))
    return replace(refusal, code=f"{refusal.code} {code}".strip())


def _first(chain: list[BaseException], name: str, kind: type) -> Any:
    return next((value for link in chain if isinstance(value := getattr(link, name, None), kind)), None)
