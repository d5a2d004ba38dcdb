from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.models import ModelSpec, Tier
from equitr_coder.domain.money import Price, Usage
from equitr_coder.settings.layers import LoadedSettings
from equitr_coder.settings.schema import Settings, require_models

if TYPE_CHECKING:
    from tests.settings.conftest import Machine


def of(**llm: Any) -> Settings:
    return Settings.model_validate({"llm": llm})


def name(spec: ModelSpec | None) -> str | None:
    return spec.name if spec is not None else None


def names(settings: Settings) -> tuple[str | None, str | None, str | None]:
    """Single, supervisor, worker."""
    return name(settings.single_model()), name(settings.supervisor()), name(settings.worker())


def test_one_model_is_all_three() -> None:
    settings = of(model="a/x")

    assert names(settings) == ("a/x", "a/x", "a/x")
    assert settings.worker_note() == "same as supervisor"


@pytest.mark.parametrize(
    ("llm", "expected"),
    [
        ({}, (None, None, None)),
        ({"model": "m", "models": {"worker": "w"}}, ("m", "m", "w")),
        ({"model": "m", "models": {"supervisor": "s"}}, ("m", "s", "m")),
        ({"models": {"supervisor": "s", "worker": "w"}}, ("w", "s", "w")),
        ({"models": {"supervisor": "s"}}, ("s", "s", "s")),
        ({"models": {"worker": "w"}}, ("w", None, "w")),
        ({"provider": "anthropic", "model": "c"}, ("anthropic/c", "anthropic/c", "anthropic/c")),
        ({"provider": "anthropic", "model": "anthropic/c"}, ("anthropic/c", "anthropic/c", "anthropic/c")),
        (
            {"provider": "anthropic", "model": "c", "models": {"worker": "openai/w"}},
            ("anthropic/c", "anthropic/c", "openai/w"),
        ),
        (
            {"provider": "anthropic", "model": "c", "models": {"worker": "w"}},
            ("anthropic/c", "anthropic/c", "anthropic/w"),
        ),
        (
            {"models": {"supervisor": {"provider": "openrouter", "model": "a/s"}, "worker": {"model": "w"}}},
            ("w", "openrouter/a/s", "w"),
        ),
        ({"provider": "a", "models": {"supervisor": {"provider": "litellm", "model": "s"}}}, ("s", "s", "s")),
    ],
)
def test_which_model_is_which(llm: dict[str, Any], expected: tuple[str | None, str | None, str | None]) -> None:
    assert names(of(**llm)) == expected


def test_a_tier_inherits_what_it_does_not_say() -> None:
    settings = of(
        model="m",
        api_base="http://one",
        api_key_env="KEY_ONE",
        temperature=0.2,
        max_tokens=100,
        adapter="direct",
        models={"worker": {"model": "w", "temperature": 0, "api_base": "http://two"}},
    )

    assert settings.worker() == ModelSpec(
        name="w",
        tier=Tier.WEAK,
        api_base="http://two",
        api_key_env="KEY_ONE",
        temperature=0.0,
        max_tokens=100,
        adapter="direct",
    )
    assert settings.supervisor() == ModelSpec(
        name="m",
        tier=Tier.STRONG,
        api_base="http://one",
        api_key_env="KEY_ONE",
        temperature=0.2,
        max_tokens=100,
        adapter="direct",
    )


def test_a_worker_that_is_the_supervisors_model_is_called_where_that_is() -> None:
    settings = of(
        models={
            "supervisor": {"model": "s", "api_base": "http://strong", "temperature": 0.1},
            "worker": {"temperature": 0.3},
        }
    )

    worker = settings.worker()

    assert worker == ModelSpec(name="s", tier=Tier.WEAK, api_base="http://strong", temperature=0.3)
    assert settings.worker_note() == "same as supervisor"


def test_a_worker_chosen_on_purpose_has_no_note() -> None:
    assert of(model="m", models={"worker": "m"}).worker_note() == ""
    assert of(model="m", models={"supervisor": "s"}).worker_note() == ""


