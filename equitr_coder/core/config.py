"""The configuration as Python objects that can be changed before a run. `config_manager` loads it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equitr_coder.domain.errors import UserError

_LEAVES = ("llm.prices",)
"""Keys whose value is a mapping by itself."""


class Section:
    """One section: `config.llm.budget` reads and sets. A name that the configuration does not have is an error."""

    def __init__(self, values: Mapping[str, Any], *, path: str, changes: dict[str, object]) -> None:
        parts = {
            name: Section(value, path=key, changes=changes)
            if isinstance(value, Mapping) and (key := f"{path}.{name}".lstrip(".")) not in _LEAVES
            else value
            for name, value in values.items()
        }
        vars(self).update(_parts=parts, _path=path, _changes=changes)

    def __getattr__(self, name: str) -> Any:
        parts: dict[str, Any] = vars(self).get("_parts", {})
        if name in parts:
            return parts[name]
        raise AttributeError(_unknown(vars(self).get("_path", ""), name, parts))

    def __setattr__(self, name: str, value: object) -> None:
        own = vars(self)
        if name not in own["_parts"]:
            raise AttributeError(_unknown(own["_path"], name, own["_parts"]))
        key = f"{own['_path']}.{name}".lstrip(".")
        if isinstance(own["_parts"][name], Section):
            raise AttributeError(f"{key} is a section; set the keys inside it")
        own["_parts"][name] = value
        own["_changes"][key] = value

    def __dir__(self) -> list[str]:
        return list(vars(self)["_parts"])


class Config(Section):
    """The whole configuration, as the user's file and the environment give it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values, path="", changes={})

    @property
    def changes(self) -> dict[str, object]:
        """Dotted key -> value of everything that was set here; it goes before every other source."""
        return dict(vars(self)["_changes"])


class ConfigManager:
    def load_config(self, name: str = "default") -> Config:
        """The configuration in force for this user. The project's own settings join it when a run starts.

        Raises:
            UserError: there is no configuration of that name, or a file cannot be used; names file and key.
        """
        if name != "default":
            raise UserError(f"there is no configuration named {name!r}", hint='use load_config("default")')
        from equitr_coder.settings.home import equitr_home
        from equitr_coder.settings.layers import load_settings
        from equitr_coder.settings.trust import FileTrustStore

        environ = dict(os.environ)
        home: Path = equitr_home(environ)
        loaded = load_settings(home=home, repo=None, environ=environ, flags={}, trust=FileTrustStore(home))
        return Config(loaded.settings.model_dump())


def _unknown(path: str, name: str, parts: Mapping[str, Any]) -> str:
    return f"the configuration has no key {f'{path}.{name}'.lstrip('.')}; there is {', '.join(sorted(parts))}"


config_manager = ConfigManager()
