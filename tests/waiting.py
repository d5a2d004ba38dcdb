from collections.abc import Sequence

from equitr_coder.domain.events import Event
from equitr_coder.session.backlog import Backlog


def waiting(*batches: Sequence[Event]) -> Backlog:
    """What a store is to append, for tests that need no hub."""
    return Backlog(lambda _: None, *batches)
