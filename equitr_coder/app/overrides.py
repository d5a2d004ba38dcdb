"""What a caller of the wiring decides."""

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from equitr_coder.adapters.keys.held import HeldKeys
from equitr_coder.adapters.keys.real_keyring import Keyring, open_keyring
from equitr_coder.adapters.keys.stored import AskSecret, nobody
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import (
    EventStore,
    Executor,
    ModelClient,
    Repository,
)


@frozen
class Overrides:
    """What a caller decides: where, with which environment, and flags over the configuration.

    The functions let a test stand between the product and the world; each gets the real part and returns what is
    used in its place.
    """

    repo: Path
    environ: Mapping[str, str]
    home: Path | None = None
    flags: Mapping[str, tuple[object, str]] = field(default_factory=dict)
    """Dotted configuration key -> value and the flag that gave it."""
    create_repo: bool = False
    held: HeldKeys = field(default_factory=HeldKeys)
    """Learns every key that is used; who shows or logs anything takes them out with it."""
    ask_secret: AskSecret = nobody
    """Asks the person for a passphrase."""
    find_keyring: Callable[[], Keyring | None] = open_keyring
    wrap_store: Callable[[EventStore], EventStore] = lambda store: store
    wrap_repository: Callable[[Repository], Repository] = lambda repository: repository
    wrap_client: Callable[[ModelClient], ModelClient] = lambda client: client
    wrap_executor: Callable[[Executor], Executor] = lambda executor: executor
