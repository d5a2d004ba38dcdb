"""What a provider's form of speech consists of. The server knows nothing of any provider but this."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from equitr_coder.testing.backend import Answer, Backend, Recorded, WireError
from equitr_coder.testing.http import HttpRequest

Body = dict[str, Any]
Page = tuple[int, Any]
"""Status and JSON of an answer that is none of a model."""
Stream = tuple[Sequence[bytes], Sequence[bytes]]
"""The pieces of content, then what finishes them."""


class WireFormat(Protocol):
    base: str
    """What `api_base` ends in, beneath the server's root."""
    stream_type: str
    """Content type of a streamed answer."""

    def key(self, request: HttpRequest) -> str | None: ...

    def is_chat(self, request: HttpRequest) -> bool: ...

    def read(self, request: HttpRequest) -> Body:
        """The request as chat completions, which is what rules match on.

        Raises:
            WireError: it is malformed by the provider's own rules.
        """
        ...

    def page(self, request: HttpRequest, backend: Backend) -> Page | None:
        """What is not a chat: lists of models and the like; None for an unknown path.

        Raises:
            WireError: the key is wrong.
        """
        ...

    def refusal(self, error: WireError, request: HttpRequest) -> Page: ...

    def stream(self, request: HttpRequest, answer: Answer, record: Recorded) -> Stream: ...

    def whole(self, request: HttpRequest, answer: Answer, record: Recorded) -> Any: ...


def read_json(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise malformed("the body is no JSON") from error
    if not isinstance(body, dict):
        raise malformed("the body must be a JSON object")
    return body


def malformed(text: str) -> WireError:
    return WireError(400, text, code="malformed_request")


def require(condition: object, problem: str) -> None:
    """Raises WireError 400."""
    if not condition:
        raise malformed(problem)


def require_known(body: Mapping[str, Any], known: frozenset[str], where: str = "") -> None:
    unknown = sorted(set(body) - known)
    require(not unknown, f"{where}{', '.join(unknown)}: Extra inputs are not permitted")


def dumped(payload: object) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()
