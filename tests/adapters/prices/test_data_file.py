"""Which price a name gets, and from where; nothing is made up."""

import json
import subprocess
import sys
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.adapters.prices import DataFile, DataFilePrices
from equitr_coder.adapters.prices.entries import entry_price
from equitr_coder.adapters.prices.tiers import TieredPrice
from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.money import Price, Usage
from equitr_coder.ports import PriceBook

EXCERPT = Path(__file__).parent / "excerpt.json"
MINE = Price(input=Decimal("0.25"), output=Decimal(2))


def book(**overrides: Price) -> DataFilePrices:
    return DataFilePrices(overrides, data_file=DataFile(EXCERPT, source="excerpt"))


def priced(prices: PriceBook, model: str) -> tuple[Decimal, Decimal] | None:
    price = prices.price(model)
    return None if price is None else (price.input, price.output)


@pytest.mark.parametrize(
    "model",
    [
        "llama-on-my-desk",
        "stub/gpt-4o",  # an unknown prefix is somebody else's endpoint
        "groq/gpt-4o",
        "openai/claude-sonnet-4-5",
        "sample_spec",
        "text-embedding-3-small",
        "gemini/gemini-exp-1114",  # the file says 0; that is not a price
        "perplexity/sonar-small-online",  # half a zero
        "perplexity/sonar-deep-research",  # also bills citations
        "",
        "/",
    ],
)
def test_what_nobody_states_is_unknown(model: str) -> None:
    assert book().price(model) is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o", ("2.5", "10")),
        ("openai/gpt-4o", ("2.5", "10")),
        ("anthropic/claude-sonnet-4-5", ("3", "15")),
        ("bedrock/us.anthropic.claude-sonnet-4-6", ("3.3", "16.5")),
        ("vertex_ai/gemini-2.5-flash", ("0.3", "2.5")),
        ("gemini/gemini-2.5-pro", ("1.25", "10")),
        ("ollama_chat/llama3", ("0", "0")),
    ],
)
def test_a_name_is_looked_up_in_full_and_without_its_providers_prefix(model: str, expected: tuple[str, str]) -> None:
    assert priced(book(), model) == (Decimal(expected[0]), Decimal(expected[1]))


def test_figures_are_exact() -> None:
    price = book().price("gpt-4o-mini")

    assert price == Price(input=Decimal("0.15"), output=Decimal("0.6"), cache_read=Decimal("0.075"), source="excerpt")


def test_figures_are_written_without_an_exponent() -> None:
    price = book().price("gpt-4o")

    assert price is not None
    assert (str(price.input), str(price.output)) == ("2.5", "10")


def test_a_zero_for_writing_a_cache_is_not_taken_for_a_price() -> None:
    price = book().price("deepseek/deepseek-chat")

    assert price is not None
    assert price.cache_write is None
    assert price.cost(Usage(cache_write=1_000_000)) == Decimal("0.28")


def test_a_tier_keeps_all_its_figures() -> None:
    price = book().price("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0")

    assert isinstance(price, TieredPrice)
    (tier,) = price.long_prompts
    assert tier.above == 200_000
    assert tier.price == Price(
        input=Decimal(6),
        output=Decimal("22.5"),
        cache_read=Decimal("0.6"),
        cache_write=Decimal("7.5"),
        cache_write_1h=Decimal(12),
        source="excerpt",
    )
    assert price.dearest_input == 12


def test_a_cache_price_that_a_tier_does_not_state_rises_with_its_input() -> None:
    entry: dict[str, Any] = {
        "input_cost_per_token": Decimal("2e-6"),
        "output_cost_per_token": Decimal("8e-6"),
        "cache_read_input_token_cost": Decimal("0.5e-6"),
        "input_cost_per_token_above_128k_tokens": Decimal("4e-6"),
    }

    price = entry_price(entry, "x")

    assert price is not None
    assert price.cost(Usage(cache_read=200_000, output=1000)) == Decimal("0.208")  # 200,000 x 1.00 + 1,000 x 8


def test_a_price_with_more_decimals_than_can_be_summed_is_rounded_up_and_a_plain_one_stays_as_written() -> None:
    long = Price(input=Decimal("1.234567890123456789012345678901234567"), output=Decimal("0.10"), cache_read=Decimal(0))
    price = DataFilePrices({"x": long}).price("x")

    assert price is not None
    assert (str(price.input), str(price.output), str(price.cache_read)) == ("1.234567891", "0.10", "0")
    calls = [Usage(input=1013 + 7919 * number, output=31 * number) for number in range(50)]
    total = sum(price.cost(usage) for usage in calls)
    with localcontext(prec=200):
        exact = sum(price.cost(usage) for usage in calls)
    assert total == exact


