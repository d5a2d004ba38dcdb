"""Any executor, with the keys that this process holds taken out of what commands print: receipts, blobs and results
are all made from that.
"""

from collections.abc import Callable
from dataclasses import replace

from equitr_coder.ports import CommandResult, Confinement, Executor, Place, Redactor


class RedactedExecutor:
    """Wraps a `ports.Executor`. No command is given a key; one may still find it in a file of the user's."""

    def __init__(self, executor: Executor, redactor: Redactor) -> None:
        self._executor = executor
        self._redactor = redactor

    @property
    def confinement(self) -> Confinement:
        return self._executor.confinement

    async def run(
        self,
        command: str,
        place: Place,
        *,
        timeout: float,
        clean: bool = False,
        on_output: Callable[[bytes], None] | None = None,
    ) -> CommandResult:
        heard = None if on_output is None else lambda data: on_output(self._redactor.data(data))
        result = await self._executor.run(command, place, timeout=timeout, clean=clean, on_output=heard)
        output = self._redactor.data(result.output)
        return result if output is result.output else replace(result, output=output)

    async def interpreter(self, place: Place) -> str:
        return await self._executor.interpreter(place)

    def environment_hash(self, place: Place) -> str:
        return self._executor.environment_hash(place)

    def leads_back(self, place: Place) -> str:
        return self._executor.leads_back(place)
