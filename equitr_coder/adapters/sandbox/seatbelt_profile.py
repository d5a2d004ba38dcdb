"""The profile for macOS's `sandbox-exec`, as text. Of the rules that fit, the last one counts.

Written from what others ship and from the manual; no Mac has run it (docs/security.md).
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

HIDDEN = ("/Users", "/Volumes", "/private/var/folders", "/private/tmp", "/private/var/tmp", "/private/var/root")
"""Where users keep their own on every Mac: out of sight but for what is shown again."""

_BASE = """\
(version 1)
(deny default)
(allow process-exec process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow pseudo-tty)
(allow ipc-posix-sem)
(allow mach-lookup
  (global-name "com.apple.system.opendirectoryd.libinfo")
  (global-name "com.apple.system.notification_center"))
(allow file-read*)
(allow file-ioctl file-write-data
  (literal "/dev/null")
  (literal "/dev/zero")
  (literal "/dev/tty"))
"""


@frozen
class Sights:
    """Absolute paths without links. What is deeper is said later, so that it counts."""

    hidden: Sequence[str]
    """Out of sight with everything below."""
    shown: Sequence[str]
    """Below hidden folders, readable all the same."""
    written: Sequence[str]
    """The tree and the command's own folder: readable and writable."""
    kept: Sequence[str]
    """Inside what may be written, and not to be changed, renamed or replaced."""
    secrets: Sequence[str]
    """Hidden wherever they lie."""


def seatbelt_profile(sights: Sights, *, proxy_port: int | None = None) -> str:
    """Nothing is allowed but what is named. Without a `proxy_port`, of this machine itself, there is no network.

    Raises:
        UserError: a path cannot be written in a profile.
    """
    seen = (*sights.shown, *sights.written)
    lines = [
        *_rule("deny file-read* file-write*", [_below(path) for path in sights.hidden]),
        # Programs ask for each folder on the way to what they may open.
        *_rule("allow file-read-metadata", [_exactly(path) for path in _ways_to(seen)]),
        *_rule("allow file-read*", [_below(path) for path in seen]),
        *_rule("allow file-write*", [_below(path) for path in sights.written]),
        *_rule("deny file-write*", [_below(path) for path in sights.kept]),
        *_rule("deny file-read* file-write*", [_below(path) for path in sights.secrets]),
    ]
    if proxy_port is not None:
        lines.append(f'(allow network-outbound (remote tcp "localhost:{proxy_port}"))')
    return _BASE + "\n".join(lines) + "\n"


def _rule(head: str, filters: Sequence[str]) -> list[str]:
    """Without a filter a rule would hold for everything."""
    return [f"({head}", *(f"  {each}" for each in filters), ")"] if filters else []


def _below(path: str) -> str:
    return f"(subpath {_quoted(path)})"


def _exactly(path: str) -> str:
    return f"(literal {_quoted(path)})"


def _quoted(path: str) -> str:
    if not path.startswith("/") or any(not character.isprintable() for character in path):
        raise UserError(
            f"{path!r} cannot be named in a macOS sandbox profile.", hint="Give the folder a name that can be printed."
        )
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _ways_to(paths: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(str(parent) for path in paths for parent in reversed(PurePosixPath(path).parents)))
