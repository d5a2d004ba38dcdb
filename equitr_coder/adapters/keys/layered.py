"""Where a key is looked for: the environment, then the key store."""

from collections.abc import Callable

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.keys.stored import StoredKeys
from equitr_coder.ports import KeySource


class LayeredKeys:
    """A `ports.KeyStore`. `hold` is told every key that is handed out."""

    def __init__(self, environment: EnvironmentKeys, stored: StoredKeys, *, hold: Callable[[str, str], None]) -> None:
        self._environment = environment
        self._stored = stored
        self._hold = hold

    def get(self, variable: str) -> str | None:
        key = self._environment.get(variable)
        if key is None:
            return self._stored.read(variable)
        self._hold(variable, key)
        return key

    def source(self, variable: str) -> KeySource | None:
        return self._environment.source(variable) or self._stored.source(variable)
