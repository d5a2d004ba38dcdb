"""Ending a process, whatever becomes of it in the same moment."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from equitr_coder.adapters.local.processes import begin_to_end, end_process, start_process

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux has descriptors of processes")


def sleeps(folder: Path) -> "subprocess.Popen[bytes]":
    return start_process(["sleep", "300"], cwd=folder, env={"PATH": "/usr/bin:/bin"}, pass_fds=())


@pytest.mark.parametrize("is_awaited", [True, False])
def test_a_first_process_that_is_reaped_before_its_signal_comes_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_awaited: bool
) -> None:
    outer, first = sleeps(tmp_path), sleeps(tmp_path)
    opened_by_system = os.pidfd_open

    def opens(pid: int) -> int:
        opened = opened_by_system(pid)
        if pid == first.pid:
            first.kill()
            first.wait()
        return opened

    monkeypatch.setattr(os, "pidfd_open", opens)
    try:
        if not is_awaited:
            begin_to_end(outer, lambda: first.pid)
            monkeypatch.undo()
        end_process(outer, (lambda: first.pid) if is_awaited else None)
    finally:
        for process in (outer, first):
            process.kill()
            with process:
                pass

    assert first.returncode == outer.returncode == -signal.SIGKILL
