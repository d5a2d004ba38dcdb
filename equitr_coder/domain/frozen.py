"""`@frozen`: an immutable dataclass whose methods are shared instead of generated."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[_T]) -> type[_T]:
    """As `@dataclass(frozen=True)`: the same constructor, equality, hash and representation, and no field is ever set
    again.

    A hundred of these classes are made each time the program starts. `dataclass` writes and compiles six methods for
    each of them, a tenth of the start-up; here it writes the constructor alone.
    """
    own = vars(cls)
    made = dataclass(eq=False, repr=False)(cls)
    compared = tuple(each.name for each in fields(made) if each.compare)  # type: ignore[arg-type]
    setattr(made, _COMPARED, attrgetter(*compared) if compared else _nothing)
    for name, method in _SHARED.items():
        if name not in own:
            setattr(made, name, method)
    return made


_COMPARED = "_equitr_compared"
"""Name of what gives the fields of a value by which it is compared."""


def _compared(value: Any) -> Any:
    return getattr(type(value), _COMPARED)(value)  # not through the value: a function would be bound to it


def _nothing(_value: object) -> tuple[()]:
    return ()


def _equal(self: Any, other: object) -> bool:
    return bool(_compared(self) == _compared(other)) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _shown(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({shown})"


def _set_once(self: Any, name: str, value: object) -> None:
    if name in vars(self):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _keep(_self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_SHARED: dict[str, Callable[..., Any]] = {
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _shown,
    "__setattr__": _set_once,
    "__delattr__": _keep,
}
