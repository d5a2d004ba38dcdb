"""`@frozen` is `@dataclass(frozen=True)` in everything that can be seen of it."""

from copy import copy, deepcopy
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from equitr_coder.domain.frozen import frozen


@frozen
class Ours:
    name: str
    size: int = 1
    tags: tuple[str, ...] = ()
    secret: str = field(default="", repr=False, compare=False)

    @property
    def double(self) -> int:
        return self.size * 2


@dataclass(frozen=True)
class Theirs:
    name: str
    size: int = 1
    tags: tuple[str, ...] = ()
    secret: str = field(default="", repr=False, compare=False)


@frozen
class Odd:
    size: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and self.size % 2 == other.size % 2

    def __hash__(self) -> int:
        return self.size % 2


ARGUMENTS: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "a", "size": 2},
    {"name": "a", "tags": ("x",), "secret": "s"},
]


@pytest.mark.parametrize("one", ARGUMENTS)
@pytest.mark.parametrize("other", ARGUMENTS)
def test_it_compares_hashes_and_shows_as_a_frozen_dataclass(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (Ours(**one) == Ours(**other)) is (Theirs(**one) == Theirs(**other))
    assert (hash(Ours(**one)) == hash(Ours(**other))) is (hash(Theirs(**one)) == hash(Theirs(**other)))
    assert repr(Ours(**one)) == repr(Theirs(**one)).replace("Theirs", "Ours")
    assert Ours(**one) != object()
    assert Ours(**one).__eq__(Theirs(**one)) is NotImplemented


def test_a_field_is_never_set_again_and_never_deleted() -> None:
    value = Ours("a")

    with pytest.raises(FrozenInstanceError):
        setattr(value, "size", 3)  # noqa: B010 - the type checker refuses the plain form
    with pytest.raises(FrozenInstanceError):
        del value.size

    assert value == Ours("a")


def test_the_tools_for_dataclasses_work_on_it() -> None:
    value = Ours("a", tags=("x",))

    assert replace(value, size=5) == Ours("a", 5, ("x",))
    assert copy(value) == deepcopy(value) == value
    assert [each.name for each in fields(Ours)] == ["name", "size", "tags", "secret"]
    assert replace(value, size=5).double == 10


def test_methods_of_the_class_itself_stay() -> None:
    assert Odd(1) == Odd(3)
    assert hash(Odd(1)) == hash(Odd(3))
