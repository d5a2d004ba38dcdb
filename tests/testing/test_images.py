"""An image that a provider would refuse is refused by the server in each provider's own form."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from equitr_coder.testing import always, says
from equitr_coder.testing.wires import Anthropic, Gemini, Ollama, OpenAI, ProviderServer
from tests.pictures import gif, jpeg, png

Body = dict[str, Any]
Make = Callable[[str, str], Body]


def openai(kind: str, data: str) -> Body:
    part = {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
    return {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "Look."}, part]}]}


def anthropic(kind: str, data: str) -> Body:
    part = {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [part]}]}


def gemini(kind: str, data: str) -> Body:
    return {"contents": [{"role": "user", "parts": [{"inline_data": {"mime_type": kind, "data": data}}]}]}


def ollama(kind: str, data: str) -> Body:
    del kind
    return {"model": "m", "stream": False, "messages": [{"role": "user", "content": "Look.", "images": [data]}]}


WIRES: dict[str, tuple[Any, str, Make]] = {
    "openai": (OpenAI, "/v1/chat/completions", openai),
    "anthropic": (Anthropic, "/v1/messages", anthropic),
    "gemini": (Gemini, "/v1beta/models/m:generateContent", gemini),
    "ollama": (Ollama, "/api/chat", ollama),
}


async def post(wire: str, kind: str, data: bytes | str) -> httpx.Response:
    make_wire, path, make = WIRES[wire]
    written = data if isinstance(data, str) else b64encode(data).decode()
    async with ProviderServer([always(says("ok"))], make_wire()) as server, httpx.AsyncClient(timeout=10) as client:
        headers = {"anthropic-version": "2023-06-01"}
        return await client.post(f"{server.root}{path}", json=make(kind, written), headers=headers)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_sound_image_is_taken(wire: str) -> None:
    response = await post(wire, "image/jpeg", jpeg(640, 480))

    assert response.status_code == 200, response.text


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("data", ["no base64!", b"no image", png()[:-4]], ids=["no base64", "no image", "cut short"])
async def test_what_is_no_whole_image_is_refused(wire: str, data: bytes | str) -> None:
    response = await post(wire, "image/png", data)

    assert response.status_code == 400, response.text


@pytest.mark.parametrize("wire", ["openai", "anthropic", "gemini"])
async def test_an_image_of_another_kind_than_it_is_said_to_be_is_refused(wire: str) -> None:
    response = await post(wire, "image/png", jpeg(640, 480))

    assert response.status_code == 400
    assert "image/jpeg" in response.text


async def test_gemini_takes_no_gif() -> None:
    assert (await post("gemini", "image/gif", gif(3, 2))).status_code == 400


async def test_anthropic_takes_nothing_but_the_three_fields_of_a_source() -> None:
    body = anthropic("image/png", b64encode(png()).decode())
    body["messages"][0]["content"][0]["source"]["detail"] = "high"
    async with ProviderServer([always(says("ok"))], Anthropic()) as server, httpx.AsyncClient(timeout=10) as client:
        response = await client.post(
            f"{server.root}/v1/messages", json=body, headers={"anthropic-version": "2023-06-01"}
        )

    assert response.status_code == 400
