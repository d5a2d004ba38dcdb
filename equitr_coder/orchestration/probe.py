"""Runs a planned check on the files as they are before any work. Implements `ports.CheckProbe`."""

import contextlib

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId
from equitr_coder.orchestration.gate import Gate

LONGEST = 60.0
"""Seconds; a check that takes longer can fail, for all that planning needs to know."""


class UntouchedTree:
    def __init__(self, *, gate: Gate, commit: CommitId) -> None:
        self._gate = gate
        self._commit = commit

    async def passes_untouched(self, command: str) -> bool:
        with contextlib.suppress(UserError):  # what is wrong with the machine is told when the work begins
            [result] = await self._gate.prove(self._commit, [command])
            return result.passed
        return False
