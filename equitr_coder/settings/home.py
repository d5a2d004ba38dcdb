"""The user's own folder: where it is, and its configuration file, which is only ever replaced by a valid one."""

from collections.abc import Mapping
from pathlib import Path

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.queries import Written
from equitr_coder.settings.files import read_optional, write_atomically
from equitr_coder.settings.layers import CONFIG_FILE, parse_config


def equitr_home(environ: Mapping[str, str]) -> Path:
    """`EQUITR_HOME`, else `~/.equitr`. It need not exist.

    Raises:
        UserError: neither EQUITR_HOME nor HOME says where it is.
    """
    if chosen := environ.get("EQUITR_HOME", "").strip():
        user_home = environ.get("HOME", "")
        return Path(user_home) / chosen[2:] if chosen.startswith("~/") and user_home else Path(chosen).absolute()
    if user_home := environ.get("HOME", "").strip():
        return Path(user_home) / ".equitr"
    raise UserError("there is no home directory", hint="set HOME, or EQUITR_HOME to a folder of your choice")


def write_user_config(home: Path, text: str) -> Written:
    """Replace the user's configuration file whole; an older one is kept beside it as `config.yaml.bak`, `.bak.2`, ...

    Raises:
        UserError: the text is not a valid configuration, or the file cannot be written. Nothing has changed then.
    """
    path = home / CONFIG_FILE
    parse_config(text, name="the new configuration")
    try:
        old = read_optional(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}", hint=f"move {path} away, or make it readable"
        ) from error
    if old is not None and old != text:
        write_atomically(_free_name(path), old)
    if old != text:
        write_atomically(path, text)
    return Written(path=str(path))


def _free_name(path: Path) -> Path:
    """The first backup name that is not taken."""
    candidate, number = path.with_name(f"{path.name}.bak"), 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.bak.{number}")
    return candidate
