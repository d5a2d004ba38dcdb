"""Where a provider caches only on request: marks in the messages that say up to where."""

from typing import Any

from equitr_coder.adapters.models.providers import Route

_MARK = {"type": "ephemeral"}


def wants_marks(route: Route) -> bool:
    """Claude's models cache a prompt only up to marks in it; all others that cache do it by themselves."""
    is_claude = "claude" in route.model or "anthropic" in route.model
    return route.name == "anthropic" or (route.name in ("bedrock", "vertex_ai") and is_claude)


def mark_prefix(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Marks the system message (tools come before it) and the last one, whose prefix the next request repeats."""
    ends = {0 if messages[0]["role"] == "system" else -1, len(messages) - 1}
    return [_marked(message) if index in ends else message for index, message in enumerate(messages)]


def _marked(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        return {**message, "cache_control": _MARK}
    if isinstance(message["content"], str) and message["content"]:
        return {**message, "content": [{"type": "text", "text": message["content"], "cache_control": _MARK}]}
    if message["role"] == "user" and isinstance(message["content"], list):
        *before, last = message["content"]
        return {**message, "content": [*before, {**last, "cache_control": _MARK}]}
    return message
