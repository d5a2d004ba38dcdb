"""The base of every value: frozen, closed to unknown fields, JSON-ready."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable record. Money inside is `Decimal` and serialises as a string; times are aware UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
