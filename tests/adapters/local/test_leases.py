import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from equitr_coder.adapters.local.leases import LocalLeases

TAKES = """
import sys
from pathlib import Path
from equitr_coder.adapters.local.leases import LocalLeases
lease = LocalLeases(Path(sys.argv[1]), ports=["PORT"]).take()
print(lease.variables["EQUITR_WORKTREE"], lease.variables["PORT"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "leases"


def test_a_lease_has_a_number_and_a_free_port_for_each_name(folder: Path) -> None:
    lease = LocalLeases(folder, ports=["PORT", "DB_PORT"]).take()

    assert set(lease.variables) == {"EQUITR_WORKTREE", "PORT", "DB_PORT"}
    assert lease.variables["EQUITR_WORKTREE"] == "1"
    assert lease.variables["PORT"] != lease.variables["DB_PORT"]
    for name in ("PORT", "DB_PORT"):
        with socket.socket() as server:
            server.bind(("127.0.0.1", int(lease.variables[name])))
            server.listen()
    lease.release()


def test_no_two_leases_have_anything_in_common_until_they_are_given_back(folder: Path) -> None:
    leases = LocalLeases(folder, ports=["PORT", "DB_PORT"])
    held = [leases.take() for _ in range(8)]
    values = [value for lease in held for value in lease.variables.values()]
    assert len(set(values)) == len(values)

    held[3].release()
    held[3].release()

    again = leases.take()
    assert again.variables == held[3].variables
    for lease in (*held, again):
        lease.release()


def test_a_port_that_somebody_listens_on_is_passed_over(folder: Path) -> None:
    leases = LocalLeases(folder, ports=["PORT"])
    first = leases.take()
    port = int(first.variables["PORT"])
    first.release()

    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        second = leases.take()

    assert int(second.variables["PORT"]) != port
    second.release()


def test_processes_never_share_a_lease_and_a_dead_one_holds_none(folder: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TAKES, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        )
        for _ in range(3)
    ]
    try:
        said = [process.stdout.readline().split() for process in started if process.stdout is not None]
        assert len({number for number, _ in said}) == len({port for _, port in said}) == 3
    finally:
        for process in started:
            process.kill()
            process.communicate()

    lease = LocalLeases(folder, ports=["PORT"]).take()
    assert lease.variables["EQUITR_WORKTREE"] == "1"
    lease.release()
