"""Configuration layers laid out in temporary folders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.settings.layers import LoadedSettings, load_settings
from equitr_coder.settings.trust import FileTrustStore, set_trust


@dataclass
class Machine:
    """A user's home and a repository; the files are written as given, then loaded."""

    home: Path
    repo: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> FileTrustStore:
        return FileTrustStore(self.home)

    def user(self, text: str, name: str = "config.yaml") -> Path:
        return _written(self.home / name, text)

    def project(self, text: str, name: str = "config.yaml") -> Path:
        return _written(self.repo / ".equitr" / name, text)

    def trust(self) -> None:
        set_trust(self.repo, home=self.home, trust=self.store, trusted=True)

    def load(self, flags: Mapping[str, tuple[object, str]] | None = None) -> LoadedSettings:
        return load_settings(home=self.home, repo=self.repo, environ=self.environ, flags=flags or {}, trust=self.store)

    def refused(self, flags: Mapping[str, tuple[object, str]] | None = None) -> str:
        """Message and hint of the error that loading ends with, paths shortened."""
        with pytest.raises(UserError) as caught:
            self.load(flags)
        assert caught.value.exit_code == 2
        text = f"{caught.value}\n{caught.value.hint}"
        return text.replace(str(self.home), "HOME").replace(str(self.repo), "REPO")


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    repo = tmp_path / "repo"
    repo.mkdir()
    return Machine(tmp_path / "home", repo)


@pytest.fixture
def entry() -> Callable[[LoadedSettings, str], tuple[str, str]]:
    """Value and source of a key in force."""

    def find(loaded: LoadedSettings, key: str) -> tuple[str, str]:
        found = [item for item in loaded.entries if item.key == key and not item.source.startswith("ignored")]
        assert len(found) == 1, (key, found)
        return found[0].value, found[0].source

    return find
