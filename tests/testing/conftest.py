"""Requests to play with."""

from typing import Any

import pytest

from equitr_coder.domain.models import Message, ModelRequest, ModelSpec, Tier, ToolSpec, UserMessage


def tool(name: str, **parameters: Any) -> dict[str, Any]:
    schema = parameters or {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    return {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": schema}}


@pytest.fixture
def body() -> dict[str, Any]:
    """A sound request in the middle of its work."""
    call = {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": '{"path": "a.py"}'}}
    return {
        "model": "strong-1",
        "messages": [
            {"role": "system", "content": "You work."},
            {"role": "user", "content": "Task T1"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "1\tprint(1)"},
        ],
        "tools": [tool("read_file"), tool("hand_in")],
        "max_tokens": 500,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.fixture
def request_of() -> Any:
    def make(*messages: Message, model: str = "scripted/strong-1", tools: tuple[str, ...] = ()) -> ModelRequest:
        return ModelRequest(
            model=ModelSpec(name=model, tier=Tier.STRONG),
            system="You work.",
            messages=messages or (UserMessage(text="Task T1"),),
            tools=tuple(
                ToolSpec(name=name, description=name, parameters={"type": "object", "properties": {}}) for name in tools
            ),
            max_tokens=500,
            session="T1.1",
        )

    return make
