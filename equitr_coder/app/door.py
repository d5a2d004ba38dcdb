"""Opens the one door to a workspace: settings read, store open, parts put together; closes them again."""

import logging
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from io import TextIOWrapper
from pathlib import Path
from weakref import WeakSet

from equitr_coder.adapters.git.repository import GitRepository, open_repository
from equitr_coder.adapters.keys.held import HeldKeys
from equitr_coder.adapters.local.user import local_user
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.app.enquiries import Enquiries
from equitr_coder.app.overrides import Overrides
from equitr_coder.app.workshop import Workshop
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import epic_id
from equitr_coder.domain.redaction import without_assignments, without_shapes
from equitr_coder.ports import EventStore, RunApi
from equitr_coder.session.service import LocalRunApi
from equitr_coder.settings.home import equitr_home
from equitr_coder.settings.layers import load_settings
from equitr_coder.settings.trust import FileTrustStore


@asynccontextmanager
async def open_api(overrides: Overrides) -> AsyncIterator[RunApi]:
    """The door to one workspace, open while the context is.

    Raises:
        UserError: the folder is missing, or the configuration cannot be used.
    """
    home = overrides.home if overrides.home is not None else equitr_home(overrides.environ)
    _log_to(home / "logs" / "equitr.log", overrides.held)
    store = overrides.wrap_store(SqliteStore(home))
    try:
        opened = await _open_workspace(overrides, home, store)
        checkout, repository = opened.root, overrides.wrap_repository(opened)
        trust = FileTrustStore(home)
        loaded = load_settings(home=home, repo=checkout, environ=overrides.environ, flags=overrides.flags, trust=trust)
        workshop = Workshop(
            overrides=overrides, home=home, checkout=checkout, loaded=loaded, store=store, repository=repository
        )
        try:
            async with LocalRunApi(
                checkout=checkout,
                store=store,
                clock=workshop.clock,
                repository=repository,
                make_kit=workshop.make_kit,
                make_options=workshop.make_options,
                model_names=workshop.model_names,
                workers=workshop.workers,
                answer=Enquiries(workshop).answer,
                attach=workshop.mentions().attach,
                takes_images=workshop.takes_images,
                user=local_user(overrides.environ),
                redactor=workshop.held,
            ) as api:
                yield api
        finally:
            await workshop.close()
            opened.close()
    finally:
        await store.close()


async def _open_workspace(overrides: Overrides, home: Path, store: EventStore) -> GitRepository:
    try:
        root = overrides.repo.expanduser().absolute()
    except FileNotFoundError as error:
        raise UserError("the current folder does not exist any more", hint="cd to one that does") from error
    is_new = not root.exists()
    if is_new and not overrides.create_repo:
        raise UserError(f"{root} does not exist", hint="name an existing folder with --repo, or create it first")
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is not a folder", hint="name a folder with --repo")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create {root}: {error.strerror}", hint="choose another folder with --repo") from error
    found = await open_repository(root.resolve(), home=home, store=store, shadow_ok=True)
    if is_new:
        await found.ensure()
        found.close()
        found = await open_repository(root.resolve(), home=home, store=store, shadow_ok=True)
    try:
        await _require_users_own(found.root, home, store)
    except UserError:
        found.close()
        raise
    return found


async def _require_users_own(root: Path, home: Path, store: EventStore) -> None:
    """Whoever edits the files of a conflict stands in a worktree of a run, which has no runs of its own, and must not
    be worked in by another.
    """
    worktrees = (home / "worktrees").resolve()
    if not root.is_relative_to(worktrees):
        return
    inside = root.relative_to(worktrees).parts
    row = next((row for row in await store.runs() if row.run in inside), None)
    owner = f"of {epic_id(row.epic_number) if row.epic_number is not None else row.run}" if row else "of a run"
    where = shlex.quote(row.workspace) if row else "the repository it belongs to"
    raise UserError(
        f"{root} is a worktree {owner}, not a workspace", hint=f"give the command in {where}, or name it with --repo"
    )


def _log_to(path: Path, held: HeldKeys) -> None:
    """Warnings and tracebacks go to a file that is only made when there is something to write."""
    logger = logging.getLogger("equitr_coder")
    for handler in logger.handlers:
        if isinstance(handler, LazyFileHandler) and isinstance(handler.formatter, _Redacting):
            handler.formatter.held.add(held)
            return
    handler = LazyFileHandler(path)
    handler.setFormatter(_Redacting(held))
    logger.addHandler(handler)
    logger.propagate = False


class _Redacting(logging.Formatter):
    """A line with its traceback, without the keys of any door that is open in this process."""

    def __init__(self, held: HeldKeys) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.held = WeakSet([held])

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for held in self.held:
            text = held.text(text)
        return without_assignments(without_shapes(text))


class LazyFileHandler(logging.Handler):
    """Neither the file nor the code that turns it over is there before the first line. A log that cannot be written
    must not bury the error itself: that one is said in its own words.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @cached_property
    def _file(self) -> logging.Handler:
        from logging.handlers import RotatingFileHandler

        class Silent(RotatingFileHandler):
            def _open(self) -> TextIOWrapper:
                # Its owner's alone: a traceback may hold a line of the user's.
                descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                return os.fdopen(descriptor, "a", encoding=self.encoding)

            def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
                pass

        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = Silent(self._path, maxBytes=2_000_000, backupCount=2, delay=True, encoding="utf-8")
        file.setFormatter(self.formatter)
        return file

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._file.emit(record)

    def close(self) -> None:
        if "_file" in vars(self):
            self._file.close()
        super().close()
