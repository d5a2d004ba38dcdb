"""The sandbox of macOS, as far as another system can tell: the text of its profile, and when it is chosen. No test here
has run on a Mac.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.adapters.sandbox.seatbelt_profile import Sights, seatbelt_profile
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import Executor
from tests.adapters.sandbox.conftest import Machine, put

TREE = '/Users/ann/my "own" \\ work/demo'
SIGHTS = Sights(
    hidden=("/Users",), shown=("/Users/ann/.pyenv",), written=(TREE, "/private/x"),
    kept=(f"{TREE}/.git",), secrets=("/Users/ann/.ssh",),
)  # fmt: skip
Rule = tuple[str, str, str, str]
Choose = Callable[..., Awaitable[Executor]]


def rules(profile: str) -> list[Rule]:
    """Verdict, operations, kind of filter and path of each rule with paths, in order, as Scheme reads its quotes."""
    found: list[Rule] = []
    for verdict, operations, body in re.findall(r"(?m)^\((allow|deny) ([a-z\-* ]+)((?:\n? +\(.*)*)", profile):
        for kind, quoted in re.findall(r'\((subpath|literal) "((?:[^"\\]|\\.)*)"\)', body):
            found.append((verdict, operations, kind, re.sub(r"\\(.)", r"\1", quoted)))
    return found


def may(profile: str, operation: str, path: str) -> bool:
    """As the manual says: the last rule that fits counts, and nothing is allowed that none names."""
    is_allowed = f"(allow {operation})" in profile
    for verdict, operations, kind, at in rules(profile):
        fits = path == at or (kind == "subpath" and path.startswith(f"{at}/"))
        if fits and operation in operations.split():
            is_allowed = verdict == "allow"
    return is_allowed


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ("file-write*", f"{TREE}/a.py", True),
        ("file-write*", "/private/x/home/.cache", True),
        ("file-write*", f"{TREE}/.git/hooks/pre-commit", False),
        ("file-write*", f"{TREE}/.git", False),
        ("file-write*", f"{TREE}-next-to-it/a.py", False),
        ("file-write*", "/usr/local/bin/git", False),
        ("file-write*", "/Users/ann/.zshrc", False),
        ("file-write*", "/Users/ann/.pyenv/shims/python3", False),
        ("file-read*", "/usr/bin/git", True),
        ("file-read*", f"{TREE}/a.py", True),
        ("file-read*", "/Users/ann/.pyenv/shims/python3", True),
        ("file-read*", "/Users/ann/notes.txt", False),
        ("file-read*", "/Users/ann/.ssh/id_ed25519", False),
        ("file-read-metadata", "/Users/ann", True),
    ],
)
def test_the_last_rule_for_a_path_is_the_one_meant(operation: str, path: str, expected: bool) -> None:
    assert may(seatbelt_profile(SIGHTS), operation, path) is expected


def test_nothing_is_allowed_by_default_and_no_write_without_a_path() -> None:
    profile = seatbelt_profile(SIGHTS)

    assert profile.splitlines()[:2] == ["(version 1)", "(deny default)"]
    assert "allow default" not in profile
    assert not re.search(r"\(allow [^()]*file-write[^()]*\)", profile)
    assert "network" not in profile


def test_no_rule_is_left_without_its_paths() -> None:
    profile = seatbelt_profile(Sights((), (), (), (), ()))

    assert rules(profile) == [
        ("allow", "file-ioctl file-write-data", "literal", path) for path in ("/dev/null", "/dev/zero", "/dev/tty")
    ]
    assert profile.count("(") == profile.count(")")


def test_of_the_network_the_proxy_alone_is_reached() -> None:
    profile = seatbelt_profile(SIGHTS, proxy_port=50123)

    assert re.findall(r"\(allow network.*", profile) == ['(allow network-outbound (remote tcp "localhost:50123"))']


@pytest.mark.parametrize("path", ["/Users/ann/a\nb", "/Users/ann/\x1b[2J", "relative"])
def test_a_path_that_cannot_be_written_is_refused(path: str) -> None:
    with pytest.raises(UserError, match="cannot be named"):
        seatbelt_profile(Sights((), (), (path,), (), ()))


@pytest.fixture
def mac(demo: Machine, tmp_path: Path) -> Choose:
    """A `sandbox-exec` that keeps the profile it is given and holds nothing."""
    put(tmp_path / "bin", {"sandbox-exec": f'#!/bin/sh\nprintf %s "$2" >{tmp_path}/profile\nshift 2\nexec "$@"\n'})
    (tmp_path / "bin" / "sandbox-exec").chmod(0o755)

    async def choose(mode: str = "auto", *, system: str = "darwin", path: str = f"{tmp_path}/bin:") -> Executor:
        environ = {**demo.environ, "PATH": f"{path}/usr/bin:/bin"}
        return await choose_executor(mode=mode, home=demo.equitr_home, readable=[], environ=environ, system=system)

    return choose


async def test_it_is_chosen_on_macos_alone_and_relied_on_only_by_name(mac: Choose) -> None:
    chosen = {
        (mode, system): (await mac(mode, system=system)).confinement
        for mode in ("auto", "seatbelt", "bubblewrap", "off")
        for system in ("darwin", "linux")
    }

    kinds = {key: confinement.kind for key, confinement in chosen.items()}
    assert {key for key, kind in kinds.items() if kind == "seatbelt"} == {("auto", "darwin"), ("seatbelt", "darwin")}
    assert kinds["bubblewrap", "darwin"] == kinds["off", "darwin"] == kinds["seatbelt", "linux"] == "none"
    assert not chosen["auto", "darwin"].holds(in_place=False)
    assert chosen["seatbelt", "darwin"].holds(in_place=True)


async def test_without_the_program_there_is_none(mac: Choose) -> None:
    confinement = (await mac(path="")).confinement

    assert (confinement.kind, confinement.reason) == ("none", "`sandbox-exec` is not on PATH")


async def test_a_command_is_started_with_the_profile_of_its_place(mac: Choose, demo: Machine, tmp_path: Path) -> None:
    executor = await mac()

    result = await executor.run("echo $HOME; pwd", demo.place, timeout=30)

    home, tree = result.output.decode().splitlines()
    profile = (tmp_path / "profile").read_text(encoding="utf-8")
    assert tree == str(demo.worktree)
    assert may(profile, "file-write*", f"{home}/.cache/x")
    assert may(profile, "file-write*", f"{tree}/a.txt")
    assert not may(profile, "file-write*", f"{tree}/.git")
    assert not may(profile, "file-write*", str(demo.checkout / "a.txt"))
    assert may(profile, "file-read*", str(demo.checkout / ".git" / "config"))
    for hidden in ("notes.txt", ".ssh/id_ed25519", ".equitr/config.yaml", ".equitr/worktrees/w/r/T2/other.py"):
        assert not may(profile, "file-read*", str(demo.home / hidden)), hidden
