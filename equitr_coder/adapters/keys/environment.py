"""Provider keys from environment variables. Keys are read when asked for and kept nowhere."""

from collections.abc import Mapping

from equitr_coder.ports import KeySource


class EnvironmentKeys:
    """A `ports.KeyStore` over a mapping such as `os.environ`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, variable: str) -> str | None:
        """Surrounding white space (a pasted line end) is no part of a key; an empty variable holds none."""
        return self._environ.get(variable, "").strip() or None

    def source(self, variable: str) -> KeySource | None:
        return KeySource("environment", "the environment") if self.get(variable) else None
