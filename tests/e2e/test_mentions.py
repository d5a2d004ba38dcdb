"""`@` in a request, through every door that takes one."""

import asyncio
from typing import Any

import pytest

from equitr_coder.testing.script import always, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import builds, first_message, plans, task, word_of

ORDERS = "class OrderBook:\n    def place_order(self, item):\n        return item\n\n    def other(self): ...\n"
BLOCK = '# What the request mentions with @\n\n<file path="shop/orders.py">\n' + ORDERS.rstrip("\n") + "\n</file>"


def test_a_chat_gets_what_its_request_mentions_after_the_verbatim_request(stage: OpenStage) -> None:
    user = stage([always(says("Done."))])
    user.commit({"shop/orders.py": ORDERS})
    user.write({"shop/orders.py": ORDERS + "# not committed\n"})

    ended = user.run("chat", "explain @shop/orders.py, ask me@example.com, use @types/node and `@cache`")

    assert ended.code == 0, ended.brief
    message = first_message(user.server.requests[0])
    assert message.startswith(
        "explain @shop/orders.py, ask me@example.com, use @types/node and `@cache`\n\n"
        "# What the request mentions with @\n\n"
    )
    assert message.endswith("# not committed\n</file>")
    assert "attached: shop/orders.py\n" in ended.out
    assert "! not attached: @types/node: there is no such file or definition\n" in ended.out


def test_a_symbol_and_a_range_of_lines_are_attached(stage: OpenStage) -> None:
    user = stage([always(says("Done."))])
    user.commit({"shop/orders.py": ORDERS})

    user.run("chat", "explain @OrderBook.place_order and @shop/orders.py:5")

    message = first_message(user.server.requests[0])
    assert (
        '<file path="shop/orders.py" definition="OrderBook.place_order" lines="2-3">\n'
        "    def place_order(self, item):\n        return item\n</file>"
    ) in message
    assert '<file path="shop/orders.py" lines="5-5">\n    def other(self): ...\n</file>' in message


def test_nothing_outside_of_the_workspace_is_attached(stage: OpenStage) -> None:
    user = stage([always(says("Done."))])
    (user.home / "secret.txt").write_text("a secret\n")

    ended = user.run("chat", "read @../home/secret.txt")

    assert ended.code == 0, ended.brief
    assert first_message(user.server.requests[0]) == "read @../home/secret.txt"
    assert "! not attached: @../home/secret.txt: " in ended.out


def test_the_planner_gets_it_before_the_repository(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2"))])
    user.commit({"shop/orders.py": ORDERS})

    ended = user.run("epic", "create", "speed up @shop/orders.py")

    assert ended.code == 0, ended.brief
    assert first_message(user.asked("strong")[0]).startswith(f"speed up @shop/orders.py\n\n{BLOCK}\n\n<repository>")
    assert "attached: shop/orders.py\n" in ended.out


def test_a_direct_task_gets_it_in_every_attempt(stage: OpenStage) -> None:
    user = stage([builds("T1")])
    user.commit({"shop/orders.py": ORDERS})

    ended = user.run(
        "chat",
        "-M",
        "--plan",
        "never",
        "--check",
        f"grep -q T1-built {word_of('T1')}",
        "--yes",
        "as in @shop/orders.py",
    )

    [first, *_] = user.asked("weak")
    assert first_message(first).startswith(f"as in @shop/orders.py\n\n{BLOCK}\n\n"), ended.brief


def test_the_python_door_attaches_as_well(stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    from equitr_coder.core.config import config_manager
    from equitr_coder.core.orchestrator import AgentOrchestrator

    user = stage([always(says("Done."))])
    user.commit({"shop/orders.py": ORDERS})
    monkeypatch.setenv("HOME", str(user.home))
    monkeypatch.delenv("EQUITR_HOME", raising=False)

    async def work() -> Any:
        return await AgentOrchestrator(config_manager.load_config(), str(user.repo)).run("explain @shop/orders.py")

    result = asyncio.run(work())

    assert result["content"] == "Done."
    assert first_message(user.server.requests[0]) == f"explain @shop/orders.py\n\n{BLOCK}"


def test_at_the_prompt_each_message_may_mention(stage: OpenStage) -> None:
    user = stage([rule(says("Well?"), says("Done."), model="weak")])
    user.commit({"shop/orders.py": ORDERS})

    with user.terminal("--inline", "interactive") as terminal:
        terminal.answer("hello")
        terminal.expect("Well?")
        terminal.answer("explain @shop/orders.py ")
        terminal.expect("attached: shop/orders.py")
        terminal.expect("Done.")
        terminal.answer("/quit")
        assert terminal.wait() == 0, terminal.screen

    *_, last = user.server.requests
    said = [message["content"].strip() for message in last.messages if message["role"] == "user"]
    assert said[0] == "hello"
    assert said[1].startswith("explain @shop/orders.py")
    assert said[1].endswith(BLOCK)
