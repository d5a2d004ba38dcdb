import subprocess
import sys

import pytest

from equitr_coder.adapters.direct.transport import Connections
from equitr_coder.adapters.models.providers import PROVIDERS, Route
from equitr_coder.domain.errors import UserError


def route(base: str) -> Route:
    return Route(PROVIDERS["openai"], "direct", "m", base, is_own_endpoint=True)


def loaded(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_httpx_comes_without_its_command_line_and_http2_and_both_can_still_be_imported_later() -> None:
    code = """
import sys
from equitr_coder.adapters.direct.transport import import_httpx
assert "httpx" not in sys.modules
httpx = import_httpx()
httpx.AsyncClient(trust_env=False)
print(sorted({"rich", "pygments", "h2", "httpx._main"} & set(sys.modules)))
import httpx._main
"""
    assert loaded(code) == "[]\n"


def test_an_httpx_that_is_loaded_already_is_taken_as_it_is() -> None:
    code = """
import httpx, sys
before = sys.modules["httpx._main"]
from equitr_coder.adapters.direct.transport import import_httpx
assert import_httpx() is httpx and sys.modules["httpx._main"] is before
print("same")
"""
    assert loaded(code) == "same\n"


async def test_a_client_is_shared_by_the_routes_of_a_kind_and_closed_with_the_rest() -> None:
    connections = Connections(timeout=5)

    first, second = connections.client(route("http://127.0.0.1:1/v1")), connections.client(route("http://localhost:2"))
    remote = connections.client(route("https://models.example/v1"))
    await connections.close()

    assert first is second
    assert first is not remote
    assert first.is_closed
    assert remote.is_closed


async def test_a_proxy_that_cannot_be_used_is_the_persons_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://proxy.example")

    with pytest.raises(UserError, match="proxy") as caught:
        Connections(timeout=5).client(route("https://models.example/v1"))

    assert "NO_PROXY" in caught.value.hint
