import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.local.workspace import LocalWorkspace

Engines = Callable[[Path, str], LocalWorkspace]


def git(*argv: str, cwd: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *argv], cwd=cwd, env=env, capture_output=True, check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    return root


@pytest.fixture
def workspace(root: Path) -> LocalWorkspace:
    return LocalWorkspace(root)


@pytest.fixture
def repository(root: Path) -> Path:
    git("init", "-q", cwd=root)
    return root


@pytest.fixture
def with_engine(tmp_path: Path) -> Engines:
    """A workspace that finds only one search engine; `python` means none at all."""

    def make(root: Path, engine: str) -> LocalWorkspace:
        programs = tmp_path / f"only-{engine}"
        programs.mkdir(exist_ok=True)
        # Listing is git's in any case: what is compared is the search.
        for name in {"rg": ("rg", "git"), "git": ("git",), "python": ()}[engine]:
            found = shutil.which(name)
            if found is None:
                pytest.skip(f"no {name} here")
            link = programs / name
            if not link.is_symlink():
                link.symlink_to(found)
        return LocalWorkspace(root, environ={"PATH": str(programs)})

    return make
