"""From what a provider sends to the bill: its own reader, our price, the ledger. The cases are in golden.yaml."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.adapters.direct.anthropic.assembly import MessageAssembly
from equitr_coder.adapters.direct.assembly import ReplyAssembly
from equitr_coder.adapters.litellm.library import import_litellm
from equitr_coder.adapters.prices import DataFile, DataFilePrices
from equitr_coder.budget import Ledger, Limits
from equitr_coder.domain.ids import RunId, SessionId
from equitr_coder.domain.models import ModelRequest, ModelSpec, Tier, UserMessage
from equitr_coder.domain.money import Price, Usage
from equitr_coder.ports import Account
from equitr_coder.testing.money import FixedTokens

FOLDER = Path(__file__).parent
GOLDEN = yaml.safe_load((FOLDER / "golden.yaml").read_text())
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in GOLDEN["cases"]}
PRICES = DataFilePrices(
    {name: Price(**rates) for name, rates in GOLDEN["prices"].items()},
    data_file=DataFile(FOLDER / "excerpt.json", source="excerpt"),
)
TERM = re.compile(r"(\w+) (\d+) x ([\d.]+) = ([\d.]+)")
HI = {"choices": [{"index": 0, "delta": {"content": "Hi."}, "finish_reason": "stop"}]}


def read(case: Mapping[str, Any]) -> Usage:
    """By the reader that the adapter uses for this provider."""
    via, events = case["via"], case["events"]
    if via == "anthropic":
        message = MessageAssembly()
        for event in events:
            list(message.add(event))
        return message.reply({}).usage
    assembly = ReplyAssembly()
    for chunk in (HI, *([{"choices": [], "usage": _by_litellm(via, events[0])}] if "litellm" in via else events)):
        list(assembly.add(chunk))
    return assembly.reply({}).usage


def _by_litellm(via: str, report: Mapping[str, Any]) -> Mapping[str, Any]:
    """What litellm makes of a native report, as the adapter gets it in a chunk."""
    import_litellm()
    from litellm.llms.anthropic.chat.transformation import AnthropicConfig
    from litellm.llms.bedrock.chat.converse_transformation import AmazonConverseConfig
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig

    usage: Any
    match via:
        case "litellm gemini":
            usage = VertexGeminiConfig._calculate_usage(completion_response=report)
        case "litellm anthropic":
            usage = AnthropicConfig().calculate_usage(usage_object=report, reasoning_content=None)
        case _:
            usage = AmazonConverseConfig().transform_usage(report)
    dumped: Mapping[str, Any] = usage.model_dump(exclude_none=True)
    return dumped


def terms(case: Mapping[str, Any]) -> Sequence[tuple[str, int, Decimal, Decimal]]:
    """Class, tokens, price per million, amount."""
    found = [TERM.fullmatch(line) for line in case.get("sum", ())]
    assert all(found), case
    return [(m[1], int(m[2]), Decimal(m[3]), Decimal(m[4])) for m in found if m]


async def settled(model: str, usage: Usage) -> Decimal:
    ledger = Ledger(
        RunId("r"), limits=Limits(Decimal(1000)), prices=PRICES, counter=FixedTokens(lambda _: usage.total_input)
    )
    request = ModelRequest(
        model=ModelSpec(name=model, tier=Tier.WEAK),
        system="",
        messages=(UserMessage(text=""),),
        max_tokens=usage.output or 1,
    )
    held = await ledger.reserve(Account(RunId("r"), None, SessionId("chat")), request)
    cost, _ = ledger.settle(held, usage)
    assert ledger.spent == cost
    if usage.reported_usd is None:
        assert cost <= held.usd
    return cost


@pytest.mark.parametrize("name", CASES)
async def test_the_bill_is_the_one_worked_out_by_hand(name: str) -> None:
    case = CASES[name]
    usage = read(case)

    assert not usage.estimated
    assert await settled(case["model"], usage) == Decimal(case["bill"])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "sum" in case])
def test_each_token_is_billed_once_at_the_rate_of_its_class(name: str) -> None:
    case = CASES[name]
    usage, price = read(case), PRICES.price(case["model"])
    assert price is not None
    rates = price.used_for(usage)
    fallback = {
        "cache_read": rates.input,
        "cache_write": rates.input,
        "cache_write_1h": rates.cache_write,
        "reasoning": rates.output,
    }

    counted = {"input": usage.input, "output": usage.output - usage.reasoning, "reasoning": usage.reasoning}
    counted |= {kind: getattr(usage, kind) for kind in ("cache_read", "cache_write", "cache_write_1h")}

    assert {kind: tokens for kind, tokens, _, _ in terms(case)} == {kind: n for kind, n in counted.items() if n}
    for kind, tokens, per_million, amount in terms(case):
        stated = getattr(rates, kind)
        assert per_million == (fallback[kind] if stated is None else stated), kind
        assert tokens * per_million / 1_000_000 == amount, kind
    assert sum(amount for *_, amount in terms(case)) == Decimal(case["bill"])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "stated" in case])
def test_a_stated_cost_is_read_to_its_last_digit(name: str) -> None:
    case = CASES[name]

    assert str(read(case).reported_usd) == case["stated"] == case["bill"]


def test_there_are_enough_cases_of_every_provider() -> None:
    providers = Counter(name.partition(":")[0].partition(" by ")[0] for name in CASES)

    assert len(CASES) >= 60
    assert providers.keys() >= {"OpenAI", "Anthropic", "Gemini", "DeepSeek", "OpenRouter", "Groq", "Mistral", "Ollama"}
