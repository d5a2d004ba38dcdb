import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.sandbox.environment import command_environment, is_harmless
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.ports import Executor
from tests.adapters.sandbox.conftest import Machine

KEYS = {
    "OPENAI_API_KEY": "sk-1",
    "ANTHROPIC_API_KEY": "sk-2",
    "AWS_SECRET_ACCESS_KEY": "s3",
    "GITHUB_TOKEN": "ghp",
    "DATABASE_URL": "postgres://u:p@h/d",
    "SSH_AUTH_SOCK": "/run/s",
    "MY_PASSWORD": "p",
    "EQUITR_HOME": "/x",
    "XDG_RUNTIME_DIR": "/run/user/0",
    "LC_SECRET_TOKEN": "t",
}


@pytest.fixture(params=["confined", "unconfined"])
async def executor(request: pytest.FixtureRequest, demo: Machine) -> Executor:
    demo.environ |= KEYS | {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    if request.param == "confined":
        return await demo.executor()
    return UnconfinedExecutor(reason="test", environ=demo.environ)


async def variables(executor: Executor, demo: Machine, *, clean: bool) -> dict[str, str]:
    result = await executor.run("env -0", demo.place, timeout=10, clean=clean)
    return dict(pair.split("=", 1) for pair in result.output.decode().split("\0") if pair)


@pytest.mark.parametrize("clean", [True, False])
async def test_no_key_reaches_a_command(executor: Executor, demo: Machine, clean: bool) -> None:
    found = await variables(executor, demo, clean=clean)

    assert found.keys().isdisjoint(KEYS)
    assert not set(found.values()) & set(KEYS.values())


async def test_the_callers_language_and_time_reach_a_command_but_not_a_check(executor: Executor, demo: Machine) -> None:
    plain = await variables(executor, demo, clean=False)
    clean = await variables(executor, demo, clean=True)

    assert (plain["LC_ALL"], plain["TZ"], plain["PYTHONHASHSEED"]) == ("C", "Asia/Tokyo", "7")
    assert (clean["LANG"], clean["TZ"], clean["PYTHONHASHSEED"]) == ("C.UTF-8", "UTC", "7")
    assert "LC_ALL" not in clean
    assert clean["PYTHONDONTWRITEBYTECODE"] == "1"


async def test_a_check_has_a_home_of_its_own(executor: Executor, demo: Machine) -> None:
    result = await executor.run("touch ~/mark $TMPDIR/mark; ls ~", demo.place, timeout=10, clean=True)

    assert b"mark\n" in result.output
    assert b"notes.txt" not in result.output
    assert not (demo.home / "mark").exists()


async def test_the_hash_changes_with_what_decides_a_check_and_with_nothing_else(demo: Machine) -> None:
    async def digest(**changes: str) -> str:
        demo.environ |= changes
        executor = await demo.executor()
        unconfined = UnconfinedExecutor(reason="test", environ=demo.environ)
        assert executor.environment_hash(demo.place) == executor.environment_hash(demo.place)
        assert unconfined.environment_hash(demo.place) == unconfined.environment_hash(demo.place)
        return executor.environment_hash(demo.place)

    first = await digest()

    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert await digest(OPENAI_API_KEY="sk-9", TZ="Asia/Tokyo", LC_ALL="C") == first
    assert await digest(PYTHONHASHSEED="8") != first
    second = await digest()
    assert await digest(PATH="/usr/bin:/bin") != second
    third = await digest()
    (demo.worktree / ".python-version").write_text("3.12")
    assert await digest() != third


@given(st.text("ABCDEKLNOPSTUWY_", min_size=1, max_size=6), st.sampled_from(["KEY", "TOKEN", "Secret", "PASSWORD"]))
def test_no_name_that_speaks_of_a_secret_is_harmless(name: str, secret: str) -> None:
    assert not is_harmless(f"{name}{secret}")
    assert not is_harmless(f"LC_{secret}_{name}")


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=12)))
def test_the_environment_is_built_from_allowed_names_only(environ: dict[str, str]) -> None:
    built = command_environment(environ, home="/h", tmp="/t", toolchains={}, clean=False)
    bare = command_environment({}, home="/h", tmp="/t", toolchains={}, clean=False)

    assert all(is_harmless(name) for name in built.keys() - bare.keys())
