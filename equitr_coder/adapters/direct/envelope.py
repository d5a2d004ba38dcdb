"""What is done alike to requests and replies on every wire."""

import json
from collections.abc import Mapping

from equitr_coder.adapters.models.limits import read_limits
from equitr_coder.adapters.models.providers import Route
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import AssistantMessage, ModelRequest, Reply


def sign_reply(reply: Reply, route: Route, headers: Mapping[str, str]) -> Reply:
    """With who answered and what the headers say; a cost counts only from those known to state it in US dollars."""
    usage = reply.usage
    if usage.reported_usd is not None and not route.provider.reports_cost:
        usage = usage.model_copy(update={"reported_usd": None})
    return reply.model_copy(update={"provider": route.name, "limits": read_limits(headers), "usage": usage})


def as_json(body: object) -> bytes:
    """Half a surrogate pair, which a model may write, cannot be sent; it becomes a question mark."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", errors="replace")


def call_ids(request: ModelRequest) -> set[CallId]:
    """Every call id the conversation already uses."""
    return {call.id for message in request.messages if isinstance(message, AssistantMessage) for call in message.calls}
