from collections.abc import Sequence
from dataclasses import dataclass, field

from equitr_coder.adapters.models.windows import Windows
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import ModelInfo, ModelSpec, Tier
from equitr_coder.domain.money import Price

SPEC = ModelSpec(name="stub/local", tier=Tier.WEAK)


@dataclass
class Endpoint:
    """Lists one model, or cannot be reached; counts how often it was asked."""

    window: int | None = 32_768
    is_down: bool = False
    asked: int = 0

    async def discover(self, spec: ModelSpec) -> Sequence[ModelInfo]:
        self.asked += 1
        if self.is_down:
            raise ModelError("cannot be reached", kind=ModelErrorKind.UNREACHABLE, provider="stub", sent=False)
        return [ModelInfo(name="stub/other", context_window=1), ModelInfo(name=spec.name, context_window=self.window)]


@dataclass
class Book:
    known: dict[str, int] = field(default_factory=dict)

    def price(self, model: str) -> Price | None:
        return None

    def info(self, model: str) -> ModelInfo | None:
        window = self.known.get(model)
        return None if window is None else ModelInfo(name=model, context_window=window)


async def test_what_the_person_says_comes_first_and_then_what_the_data_file_knows() -> None:
    endpoint = Endpoint()
    windows = Windows(endpoint.discover, Book({"stub/local": 8_192}))

    assert await windows.window(SPEC.model_copy(update={"context_window": 4_096})) == 4_096
    assert await windows.window(SPEC) == 8_192
    assert endpoint.asked == 0


async def test_an_endpoint_is_asked_once_where_nobody_else_knows() -> None:
    endpoint = Endpoint()
    windows = Windows(endpoint.discover, Book())

    assert [await windows.window(SPEC) for _ in range(3)] == [32_768] * 3
    assert endpoint.asked == 1


async def test_an_endpoint_that_cannot_tell_stops_nothing() -> None:
    down, silent = Endpoint(is_down=True), Endpoint(window=None)

    assert await Windows(down.discover, Book()).window(SPEC) is None
    assert await Windows(silent.discover, Book()).window(SPEC) is None
    unlisted = SPEC.model_copy(update={"name": "stub/elsewhere"})
    assert await Windows(silent.discover, Book()).window(unlisted) is None
