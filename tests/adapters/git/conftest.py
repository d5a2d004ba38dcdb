from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.git.repository import GitRepository
from tests.adapters.git.stage import Checkout, FileJournal

CONFIGURATION = """
[user]
    name = Ada Lovelace
    email = ada@example.org
[init]
    defaultBranch = main
[protocol "file"]
    allow = always
"""


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of her own: home folder, identity, and nothing of the machine's configuration."""
    home = tmp_path / "user"
    home.mkdir()
    (home / ".gitconfig").write_text(CONFIGURATION)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """EQUITR_HOME."""
    return tmp_path / "equitr home"


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / "journal.json")


@pytest.fixture
def make_checkout(tmp_path: Path) -> Callable[[str], Checkout]:
    def make(name: str) -> Checkout:
        root = tmp_path / name
        root.mkdir()
        made = Checkout(root)
        made.git("init", "-q")
        return made

    return make


@pytest.fixture
def checkout(make_checkout: Callable[[str], Checkout]) -> Checkout:
    """A repository of the user's with one commit."""
    made = make_checkout("my project")
    made.write("README.md", "# Project\n")
    made.write("src/app.py", "print('one')\n")
    made.write("run.sh", "#!/bin/sh\n", executable=True)
    made.write(".gitignore", "*.log\nbuild/\n")
    made.commit("first")
    return made


@pytest.fixture
def repository(checkout: Checkout, home: Path, journal: FileJournal) -> GitRepository:
    return GitRepository(checkout.root, home=home, store=journal)
