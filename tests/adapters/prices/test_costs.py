"""Golden costs: usage and the bill, worked out by hand from the published prices (US dollars per million tokens).

The prices are those of `excerpt.json`, entries of litellm 1.106.2's table as they stand there.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from equitr_coder.adapters.prices import DataFile, DataFilePrices
from equitr_coder.budget.estimate import Estimate
from equitr_coder.domain.money import Usage

PRICES = DataFilePrices({}, data_file=DataFile(Path(__file__).parent / "excerpt.json", source="excerpt"))

GOLDEN: list[tuple[str, Usage, str]] = [
    # gpt-4o: 2.50 in, 1.25 cached, 10 out
    ("gpt-4o", Usage(input=1000, output=100), "0.0035"),
    ("openai/gpt-4o", Usage(input=1, output=0), "0.0000025"),
    ("gpt-4o", Usage(input=576, cache_read=1024, output=300), "0.00572"),  # 0.00144 + 0.00128 + 0.003
    # gpt-4o-mini: 0.15 in, 0.075 cached, 0.60 out
    ("openai/gpt-4o-mini", Usage(input=12_345, output=678), "0.00225855"),  # 0.00185175 + 0.0004068
    ("gpt-4o-mini", Usage(input=7, cache_read=13, output=3), "0.000003825"),  # 1.05 + 0.975 + 1.8 millionths
    # gpt-5: 1.25 in, 0.125 cached, 10 out; hidden reasoning is output and is not billed again
    ("gpt-5", Usage(input=2000, cache_read=8000, output=1500, reasoning=1200), "0.0185"),  # 0.0025 + 0.001 + 0.015
    # o3: 2 in, 0.50 cached, 8 out
    ("o3", Usage(input=10_000, cache_read=90_000, output=5_000), "0.105"),  # 0.02 + 0.045 + 0.04
    # claude-sonnet-4-5: 3 in, 0.30 read, 3.75 written, 6 written for an hour, 15 out
    ("anthropic/claude-sonnet-4-5", Usage(input=1000, output=1000), "0.018"),
    ("claude-sonnet-4-5", Usage(input=50, cache_write=20_000, output=400), "0.08115"),  # 0.00015 + 0.075 + 0.006
    ("claude-sonnet-4-5", Usage(input=50, cache_read=20_000, output=400), "0.01215"),  # 0.00015 + 0.006 + 0.006
    ("claude-sonnet-4-5", Usage(input=10, cache_write_1h=1000, output=1), "0.006045"),  # 0.00003 + 0.006 + 0.000015
    (
        "claude-sonnet-4-5",
        Usage(input=100, cache_read=10_000, cache_write=2_000, cache_write_1h=500, output=800),
        "0.0258",  # 0.0003 + 0.003 + 0.0075 + 0.003 + 0.012
    ),
    # claude-haiku-4-5: 1 in, 0.10 read, 1.25 written, 5 out
    ("anthropic/claude-haiku-4-5", Usage(input=3, cache_read=50_000, cache_write=1_200, output=250), "0.007753"),
    # the same on Bedrock in the US: 3.30 in, 0.33 read, 16.50 out
    ("bedrock/us.anthropic.claude-sonnet-4-6", Usage(input=1000, cache_read=1000, output=1000), "0.02013"),
    # gemini-2.5-pro: 1.25 in, 0.125 cached, 10 out; above 200,000 input tokens 2.50, 0.25 and 15
    ("gemini/gemini-2.5-pro", Usage(input=200_000, output=1000), "0.26"),  # not above: 0.25 + 0.01
    ("gemini/gemini-2.5-pro", Usage(input=200_001, output=1000), "0.5150025"),  # 0.5000025 + 0.015
    ("gemini/gemini-2.5-pro", Usage(input=60_000, cache_read=150_000, output=1000), "0.2025"),  # 0.15 + 0.0375 + 0.015
    ("vertex_ai/gemini-2.5-flash", Usage(input=1000, output=100, reasoning=80), "0.00055"),  # 0.30 in, 2.50 out
    # azure/gpt-5.4: 2.50 in, 0.25 cached, 15 out; above 272,000 5, 0.50 and 22.50
    ("azure/gpt-5.4", Usage(input=100_000, cache_read=172_000, output=2_000), "0.323"),  # 0.25 + 0.043 + 0.03
    ("azure/gpt-5.4", Usage(input=100_000, cache_read=172_001, output=2_000), "0.6310005"),  # 0.5 + 0.0860005 + 0.045
    # grok-4.20: 1.25 in, 0.20 cached, 2.50 out; above 200,000 2.50, 0.40 and 5
    ("xai/grok-4.20", Usage(input=1000, cache_read=250_000, output=500), "0.105"),  # 0.0025 + 0.1 + 0.0025
    # deepseek-chat: 0.28 in, 0.028 cached, 0.42 out
    ("deepseek/deepseek-chat", Usage(input=10_000, cache_read=20_000, output=3_000), "0.00462"),
    # mistral-large: 0.50 in, 0.05 cached, 1.50 out
    ("mistral/mistral-large-latest", Usage(input=40_000, output=2_000), "0.023"),
    # qwen3-coder-plus by length: 1 / 0.1 / 5; above 32,000 1.8 / 0.18 / 9; 128,000 3 / 0.3 / 15; 256,000 6 / 0.6 / 60
    ("dashscope/qwen3-coder-plus", Usage(input=32_000, output=1000), "0.037"),
    ("dashscope/qwen3-coder-plus", Usage(input=32_001, output=1000), "0.0666018"),  # 0.0576018 + 0.009
    ("dashscope/qwen3-coder-plus", Usage(input=100_000, cache_read=100_000, output=1000), "0.345"),
    ("dashscope/qwen3-coder-plus", Usage(input=300_000, output=1000), "1.86"),
    # qwen-turbo: 0.05 in, 0.20 out, 0.50 for hidden reasoning
    ("dashscope/qwen-turbo", Usage(input=1000, output=1000, reasoning=600), "0.00043"),  # 0.00005 + 0.00008 + 0.0003
    # qwen3.8-27b on Groq: 0.80 in, 4 out, no price for cached input: the input price holds
    ("groq/qwen/qwen3.8-27b", Usage(input=500, cache_read=500, output=100), "0.0012"),
    # claude-opus-4 on Databricks: 15.00002 in, 75.00003 out, as the file says without the noise of its floats
    ("databricks/databricks-claude-opus-4", Usage(input=1_000_000, output=1_000_000), "90.00005"),
    # on the user's own machine
    ("ollama/llama3", Usage(input=5000, output=5000), "0"),
    ("ollama_chat/llama3", Usage(input=5000, output=5000), "0"),
]


@pytest.mark.parametrize(("model", "usage", "bill"), GOLDEN)
def test_the_bill_is_the_one_worked_out_by_hand(model: str, usage: Usage, bill: str) -> None:
    price = PRICES.price(model)

    assert price is not None
    assert price.cost(usage) == Decimal(bill)
    assert price.source == "excerpt"


@pytest.mark.parametrize(("model", "usage", "bill"), GOLDEN)
def test_no_bill_passes_its_estimate(model: str, usage: Usage, bill: str) -> None:
    price = PRICES.price(model)

    assert price is not None
    assert Estimate.of(price, input_bound=usage.total_input).worst_case(usage.output) >= Decimal(bill)


@pytest.mark.parametrize(
    ("model", "tokens", "output", "worst"),
    [
        ("claude-sonnet-4-5", 10_000, 1000, "0.075"),  # all written to the hour's cache: 0.06 + 0.015
        ("gemini/gemini-2.5-pro", 250_000, 1000, "0.64"),  # a long prompt: 0.625 + 0.015
        ("dashscope/qwen-turbo", 1000, 1000, "0.00055"),  # all of it hidden reasoning: 0.00005 + 0.0005
        ("ollama/llama3", 10_000, 1000, "0"),
    ],
)
def test_an_estimate_takes_the_dearest_way_to_be_billed(model: str, tokens: int, output: int, worst: str) -> None:
    price = PRICES.price(model)

    assert price is not None
    assert Estimate.of(price, input_bound=tokens).worst_case(output) == Decimal(worst)
