import os
import subprocess
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.adapters.code_map.maps import LocalCodeMaps
from equitr_coder.domain.code_map import CodeMap

SHOP: Mapping[str, str] = {
    "shop/orders.py": (
        "from shop.stock import Warehouse\n\n\nclass OrderBook:\n    def place_order(self, item):\n"
        "        return Warehouse().reserve_item(item)\n\n    def cancel_order(self, number):\n        return number\n"
    ),
    "shop/stock.py": "class Warehouse:\n    def reserve_item(self, item):\n        return item\n\nMOST_ITEMS = 12\n",
    "shop/mail.py": "def send_letter(to):\n    return to\n",
    "web/api.ts": "export class CartApi {\n  addItem(x: number): number { return x }\n}\n",
    "docs/readme.md": "# Shop\n",
}


def git(root: Path, *argv: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    subprocess.run(["git", *identity, *argv], cwd=root, env=env, capture_output=True, check=True)


def put(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def shown(drawn: CodeMap) -> dict[str, list[str]]:
    return {file.path: [found.name for found in file.definitions] for file in drawn.files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    put(root, SHOP)
    return root


@pytest.fixture
def repository(folder: Path) -> Path:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "a")
    return folder


Draw = Callable[..., Coroutine[Any, Any, CodeMap]]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "maps" / "a.db"


@pytest.fixture
def draw(cache: Path) -> Draw:
    async def drawn(root: Path, request: str = "", **more: Any) -> CodeMap:
        environ = more.pop("environ", os.environ)
        options = {name: more.pop(name) for name in ("patience",) if name in more}
        return await LocalCodeMaps(cache, tokens=2_000, environ=environ, **options).draw(root, request, **more)

    return drawn
