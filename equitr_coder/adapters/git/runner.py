"""Git bound to one checkout: knows its git directory and what of its configuration must stay off."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from equitr_coder.adapters.git.checkout import Checkout
from equitr_coder.adapters.git.configuration import Configuration, read_configuration, signature
from equitr_coder.adapters.git.process import GitOutput, GitProcess


class Git:
    def __init__(
        self,
        process: GitProcess,
        checkout: Checkout,
        *,
        hold: tuple[int, ...] = (),
        known: dict[tuple[object, ...], Configuration] | None = None,
    ) -> None:
        self.process = process
        self.checkout = checkout
        self._hold = hold
        self._known = {} if known is None else known

    def at(self, checkout: Checkout) -> "Git":
        """The same repository, seen from another of its checkouts."""
        return Git(self.process, checkout, hold=self._hold, known=self._known)

    def with_files_in(self, folder: Path) -> "Git":
        """The same git directory, with `folder` as the work tree."""
        return self.at(replace(self.checkout, root=folder))

    def holding(self, descriptor: int) -> "Git":
        """The same, whose commands keep the lock `descriptor` as long as they live."""
        return Git(self.process, self.checkout, hold=(*self._hold, descriptor), known=self._known)

    async def configuration(self) -> Configuration:
        seen = (self.checkout.git_dir, *signature(self.checkout))
        if seen not in self._known or self._known[seen].has_includes:
            self._known[seen] = await read_configuration(self.process, self.checkout)
        return self._known[seen]

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
