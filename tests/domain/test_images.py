import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.images import MOST_BYTES_TOGETHER, MOST_IMAGES, Image, require_few


def image(size: int) -> Image:
    return Image(digest="a" * 64, media_type="image/png", width=1, height=1, bytes=size, path="a.png")


def test_a_conversation_holds_as_many_images_and_bytes_as_every_provider_takes() -> None:
    require_few([image(MOST_BYTES_TOGETHER // MOST_IMAGES)] * MOST_IMAGES)

    with pytest.raises(UserError, match="would show 21 images; 20 are the most"):
        require_few([image(1)] * 21)
    with pytest.raises(UserError, match=r"would have 14\.0 MB together; 14 MB are the most"):
        require_few([image(MOST_BYTES_TOGETHER), image(1)])
