from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.image_tokens import image_bound, typical_tokens
from equitr_coder.domain.images import MOST_SIDE, Size

SIZES = st.builds(Size, st.integers(1, MOST_SIDE), st.integers(1, MOST_SIDE))
CLAUDES = ("anthropic/claude-sonnet-5", "openrouter/anthropic/claude-opus-4", "bedrock/anthropic.claude-3-5-sonnet-v2")


def fitted(size: Size, side: float) -> tuple[float, float]:
    scale = min(1.0, side / max(size))
    return size.width * scale, size.height * scale


def tiles(size: Size, *, enlarges: bool) -> int:
    """OpenAI's guide: into 2,048 x 2,048, the short side to 768, tiles of 512."""
    width, height = fitted(size, 2048)
    scale = 768 / min(width, height)
    if scale < 1 or (enlarges and scale * max(width, height) <= 2048):
        width, height = width * scale, height * scale
    return ceil(round(width, 6) / 512) * ceil(round(height, 6) / 512)


@pytest.mark.parametrize("model", CLAUDES)
@pytest.mark.parametrize(("side", "most"), [(1568, 1600), (2576, 4784)])
@given(size=SIZES)
def test_a_claude_is_never_billed_more_than_its_bound(model: str, side: int, most: int, size: Size) -> None:
    width, height = fitted(size, side)
    published = min(most, width * height / 750)
    by_patch = min(most, ceil(width / 28) * ceil(height / 28))

    assert image_bound(model, size) >= max(published, by_patch)


@pytest.mark.parametrize(
    ("model", "base", "each"),
    [("openai/gpt-4o", 85, 170), ("gpt-5", 70, 140), ("azure/o3", 75, 150), ("openai/gpt-4o-mini", 2833, 5667)],
)
@given(size=SIZES)
def test_an_openai_model_by_tiles_is_never_billed_more(model: str, base: int, each: int, size: Size) -> None:
    most = max(tiles(size, enlarges=False), tiles(size, enlarges=True))

    assert image_bound(model, size) >= base + each * most


@pytest.mark.parametrize(("model", "times"), [("gpt-4.1-nano", 2.46), ("openai/gpt-5-mini", 1.62), ("o4-mini", 1.72)])
@given(size=SIZES)
def test_an_openai_model_by_patches_is_never_billed_more(model: str, times: float, size: Size) -> None:
    patches = min(1536, ceil(size.width / 32) * ceil(size.height / 32))

    assert image_bound(model, size) >= patches * times


@given(size=SIZES)
def test_a_gemini_is_never_billed_more(size: Size) -> None:
    side = min(768, max(256, floor(min(size) / 1.5)))
    tiled = 258 if max(size) <= 384 else 258 * ceil(size.width / side) * ceil(size.height / side)

    assert image_bound("gemini/gemini-2.5-pro", size) >= tiled
    assert image_bound("gemini/gemini-3-pro", size) >= 2240


@given(size=SIZES)
def test_a_model_of_unknown_making_is_held_at_the_most_that_open_models_take(size: Size) -> None:
    qwen = min(16_384, max(4, round(size.width / 28) * round(size.height / 28)))

    assert image_bound("my/vision", size) >= max(6404, qwen)
    assert image_bound("my/vision", size) <= 16_384


@given(size=SIZES)
def test_what_is_typical_is_within_the_bounds(size: Size) -> None:
    for model in (*CLAUDES, "gpt-4o", "gemini/gemini-2.5-pro", "my/vision"):
        assert 1 <= typical_tokens(size) <= max(1600, image_bound(model, size))
