"""`@shot.png` in a request, through every door that takes one."""

import asyncio
import json
from base64 import b64encode
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import always, call, fails, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, plans, task, word_of
from tests.pictures import jpeg, png

SHOT, PHOTO = png(300, 200), jpeg(1600, 1200)
SEES: dict[str, Any] = {"llm": {"images": "yes"}}


def shoot(user: Stage, **files: bytes) -> None:
    for name, data in {"shot.png": SHOT, "photo.jpg": PHOTO, **files}.items():
        (user.repo / name).write_bytes(data)


def url(kind: str, data: bytes) -> dict[str, str]:
    return {"url": f"data:{kind};base64,{b64encode(data).decode()}", "detail": "high"}


def images(request: Recorded, *, message: int = 1) -> list[dict[str, str]]:
    content = request.messages[message]["content"]
    return [part["image_url"] for part in content if part["type"] == "image_url"] if isinstance(content, list) else []


def text(request: Recorded) -> str:
    """Of the first user message."""
    return str(request.messages[1]["content"][0]["text"])


@pytest.mark.parametrize("tools", ["native", "text"])
def test_a_chat_shows_the_model_the_images_of_its_request(stage: OpenStage) -> None:
    user = stage([says("", call("list_files")), says("A red square.")], config=SEES)
    shoot(user)

    ended = user.run("chat", "--output", "stream-json", "compare @shot.png with @photo.jpg")

    assert ended.code == 0, ended.brief
    first, second = user.server.requests
    assert images(first) == [url("image/png", SHOT), url("image/jpeg", PHOTO)]
    assert text(first) == (
        "compare @shot.png with @photo.jpg\n\n# What the request mentions with @\n\n"
        '<image path="shot.png" width="300" height="200" number="1"/>\n\n'
        '<image path="photo.jpg" width="1600" height="1200" number="2"/>'
    )
    assert second.messages[: len(first.messages)] == first.messages
    [started] = ended.of("run_started")
    assert started["attachments"]["attached"] == ["shot.png (300x200 pixels)", "photo.jpg (1600x1200 pixels)"]
    assert started["attachments"]["images"][0] == {
        "digest": sha256(SHOT).hexdigest(),
        "media_type": "image/png",
        "width": 300,
        "height": 200,
        "bytes": len(SHOT),
        "path": "shot.png",
    }


def test_the_log_holds_the_hash_and_the_blob_store_the_bytes(stage: OpenStage) -> None:
    user = stage([always(says("Seen."))], config=SEES)
    shoot(user)

    ended = user.run("chat", "look at @shot.png")

    assert ended.code == 0, ended.brief
    assert "attached: shot.png (300x200 pixels)\n" in ended.out
    digest = sha256(SHOT).hexdigest()
    assert (user.equitr_home / "blobs" / digest[:2] / digest).read_bytes() == SHOT
    written = b"".join(path.read_bytes() for path in user.equitr_home.glob("equitr.db*"))
    assert digest.encode() in written
    assert b64encode(SHOT)[:60] not in written


def test_what_was_sent_stays_the_same_after_a_resume_and_a_change_of_the_file(stage: OpenStage) -> None:
    replies = [says("", call("list_files")), fails(401, "no")]
    user = stage([*(always(reply, times=1) for reply in replies), always(says("Done."))], config=SEES)
    shoot(user)
    assert user.run("chat", "look at @shot.png").code == 4

    shoot(user, **{"shot.png": PHOTO})
    ended = user.run("resume")

    assert ended.code == 0, ended.brief
    first, *_, last = user.server.requests
    assert last.messages[: len(first.messages)] == first.messages
    assert images(last) == [url("image/png", SHOT)]


def test_a_resume_with_a_model_that_takes_none_is_refused(stage: OpenStage) -> None:
    user = stage([always(fails(401, "no"))], config=SEES)
    shoot(user)
    assert user.run("chat", "look at @shot.png").code == 4

    user.configure({"llm": {"images": "no"}})
    ended = user.run("resume")

    assert ended.code == 2, ended.brief
    assert "stub/weak takes no images, and the request shows it @shot.png" in ended.err
    assert len(user.server.requests) == 1


def test_the_planner_is_shown_it_and_the_workers_are_not(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")], config=SEES)
    shoot(user)
    user.commit({"a.py": "a = 1\n"})

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "build what @shot.png shows")

    assert images(user.asked("strong")[0]) == [url("image/png", SHOT)], ended.brief
    workers = user.asked("weak")
    assert workers
    assert not any(images(request) for request in workers)


def test_epic_create_asks_for_a_supervisor_that_sees(stage: OpenStage) -> None:
    config = {"llm": {"models": {"worker": {"model": "stub/weak", "images": "yes"}}}}
    user = stage([plans(task("T1"), task("T2"))], config=config)
    shoot(user)

    ended = user.run("epic", "create", "build what @shot.png shows")

    assert ended.code == 2, ended.brief
    assert ended.err.startswith("error: stub/strong is not known to take images")
    assert not user.server.requests


def test_a_direct_task_is_shown_it(stage: OpenStage) -> None:
    config = {"llm": {"models": {"worker": {"model": "stub/weak", "images": "yes"}}}}
    user = stage([builds("T1")], config=config)
    shoot(user)
    user.commit({"a.py": "a = 1\n"})

    ended = user.run(
        "chat",
        "-M",
        "--plan",
        "never",
        "--check",
        f"grep -q T1-built {word_of('T1')}",
        "--yes",
        "as in @shot.png",
    )

    assert images(user.asked("weak")[0]) == [url("image/png", SHOT)], ended.brief


