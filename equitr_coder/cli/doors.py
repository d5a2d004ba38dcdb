"""What the command line is handed by `__main__`: ways into the product and the streams to talk through."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.redaction import without_shapes

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from equitr_coder.ports import RunApi

Flags = dict[str, tuple[object, str]]
"""Configuration key -> value and the flag that gave it."""


class Connect(Protocol):
    def __call__(
        self, *, repo: Path, flags: Mapping[str, tuple[object, str]], create_repo: bool
    ) -> AbstractAsyncContextManager[RunApi]:
        """The door to one workspace, open while the context is.

        Raises:
            UserError: the folder is missing (and `create_repo` is False), or its configuration cannot be used.
        """
        ...


class OpenPrompt(Protocol):
    async def __call__(self, api: RunApi, *, planning: bool) -> int:
        """The interactive prompt; `planning` opens it with the planning conversation. Returns the exit code."""
        ...


class OpenScreen(Protocol):
    async def __call__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[RunApi]],
        *,
        first_run: Callable[[RunApi], Awaitable[bool]],
        mode: str,
        folder: Path,
        theme: str | None,
    ) -> int:
        """The full screen; the door is opened behind its first frame. `mode` is `plan`, `chat` or `run`, or empty: as
        configured. Returns the exit code.
        """
        ...


@frozen
class Streams:
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)


@frozen
class Doors:
    connect: Connect
    open_prompt: OpenPrompt
    open_screen: OpenScreen
    run_demo: Callable[[Callable[[str], None]], Awaitable[int]]
    """Plays the scripted demo; is given what prints one line. Returns the exit code."""
    environ: Mapping[str, str]
    redact: Callable[[str], str] = without_shapes
    """Takes keys out of what is written for people or programs."""
    ask_secret: Callable[[str], str | None] = lambda _: None
    """Asks the person for a secret without showing it; None when nobody is there."""
    streams: Streams = field(default_factory=Streams)


@dataclass
class Invocation:
    """One call of the program: the doors, and the common options found so far, before or after the subcommand."""

    doors: Doors
    given: dict[str, Any] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    """Warnings of the configuration that were said already."""
