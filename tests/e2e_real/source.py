"""The source distribution of a real published package: pinned in sdist.txt, fetched once by pip, kept beside the tools.

`python -m tests.e2e_real.source` fetches it ahead of the tests.
"""

import fcntl
import importlib.util
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

PINNED = Path(__file__).with_name("sdist.txt")
CACHE = Path(sys.prefix) / "sdists"
_SECONDS = 90.0


class UnobtainableError(Exception):
    """The package cannot be had here: no client, or no registry within reach."""


class WrongPackageError(Exception):
    """Something was offered that is not what is pinned."""


def fetch(cache: Path = CACHE) -> Path:
    """The archive, checked by the client against its pinned hash before it is kept.

    Raises:
        UnobtainableError: with the reason.
        WrongPackageError: the hash differs.
    """
    cache.mkdir(parents=True, exist_ok=True)
    name = PINNED.read_text(encoding="utf-8").split(" ")[0].replace("==", "-") + ".tar.gz"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / name).exists():
            _download(cache / "partial")
            shutil.move(cache / "partial" / name, cache / name)
    return cache / name


def unpack(archive: Path, into: Path) -> None:
    """The package's files at the root of `into`, as its authors published them."""
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")
    (inside,) = into.iterdir()
    for path in inside.iterdir():
        path.rename(into / path.name)
    inside.rmdir()


def _download(into: Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    what = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--requirement", str(PINNED), "--dest", str(into)]
    command = [*_client(), "download", *options, *what]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnobtainableError(f"pip download did not end within {_SECONDS:.0f} s") from error
    if ran.returncode != 0:
        said = [line for line in ran.stderr.splitlines() if line.startswith("ERROR")] or ran.stderr.splitlines()
        if "DO NOT MATCH THE HASHES" in ran.stderr:
            raise WrongPackageError(ran.stderr)
        raise UnobtainableError(f"pip download ended with {ran.returncode}: {said[-1] if said else 'no output'}")


def _client() -> list[str]:
    """The environment's own pip; environments that uv makes have none, and uv then runs it."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--quiet", "pip"]
    raise UnobtainableError("neither pip nor uv is here to download it")


if __name__ == "__main__":
    try:
        fetch()
    except UnobtainableError as error:
        sys.exit(f"the tests on a real package will be skipped: {error}")
