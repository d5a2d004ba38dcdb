"""What an endpoint says when it does not answer, and how the request is spelled differently for it the next time."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from equitr_coder.adapters.models.errors import Refusal
from equitr_coder.adapters.models.providers import Route
from equitr_coder.domain.frozen import frozen


@frozen
class Spelling:
    """How one endpoint wants to be asked. Learnt from its refusals, which cost nothing."""

    path: str = ""
    """`/v1` when the configured base lacks it."""
    limit: str = "max_tokens"
    """Name of the field that caps the output; newer OpenAI models want `max_completion_tokens`."""
    asks_usage: bool = True
    has_temperature: bool = True


def respell(spelling: Spelling, refusal: Refusal, route: Route) -> Spelling | None:
    """The spelling to try instead; None when the refusal is about something else."""
    words = f"{refusal.code} {refusal.text}".lower()
    if refusal.status in (404, 405) and not spelling.path and lacks_path(route) and "model" not in words:
        return replace(spelling, path="/v1")
    if refusal.status not in (400, 422):
        return None
    if spelling.asks_usage and "stream_options" in words:
        return replace(spelling, asks_usage=False)
    if spelling.limit == "max_tokens" and "max_completion_tokens" in words:
        return replace(spelling, limit="max_completion_tokens")
    if spelling.has_temperature and "temperature" in words and "support" in words:
        return replace(spelling, has_temperature=False)
    return None


def lacks_path(route: Route) -> bool:
    return not urlsplit(route.base or "").path.strip("/")


def read_refusal(status: int | None, body: bytes | str, headers: Mapping[str, str] | None = None) -> Refusal:
    """From the body of an answer with an error status."""
    text = body.decode("utf-8", errors="replace") if isinstance(body, bytes) else body
    if status is not None and 300 <= status < 400:
        return Refusal(status, f"it redirects to {(headers or {}).get('location', 'nowhere')}", headers=headers)
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        is_page = text.lstrip().startswith("<")
        return Refusal(status, "a web page" if is_page else text, headers=headers)
    return _from_json(status, payload, headers) or Refusal(status, text, headers=headers)


def find_error(payload: Mapping[str, Any], *, has_begun: bool) -> Refusal | None:
    """An error object inside an answer with status 200.

    Before any output its code counts as the status it stands for; after that the answer has broken off.
    """
    error = payload.get("error") or (payload if payload.get("object") == "error" else None)
    if not error:
        return None
    refusal = _from_json(None, payload, None) or Refusal(None, str(error))
    code = error.get("code") if isinstance(error, Mapping) else None
    status = int(code) if isinstance(code, int | str) and re.fullmatch("[45][0-9][0-9]", str(code)) else None
    return replace(refusal, status=status) if status and not has_begun else refusal


def _from_json(status: int | None, payload: object, headers: Mapping[str, str] | None) -> Refusal | None:
    if isinstance(payload, list):
        payload = payload[0] if payload else None
    if not isinstance(payload, Mapping):
        return None
    error = payload.get("error") or payload
    if not isinstance(error, Mapping):
        return Refusal(status, str(error), headers=headers)
    text = error.get("message") or error.get("detail") or error.get("msg") or json.dumps(error, ensure_ascii=False)
    code = " ".join(str(error[name]) for name in ("code", "type", "status") if error.get(name))
    details = json.dumps(error["details"], ensure_ascii=False) if error.get("details") else ""
    said = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    return Refusal(status, f"{said} {details}".strip(), code, headers)
