"""Dated pairs of models that ship with the product, and which of them the keys that are there allow."""

from decimal import Decimal

from equitr_coder.domain.money import Price
from equitr_coder.domain.queries import Proposal, ProposalAnswer
from equitr_coder.domain.value import Value
from equitr_coder.ports import KeyStore, PriceBook
from equitr_coder.settings.fields import Count, Flag, Money, Text, Texts
from equitr_coder.settings.files import read_optional
from equitr_coder.settings.records import parse_record
from equitr_coder.settings.schema import Settings
from equitr_coder.settings.shipped import config_dir
from equitr_coder.settings.yaml_text import write

FREE = Decimal(0)


class Preset(Value):
    name: Text
    date: Text
    """When the pair was chosen; models and prices change."""
    variables: Texts
    """Environment variables whose presence makes it usable, the provider's usual one first."""
    supervisor: Text
    worker: Text
    budget: Money
    max_tokens: Count | None = None
    is_local: Flag = False
    """Runs on the user's own machine: no key, and a price of 0 where nobody names another."""


def presets() -> tuple[Preset, ...]:
    """The presets that ship, by name."""
    found = []
    for path in sorted((config_dir() / "presets").glob("*.yaml")):
        text = read_optional(path)
        if text is not None:
            found.append(parse_record(Preset, text, name=str(path)))
    return tuple(found)


def proposals(settings: Settings, *, keys: KeyStore, prices: PriceBook) -> ProposalAnswer:
    """What a first configuration could be, with today's prices and the exact file it would write."""
    shipped = presets()
    return ProposalAnswer(
        configured=settings.single_model() is not None,
        proposals=tuple(
            _proposal(preset, variable, prices)
            for preset in shipped
            if (variable := _present(preset.variables, keys)) is not None
        ),
        looked_for=tuple(dict.fromkeys(name for preset in shipped for name in preset.variables)),
    )


def _present(variables: tuple[str, ...], keys: KeyStore) -> str | None:
    return next((name for name in variables if keys.source(name) is not None), None)


def _proposal(preset: Preset, variable: str, prices: PriceBook) -> Proposal:
    supervisor, worker = prices.price(preset.supervisor), prices.price(preset.worker)
    return Proposal(
        preset=preset.name,
        date=preset.date,
        supervisor=preset.supervisor,
        worker=preset.worker,
        supervisor_price=supervisor or _free(preset),
        worker_price=worker or _free(preset),
        key="" if preset.is_local else variable,
        budget=preset.budget,
        yaml=_configuration(preset, variable, supervisor, worker),
    )


def _configuration(preset: Preset, variable: str, supervisor: Price | None, worker: Price | None) -> str:
    lines = [
        f"# Written by equitrcoder: the preset {preset.name} of {preset.date}.",
        "# `equitrcoder config-cmd` shows every key, its value and where it comes from.",
        "llm:",
        f"  # plans, answers questions, reviews; {_price_words(supervisor or _free(preset))}",
        f"  model: {write(preset.supervisor)}",
        "  models:",
        f"    # builds; {_price_words(worker or _free(preset))}",
        f"    worker: {write(preset.worker)}",
        "  # US dollars a run; no call is sent that could pass it",
        f"  budget: {write(preset.budget)}",
    ]
    if preset.max_tokens is not None:
        lines.append(f"  max_tokens: {preset.max_tokens}")
    if not preset.is_local and variable != preset.variables[0]:
        lines.append(f"  api_key_env: {variable}")
    unpriced = {preset.supervisor: supervisor, preset.worker: worker}
    if preset.is_local and None in unpriced.values():
        lines.append("  prices:")
        lines += [f"    {write(name)}: {{input: 0, output: 0}}" for name, price in unpriced.items() if price is None]
    return "\n".join(lines) + "\n"


def _free(preset: Preset) -> Price | None:
    return Price(input=FREE, output=FREE, source="your own machine") if preset.is_local else None


def _price_words(price: Price | None) -> str:
    if price is None:
        return "its price is not known"
    return f"${write(price.input)} in, ${write(price.output)} out per million tokens ({price.source})"
