"""A key that is replaced while calls are under way: no call fails, and none of the old key comes afterwards."""

import asyncio
from pathlib import Path

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.keys.held import HeldKeys
from equitr_coder.adapters.keys.layered import LayeredKeys
from equitr_coder.adapters.keys.stored import StoredKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import ModelRequest, ModelSpec, Reply, Tier, UserMessage
from equitr_coder.ports import KeySource
from equitr_coder.testing.script import Barrier, Script, always, says
from equitr_coder.testing.server import ScriptedServer

CALLS = 50
OLD, NEW = "sk-the-old-key-of-1999", "sk-the-new-key-of-2026"
ENVIRON = {"EQUITR_MASTER_KEY": "12" * 16 + "34" * 16}


def stored(home: Path) -> StoredKeys:
    """As a process of its own opens it."""
    return StoredKeys(home, environ=ENVIRON, hold=HeldKeys().hold)


def request(server: ScriptedServer) -> ModelRequest:
    spec = ModelSpec(name="stub/m", tier=Tier.WEAK, api_base=server.url, api_key_env="SHOP_KEY")
    return ModelRequest(model=spec, system="", messages=(UserMessage(text="hi"),), max_tokens=10)


async def answer(router: ModelRouter, asked: ModelRequest) -> str:
    parts = [part async for part in router.stream(asked)]
    assert isinstance(parts[-1], Reply)
    return parts[-1].message.text


async def test_fifty_calls_outlive_a_rotation_and_the_old_key_is_never_sent_again(tmp_path: Path) -> None:
    stored(tmp_path).put("SHOP_KEY", OLD)
    held_open = Barrier(name="wave", parties=2 * CALLS)
    script = Script(rules=(always(says("done", barrier=held_open)),), require_key=(OLD, NEW))
    keys = LayeredKeys(EnvironmentKeys({}), stored(tmp_path), hold=HeldKeys().hold)
    router = ModelRouter(keys=keys)

    async with ScriptedServer(script) as server, asyncio.TaskGroup() as group:
        first = [group.create_task(answer(router, request(server))) for _ in range(CALLS)]
        await server.reached(CALLS)
        stored(tmp_path).put("SHOP_KEY", NEW)  # all the calls of the first wave are under way
        server.backend.require_key = NEW  # and the old key is revoked at once
        second = [group.create_task(answer(router, request(server))) for _ in range(CALLS)]
        said = await asyncio.gather(*first, *second)
        await router.close()

    assert said == ["done"] * 2 * CALLS
    assert [record.key for record in server.requests] == [OLD] * CALLS + [NEW] * CALLS
    assert {record.outcome for record in server.requests} == {"answered"}


class Turning:
    """A `ports.KeyStore` whose key is replaced after it was looked up `times` times."""

    def __init__(self, *, times: int, fresh: str) -> None:
        self._left = times
        self._fresh = fresh

    def get(self, variable: str) -> str:
        self._left -= 1
        return OLD if self._left >= 0 else self._fresh

    def source(self, variable: str) -> KeySource:
        return KeySource("file", "a test")


async def test_a_call_refused_with_a_key_that_was_just_replaced_is_sent_with_the_new_one() -> None:
    async with ScriptedServer(Script(rules=(always(says("done")),), require_key=NEW)) as server:
        router = ModelRouter(keys=Turning(times=2, fresh=NEW))

        assert await answer(router, request(server)) == "done"
        await router.close()

    assert [(record.key, record.status) for record in server.requests] == [(OLD, 401), (NEW, 200)]


@pytest.mark.parametrize(("fresh", "sent"), [(OLD, [OLD]), ("sk-wrong-too-12345", [OLD, "sk-wrong-too-12345"])])
async def test_a_key_that_is_wrong_is_tried_once(fresh: str, sent: list[str]) -> None:
    async with ScriptedServer(Script(rules=(always(says("done")),), require_key=NEW)) as server:
        router = ModelRouter(keys=Turning(times=2, fresh=fresh))

        with pytest.raises(ModelError) as caught:
            await answer(router, request(server))
        await router.close()

    assert caught.value.kind is ModelErrorKind.AUTH
    assert "keys rotate SHOP_KEY" in caught.value.hint
    assert [record.key for record in server.requests] == sent
