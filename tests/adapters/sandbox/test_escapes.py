"""What a confined command cannot reach."""

import os
import shutil
import socket
import subprocess
import tempfile
from importlib import import_module
from pathlib import Path

import pytest

from equitr_coder.ports import Place
from tests.adapters.sandbox.conftest import Machine, git, put


async def test_files_outside_the_tree_cannot_be_written(demo: Machine) -> None:
    outside = demo.folder / "outside"
    outside.mkdir()

    result = await demo.run(f"touch /etc/equitr-escape; touch {outside}/x; touch {demo.home}/work/x; touch /usr/x")

    assert result.exit_code != 0
    assert not Path("/etc/equitr-escape").exists()
    assert not Path("/usr/x").exists()
    assert list(outside.iterdir()) == []
    assert [entry.name for entry in (demo.home / "work").iterdir()] == ["demo"]


async def test_a_read_only_mount_cannot_be_made_writable_again(demo: Machine) -> None:
    """Root keeps all capabilities in bubblewrap unless they are dropped."""
    result = await demo.run(
        "grep -q 'CapEff:.0000000000000000' /proc/self/status || exit 9;"
        f"mount -o remount,rw,bind / ; umount {demo.home}; cat {demo.home}/notes.txt && exit 8;"
        "unshare -Urm sh -c 'mount -o remount,rw,bind /; touch /usr/equitr-escape'; test ! -e /usr/equitr-escape"
    )

    assert result.exit_code == 0, result.output


async def test_the_kernel_cannot_be_set_by_root(demo: Machine) -> None:
    """Root owns the files below /proc/sys, and needs no capability to write them."""
    result = await demo.run("for f in kernel/panic kernel/hostname; do cd /proc/sys; cat $f > $f && exit 9; done; true")

    assert result.exit_code == 0, result.output


async def test_the_tree_can_be_written_and_the_checkout_stays_as_it_was(demo: Machine) -> None:
    result = await demo.run(f"echo two > a.txt; echo new > {demo.checkout}/b.txt")

    assert result.exit_code == 0, result.output
    assert (demo.worktree / "a.txt").read_text() == "two\n"
    assert (demo.worktree / "b.txt").read_text() == "new\n"
    assert (demo.checkout / "a.txt").read_text() == "one\n"
    assert not (demo.checkout / "b.txt").exists()


@pytest.mark.parametrize("name", [".ssh/id_ed25519", ".netrc", "notes.txt", ".equitr/config.yaml"])
async def test_nothing_of_home_can_be_read(demo: Machine, name: str) -> None:
    assert (demo.home / name).read_text().endswith("PRIVATE")

    result = await demo.run(f"cat {demo.home}/{name} ~/{name}")

    assert result.exit_code != 0
    assert b"PRIVATE" not in result.output


async def test_other_worktrees_are_out_of_sight(demo: Machine) -> None:
    seen = await demo.says(f"find {demo.equitr_home} -mindepth 4 -maxdepth 4; ls {demo.equitr_home}")

    assert seen.split() == [str(demo.worktree), "worktrees"]


