"""How many input tokens an image can be billed at most, by the model's family and the image's size. Pure.

A bound, not a count: where a family's models differ, the dearest holds; where sources differ, the larger figure.
"""

import re
from math import ceil

from equitr_coder.domain.images import Size

_PATCH, _PIXELS_PER_TOKEN, _MOST_CLAUDE = 28, 750, 4_784
"""https://platform.claude.com/docs/en/build-with-claude/vision: a token for each patch of 28x28 pixels
(formerly: for each 750 pixels), after shrinking to at most about 1,600, from Opus 4.7 on to at most 4,784.
"""
_TILE, _FIT, _SHORT, _MOST_TILES = 512, 2_048, 768, 8
_OPENAI, _OPENAI_MINI = (85, 170), (2_833, 5_667)
"""https://platform.openai.com/docs/guides/images-vision: fitted into 2,048x2,048, the short side made 768,
then so much for the image and for each tile of 512x512: the dearest of all models by tiles, and gpt-4o-mini.
"""
_OPENAI_PATCH, _MOST_PATCHES, _DEAREST_PATCH = 32, 2_500, 2.46
"""The same page, newer models: patches of 32x32, at most 1,536 (later 2,500 for high detail), times up to 2.46."""
_GEMINI_TILE, _GEMINI_TILES, _GEMINI_3 = 258, (256, 768), 2_240
"""https://ai.google.dev/gemini-api/docs/tokens: 258 for each tile, whose side is the short side / 1.5 within these
limits; https://ai.google.dev/gemini-api/docs/media-resolution: Gemini 3 at its highest.
"""
_OTHER_PATCH, _LEAST_OTHER, _MOST_OTHER = 14, 6_404, 16_384
"""Models of unknown making. Qwen2-VL (https://huggingface.co/Qwen/Qwen2-VL-7B-Instruct) takes up to 16,384 for one
image; Llama 3.2 four tiles of 1,601 whatever the size; patches of 14 pixels a side are the smallest in use.
"""
_CLAUDE_NAME = re.compile(r"claude", re.IGNORECASE)
_GEMINI_NAME = re.compile(r"^gemini/|^vertex_ai/gemini|^openrouter/google/gemini", re.IGNORECASE)
_OPENAI_NAME = re.compile(r"^(?:(?:openrouter/)?openai/|azure/|(?:gpt|chatgpt|o\d)[^/]*$)", re.IGNORECASE)
_TYPICAL = 1_600


def image_bound(model: str, size: Size) -> int:
    """Tokens. `model` is the configured name, with its provider's prefix."""
    if _CLAUDE_NAME.search(model):
        return _claude(size)
    if _GEMINI_NAME.search(model):
        return _gemini(size)
    if _OPENAI_NAME.search(model):
        return _openai(size, is_mini="4o-mini" in model)
    return max(_LEAST_OTHER, min(_MOST_OTHER, _patches(size, _OTHER_PATCH)))


def typical_tokens(size: Size) -> int:
    """About what most models make of it; no bound."""
    return min(_TYPICAL, max(1, ceil(size.width * size.height / _PIXELS_PER_TOKEN)))


def _claude(size: Size) -> int:
    return min(_MOST_CLAUDE, max(ceil(size.width * size.height / _PIXELS_PER_TOKEN), _patches(size, _PATCH)))


def _openai(size: Size, *, is_mini: bool) -> int:
    """The page does not say whether a small image is enlarged to 768, so it counts as if it were."""
    base, each = _OPENAI_MINI if is_mini else _OPENAI
    scale = min(1.0, _FIT / max(size))
    scale *= _SHORT / (min(size) * scale)
    tiles = min(_MOST_TILES, ceil(size.width * scale / _TILE) * ceil(size.height * scale / _TILE))
    by_patch = ceil(min(_MOST_PATCHES, _patches(size, _OPENAI_PATCH)) * _DEAREST_PATCH)
    return max(base + each * tiles, by_patch)


def _gemini(size: Size) -> int:
    least, most = _GEMINI_TILES
    side = min(most, max(least, int(min(size) / 1.5)))
    return max(_GEMINI_3, _GEMINI_TILE * _patches(size, side))


def _patches(size: Size, side: int) -> int:
    return ceil(size.width / side) * ceil(size.height / side)
