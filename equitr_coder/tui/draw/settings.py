"""Settings with where each comes from, and the models with their keys, prices and test calls."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.money import MILLION, Price
from equitr_coder.domain.queries import ConfigEntry, ConfiguredModel, ProbeAnswer
from equitr_coder.presentation.figures import dollars, limit, price
from equitr_coder.presentation.rows import Ink, Row, Span, beside, row
from equitr_coder.presentation.text import prose, shown_on_one_line
from equitr_coder.tui.draw.frame import head, labelled, nothing, paragraph, tabs

TABS = ("settings", "models")
_PROBE_IN, _PROBE_OUT = 64, 16
"""Tokens of a test call: about, and at most."""
_SOURCES = {"flag": Ink.ACCENT, "environment": Ink.ACCENT, "project": Ink.TEXT, "user": Ink.TEXT}


def settings_head(typed: str, shown: int, known: int, width: int, *, is_typing: bool) -> Row:
    """` SETTINGS  filter: model_        4 of 92`."""
    cursor = Span("_", Ink.ACCENT) if is_typing else Span("")
    words = row(Span("filter: ", Ink.DIM), shown_on_one_line(typed), cursor)
    about = words if typed or is_typing else row(Span("/ filters", Ink.DIM))
    return head("settings", about, row(Span(f"{shown} of {known}" if shown != known else f"{known}", Ink.DIM)), width)


def settings_tabs(chosen: int, width: int) -> Row:
    return tabs([row(name) for name in TABS], chosen, width)


def matching(entries: Sequence[ConfigEntry], typed: str) -> list[ConfigEntry]:
    """Those in whose key, value or source every typed word stands."""
    words = typed.casefold().split()
    return [
        entry
        for entry in entries
        if all(word in f"{entry.key} {entry.value} {entry.source} {entry.note}".casefold() for word in words)
    ]


def settings_rows(
    entries: Sequence[ConfigEntry], width: int, *, written: Mapping[str, str | None], typed: str = ""
) -> list[Row]:
    """Key, value and source in columns. `written` is what was changed since the program started: it counts later."""
    if not entries:
        return nothing(f"No setting has {typed!r} in its key, value or source.", "Esc clears the filter.", width)
    longest = min(max(len(entry.key) for entry in entries), max(16, width // 2))
    value_width = max(12, (width - longest - 4) * 3 // 5)
    rows = []
    for entry in entries:
        source = Span(_source(entry, written), _ink(entry.source))
        value = Span(shown_on_one_line(entry.value), Ink.DIM if entry.source.startswith("ignored") else Ink.TEXT)
        columns = [(row(entry.key), longest), (row(value), value_width)]
        rest = width - longest - value_width - 4
        if rest >= 10:
            columns.append((row(source), rest))
        rows.append(beside(columns, gap="  "))
    return rows


def _source(entry: ConfigEntry, written: Mapping[str, str | None]) -> str:
    if entry.key in written:
        value = written[entry.key]
        return "taken out, next start" if value is None else f"{value} from next start"
    return shown_on_one_line(entry.source)


def _ink(source: str) -> Ink:
    return _SOURCES.get(source.partition(" ")[0], Ink.DIM)


def entry_detail(entry: ConfigEntry | None, width: int, *, written: Mapping[str, str | None]) -> list[Row]:
    """The whole value, its whole source, and how it is changed."""
    if entry is None:
        return []
    rows = [row(" ", Span(entry.key, bold=True))]
    rows += labelled("value", prose(entry.value), width)
    rows += labelled("from", prose(entry.source), width, ink=_ink(entry.source))
    if entry.note:
        rows += labelled("note", prose(entry.note), width)
    if entry.key in written:
        value = written[entry.key]
        words = "taken out of your file" if value is None else f"{prose(value)} is in your file"
        rows += labelled("later", f"{words}; counts from the next start", width, ink=Ink.ACCENT)
    stronger = entry.source.partition(" ")[0] in ("flag", "environment", "project")
    if stronger:
        words = f"{entry.source.partition(' ')[0]} wins over your file: what you change here shows when it is gone"
        rows += paragraph(words, width, first=(Span(" "),), ink=Ink.DIM)
    return rows


# ---------------------------------------------------------------- models


def models_rows(models: Sequence[ConfiguredModel], width: int) -> list[Row]:
    """Role, name, price, context and key state; what does not fit is left to the detail."""
    rows = []
    for model in models:
        name = shown_on_one_line(model.name) if model.name is not None else "none"
        priced = Span(_short_price(model.price), Ink.TEXT if model.price is not None else Ink.ASK)
        columns = [(row(Span(_role(model), Ink.DIM)), 11), (row(name), max(14, width - 11 - 2))]
        if width >= 46:
            columns = [columns[0], (row(name), max(14, width - 11 - 20 - 2)), (row(priced), 18)]
        if width >= 84:
            columns = [
                columns[0],
                (row(name), max(14, width - 11 - 18 - 8 - 22 - 8)),
                (row(priced), 18),
                (row(Span(_context(model.info), Ink.DIM)), 8),
                (row(_key(model)), 22),
            ]
        rows.append(beside(columns, gap="  "))
    return rows or nothing("No model is configured.", "Change llm.model on the other tab.", width)


def model_detail(
    model: ConfiguredModel | None, width: int, *, probe: ProbeAnswer | None, is_probing: bool
) -> list[Row]:
    """All that is known of one model, and what a test call would cost before it is made."""
    if model is None:
        return []
    if model.name is None:
        return nothing(f"The {model.role} is not configured.", "Set its model on the other tab.", width)
    rows = [row(" ", Span(shown_on_one_line(model.name), bold=True), Span(f"  {_role(model)}", Ink.DIM))]
    if model.note:
        rows += labelled("note", prose(model.note), width)
    rows += labelled("at", prose(f"{model.provider} {model.endpoint}".strip()) or "unknown", width)
    rows += labelled("key", prose(model.key) or "unknown", width, ink=Ink.TEXT if _has_key(model) else Ink.ASK)
    source = f" [{model.price.source}]" if model.price is not None and model.price.source else ""
    words = "unknown: calls under a budget are refused. Set "
    words += f"llm.prices.{model.name}: {{input: X, output: Y}}, US dollars per million tokens"
    if model.price is not None:
        words = f"{price(model.price)} per million tokens{source}"
    rows += labelled("price", words, width, ink=Ink.TEXT if model.price is not None else Ink.ASK)
    if model.info is not None:
        rows += labelled("context", f"{model.info.context_window or 'unknown'} tokens", width)
        tools = {True: "native", False: "as text", None: "unknown"}[model.info.tools]
        rows += labelled("tools", tools, width)
    rows.append(())
    if is_probing:
        rows += labelled("test", "asking...", width)
    elif probe is not None:
        end = "answered" if probe.ok else "failed"
        told = f"{end}: {shown_on_one_line(probe.text)} ({probe.latency_ms} ms, {dollars(probe.usd)})"
        rows += labelled("test", told, width, ink=Ink.OK if probe.ok else Ink.BAD)
    rows += labelled("p", probe_words(model.price), width, ink=Ink.DIM)
    return rows


def probe_words(value: Price | None) -> str:
    """What a test call costs, said before it is made."""
    if value is None:
        return "a test call cannot be made before its price is known"
    usd = (_PROBE_IN * value.input + _PROBE_OUT * value.output) / MILLION
    cost = "costs nothing" if usd == Decimal(0) else f"costs about {dollars(usd)}"
    return f"makes one test call of at most {_PROBE_OUT} tokens; it {cost}"


def _role(model: ConfiguredModel) -> str:
    return "fallback" if model.note.startswith("fallback") else model.role


def _short_price(value: Price | None) -> str:
    return f"{limit(value.input)} / {limit(value.output)}" if value is not None else "unknown: refused"


def _context(info: ModelInfo | None) -> str:
    window = info.context_window if info is not None else None
    return f"{window // 1000}k" if window else "?"


def _has_key(model: ConfiguredModel) -> bool:
    return not model.key.endswith("not set")


def _key(model: ConfiguredModel) -> Span:
    return Span("key missing" if not _has_key(model) else "key ok", Ink.OK if _has_key(model) else Ink.ASK)
