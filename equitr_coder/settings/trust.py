"""Which projects' `.equitr/` the user trusts, by content hash; kept in the user's own home, never in a repository."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.queries import TrustAnswer
from equitr_coder.ports import TrustStore
from equitr_coder.settings.files import read_optional, write_atomically
from equitr_coder.settings.project import read_project

VERSION = 1


class FileTrustStore:
    """`HOME/trust.json`: absolute workspace path -> content hash. Fails closed: what cannot be read is not trusted."""

    def __init__(self, home: Path) -> None:
        self._file = home / "trust.json"
        self._lock = home / "locks" / "trust.lock"

    def trusted_hash(self, workspace: Path) -> str | None:
        try:
            return self._read().get(str(workspace.resolve()))
        except OSError:
            return None

    def trust(self, workspace: Path, content_hash: str) -> None:
        with self._changing() as workspaces:
            workspaces[str(workspace.resolve())] = content_hash

    def forget(self, workspace: Path) -> None:
        with self._changing() as workspaces:
            workspaces.pop(str(workspace.resolve()), None)

    def _read(self) -> dict[str, str]:
        text = read_optional(self._file)
        if text is None:
            return {}
        try:
            return _workspaces(json.loads(text))
        except ValueError as error:
            raise UserError(
                f"{self._file} is damaged", hint=f"delete {self._file}, then `equitrcoder trust` the projects again"
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """The map, written back when the block ends; two processes never lose each other's entry."""
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            stream = self._lock.open("a")
        except OSError as error:
            raise UserError(
                f"cannot write {self._lock}: {error.strerror or error}",
                hint="set EQUITR_HOME to a folder you can write to",
            ) from error
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            workspaces = self._read()
            yield workspaces
            write_atomically(
                self._file, json.dumps({"version": VERSION, "workspaces": workspaces}, indent=2, sort_keys=True) + "\n"
            )


def trust_answer(repo: Path, *, home: Path, trust: TrustStore) -> TrustAnswer:
    """What stands in the project's `.equitr/` and whether it is trusted as it is now."""
    project = read_project(repo, home=home, trust=trust)
    known = trust.trusted_hash(repo.resolve()) if project.files else None
    return TrustAnswer(
        present=bool(project.files),
        trusted=project.is_trusted,
        changed=known is not None and not project.is_trusted,
        files=tuple(sorted(project.files)),
        content_hash=project.content_hash,
    )


def set_trust(repo: Path, *, home: Path, trust: TrustStore, trusted: bool) -> TrustAnswer:
    """Accept the project's `.equitr/` as it is now, or withdraw that.

    Raises:
        UserError: there is nothing to trust, or the store cannot be written.
    """
    if not trusted:
        trust.forget(repo.resolve())
        return trust_answer(repo, home=home, trust=trust)
    found = read_project(repo, home=home, trust=trust)
    if not found.files:
        raise UserError(
            f"{found.folder} holds no settings to trust", hint="put a config.yaml there first, or change --repo"
        )
    trust.trust(repo.resolve(), found.content_hash)
    return trust_answer(repo, home=home, trust=trust)


def _workspaces(document: Any) -> dict[str, str]:
    match document:
        case {"version": int(version), "workspaces": dict(workspaces)} if version == VERSION:
            if all(isinstance(key, str) and isinstance(value, str) for key, value in workspaces.items()):
                return workspaces
    raise ValueError("not a trust file")
