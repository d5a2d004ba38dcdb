"""What a landing is about to do, as it stands in the journal before anything is touched."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from equitr_coder.adapters.git.checkout import Checkout
from equitr_coder.adapters.git.entries import Change, Entry
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import RunId

PREFIX = "landing:"


class Journal(Protocol):
    """The part of `ports.EventStore` that landings need."""

    async def write_journal(self, key: str, body: Mapping[str, Any]) -> None: ...

    async def clear_journal(self, key: str) -> None: ...

    async def open_journals(self, prefix: str) -> Mapping[str, Mapping[str, Any]]: ...


@frozen
class Places:
    """Files a landing makes in the git directory. The lock is the one every git command takes before it changes the
    index; ours is known by its content.
    """

    lock: Path
    marker: Path
    index: Path
    look: Path
    staged: str


@frozen
class Intent:
    run: RunId
    workspace: Path
    branch: str
    """Full name of the ref."""
    old: str
    new: str
    token: str
    changes: Mapping[str, Change]

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.run}"

    @property
    def short_branch(self) -> str:
        return self.branch.removeprefix("refs/heads/")

    @property
    def marker(self) -> bytes:
        return f"equitrcoder landing {self.token}: start equitrcoder here once to finish or undo it\n".encode()

    def places(self, checkout: Checkout) -> Places:
        name = f"equitr-{self.token}"
        inside = checkout.git_dir
        return Places(
            lock=inside / "index.lock",
            marker=inside / f"{name}.marker",
            index=inside / f"{name}.index",
            look=inside / f"{name}.look",
            staged=name,
        )

    def to_journal(self) -> dict[str, Any]:
        return {
            "version": 1,
            "run": self.run,
            "workspace": str(self.workspace),
            "branch": self.branch,
            "old": self.old,
            "new": self.new,
            "token": self.token,
            "files": {path: [_written(change.old), _written(change.new)] for path, change in self.changes.items()},
        }

    @staticmethod
    def from_journal(body: Mapping[str, Any]) -> "Intent":
        return Intent(
            run=RunId(body["run"]),
            workspace=Path(body["workspace"]),
            branch=body["branch"],
            old=body["old"],
            new=body["new"],
            token=body["token"],
            changes={path: Change(_read(old), _read(new)) for path, (old, new) in body["files"].items()},
        )


def new_token() -> str:
    return secrets.token_hex(8)


def _written(entry: Entry | None) -> list[str] | None:
    return [entry.mode, entry.blob] if entry else None


def _read(entry: list[str] | None) -> Entry | None:
    return Entry(*entry) if entry else None
