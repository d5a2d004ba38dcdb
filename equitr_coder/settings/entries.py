"""What `config-cmd` shows: every key with its value as YAML, secrets masked, and its source."""

from collections.abc import Iterator
from typing import Any

from equitr_coder.domain.queries import ConfigEntry
from equitr_coder.settings.faults import KeyPath, key_text, masked
from equitr_coder.settings.keys import PRICES, known_keys
from equitr_coder.settings.leaves import Leaf, Leaves
from equitr_coder.settings.schema import Settings
from equitr_coder.settings.yaml_text import write


def entries_in_force(settings: Settings, leaves: Leaves, *, ignored: Leaves) -> tuple[ConfigEntry, ...]:
    """One entry per key in the order of the schema, each followed by what an untrusted project wanted there."""
    values = settings.model_dump()
    return tuple(
        entry
        for key in known_keys()
        for entry in (
            *(_in_force(path, value, leaves.get(path), settings) for path, value in _values_at(key, values)),
            *(_ignored(path, leaf) for path, leaf in ignored.items() if path[: len(key)] == key),
        )
    )


def _values_at(key: KeyPath, values: Any) -> Iterator[tuple[KeyPath, Any]]:
    """The key's value; one for each price, since each has its own source."""
    for part in key:
        values = values[part]
    if key == PRICES and values:
        yield from (((*key, name), price) for name, price in values.items())
    else:
        yield key, values


def _in_force(path: KeyPath, value: Any, leaf: Leaf | None, settings: Settings) -> ConfigEntry:
    source = str(leaf.source) if leaf is not None else "default"
    return ConfigEntry(key=key_text(path), value=_shown(path, value), source=source, note=_note(path, settings))


def _ignored(path: KeyPath, leaf: Leaf) -> ConfigEntry:
    source = f"ignored: untrusted {leaf.source.place}"
    return ConfigEntry(key=key_text(path), value=masked(write(leaf.value)), source=source)


def _shown(path: KeyPath, value: Any) -> str:
    if value is None and (path == ("llm", "budget") or path[:2] == ("llm", "limits")):
        return "unlimited"
    if path[:-1] == PRICES:
        value = {name: price for name, price in value.items() if price is not None}
    if path[-1] == "fallbacks":
        value = [_as_people_write(fallback) for fallback in value]
    return masked(write(value))


def _as_people_write(fallback: dict[str, Any]) -> Any:
    """The bare name, unless something is said beside it."""
    said = {name: value for name, value in fallback.items() if value not in (None, "auto")}
    return said["model"] if len(said) == 1 else said


def _note(path: KeyPath, settings: Settings) -> str:
    if path == ("llm", "models", "worker", "model"):
        return settings.worker_note()
    return ""
