"""The vocabularies that litellm ships, loaded by tiktoken from its folder; the network is never asked.

The folder is litellm's private matter: a file that is missing or not the one expected means "no such vocabulary".
"""

import hashlib
import importlib.util
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from equitr_coder.domain.frozen import frozen

_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "p50k_base": "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
}
"""What tiktoken expects of each file. It would delete another file and fetch its own, so we look first."""
_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"
_O200K = re.compile(r"^(gpt-4o|chatgpt-4o|gpt-4\.[15]|gpt-5|gpt-oss|o[134]\b)")
_CL100K = re.compile(r"^(gpt-4|gpt-3\.5)")


@frozen
class Vocabulary:
    """Which encoding stands for a model's own, and by how much its count is raised.

    OpenAI's models have theirs. For all others the 50,000 words of p50k, fewer than any current model's, are taken with
    a margin of 1.3. Claude gets 1.8: its count of English and code is published as 1.2 to 1.3 times OpenAI's, and that
    of its newest models as up to 1.35 times the one before.
    """

    encoding: str
    margin: float

    @classmethod
    def of(cls, model: str) -> Self:
        name = model.rpartition("/")[2].lower()
        if _O200K.match(name):
            return cls("o200k_base", 1.0)
        if _CL100K.match(name):
            return cls("cl100k_base", 1.0)
        return cls("p50k_base", 1.8 if "claude" in name else 1.3)


class Encodings:
    """Loads each vocabulary at most once; safe to be asked from several threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` holds the files by the SHA-1 of their address; None means litellm's."""
        self._folder = folder
        self._lock = threading.Lock()
        self._counters: dict[str, Callable[[str], int] | None] = {}

    def counter(self, encoding: str) -> Callable[[str], int] | None:
        """Counts the tokens of a text; None when the vocabulary cannot be had."""
        with self._lock:
            if encoding not in self._counters:
                self._counters[encoding] = self._load(encoding)
            return self._counters[encoding]

    def _load(self, encoding: str) -> Callable[[str], int] | None:
        folder = self._folder or _litellm_folder()
        if folder is None or not _is_as_expected(folder, encoding):
            return None
        import tiktoken

        with _cache_at(folder):
            loaded = tiktoken.get_encoding(encoding)
        return lambda text: len(loaded.encode_ordinary(text))


def _litellm_folder() -> Path | None:
    """Found without running any of litellm's code."""
    spec = importlib.util.find_spec("litellm")
    locations = spec.submodule_search_locations if spec is not None else None
    return Path(locations[0]) / "litellm_core_utils" / "tokenizers" if locations else None


def _is_as_expected(folder: Path, encoding: str) -> bool:
    name = hashlib.sha1(_URL.format(encoding).encode(), usedforsecurity=False).hexdigest()
    try:
        data = (folder / name).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(data).hexdigest() == _SHA256[encoding]


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """tiktoken takes its folder from the environment only; nobody else shall see it there."""
    before = os.environ.get(_CACHE_VARIABLE)
    os.environ[_CACHE_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CACHE_VARIABLE]
        else:
            os.environ[_CACHE_VARIABLE] = before
