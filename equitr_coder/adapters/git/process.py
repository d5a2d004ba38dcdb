"""Runs git: one process, our environment, nothing of the repository's own configuration that would start a program.

Never inherits the caller's GIT_DIR and the like, never asks, never pages, never uses the network.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from equitr_coder.adapters.git.child import run_child
from equitr_coder.adapters.git.failures import failure
from equitr_coder.adapters.git.meter import one_command
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

_KEPT = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "EMAIL", "SUDO_UID", "LD_LIBRARY_PATH",
        "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_EXEC_PATH",
        "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    }
)  # fmt: skip
"""What a git we start may know of our environment: no key, no GIT_DIR, no tracing."""

_FIXED = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
    "GIT_ASKPASS": "false",
}

_QUIET: tuple[tuple[str, str], ...] = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.quotePath", "false"),
    ("core.safecrlf", "false"),
    ("core.splitIndex", "false"),
    ("core.filesRefLockTimeout", "5000"),
    ("core.packedRefsTimeout", "5000"),
    ("commit.gpgSign", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("color.ui", "false"),
    ("color.status", "false"),
    ("diff.external", ""),
    ("worktree.useRelativePaths", "false"),
    ("checkout.workers", "0"),
    ("checkout.thresholdForParallelism", "10"),
)

_MOST_SETTINGS = 20


@frozen
class GitOutput:
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def line(self) -> str:
        """The output as one line of text."""
        return os.fsdecode(self.stdout).rstrip("\n")

    @property
    def records(self) -> list[str]:
        """NUL-separated records (`-z`); file names in Python's own way (undecodable bytes are surrogates)."""
        return [os.fsdecode(record) for record in self.stdout.split(b"\0") if record]


class GitProcess:
    """Starts git. The one seam through which everything in this package reaches it."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        given = os.environ if environ is None else environ
        self._environ = {name: value for name, value in given.items() if name in _KEPT} | _FIXED
        self._config = (*_configuration_in(given), *_QUIET)
        self._encoded: dict[tuple[tuple[str, str], ...], dict[bytes, bytes]] = {}
        """What commands are told, by their settings."""
        self.home = Path(given["HOME"]).resolve() if given.get("HOME") else None
        """The user's home folder."""

    async def run(
        self,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        config: Sequence[tuple[str, str]] = (),
        stdin: bytes = b"",
        accept: Sequence[int] = (0,),
        hold: Sequence[int] = (),
    ) -> GitOutput:
        """Run `git arguments` to its end. `hold` are file descriptors (locks) that stay open as long as git lives.

        Cancelling ends git and whatever it started before this returns.

        Raises:
            UserError: git is missing, or said something the person can mend.
            GitError: any other exit code that is not in `accept`.
        """
        with one_command():
            output = await self._communicate(arguments, cwd, self._environment(env, config), stdin, hold)
        if output.code not in accept:
            raise failure(arguments, output.code, output.stderr, cwd)
        return output

    def start(
        self,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str],
        config: Sequence[tuple[str, str]],
        stderr: IO[bytes],
    ) -> "subprocess.Popen[bytes]":
        """A git that stays, with pipes to ask it through: for `resident.Resident`, who ends it.

        Raises:
            UserError: as `run`.
        """
        try:
            return subprocess.Popen(
                ("git", *arguments),
                cwd=cwd,
                env=self._environment(env, config),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _not_started(error, cwd) from error

    def _environment(self, env: Mapping[str, str] | None, config: Sequence[tuple[str, str]]) -> dict[bytes, bytes]:
        # Environment and not `-c`: names of filters may hold any character, and what git itself starts inherits it.
        settings = (*self._config, *config)
        if settings not in self._encoded:
            numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
            for number, (key, value) in enumerate(settings):
                numbered[f"GIT_CONFIG_KEY_{number}"] = key
                numbered[f"GIT_CONFIG_VALUE_{number}"] = value
            if len(self._encoded) > _MOST_SETTINGS:
                self._encoded.clear()
            self._encoded[settings] = _encoded({**self._environ, **numbered})
        return self._encoded[settings] | _encoded(env or {})

    async def _communicate(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[bytes, bytes], stdin: bytes, hold: Sequence[int]
    ) -> GitOutput:
        try:
            code, stdout, stderr = await run_child(("git", *arguments), cwd=cwd, env=env, stdin=stdin, hold=hold)
        except (FileNotFoundError, PermissionError) as error:
            raise _not_started(error, cwd) from error
        return GitOutput(code, stdout, stderr)


def _encoded(environ: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}


def _not_started(error: OSError, cwd: Path) -> UserError:
    if isinstance(error, PermissionError):
        return UserError(f"git cannot be run in {cwd}: {error.strerror}.", hint="Check its permissions.")
    if str(error.filename) == str(cwd):
        hint = "If it was a worktree of a run, `equitrcoder resume` makes it anew."
        return UserError(f"The folder {cwd} does not exist.", hint=hint)
    return UserError("git is not installed.", hint="Install git 2.38 or newer.")


def _configuration_in(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Settings the person gave by GIT_CONFIG_COUNT (a `safe.directory` in a container); ours follow and so win."""
    count = environ.get("GIT_CONFIG_COUNT", "")
    if not count.isdigit():
        return ()
    names = ((f"GIT_CONFIG_KEY_{number}", f"GIT_CONFIG_VALUE_{number}") for number in range(int(count)))
    return tuple((environ[key], environ[value]) for key, value in names if key in environ and value in environ)
