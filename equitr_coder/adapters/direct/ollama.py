"""Ollama's context: what it holds for a loaded model. It drops the beginning of a longer prompt and does not say so.

Its OpenAI endpoint takes no context size, so all that can be done is to ask what it is, and to stop.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from equitr_coder.adapters.direct.transport import import_httpx
from equitr_coder.adapters.direct.usage import BYTES_PER_TOKEN, sent_bytes
from equitr_coder.adapters.models.providers import Route
from equitr_coder.domain.errors import ModelError, ModelErrorKind

if TYPE_CHECKING:
    import httpx

_ASK_SECONDS = 5.0


class OllamaContext:
    """Remembers the context of each model that was asked for."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str | None, str], int | None] = {}

    async def check(self, client: "httpx.AsyncClient", route: Route, body: Mapping[str, Any], *, sent: bool) -> None:
        """Before sending nothing is known of a model that was not used yet; after, it is loaded and can be asked.

        Raises:
            ModelError: CONTEXT_OVERFLOW; the model would see, or has seen, only the end of the request.
        """
        key = route.base, route.model
        if key not in self._windows and not sent:
            return
        size = sent_bytes(body) // BYTES_PER_TOKEN
        window = self._windows.get(key)
        if key not in self._windows or (window is not None and size > window):
            # It may have been started anew with more; so it is asked again before a request is stopped.
            window = self._windows[key] = await _ask(client, route)
        if window is None or size <= window:
            return
        raise ModelError(
            f"the request has about {size} tokens and {route.name} holds {window} for `{route.model}`: "
            "it would drop the beginning without a word",
            kind=ModelErrorKind.CONTEXT_OVERFLOW,
            provider=route.name,
            hint="Start it with a larger context: `OLLAMA_CONTEXT_LENGTH=32768 ollama serve`.",
            sent=sent,
        )


async def _ask(client: "httpx.AsyncClient", route: Route) -> int | None:
    """The context of the loaded model; None when this server does not say."""
    httpx = import_httpx()
    try:
        response = await client.get(f"{route.root}/api/ps", timeout=_ASK_SECONDS)
        listed = json.loads(response.content) if response.status_code == 200 else None
    except (httpx.TransportError, httpx.DecodingError, ValueError):
        return None
    rows = listed.get("models") if isinstance(listed, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and route.model in _names(row) and isinstance(row.get("context_length"), int):
            return int(row["context_length"]) or None
    return None


def _names(row: Mapping[str, Any]) -> set[str]:
    names = {str(row.get(key) or "") for key in ("name", "model")}
    return names | {name.removesuffix(":latest") for name in names}
