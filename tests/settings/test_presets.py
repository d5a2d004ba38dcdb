import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.money import Price
from equitr_coder.settings.layers import parse_config
from equitr_coder.settings.presets import presets, proposals
from equitr_coder.settings.schema import Settings
from equitr_coder.settings.shipped import config_dir

PRESETS = {preset.name: preset for preset in presets()}


class PriceList:
    """Prices from a mapping."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices

    def price(self, model: str) -> Price | None:
        return self._prices.get(model)

    def info(self, model: str) -> ModelInfo | None:
        return None


NO_PRICES = PriceList({})


@pytest.fixture(scope="module")
def shipped_prices() -> dict[str, Any]:
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    file = Path(spec.submodule_search_locations[0]) / "model_prices_and_context_window_backup.json"
    found = json.loads(file.read_text())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_every_model_of_a_preset_is_priced_and_can_call_tools(name: str, shipped_prices: dict[str, Any]) -> None:
    preset = PRESETS[name]

    for model in (preset.supervisor, preset.worker):
        provider, _, bare = model.partition("/")
        record = shipped_prices.get(model) or shipped_prices.get(bare)
        assert record is not None, model
        assert record["litellm_provider"] == provider
        assert record["mode"] == "chat"
        assert record["supports_function_calling"] is True
        assert record["input_cost_per_token"] >= 0
        retired = record.get("deprecation_date")
        assert retired is None or date.fromisoformat(retired) > date.fromisoformat(preset.date)


@pytest.mark.parametrize("name", PRESETS)
def test_a_worker_costs_no_more_than_its_supervisor(name: str, shipped_prices: dict[str, Any]) -> None:
    preset = PRESETS[name]
    strong, weak = (
        shipped_prices.get(model) or shipped_prices[model.partition("/")[2]]
        for model in (preset.supervisor, preset.worker)
    )

    assert weak["output_cost_per_token"] <= strong["output_cost_per_token"]
    assert weak["input_cost_per_token"] <= strong["input_cost_per_token"]


def test_presets_are_dated_named_as_their_files_and_capped_at_ten_dollars() -> None:
    files = {path.stem for path in (config_dir() / "presets").iterdir()}

    assert set(PRESETS) == files
    assert {preset.budget for preset in PRESETS.values()} == {Decimal("10.00")}
    for preset in PRESETS.values():
        date.fromisoformat(preset.date)
        assert preset.variables


def test_nothing_is_proposed_without_a_key_and_it_is_said_what_was_looked_for() -> None:
    answer = proposals(Settings(), keys=EnvironmentKeys({"OPENAI_API_KEY": " "}), prices=NO_PRICES)

    assert not answer.configured
    assert answer.proposals == ()
    assert {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OLLAMA_API_BASE"} <= set(answer.looked_for)


@pytest.mark.parametrize("name", PRESETS)
def test_a_proposal_is_a_configuration_that_loads_as_proposed(name: str) -> None:
    preset = PRESETS[name]

    (proposal,) = proposals(
        Settings(), keys=EnvironmentKeys({preset.variables[0]: "sk-a-secret"}), prices=NO_PRICES
    ).proposals

    settings = parse_config(proposal.yaml, name="proposal")
    supervisor, worker = settings.supervisor(), settings.worker()
    assert supervisor is not None
    assert worker is not None
    assert (supervisor.name, worker.name) == (proposal.supervisor, proposal.worker)
    assert settings.llm.budget == proposal.budget == 10
    assert "sk-a-secret" not in proposal.yaml


def test_a_proposal_says_the_price_and_where_it_is_from() -> None:
    preset = PRESETS["anthropic"]
    prices = PriceList(
        {
            preset.supervisor: Price(input=Decimal("4.00"), output=Decimal(20), source="price list 9"),
            preset.worker: Price(input=Decimal("0.10"), output=Decimal("0.50"), source="price list 9"),
        }
    )

    (proposal,) = proposals(Settings(), keys=EnvironmentKeys({"ANTHROPIC_API_KEY": "x"}), prices=prices).proposals

    assert proposal.key == "ANTHROPIC_API_KEY"
    assert proposal.supervisor_price == prices.price(preset.supervisor)
    assert proposal.yaml == (
        "# Written by equitrcoder: the preset anthropic of 2026-11-21.\n"
        "# `equitrcoder config-cmd` shows every key, its value and where it comes from.\n"
        "llm:\n"
        "  # plans, answers questions, reviews; $4.00 in, $20 out per million tokens (price list 9)\n"
        "  model: anthropic/claude-opus-5-5\n"
        "  models:\n"
        "    # builds; $0.10 in, $0.50 out per million tokens (price list 9)\n"
        "    worker: anthropic/claude-haiku-5-5\n"
        "  # US dollars a run; no call is sent that could pass it\n"
        "  budget: 10.00\n"
    )


def test_an_unknown_price_stays_unknown() -> None:
    (proposal,) = proposals(Settings(), keys=EnvironmentKeys({"OPENAI_API_KEY": "x"}), prices=NO_PRICES).proposals

    assert proposal.supervisor_price is None
    assert proposal.worker_price is None
    assert parse_config(proposal.yaml, name="p").prices() == {}


def test_a_key_under_another_usual_name_is_named_in_the_configuration() -> None:
    (proposal,) = proposals(Settings(), keys=EnvironmentKeys({"GOOGLE_API_KEY": "x"}), prices=NO_PRICES).proposals

    assert proposal.key == "GOOGLE_API_KEY"
    assert parse_config(proposal.yaml, name="p").llm.api_key_env == "GOOGLE_API_KEY"


def test_a_model_on_the_users_own_machine_needs_no_key_and_costs_nothing() -> None:
    (proposal,) = proposals(
        Settings(), keys=EnvironmentKeys({"OLLAMA_API_BASE": "http://localhost:11434"}), prices=NO_PRICES
    ).proposals

    assert proposal.key == ""
    settings = parse_config(proposal.yaml, name="p")
    assert {name: price.input + price.output for name, price in settings.prices().items()} == {
        proposal.supervisor: Decimal(0)
    }
    assert settings.llm.max_tokens == PRESETS["ollama"].max_tokens


def test_a_configured_model_is_said() -> None:
    settings = parse_config("llm: {model: m}", name="t")

    assert proposals(settings, keys=EnvironmentKeys({}), prices=NO_PRICES).configured