def test_the_python_door_shows_it(stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    from equitr_coder.core.config import config_manager
    from equitr_coder.core.orchestrator import AgentOrchestrator

    user = stage([always(says("A square."))], config=SEES)
    shoot(user)
    monkeypatch.setenv("HOME", str(user.home))
    monkeypatch.delenv("EQUITR_HOME", raising=False)

    async def work() -> Any:
        return await AgentOrchestrator(config_manager.load_config(), str(user.repo)).run("look at @shot.png")

    assert asyncio.run(work())["content"] == "A square."
    assert images(user.server.requests[0]) == [url("image/png", SHOT)]


def test_at_the_prompt_each_message_may_show_images(stage: OpenStage) -> None:
    user = stage([rule(says("Well?"), says("A square."), says("Larger."), model="weak")], config=SEES)
    shoot(user)

    with user.terminal("--inline", "interactive") as terminal:
        terminal.answer("hello")
        terminal.expect("Well?")
        terminal.answer("what is @shot.png ")
        terminal.expect("attached: shot.png")
        terminal.expect("A square.")
        terminal.answer("and @photo.jpg ")
        terminal.expect("Larger.")
        terminal.answer("/quit")
        assert terminal.wait() == 0, terminal.screen

    *_, second, third = user.server.requests
    assert images(second, message=3) == [url("image/png", SHOT)]
    assert third.messages[: len(second.messages)] == second.messages
    assert images(third, message=5) == [url("image/jpeg", PHOTO)]


@pytest.mark.parametrize(
    ("setting", "what"), [({}, "is not known to take images"), ({"llm": {"images": "no"}}, "takes no images")]
)
def test_a_model_that_takes_no_images_is_refused_before_any_request(
    stage: OpenStage, setting: dict[str, Any], what: str
) -> None:
    user = stage([always(says("unused"))], config=setting)
    shoot(user)

    ended = user.run("chat", "look at @shot.png")

    assert ended.code == 2, ended.brief
    problem, hint = ended.err.strip().split("\n")
    assert problem.endswith(f"stub/weak {what}, and the request shows it @shot.png")
    assert "llm.images" in hint
    assert not user.server.requests
    assert not json.loads(user.run("runs", "--output", "json").out)["runs"]


@pytest.mark.parametrize(
    ("files", "request_text", "problem"),
    [
        ({"shot.png": SHOT[:-5]}, "look at @shot.png", "@shot.png is not a whole image: it is cut short"),
        ({"shot.png": png(filler=4_000_000)}, "look at @shot.png", "@shot.png is larger than 3.9 MB"),
        (
            {f"{n}.png": png(n + 1, filler=3_600_000) for n in range(4)},
            "look at @0.png @1.png @2.png @3.png",
            "the images of the conversation would have 14.4 MB together; 14 MB are the most",
        ),
    ],
    ids=["damaged", "too large", "too much together"],
)
def test_an_image_that_cannot_be_shown_is_refused_before_money_is_spent(
    stage: OpenStage, files: dict[str, bytes], request_text: str, problem: str
) -> None:
    user = stage([always(says("unused"))], config=SEES)
    shoot(user, **files)

    ended = user.run("chat", request_text)

    assert ended.code == 2, ended.brief
    assert problem in ended.err.strip().split("\n")[0]
    assert len(ended.err.strip().split("\n")) == 2
    assert not user.server.requests


def test_images_count_against_the_budget_before_they_are_sent(stage: OpenStage) -> None:
    user = stage([always(says("unused"))], config={"llm": {"images": "yes", "max_tokens": 100, "budget": 0.01}})
    shoot(user)

    assert user.run("chat", "look").code == 0
    ended = user.run("chat", "look at @shot.png and @photo.jpg")

    assert ended.code == 3, ended.brief
    assert len(user.server.requests) == 1


def test_what_was_held_for_an_image_covers_what_it_cost(stage: OpenStage) -> None:
    user = stage([always(says("Seen."))], config=SEES)
    shoot(user)

    ended = user.run("chat", "--output", "stream-json", "look at @photo.jpg")

    [held], [paid] = ended.of("model_call_reserved"), ended.of("model_call_settled")
    assert paid["usage"]["input"] >= 1600
    assert held["input_bound"] >= paid["usage"]["input"]
    assert Decimal(held["usd"]) >= Decimal(paid["usd"])


def test_a_fallback_that_takes_no_images_is_passed_over(stage: OpenStage) -> None:
    user = stage([always(fails(503), model="weak"), always(says("Seen."), model="sees")])
    fallbacks = [
        {"model": f"stub/{name}", "api_base": user.server.url, "images": images}
        for name, images in (("blind", "no"), ("sees", "yes"))
    ]
    price = {"input": 1, "output": 3}
    user.configure(
        {
            "llm": {
                "retries": 0,
                "images": "yes",
                "models": {"worker": {"model": "stub/weak", "fallbacks": fallbacks}},
                "prices": dict.fromkeys(("stub/strong", "stub/weak", "stub/blind", "stub/sees"), price),
            }
        }
    )
    shoot(user)

    ended = user.run("chat", "look at @shot.png")

    assert ended.code == 0, ended.brief
    assert [request.model for request in user.server.requests] == ["weak", "sees"]
