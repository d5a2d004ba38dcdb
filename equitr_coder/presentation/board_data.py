"""The dashboard as JSON-ready data: the names of its fields, money as exact decimal strings, times in seconds."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from equitr_coder.domain.value import Value
from equitr_coder.presentation.dashboard import Dashboard
from equitr_coder.presentation.figures import exact

_OUTPUT = {"checks": {"__all__": {"output_tail"}}}


def board_data(board: Dashboard) -> dict[str, Any]:
    """Instants as ISO 8601, durations in seconds. What a check printed is left out of receipts."""
    return {name: value for name, value in _data(board).items() if name != "past"}


def _data(value: Any) -> Any:
    match value:
        case Decimal():
            return exact(value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return round(value.total_seconds(), 3)
        case Enum():
            return value.value
        case Value():
            return value.model_dump(mode="json", exclude=_OUTPUT)
        case tuple() | list():
            return [_data(item) for item in value]
        case Mapping():
            return {str(key): _data(item) for key, item in value.items()}
        case _ if is_dataclass(value):
            return {each.name: _data(getattr(value, each.name)) for each in fields(value)}
        case _:
            return value