def test_a_scripted_model_is_called_in_process() -> None:
    spec = of(model="scripted/strong").single_model()

    assert spec is not None
    assert spec.adapter == "scripted"


def test_prices_are_per_million_in_either_spelling() -> None:
    settings = of(
        prices={
            "a": {"input": Decimal("2.50"), "output": 10, "cache_read": 1.25},
            "b": {
                "input_cost_per_token": Decimal("2.5e-6"),
                "output_cost_per_token": 1e-5,
                "cache_read_input_token_cost": Decimal("1.25e-6"),
                "cache_creation_input_token_cost": 0,
                "cache_creation_input_token_cost_above_1hr": Decimal("4e-6"),
            },
        }
    )

    prices = settings.prices()

    assert prices["a"] == Price(
        input=Decimal("2.50"), output=Decimal(10), cache_read=Decimal("1.25"), source="config llm.prices"
    )
    usage = Usage(input=1_000_000, output=100_000, cache_read=1_000_000)
    assert prices["a"].cost(usage) == prices["b"].cost(usage) == Decimal("4.75")
    assert (prices["b"].cache_write, prices["b"].cache_write_1h) == (Decimal(0), Decimal(4))


@pytest.mark.parametrize("multi_agent", [False, True])
def test_without_a_model_the_error_names_three_ways(multi_agent: bool) -> None:
    with pytest.raises(UserError) as caught:
        require_models(Settings(), multi_agent=multi_agent)

    assert caught.value.exit_code == 2
    for way in ("equitrcoder models --discover", "--model", "llm.model"):
        assert way in caught.value.hint


def test_a_worker_alone_is_no_team() -> None:
    settings = of(models={"worker": "w"})

    require_models(settings, multi_agent=False)
    with pytest.raises(UserError, match="no supervisor model is configured"):
        require_models(settings, multi_agent=True)


FLAG = {"llm.model": ("stub/now", "--model")}


def test_the_model_flag_stands_for_both_tiers(machine: "Machine") -> None:
    machine.user("llm: {model: old, models: {supervisor: {model: older, temperature: 0.1}}}\n")

    settings = machine.load(FLAG).settings

    assert names(settings) == ("stub/now", "stub/now", "stub/now")
    supervisor = settings.supervisor()
    assert supervisor is not None
    assert supervisor.temperature == 0.1


def test_the_model_flag_leaves_a_configured_worker_alone(machine: "Machine") -> None:
    machine.user("llm: {model: old, models: {worker: mine}}\n")

    assert names(machine.load(FLAG).settings) == ("stub/now", "stub/now", "mine")


def test_flags_for_the_tiers_go_before_the_model_flag(
    machine: "Machine", entry: Callable[[LoadedSettings, str], tuple[str, str]]
) -> None:
    loaded = machine.load(
        {
            **FLAG,
            "llm.models.supervisor": ("stub/s", "--supervisor-model"),
            "llm.models.worker": ("stub/w", "--worker-model"),
        }
    )

    assert names(loaded.settings) == ("stub/now", "stub/s", "stub/w")
    assert entry(loaded, "llm.models.worker.model") == ("stub/w", "flag --worker-model")


def test_a_whole_name_on_the_command_line_is_not_put_under_the_files_provider(machine: "Machine") -> None:
    machine.user("llm: {provider: anthropic, model: c, models: {worker: cheap}}\n")

    assert names(machine.load(FLAG).settings) == ("stub/now", "stub/now", "anthropic/cheap")
    assert names(machine.load({"llm.model": ("d", "--model")}).settings)[0] == "anthropic/d"
    worker = machine.load({"llm.models.worker": ("stub/w", "--worker-model")}).settings.worker()
    assert name(worker) == "stub/w"


def test_the_configuration_says_that_the_worker_is_the_supervisor(machine: "Machine") -> None:
    machine.user("llm: {model: m}\n")

    notes = {entry.key: entry.note for entry in machine.load().entries}

    assert notes["llm.models.worker.model"] == "same as supervisor"
