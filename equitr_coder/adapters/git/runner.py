"""Git bound to one checkout: knows its git directory and what of its configuration must stay off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from equitr_coder.adapters.git.checkout import Checkout
from equitr_coder.adapters.git.configuration import Configuration, read_configuration, signature
from equitr_coder.adapters.git.objects import Objects
from equitr_coder.adapters.git.process import GitOutput, GitProcess
from equitr_coder.adapters.git.resident import Resident


@dataclass
class _Shared:
    """What is the same for all checkouts of a repository."""

    known: dict[tuple[object, ...], Configuration] = field(default_factory=dict)
    residents: dict[tuple[str, ...], tuple[Configuration, Resident]] = field(default_factory=dict)
    objects: Objects | None = None


class Git:
    def __init__(
        self,
        process: GitProcess,
        checkout: Checkout,
        *,
        hold: tuple[int, ...] = (),
        shared: _Shared | None = None,
    ) -> None:
        self.process = process
        self.checkout = checkout
        self._hold = hold
        self._shared = shared or _Shared()

    def at(self, checkout: Checkout) -> "Git":
        """The same repository, seen from another of its checkouts."""
        return Git(self.process, checkout, hold=self._hold, shared=self._shared)

    def with_files_in(self, folder: Path) -> "Git":
        """The same git directory, with `folder` as the work tree."""
        return self.at(replace(self.checkout, root=folder))

    def holding(self, descriptor: int) -> "Git":
        """The same, whose commands keep the lock `descriptor` as long as they live."""
        return Git(self.process, self.checkout, hold=(*self._hold, descriptor), shared=self._shared)

    async def configuration(self) -> Configuration:
        stamps, known = signature(self.checkout), self._shared.known
        here, anywhere = (self.checkout.git_dir, *stamps), stamps[:-1]
        if here in known and not known[here].has_includes:
            return known[here]
        if anywhere not in known:
            known[here] = await read_configuration(self.process, self.checkout)
            if known[here].is_local:
                return known[here]
            known[anywhere] = known[here]
        return known[anywhere]

    @property
    def objects(self) -> Objects:
        """Those of the repository, read without a process for each."""
        if self._shared.objects is None:
            self._shared.objects = Objects(self.resident)
        return self._shared.objects

    async def resident(self, *arguments: str) -> Resident:
        """The `git arguments` that stays for this repository, whatever checkout asks; a new one when the configuration
        is another.
        """
        configuration = await self.configuration()
        known, resident = self._shared.residents.get(arguments, (None, None))
        if resident is None or known != configuration:
            common = self.checkout.common_dir
            resident = Resident(
                lambda errors: self.process.start(
                    *arguments,
                    cwd=common,
                    env={"GIT_DIR": str(common)},
                    config=configuration.overrides,
                    stderr=errors,
                )
            )
            self._shared.residents[arguments] = (configuration, resident)
        return resident

    def close(self) -> None:
        """End what stays."""
        for _, resident in self._shared.residents.values():
            resident.close()

    async def run(
        self,
        *arguments: str,
        index: Path | None = None,
        env: Mapping[str, str] | None = None,
        config: Sequence[tuple[str, str]] = (),
        stdin: bytes = b"",
        accept: Sequence[int] = (0,),
    ) -> GitOutput:
        """As `GitProcess.run`, in this checkout. `index` stands for the checkout's own index."""
        configuration = await self.configuration()
        places = self.checkout.environment | ({"GIT_INDEX_FILE": str(index)} if index else {})
        return await self.process.run(
            *arguments,
            cwd=self.checkout.root,
            env={**places, **(env or {})},
            config=(*configuration.overrides, *config),
            stdin=stdin,
            accept=accept,
            hold=self._hold,
        )
