"""What `doctor` says: what is there, what is missing, and what to do about it.

Makes no model call; it asks each configured endpoint for its list of models, which costs nothing.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import assert_never

from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import ModelSpec
from equitr_coder.domain.queries import DoctorAnswer, Finding, TrustAnswer
from equitr_coder.ports import Executor, KeyStore, ModelCatalog, PriceBook, Repository

_OLDEST_GIT = (2, 38)
_ENDPOINT_SECONDS = 10


@frozen
class Doctor:
    home: Path
    executor: Executor
    repository: Repository
    catalog: ModelCatalog
    keys: KeyStore
    prices: PriceBook
    models: tuple[ModelSpec, ...]
    trust: TrustAnswer
    version_of: Callable[[str], Awaitable[str | None]]
    """First line of `PROGRAM --version`, or None."""
    check_store: Callable[[], Awaitable[Sequence[Finding]]]
    check_keys: Callable[[], Sequence[Finding]]
    """Of the key store, when there is one. Opens nothing."""
    profiles: Callable[[], Iterable[str]]
    """Names of the agents' profiles. Raises UserError when one cannot be used."""
    way_of: Callable[[ModelSpec], str]
    """By which adapter a model is called, and how it is offered tools, in words. Raises UserError like the catalog."""
    limits: tuple[tuple[str, Decimal | None], ...]
    """What a limit holds for, in words, and its amount in US dollars; the budget of a run first."""

    async def examine(self) -> DoctorAnswer:
        findings = [
            Finding(name="python", state="ok", detail=f"{sys.version.split()[0]} at {sys.executable}"),
            await self._git(),
            self._sandbox(),
            await self._search(),
            self._home(),
            *await self.check_store(),
            *await self._workspace(),
            self._trust(),
            self._profiles(),
            *self.check_keys(),
            *await self._models(),
            self._limits(),
        ]
        return DoctorAnswer(findings=tuple(findings))

    async def _git(self) -> Finding:
        found = await self.version_of("git")
        if found is None:
            return Finding(name="git", state="bad", detail="not found", fix="install git 2.38 or newer")
        numbers = tuple(int(part) for part in found.split()[-1].split(".")[:2] if part.isdigit())
        if numbers < _OLDEST_GIT:
            return Finding(name="git", state="bad", detail=found, fix="install git 2.38 or newer: merges need it")
        return Finding(name="git", state="ok", detail=found)

    def _sandbox(self) -> Finding:
        confinement = self.executor.confinement
        match confinement.kind:
            case "bubblewrap":
                return Finding(name="sandbox", state="ok", detail=f"bubblewrap: {confinement.reason}")
            case "landlock":
                detail = f"landlock, so commands in the checkout itself ask: {confinement.reason}"
            case "seatbelt":
                asks = "" if confinement.is_accepted else ", so every command asks"
                fix = "`sandbox.mode: seatbelt` in your own configuration relies on it"
                return Finding(name="sandbox", state="warn", detail=f"seatbelt, unverified{asks}", fix=fix)
            case "none":
                detail = f"none, so every command asks: {confinement.reason}"
            case _ as unreachable:
                assert_never(unreachable)
        fix = "install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap)"
        return Finding(name="sandbox", state="warn", detail=detail, fix=fix)

    async def _search(self) -> Finding:
        found = await self.version_of("rg")
        if found is None:
            return Finding(name="ripgrep", state="ok", detail="not found; git grep is used instead")
        return Finding(name="ripgrep", state="ok", detail=found)

    def _home(self) -> Finding:
        place = next(path for path in (self.home, *self.home.parents) if path.exists())
        if not place.is_dir():
            return Finding(
                name="home",
                state="bad",
                detail=f"{place} is a file, not a folder",
                fix="set EQUITR_HOME to a folder, or move the file away",
            )
        if os.access(place, os.W_OK):
            return Finding(name="home", state="ok", detail=str(self.home))
        return Finding(
            name="home",
            state="bad",
            detail=f"{self.home} cannot be written",
            fix="make it writable, or set EQUITR_HOME to a folder that is",
        )

    async def _workspace(self) -> list[Finding]:
        try:
            state = await self.repository.inspect()
        except UserError as error:
            return [Finding(name="workspace", state="bad", detail=str(error), fix=error.hint)]
        if not state.is_repository:
            detail = f"{state.root} is a plain folder; it becomes a repository when a plan is approved"
            return [Finding(name="workspace", state="ok", detail=detail)]
        branch = state.branch or "detached HEAD: finished work stays on its branch"
        findings = [Finding(name="workspace", state="ok" if state.branch else "warn", detail=f"{state.root}, {branch}")]
        if state.in_progress:
            detail = f"a {state.in_progress} is unfinished"
            findings.append(Finding(name="workspace", state="bad", detail=detail, fix="finish or abort it"))
        if state.dirty:
            detail = (
                f"{len(state.dirty)} tracked files have uncommitted changes: worktrees start from HEAD without them"
            )
            findings.append(Finding(name="workspace", state="warn", detail=detail, fix="commit or stash them"))
        if state.submodules:
            detail = f"submodules are empty in worktrees: {', '.join(state.submodules)}"
            findings.append(Finding(name="submodules", state="warn", detail=detail))
        if not state.has_identity:
            detail = "git has no user.name and user.email; our own identity is used for our commits"
            findings.append(Finding(name="identity", state="ok", detail=detail))
        return findings

    def _trust(self) -> Finding:
        trust = self.trust
        if not trust.present:
            return Finding(name="project settings", state="ok", detail="this workspace has no .equitr/")
        if trust.trusted:
            return Finding(name="project settings", state="ok", detail="trusted")
        why = "changed since they were trusted" if trust.changed else "not trusted, so they do not count"
        return Finding(
            name="project settings", state="warn", detail=why, fix="look at .equitr/, then: equitrcoder trust"
        )

    def _profiles(self) -> Finding:
        try:
            names = self.profiles()
        except UserError as error:
            return Finding(name="profiles", state="bad", detail=str(error), fix=error.hint)
        return Finding(name="profiles", state="ok", detail=", ".join(sorted(names)))

    async def _models(self) -> list[Finding]:
        if not self.models:
            fix = f"`equitrcoder` in a terminal proposes some; or --model NAME, or llm.model in {self.home}/config.yaml"
            return [Finding(name="models", state="bad", detail="no model is configured", fix=fix)]
        specs = {(spec.name, spec.api_base, instead_of): spec for spec, instead_of in self._with_fallbacks()}
        findings = [self._model(spec, instead_of=instead_of) for (_, _, instead_of), spec in specs.items()]
        asked: dict[str, list[ModelSpec]] = {}
        for spec, finding in zip(specs.values(), findings, strict=True):
            if finding.state != "bad":
                asked.setdefault(self.catalog.endpoint(spec), []).append(spec)
        return [*findings, *[await self._endpoint(address, sharing) for address, sharing in asked.items()]]

    async def _endpoint(self, address: str, sharing: Sequence[ModelSpec]) -> Finding:
        """`sharing` are the models that are asked for there."""
        spec = sharing[0]
        try:
            async with asyncio.timeout(_ENDPOINT_SECONDS):
                offered = await self.catalog.discover(spec)
        except TimeoutError:
            detail = f"{address} did not answer within {_ENDPOINT_SECONDS} s"
            return Finding(name="endpoint", state="bad", detail=detail, fix="check llm.api_base and the network")
        except ModelError as error:
            if error.kind is ModelErrorKind.NOT_FOUND:
                detail = f"{address} answers, but publishes no list of models: their names are not checked"
                return Finding(name="endpoint", state="warn", detail=detail)
            return Finding(name="endpoint", state="bad", detail=str(error), fix=error.hint)
        except UserError as error:
            # There is no list that could be read, or no way to send anything.
            return Finding(name="endpoint", state="warn", detail=str(error), fix=error.hint)
        listed = [info.name for info in offered]
        missing = list(dict.fromkeys(one.name for one in sharing if not _is_among(one.name, listed)))
        count = "1 model" if len(offered) == 1 else f"{len(offered)} models"
        if missing and "://" in address:
            detail = f"{address} answers, but {', '.join(missing)} is not among the {count} it lists"
            fix = "`equitrcoder models --discover` lists them; some providers take names that they do not list"
            return Finding(name="endpoint", state="warn", detail=detail, fix=fix)
        return Finding(name="endpoint", state="ok", detail=f"{address} answers and offers {count}")

    def _with_fallbacks(self) -> Iterator[tuple[ModelSpec, str]]:
        """Every model with the name of the one it takes over for, which is empty for the tiers' own."""
        for spec in self.models:
            yield spec, ""
            for fallback in spec.fallbacks:
                yield fallback, spec.name

    def _model(self, spec: ModelSpec, *, instead_of: str) -> Finding:
        role = "fallback" if instead_of else "model"
        name = f"{spec.name} (for {instead_of})" if instead_of else spec.name
        try:
            variable, way = self.catalog.key_variable(spec), self.way_of(spec)
        except UserError as error:
            return Finding(name=role, state="bad", detail=str(error), fix=error.hint)
        source = self.keys.source(variable) if variable is not None else None
        if variable is not None and source is None:
            fix = f"export {variable}=..., or: equitrcoder keys set {variable}"
            return Finding(name=role, state="bad", detail=f"{name}: {variable} is not set", fix=fix)
        if self.prices.price(spec.name) is None:
            fix = f'llm.prices: {{"{spec.name}": {{input: 0, output: 0}}}}  (USD per million tokens; 0 for a local one)'
            return Finding(name=role, state="warn", detail=f"{name}: its price is unknown", fix=fix)
        key = f", key from {source.place}" if source is not None else ""
        return Finding(name=role, state="ok", detail=f"{name} at {self.catalog.endpoint(spec)}, {way}{key}")

    def _limits(self) -> Finding:
        held = [f"${amount:f} {what}" for what, amount in self.limits if amount is not None]
        if held:
            return Finding(name="limits", state="ok", detail=", ".join(held))
        detail = "none: a run may spend whatever it asks for"
        return Finding(name="limits", state="warn", detail=detail, fix="set llm.budget, or give --budget USD")


def _is_among(name: str, listed: Sequence[str]) -> bool:
    """Models at one endpoint may be configured with different prefixes; Ollama's `:latest` goes without saying."""
    bare = (name.partition("/")[2] or name).removesuffix(":latest")
    return any(f"/{one}".removesuffix(":latest").endswith(f"/{bare}") for one in listed)