async def test_there_is_no_network_not_even_the_host_itself(demo: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = await demo.run(f"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 3)'")

    assert result.exit_code == 1
    assert b"ConnectionRefusedError" in result.output


async def test_sockets_of_the_host_cannot_be_reached(demo: Machine) -> None:
    name = f"equitr-{os.getpid()}-{id(demo)}"
    path = demo.folder / "s"
    with (
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        abstract.bind("\0" + name)
        abstract.listen()
        named.bind(str(path))
        named.listen()

        result = await demo.run(
            "python3 -c 'import socket, sys\n"
            f'for address in ("\\0{name}", "{path}"):\n'
            "    try: socket.socket(socket.AF_UNIX).connect(address)\n"
            "    except OSError as error: print(type(error).__name__)\n"
            "    else: sys.exit(9)'; ls /run"
        )

    assert result.exit_code == 0, result.output
    assert result.output.decode().split() == ["ConnectionRefusedError", "FileNotFoundError"]


async def test_a_service_inside_can_be_reached_from_inside(demo: Machine) -> None:
    program = (
        "import socket\n"
        's = socket.create_server(("127.0.0.1", 0))\n'
        "socket.create_connection(s.getsockname(), 3)\n"
        'print("reached")'
    )

    assert await demo.says(f"python3 -c '{program}'") == "reached"


async def test_processes_of_the_host_are_out_of_sight(demo: Machine) -> None:
    seen = await demo.says("ls /proc | grep -c '^[0-9]'; kill -0 " + str(os.getpid()) + " 2>/dev/null || echo none")

    count, found = seen.split()
    assert int(count) < 8
    assert found == "none"


async def test_git_can_be_read_in_a_linked_worktree(demo: Machine) -> None:
    git("tag", "v1", cwd=demo.checkout)

    seen = await demo.says(
        "echo two > a.txt; git status --short && git log --format=%s && git describe --tags; git diff --stat | tail -1"
    )

    assert seen.splitlines() == ["M a.txt", "first", "v1", " 1 file changed, 1 insertion(+), 1 deletion(-)"]


async def test_git_is_the_same_at_the_checkout_path(demo: Machine) -> None:
    seen = await demo.says(
        f"echo new > b.txt; cd {demo.checkout} && git status --short && git rev-parse --show-toplevel"
    )

    assert seen.splitlines() == ["?? b.txt", str(demo.checkout)]


@pytest.mark.parametrize(
    "command",
    [
        "git commit -q --allow-empty -m no",
        "git config core.fsmonitor /bin/false",
        "git update-ref refs/heads/x HEAD",
        "git worktree prune && git branch new",
        "rm .git",
        "mv .git was",
        "echo 'gitdir: /tmp/evil' > .git",
        "ln -sf /tmp/evil .git",
        "touch $(git rev-parse --git-common-dir)/hooks/pre-commit",
    ],
)
async def test_git_cannot_be_written(demo: Machine, command: str) -> None:
    before = {path: path.read_bytes() for path in (demo.checkout / ".git").rglob("*") if path.is_file()}
    pointer = (demo.worktree / ".git").read_text()

    result = await demo.run(f"git config user.name x; {command}")

    assert result.exit_code != 0
    assert {path: path.read_bytes() for path in (demo.checkout / ".git").rglob("*") if path.is_file()} == before
    assert (demo.worktree / ".git").read_text() == pointer


async def test_git_of_the_checkout_itself_is_read_only(demo: Machine) -> None:
    place = Place(root=demo.checkout, stands_for=demo.checkout, git_dir=demo.checkout / ".git")

    result = await demo.run("echo two > a.txt && git status --short; echo x >> .git/config; git add a.txt", place)

    assert result.output.startswith(b" M a.txt\n")
    assert result.exit_code != 0
    assert (demo.checkout / "a.txt").read_text() == "two\n"
    assert git("diff", "--cached", "--name-only", cwd=demo.checkout) == ""


async def test_a_plain_folder_gets_no_repository_that_the_host_would_obey(machine: Machine) -> None:
    folder = machine.home / "plain"
    folder.mkdir()

    result = await machine.run("echo x > a.txt; git init", Place(root=folder))

    assert result.exit_code != 0
    assert [path.name for path in folder.iterdir()] == ["a.txt"]


async def test_passwords_in_the_git_configuration_are_not_shown(demo: Machine) -> None:
    git("remote", "add", "origin", "https://ann:s3cret@example.org/demo.git", cwd=demo.checkout)
    git("config", "http.https://example.org/.extraheader", "AUTHORIZATION: basic s3cret", cwd=demo.checkout)

    for place in (demo.place, Place(root=demo.checkout)):
        seen = await demo.says("git remote get-url origin; cat $(git rev-parse --git-common-dir)/config", place)

        assert seen.splitlines()[0] == "https://example.org/demo.git"
        assert "s3cret" not in seen


async def test_a_git_pointer_that_is_a_link_is_refused(demo: Machine) -> None:
    (demo.checkout / ".git").rename(demo.home / "moved.git")
    (demo.checkout / ".git").symlink_to(demo.home / "moved.git")
    executor = await demo.executor()

    with pytest.raises(Exception, match="symbolic link"):
        await executor.run("true", Place(root=demo.checkout), timeout=5)


async def test_project_settings_are_read_only(demo: Machine) -> None:
    (demo.checkout / ".equitr").mkdir()

    result = await demo.run("touch .equitr/config.yaml", Place(root=demo.checkout))

    assert result.exit_code != 0


async def test_a_home_that_is_the_workspace_keeps_its_secrets(machine: Machine) -> None:
    result = await machine.run(
        "cat notes.txt; cat .ssh/id_ed25519 .netrc .equitr/config.yaml; cd ~; pwd", Place(root=machine.home)
    )

    assert result.output.count(b"PRIVATE") == 1
    assert b"/tmp/home" in result.output


async def test_a_readable_folder_can_be_read_and_not_written(demo: Machine) -> None:
    data = demo.home / "data"
    data.mkdir()
    (data / "table.csv").write_text("1,2\n")
    demo.readable = [data]

    result = await demo.run(f"cat {data}/table.csv; touch {data}/x")

    assert result.output.startswith(b"1,2\n")
    assert result.exit_code != 0
    assert [path.name for path in data.iterdir()] == ["table.csv"]


async def test_the_whole_file_system_is_no_workspace(machine: Machine) -> None:
    executor = await machine.executor()

    with pytest.raises(Exception, match="cannot be a workspace"):
        await executor.run("true", Place(root=Path("/")), timeout=5)


async def test_private_folders_cannot_fill_the_memory(demo: Machine) -> None:
    """They lie in memory; without a bound each could take half of it."""
    memory_kb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024

    sizes = [int(line) for line in (await demo.says("df -k --output=size /tmp ~ /run | grep -v blocks")).split()]

    assert max(sizes) <= memory_kb // 4 + 4
    assert sizes[2] <= 16 * 1024


async def test_processes_are_limited(demo: Machine) -> None:
    limit = int(await demo.says("ulimit -u 2>/dev/null || ulimit -p"))

    assert limit <= 8192


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to become a plain user")
def test_a_plain_user_is_confined_as_well() -> None:
    plain = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c"]
    packages = [str(Path(str(import_module(name).__file__)).parent.parent) for name in ("equitr_coder", "pydantic")]
    env = {"PYTHONPATH": ":".join(packages), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    can_import = subprocess.run([*plain, "import equitr_coder.ports"], env=env, capture_output=True, check=False)
    if can_import.returncode != 0:
        pytest.skip("the system's Python, which a plain user may run, cannot import this code")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        put(home, {"tree/.keep": "", "notes.txt": "PRIVATE"})
        for path in (home, *home.iterdir()):
            os.chown(path, 65534, 65534)

        done = subprocess.run([*plain, _AS_PLAIN_USER, folder], env=env, capture_output=True, text=True, check=False)

        if done.stdout.startswith("none"):
            pytest.skip(done.stdout)
        assert done.stdout.startswith("bubblewrap\n65534\n"), done
        assert "PRIVATE" not in done.stdout
        assert sorted(path.name for path in (home / "tree").iterdir()) == [".keep", "new"]


_AS_PLAIN_USER = """
import asyncio, pathlib, sys
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.ports import Place

async def main():
    home = pathlib.Path(sys.argv[1])
    e = await choose_executor(mode="auto", home=home / ".equitr", readable=[], environ={"HOME": str(home)})
    print(e.confinement.kind, flush=True)
    if not e.confinement.is_confined:
        sys.exit(e.confinement.reason)
    command = f"id -u; echo x > new; cat {home}/notes.txt; touch /tmp/ok ~/ok; git init"
    r = await e.run(command, Place(root=home / "tree"), timeout=20)
    print(r.output.decode(), r.exit_code)

asyncio.run(main())
"""