def test_configured_prices_come_first_by_either_name() -> None:
    prices = DataFilePrices({"gpt-4o": MINE, "stub/x": MINE, "y": MINE}, data_file=DataFile(EXCERPT, source="excerpt"))

    assert priced(prices, "gpt-4o") == priced(prices, "openai/gpt-4o") == (Decimal("0.25"), Decimal(2))
    assert priced(prices, "stub/x") == priced(prices, "stub/y") == (Decimal("0.25"), Decimal(2))
    assert priced(prices, "x") is None


def test_the_full_name_is_nearer_than_the_name_without_its_prefix() -> None:
    other = MINE.model_copy(update={"output": Decimal(9)})

    prices = DataFilePrices({"x": MINE, "stub/x": other}, data_file=DataFile(EXCERPT, source="excerpt"))

    assert priced(prices, "stub/x") == (Decimal("0.25"), Decimal(9))


def test_a_configured_zero_is_a_price() -> None:
    free = Price(input=Decimal(0), output=Decimal(0))

    assert priced(DataFilePrices({"local": free}), "local") == (Decimal(0), Decimal(0))


def test_every_price_says_where_it_comes_from() -> None:
    named = MINE.model_copy(update={"source": "config PATH:3"})
    prices = DataFilePrices({"x": MINE, "y": named}, data_file=DataFile(EXCERPT, source="excerpt"))

    sources = [price.source for name in ("x", "y", "gpt-4o") if (price := prices.price(name)) is not None]

    assert sources == ["config llm.prices", "config PATH:3", "excerpt"]


def test_info_tells_tools_and_sizes() -> None:
    prices = book()

    assert prices.info("openai/gpt-4o") == ModelInfo(
        name="openai/gpt-4o", tools=True, context_window=128_000, max_output=16_384
    )
    assert prices.info("ollama/llama3") == ModelInfo(
        name="ollama/llama3", tools=None, context_window=8192, max_output=8192
    )
    assert prices.info("stub/x") is None
    assert prices.info("text-embedding-3-small") is None


def test_info_tells_whether_a_model_takes_images(tmp_path: Path) -> None:
    entry = {"mode": "chat", "litellm_provider": "openai"}
    table = {"sees": entry | {"supports_vision": True}, "blind": entry | {"supports_vision": False}, "silent": entry}
    (tmp_path / "table.json").write_text(json.dumps(table))
    prices = DataFilePrices({}, data_file=DataFile(tmp_path / "table.json", source="table"))

    told = {name: info.images for name in (*table, "stub/x") if (info := prices.info(name)) is not None}

    assert told == {"sees": True, "blind": False, "silent": None}


def test_without_the_table_all_is_unknown_but_what_is_configured() -> None:
    prices = DataFilePrices({"x": MINE}, data_file=DataFile(None, source=""))

    assert prices.price("gpt-4o") is None
    assert prices.price("x") is not None


def test_the_installed_table_is_found_named_and_exact() -> None:
    prices = DataFilePrices({})
    table = json.loads(_installed().read_text(), parse_float=Decimal)

    known = [(entry, price) for name, entry in table.items() if (price := prices.price(name)) is not None]

    assert prices.data_file.source.startswith("litellm ")
    assert prices.data_file.source.endswith(" price table")
    assert len(known) > 1000
    for entry, price in known:
        if "input_cost_per_token" in entry:
            million = Usage(input=1000, output=1000)
            stated = 1000 * (Decimal(entry["input_cost_per_token"]) + Decimal(entry["output_cost_per_token"]))
            assert abs(price.cost(million) - stated) <= stated * Decimal("1e-9")


def test_in_the_installed_table_no_longer_prompt_is_cheaper() -> None:
    prices = DataFilePrices({})
    for name in json.loads(_installed().read_text()):
        price = prices.price(name)
        if isinstance(price, TieredPrice):
            figures = [price.input, *(tier.price.input for tier in price.long_prompts)]
            assert figures == sorted(figures), name


def _installed() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "model_prices_and_context_window_backup.json"


def test_prices_and_bounds_are_had_without_importing_litellm_or_asking_the_network() -> None:
    program = """
import socket, sys
def refuse(*_): raise AssertionError("the network was asked")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from equitr_coder.adapters.prices import DataFilePrices
from equitr_coder.adapters.tokens import ByteTokenCounter
from equitr_coder.domain.models import ModelRequest, ModelSpec, Tier, UserMessage
assert DataFilePrices({}).price("gpt-4o") is not None
spec = ModelSpec(name="gpt-4o", tier=Tier.WEAK)
request = ModelRequest(model=spec, system="", messages=(UserMessage(text="word " * 1000),), max_tokens=1)
counter = ByteTokenCounter()
assert counter.tighter_bound(request) < counter.upper_bound(request) / 2
print(sorted({name.partition(".")[0] for name in sys.modules} & {"litellm", "httpx", "openai"}))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.stderr == ""
    assert ended.stdout == "[]\n"
