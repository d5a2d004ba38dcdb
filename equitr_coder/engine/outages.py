"""Which models are down at the moment, for all sessions of the process; who takes a call follows from that."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import ModelSpec
from equitr_coder.ports import Clock

COOL_DOWN = 60.0
"""Seconds for which a model that was down is not asked, when another can take its place."""

_OUTAGES = frozenset({ModelErrorKind.UNREACHABLE, ModelErrorKind.SERVER, ModelErrorKind.TIMEOUT})

_Key = tuple[str, str | None, str | None]


def is_outage(error: ModelError) -> bool:
    """Whether another provider would help: not for what the configuration or the request got wrong."""
    return error.kind in _OUTAGES


@dataclass
class Outages:
    clock: Clock
    _until: dict[_Key, float] = field(default_factory=dict)

    def candidates(self, spec: ModelSpec) -> Sequence[ModelSpec]:
        """The model and its fallbacks in their order, without those that are down; all of them when all are."""
        chain = (spec, *spec.fallbacks)
        now = self.clock.monotonic()
        up = [one for one in chain if self._until.get(_key(one), now) <= now]
        return up or chain

    def was_down(self, spec: ModelSpec) -> bool:
        """Nothing has been heard from it since its last outage: one try shows whether it is back."""
        return _key(spec) in self._until

    def note_down(self, spec: ModelSpec) -> None:
        self._until[_key(spec)] = self.clock.monotonic() + COOL_DOWN

    def note_up(self, spec: ModelSpec) -> None:
        self._until.pop(_key(spec), None)


def _key(spec: ModelSpec) -> _Key:
    return spec.name, spec.api_base, spec.api_key_env
