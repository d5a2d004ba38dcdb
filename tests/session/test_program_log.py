"""The program's own log, which people attach to reports: no key in it, whoever wrote the line."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from equitr_coder.adapters.keys.held import HeldKeys
from equitr_coder.app.door import open_api
from equitr_coder.app.overrides import Overrides

HELD = "a-plain-looking-value-93"
SHAPED = "ghp_" + "a1B2" * 9
ASSIGNED = "Zk3vQ9xT7mLw2RbN8yHd"


@pytest.fixture
def own_handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process has one log, that of the first door it opened."""
    opened: list[logging.Handler] = []
    monkeypatch.setattr(logging.getLogger("equitr_coder"), "handlers", opened)
    yield
    for handler in opened:
        handler.close()


@pytest.mark.usefixtures("own_handlers")
async def test_no_key_reaches_the_log_in_a_line_or_a_traceback(tmp_path: Path) -> None:
    held = HeldKeys()
    held.hold("SHOP_KEY", HELD)
    (tmp_path / "repo").mkdir()
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    overrides = Overrides(repo=tmp_path / "repo", home=tmp_path / "home", environ=environ, held=held)

    async with open_api(overrides):
        log = logging.getLogger("equitr_coder.somewhere")
        log.warning("sent %s and %s", HELD, SHAPED)
        try:
            raise ValueError(f"refused: {HELD}; api_key={ASSIGNED}")
        except ValueError:
            log.exception("it failed")

    path = tmp_path / "home" / "logs" / "equitr.log"
    written = path.read_text(encoding="utf-8")
    assert [secret for secret in (HELD, SHAPED, ASSIGNED) if secret in written] == []
    assert "[key SHOP_KEY]" in written
    assert "Traceback" in written
    assert "ValueError: refused" in written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
