"""The user's own folder: where it is, and its configuration file, which is only ever replaced by a valid one."""

import re
from collections.abc import Mapping
from pathlib import Path

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.queries import Written
from equitr_coder.settings.faults import KeyPath
from equitr_coder.settings.files import read_optional, write_atomically
from equitr_coder.settings.keys import PRICES, holds_text, known_keys, takes_plain_name
from equitr_coder.settings.layers import CONFIG_FILE, parse_config
from equitr_coder.settings.yaml_edit import with_value
from equitr_coder.settings.yaml_text import read, write


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
    old = _current(path)
    if old is not None and old != text:
        write_atomically(_free_name(path), old)
    if old != text:
        write_atomically(path, text)
    return Written(path=str(path))


def set_user_value(home: Path, key: str, value: str | None) -> Written:
    """Change one key of the user's configuration file, or with None take it out; comments and order stay.

    Texts need no quotes: what the key holds says how `value` is read.

    Raises:
        UserError: there is no such key, the value is wrong, or the file cannot be changed so. Nothing has changed then.
    """
    path = home / CONFIG_FILE
    old = _current(path) or ""
    parts = _parts(key)
    if takes_plain_name(parts):
        parts = (*parts, "model")
    if parts not in known_keys() and parts[:-1] != PRICES:
        raise UserError(f"there is no key {key!r}", hint="`equitrcoder config-cmd` lists every key")
    if takes_plain_name(parts[:-1]) and not _is_section(old, parts[:-1], name=str(path)):
        parts = parts[:-1]  # the model's name alone stands for a section with it
    new = with_value(old, parts, _as_yaml(parts, value), name=str(path))
    parse_config(new, name="the new value")
    return write_user_config(home, new)


def _parts(key: str) -> tuple[str, ...]:
    """`llm.prices."a/b-1.5"`: a part with a dot of its own is quoted, as it is shown."""
    return tuple(part.strip('"') for part in re.findall(r'"[^"]*"|[^."]+', key))


def _is_section(text: str, parts: KeyPath, *, name: str) -> bool:
    tree = read(text, name=name).plain()
    for part in parts:
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return isinstance(tree, Mapping)


def _as_yaml(parts: tuple[str, ...], value: str | None) -> str | None:
    if value is None or not holds_text(parts) or value.strip() in ("null", "~"):
        return value
    text = value.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text if is_quoted else write(text)


def _current(path: Path) -> str | None:
    try:
        return read_optional(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}", hint=f"move {path} away, or make it readable"
        ) from error


def _free_name(path: Path) -> Path:
    """The first backup name that is not taken."""
    candidate, number = path.with_name(f"{path.name}.bak"), 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.bak.{number}")
    return candidate
