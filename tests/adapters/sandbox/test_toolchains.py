"""Programs of the caller's PATH work inside, wherever they are installed."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.sandbox.toolchains import find_toolchains
from tests.adapters.sandbox.conftest import BASE_BIN, Machine, put

WHICH = "python3 -c 'import sys; print(sys.executable, sys.prefix)'"
SYSTEM = "/usr/bin:/bin"


def executable(path: Path, text: str) -> None:
    put(path.parent, {path.name: text})
    path.chmod(0o755)


def outside(command: str, machine: Machine) -> str:
    shell = ["/bin/sh", "-c", command]
    done = subprocess.run(shell, env=machine.environ, cwd=machine.worktree, capture_output=True, text=True, check=True)
    return done.stdout.strip()


async def test_python3_is_the_callers(demo: Machine) -> None:
    expected = outside(WHICH, demo)

    assert await demo.says(WHICH) == expected


@pytest.mark.skipif("PYENV_ROOT" not in os.environ and not Path.home().joinpath(".pyenv").exists(), reason="no pyenv")
async def test_python3_of_a_real_pyenv_is_the_callers(demo: Machine) -> None:
    demo.environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    expected = outside(WHICH, demo)

    assert await demo.says(WHICH) == expected
    assert await (await demo.executor()).interpreter(demo.place) == expected.split()[0]


async def test_python3_of_a_virtual_environment_under_home_is_the_callers(
    demo: Machine, make_environment: Callable[[Path], Path]
) -> None:
    environment = demo.home / "environments" / "one"
    put(make_environment(environment), {"extra.py": "name = 'extra'\n"})
    demo.environ["PATH"] = f"{environment}/bin:{SYSTEM}"

    assert await demo.says(WHICH) == f"{environment}/bin/python3 {environment}"
    assert await demo.says("python3 -c 'import extra; print(extra.name)'") == "extra"
    assert await (await demo.executor()).interpreter(demo.place) == f"{environment}/bin/python3"


async def test_an_interpreter_copied_under_home_and_reached_by_links_works(
    demo: Machine, make_environment: Callable[[Path], Path]
) -> None:
    """As uv has it: ~/.local/bin/python3 -> uv/python/cpython-3.11 -> cpython-3.11.7."""
    store = demo.home / ".local/share/uv/python"
    real = store / "cpython-3.11.7"
    (real / "bin").mkdir(parents=True)
    (real / "lib").mkdir()
    executable(real / "bin/python3.11", f'#!/bin/sh\nexec {BASE_BIN}/python3 "$@"\n')
    (store / "cpython-3.11").symlink_to("cpython-3.11.7")
    (demo.home / ".local/bin").mkdir()
    (demo.home / ".local/bin/python3").symlink_to(store / "cpython-3.11/bin/python3.11")
    put(demo.home / ".local/share", {"keyrings/login.keyring": "PRIVATE"})
    demo.environ["PATH"] = f"{demo.home}/.local/bin:{demo.environ['PATH']}"

    assert await demo.says("python3 -c 'print(6 * 7)'") == "42"
    assert "keyrings" not in await demo.says("ls ~/.local/share")


async def test_a_pyenv_style_shim_finds_its_version(demo: Machine) -> None:
    pyenv = demo.home / ".pyenv"
    executable(pyenv / "shims/python3", '#!/bin/sh\nexec "$PYENV_ROOT/libexec/pyenv" "$@"\n')
    executable(
        pyenv / "libexec/pyenv", '#!/bin/sh\nexec "$PYENV_ROOT/versions/$(cat $PYENV_ROOT/version)/bin/python3" "$@"\n'
    )
    executable(pyenv / "versions/3.11.7/bin/python3", f'#!/bin/sh\nexec {BASE_BIN}/python3 "$@"\n')
    put(pyenv, {"version": "3.11.7"})
    demo.environ["PATH"] = f"{pyenv}/shims:{demo.environ['PATH']}"

    assert await demo.says("command -v python3; python3 -c 'print(6 * 7)'") == f"{pyenv}/shims/python3\n42"


async def test_programs_of_an_installation_under_home_find_their_library(demo: Machine) -> None:
    node = demo.home / ".nvm/versions/node/v20"
    executable(
        node / "lib/node_modules/npm/cli.js", '#!/bin/sh\necho npm from $(cat "$(dirname "$0")/../lib/version")\n'
    )
    put(node, {"lib/version": "v20"})
    (node / "bin").mkdir()
    (node / "bin/npm").symlink_to("../lib/node_modules/npm/cli.js")
    put(demo.home / ".nvm", {"secret": "PRIVATE"})
    demo.environ["PATH"] = f"{node}/bin:{demo.environ['PATH']}"

    assert await demo.says("npm") == "npm from v20"
    assert await demo.says("ls ~/.nvm") == "versions"


async def test_a_pipe_in_a_folder_on_path_holds_nobody_up(demo: Machine) -> None:
    executable(demo.home / "tools" / "hello", "#!/bin/sh\necho hello\n")
    os.mkfifo(demo.home / "tools" / "pipe")
    demo.environ["PATH"] = f"{demo.home / 'tools'}:{SYSTEM}"

    assert await asyncio.wait_for(demo.says("hello"), 30) == "hello"


async def test_a_folder_on_path_that_is_a_link_works(demo: Machine) -> None:
    """As fnm has it: the folder on PATH lies behind a link that changes with the shell."""
    real = demo.home / ".local/share/fnm/v20/installation"
    executable(real / "bin/node", '#!/bin/sh\ncat "$(dirname "$0")/../lib/version"\n')
    put(real, {"lib/version": "v20"})
    shells = demo.folder / "multishells"
    shells.mkdir()
    (shells / "17").symlink_to(real)
    demo.environ["PATH"] = f"{shells}/17/bin:{demo.environ['PATH']}"

    assert await demo.says("node") == "v20"


async def test_credentials_of_a_toolchain_stay_hidden(demo: Machine) -> None:
    executable(demo.home / ".cargo/bin/cargo", "#!/bin/sh\necho cargo $CARGO_HOME\n")
    put(
        demo.home,
        {
            ".cargo/credentials.toml": "PRIVATE",
            ".cargo/registry/index/x": "public",
            ".tools/bin/x": "",
            ".tools/lib/x": "",
            ".tools/.npmrc": "PRIVATE",
        },
    )
    demo.environ["PATH"] = f"{demo.home}/.cargo/bin:{demo.home}/.tools/bin:{demo.environ['PATH']}"

    result = await demo.run("cargo; cat ~/.cargo/registry/index/x ~/.cargo/credentials.toml ~/.tools/.npmrc")

    assert result.output.startswith(f"cargo {demo.home}/.cargo\npublic".encode()), result.output
    assert b"PRIVATE" not in result.output


async def test_packages_of_the_user_stay_importable(demo: Machine) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    put(demo.home / f".local/lib/{version}/site-packages", {"mine.py": "name = 'mine'\n"})

    seen = await demo.says("python3 -c 'import mine; print(mine.name)'")
    clean = await demo.run("python3 -c 'import mine; print(mine.name)'", clean=True)

    assert seen == "mine"
    assert clean.output == b"mine\n"


async def test_scripts_of_the_user_find_the_interpreter_they_name(
    demo: Machine, make_environment: Callable[[Path], Path]
) -> None:
    environment = demo.home / ".local/share/pipx/venvs/tool"
    put(make_environment(environment), {"tool.py": "name = 'tool'\n"})
    script = f"#!{environment}/bin/python3\nimport tool\nprint(tool.name)\n"
    executable(demo.home / ".local/bin/tool", script)
    demo.environ["PATH"] = f"{demo.home}/.local/bin:{SYSTEM}"

    assert await demo.says("tool") == "tool"


async def test_an_environment_that_was_taken_away_stops_nothing(
    demo: Machine, make_environment: Callable[[Path], Path]
) -> None:
    make_environment(demo.home / "environment")
    demo.environ["PATH"] = f"{demo.home}/environment/bin:{demo.environ['PATH']}"
    executor = await demo.executor()
    await executor.run("true", demo.place, timeout=10)

    shutil.rmtree(demo.home / "environment")

    assert (await executor.run("true", demo.place, timeout=10)).exit_code == 0


async def test_a_shared_folder_is_never_shown_as_a_whole(demo: Machine) -> None:
    executable(demo.home / "bin/mine", "#!/bin/sh\necho mine\n")
    put(demo.home, {"lib/secret": "PRIVATE", ".local/lib/x": "", ".local/bin/x": ""})
    put(demo.home / "work/other", {".git/config": "", "lib/x": "", "bin/other": "", "secret": "PRIVATE"})
    demo.environ["PATH"] = f"{demo.home}/bin:{demo.home}/.local/bin:{demo.home}/work/other/bin:{demo.environ['PATH']}"

    assert await demo.says("mine") == "mine"
    assert await demo.says("find ~ -name secret -o -name x | sort") == f"{demo.home}/.local/bin/x"


async def test_private_folders_can_be_written(demo: Machine) -> None:
    assert await demo.says("touch ~/x $TMPDIR/x /tmp/y /dev/shm/z && echo $HOME $TMPDIR") == f"{demo.home} /tmp"
    assert not (demo.home / "x").exists()


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
async def test_node_runs(demo: Machine) -> None:
    demo.environ["PATH"] = os.environ["PATH"]

    assert await demo.says("node -e 'console.log(6 * 7)'") == "42"


@pytest.mark.skipif(
    shutil.which("cargo") is None or not Path.home().joinpath(".rustup/toolchains").is_dir(), reason="no rustup here"
)
async def test_cargo_builds_offline(demo: Machine) -> None:
    demo.environ |= {"PATH": os.environ["PATH"], "HOME": str(Path.home())}
    put(demo.worktree, {"Cargo.toml": '[package]\nname = "d"\nversion = "0.1.0"\n', "src/lib.rs": "pub fn f() {}\n"})

    result = await demo.run("cargo check --offline -q && ls -d target")

    assert result.output == b"target\n", result.output


def test_toolchain_variables_are_set_only_for_what_exists(tmp_path: Path) -> None:
    executable(tmp_path / "home/.cargo/bin/cargo", "")
    (tmp_path / "rustup/toolchains").mkdir(parents=True)
    environ = {"PATH": f"{tmp_path}/home/.cargo/bin", "RUSTUP_HOME": str(tmp_path / "rustup"), "GOPATH": "/nowhere"}

    found = find_toolchains(environ, home=tmp_path / "home")

    assert found.variables == {"CARGO_HOME": f"{tmp_path}/home/.cargo", "RUSTUP_HOME": str(tmp_path / "rustup")}
    assert set(found.roots) == {f"{tmp_path}/home/.cargo/bin", f"{tmp_path}/rustup/toolchains"}


async def test_a_toolchain_of_another_home_than_home_works(demo: Machine) -> None:
    other = demo.folder / "other" / ".pyenv"
    executable(other / "shims/tool", '#!/bin/sh\necho tool of $PYENV_ROOT from $(cat "$PYENV_ROOT/version")\n')
    put(other, {"version": "3.11.7"})
    put(other.parent, {"secret": "PRIVATE"})
    demo.environ["PATH"] = f"{other}/shims:{demo.environ['PATH']}"

    assert await demo.says("tool") == f"tool of {other} from 3.11.7"
    assert await demo.says(f"ls -A {other.parent}") == ".pyenv"
