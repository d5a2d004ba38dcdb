"""Implements `ports.PriceBook`. An unknown price is None, never 0. Reads files; asks no network, imports no litellm."""

import importlib.util
import json
import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from functools import cached_property
from pathlib import Path
from typing import Self

from equitr_coder.adapters.prices.entries import Entry, entry_info, entry_price
from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.money import Price

_RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
_FINEST = -9
"""A billionth of a dollar for a million tokens: the last decimal of a price that counts."""
_FILE = "model_prices_and_context_window_backup.json"
_LONGEST_ENTRY = 64 * 1024
_ALIASES = {"ollama_chat": "ollama"}
"""Prefixes under which the file has nothing of its own."""


class DataFile:
    """The price table of one installed version of litellm.

    It is 3 MB of JSON for thousands of models, and a run asks for two: an entry is looked for in the text and parsed
    alone. The whole is parsed only for a name that is not written as the others are.
    """

    def __init__(self, path: Path | None, *, source: str) -> None:
        self._path = path
        self._found: dict[str, Entry | None] = {}
        self.source = source
        """Shown beside every figure: `litellm 1.2.3 price table`; empty when there is no table."""

    @classmethod
    def installed(cls) -> Self:
        """Finds litellm's folder without running any of its code."""
        spec = importlib.util.find_spec("litellm")
        for folder in (spec.submodule_search_locations if spec is not None else None) or ():
            path = Path(folder) / _FILE
            if path.is_file():
                return cls(path, source=f"litellm {_version(Path(folder))} price table")
        return cls(None, source="")

    def entry(self, model: str) -> Entry | None:
        """By the full name; else by the name without its prefix, when the entry is of that provider."""
        found = self._entry(model)
        prefix, slash, rest = model.partition("/")
        if found is None and slash:
            found = self._entry(f"{_ALIASES[prefix]}/{rest}") if prefix in _ALIASES else None
        if found is None and slash:
            candidate = self._entry(rest)
            if candidate is not None and _is_of(prefix, str(candidate.get("litellm_provider", ""))):
                found = candidate
        return found

    def _entry(self, name: str) -> Entry | None:
        if name not in self._found:
            self._found[name] = self._look_up(name)
        return self._found[name]

    def _look_up(self, name: str) -> Entry | None:
        """The entry that stands on a line of its own as the others do. Whatever else the name occurs as is decided by
        reading the whole table.
        """
        key = json.dumps(name, ensure_ascii=False).encode()
        if key not in self._data:
            return None
        line = (self._indent or b"") + key + b": {"
        at = self._data.find(b"\n" + line)
        if self._indent is None or at < 0 or self._data.count(key + b":") != 1:
            return self._entries.get(name)
        start = at + len(line)
        text = self._data[start : start + _LONGEST_ENTRY].decode("utf-8", "ignore")
        try:
            entry: Entry = json.JSONDecoder(parse_float=Decimal).raw_decode(text)[0]
        except ValueError:
            return self._entries.get(name)
        return entry

    @cached_property
    def _indent(self) -> bytes | None:
        """What stands before each model's name; None when the table does not begin as one line to a key."""
        found = re.match(rb'\{\n( +|\t)"', self._data)
        return found[1] if found else None

    @cached_property
    def _data(self) -> bytes:
        return b"" if self._path is None else self._path.read_bytes()

    @cached_property
    def _entries(self) -> Mapping[str, Entry]:
        entries: dict[str, Entry] = json.loads(self._data or b"{}", parse_float=Decimal)
        return entries


class DataFilePrices:
    """`overrides` are prices from the configuration, by full name or by name without its prefix; they come first."""

    def __init__(self, overrides: Mapping[str, Price], *, data_file: DataFile | None = None) -> None:
        self._overrides = overrides
        self._data_file = data_file

    @cached_property
    def data_file(self) -> DataFile:
        return self._data_file or DataFile.installed()

    def price(self, model: str) -> Price | None:
        for name in (model, model.partition("/")[2]):
            if name in self._overrides:
                price = self._overrides[name]
                rates = {field: _storable(rate) for field in _RATES if (rate := getattr(price, field)) is not None}
                return price.model_copy(update={**rates, "source": price.source or "config llm.prices"})
        entry = self.data_file.entry(model)
        return None if entry is None else entry_price(entry, self.data_file.source)

    def info(self, model: str) -> ModelInfo | None:
        entry = self.data_file.entry(model)
        return None if entry is None else entry_info(model, entry)


def _storable(rate: Decimal) -> Decimal:
    """As it is where it was written by hand; else rounded up, so that no product and no sum of products needs more
    digits than `Decimal` keeps.
    """
    exponent = rate.as_tuple().exponent
    is_short = isinstance(exponent, int) and exponent >= _FINEST
    return rate if is_short else rate.quantize(Decimal(1).scaleb(_FINEST), rounding=ROUND_CEILING)


def _version(package: Path) -> str:
    """As its folder of metadata is called; `importlib.metadata` would load a mail parser to say the same."""
    for folder in package.parent.glob("litellm-*.dist-info"):
        return folder.name.removeprefix("litellm-").removesuffix(".dist-info")
    import importlib.metadata

    return importlib.metadata.version("litellm")


def _is_of(prefix: str, provider: str) -> bool:
    """`vertex_ai` also has `vertex_ai-language-models`, `bedrock` also `bedrock_converse`."""
    return provider == prefix or provider.startswith((f"{prefix}-", f"{prefix}_"))
