import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from equitr_coder.testing.script import ScriptedCall, ScriptedReply, call, calls, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import gate, held, tool_results, writes

PATCH = """*** Begin Patch
*** Update File: one.txt
 first
-second
+zweite
*** End Patch
"""
PATCH_OF_TWO = """*** Begin Patch
*** Update File: one.txt
 first
-second
+zweite
*** Update File: two.txt
-what is not there
+new
*** End Patch
"""


def results(user: Stage) -> list[str]:
    """What the agent was told by its tools, in order."""
    return tool_results(user.asked("weak")[-1])


def test_reading_tools_answer_with_what_is_there(stage: OpenStage) -> None:
    user = stage(
        [
            says(
                "",
                call("read_file", path="src/shop.py"),
                call("list_files"),
                call("list_files", path="src", glob="*.py"),
                call("search", pattern="def p.ice"),
                call("run_command", command="git status --short"),
                call("run_command", command="git diff"),
                call("run_command", command="git log --oneline"),
            ),
            says("Seen."),
        ]
    )
    user.commit({"src/shop.py": "import this\n\ndef price():\n    return 1\n"}, message="a first shop")
    user.write({"src/shop.py": "import this\n\ndef price():\n    return 2\n"})

    assert user.run("chat", "look").code == 0

    read, everything, python, found, status, diff, log = results(user)
    assert "3" in next(line for line in read.splitlines() if "def price():" in line)
    assert "return 2" in read
    assert "README.md" in everything
    assert "src/shop.py" in everything
    assert "shop.py" in python
    assert "README.md" not in python
    assert "src/shop.py" in found
    assert "3" in found
    assert "M src/shop.py" in status
    assert "-    return 1" in diff
    assert "+    return 2" in diff
    assert "a first shop" in log


@pytest.mark.parametrize("programs", [("git", "rg", "bwrap"), ("git", "bwrap")], ids=["ripgrep", "git"])
def test_a_search_answers_the_same_with_and_without_ripgrep(
    stage: OpenStage, tmp_path: Path, programs: tuple[str, ...]
) -> None:
    user = stage([says("", call("search", pattern=r"\bone\b"), call("list_files")), says("Seen.")])
    files = {
        ".gitignore": "out/\n", ".equitrignore": "legacy/\n", "a.py": "one\r\ntwo one \r\n", "out/b.py": "one\n",
        "legacy/c.py": "one\n", ".hidden/d.py": "one", "src/e.py": "none\nGröße one\n",
    }  # fmt: skip
    user.commit(files)
    user.write({"untracked.py": "one\n", "src/f.bin": "one\0"})
    only = tmp_path / "only"
    only.mkdir()
    for program in programs:
        if (found := shutil.which(program)) is not None:
            (only / program).symlink_to(found)
    user.environ["PATH"] = str(only)

    assert user.run("chat", "look").code == 0

    searched, listed = results(user)
    assert searched == (
        ".hidden/d.py\n    1\tone\na.py\n    1\tone\n    2\ttwo one \nsrc/e.py\n    2\tGröße one\n"
        "untracked.py\n    1\tone"
    )
    assert listed.split("\n") == [
        ".equitrignore", ".gitignore", ".hidden/d.py", "README.md", "a.py", "src/e.py", "src/f.bin", "untracked.py",
    ]  # fmt: skip


def test_writing_tools_change_the_files(stage: OpenStage) -> None:
    user = stage(
        [
            calls("write_file", path="deep/new.txt", content="alpha\nbeta\ngamma\n"),
            calls("edit_file", path="deep/new.txt", old_text="beta", new_text="BETA"),
            calls("read_file", path="deep/new.txt", offset=2, limit=1),
            calls("read_file", path="one.txt"),
            calls("apply_patch", patch=PATCH),
            calls("edit_file", path="deep/new.txt", old_text="a", new_text="o", replace_all=True),
            says("Done."),
        ]
    )
    user.commit({"one.txt": "first\nsecond\n"})

    ended = user.run("chat", "write")

    assert ended.code == 0, ended.brief
    assert user.read("deep/new.txt") == "olpho\nBETA\ngommo\n"
    assert user.read("one.txt") == "first\nzweite\n"
    window = results(user)[2]
    assert "BETA" in window
    assert "alpha" not in window
    assert "gamma" not in window


def test_no_tool_leaves_the_repository(stage: OpenStage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("the secret\n")
    attempts: list[ScriptedCall] = []
    for path in ("../outside/secret.txt", str(outside / "secret.txt"), "way-out/secret.txt", "way-in.txt"):
        attempts += [
            call("read_file", path=path),
            call("write_file", path=path, content="changed\n"),
            call("edit_file", path=path, old_text="the secret", new_text="changed"),
        ]
    for path in ("../outside/new.txt", str(outside / "new.txt"), "way-out/new.txt", ".git/hooks/pre-commit"):
        attempts.append(call("write_file", path=path, content="#!/bin/sh\n"))
    attempts += [
        call("list_files", path="../outside"),
        call("list_files", path="way-out"),
        call("search", pattern="secret", path=str(outside)),
        call("search", pattern="secret", path="way-out"),
    ]
    user = stage([says("", *attempts), says("Tried.")])
    (user.repo / "way-out").symlink_to(outside)
    (user.repo / "way-in.txt").symlink_to(outside / "secret.txt")

    ended = user.run("chat", "leave", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    returned = ended.of("tool_returned")
    assert len(returned) == len(attempts)
    not_refused = [event["text"] for event in returned[:16] if not event["is_error"]]
    assert not not_refused
    assert not [text for text in results(user) if "the secret" in text]
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "the secret\n"
    assert not (user.repo / ".git/hooks/pre-commit").exists()


def test_no_command_writes_outside_even_with_yes(stage: OpenStage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    user = stage(
        [
            says(
                "",
                call("run_command", command=f"cd / && touch {outside}/from-root"),
                call("run_command", command=f"mkdir -p ~/made && echo x > ~/made/file; echo x > {outside}/absolute"),
                call("run_command", command=f"echo '{{}}' > {tmp_path}/home/.equitr/config.yaml"),
                call("run_command", command="git commit --allow-empty -m mine; git config user.name Nobody"),
                call("run_command", command="echo inside > inside.txt"),
            ),
            says("Tried."),
        ]
    )
    config = (user.equitr_home / "config.yaml").read_text()

    ended = user.run("chat", "leave", "--yes")

    assert ended.code == 0, ended.brief
    assert len(results(user)) == 5
    assert not list(outside.iterdir())
    assert not (user.home / "made").exists()
    assert (user.equitr_home / "config.yaml").read_text() == config
    assert user.git("rev-list", "--count", "HEAD") == "1"
    assert user.git("config", "user.name") == "A User"
    assert user.read("inside.txt") == "inside\n"


def test_a_bad_call_is_told_to_the_model_and_the_loop_goes_on(stage: OpenStage) -> None:
    bad = (
        ScriptedCall(name="read_file", raw='{"path": "README.md'),
        ScriptedCall(name="read_file", raw='["README.md"]'),
        ScriptedCall(name="read_file", raw=""),
        call("read_file"),
        call("read_file", path={"a": 1}),
        call("read_file", path="README.md", colour="red"),
        call("make_coffee", cups=2),
        call("read_file", path="no/such/file"),
    )
    user = stage([ScriptedReply(calls=bad), calls("read_file", path="README.md"), says("Read at last.")])

    ended = user.run("chat", "read it", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert ended.events[-1]["content"] == "Read at last."
    told = tool_results(user.server.requests[1])
    assert len(told) == len(bad)
    assert "make_coffee" in told[6]
    assert "read_file" in told[6]  # what there is instead
    assert "path" in told[3]
    assert "path" in told[4]
    assert "colour" in told[5]
    assert [event["is_error"] for event in ended.of("tool_returned")] == [True] * len(bad) + [False]


def test_an_edit_is_exact_once_or_an_error(stage: OpenStage) -> None:
    content = "def total(cart):\n    return sum(cart)\n\ndef count(cart):\n    return len(cart)\n"
    user = stage(
        [
            calls("read_file", path="cart.py"),
            says(
                "",
                call("edit_file", path="cart.py", old_text="(cart)", new_text="(basket)"),
                call("edit_file", path="cart.py", old_text="    return sum(carts)", new_text="    return 0"),
                call("edit_file", path="cart.py", old_text="", new_text="x"),
            ),
            says("Tried."),
        ]
    )
    user.commit({"cart.py": content})

    ended = user.run("chat", "edit", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert user.read("cart.py") == content
    assert [event["is_error"] for event in ended.of("tool_returned", name="edit_file")] == [True] * 3
    assert "4" in results(user)[1]  # it stands four times
    assert "return sum(cart)" in results(user)[2]


def test_a_file_that_changed_since_it_was_read_is_not_overwritten(stage: OpenStage) -> None:
    user = stage(
        [
            gate("user-edits"),
            rule(
                calls("read_file", path="README.md"),
                ScriptedReply(
                    calls=(
                        call("edit_file", path="README.md", old_text="Shop", new_text="Store"),
                        writes("README.md", "# Everything new\n"),
                    ),
                    barrier=held("user-edits"),
                ),
                calls("read_file", path="README.md"),
                calls("edit_file", path="README.md", old_text="Shop", new_text="Store"),
                says("Done."),
                model="weak",
            ),
        ]
    )
    process = user.start("chat", "rename the shop")
    user.wait_for("weak", count=2)
    user.write({"README.md": "# Shop\n\nA line of the user.\n"})
    user.open_gate("user-edits")
    out, err = process.communicate(timeout=30)

    assert process.returncode == 0, out + err
    assert user.read("README.md") == "# Store\n\nA line of the user.\n"
    edited, overwritten = results(user)[1:3]
    assert "changed" in edited.lower()
    assert "changed" in overwritten.lower()


def test_long_output_keeps_its_head_and_tail(stage: OpenStage) -> None:
    lines = [f"line number {number} of the file" for number in range(1, 20_001)]
    user = stage(
        [
            says(
                "",
                call("run_command", command="cat long.txt"),
                call("read_file", path="long.txt"),
                call("search", pattern="number"),
            ),
            says("Read."),
        ]
    )
    user.commit({"long.txt": "\n".join(lines) + "\n"})

    assert user.run("chat", "read it").code == 0

    printed, read, found = results(user)
    assert "line number 1 of" in printed
    assert "line number 20000 of" in printed
    assert "line number 10000 of" not in printed
    assert "output:" in printed
    for text in (printed, read, found):
        assert len(text.encode()) < 100_000
    assert "line number 1 of" in read


def test_a_patch_is_all_or_nothing(stage: OpenStage) -> None:
    user = stage(
        [
            says("", call("read_file", path="one.txt"), call("read_file", path="two.txt")),
            calls("apply_patch", patch=PATCH_OF_TWO),
            says("Tried."),
        ]
    )
    user.commit({"one.txt": "first\nsecond\n", "two.txt": "old\n"})

    ended = user.run("chat", "patch", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert ended.of("tool_returned", name="apply_patch")[0]["is_error"]
    assert "two.txt" in results(user)[2]
    assert (user.read("one.txt"), user.read("two.txt")) == ("first\nsecond\n", "old\n")


def test_python_in_a_command_is_the_callers(stage: OpenStage) -> None:
    user = stage([calls("run_command", command="python3 -c 'import sys; print(sys.prefix)'"), says("Seen.")])
    environment = user.home / "tools" / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    user.put_first_on_path(environment / "bin")

    ended = user.run("chat", "which python", "--yes")

    assert ended.code == 0, ended.brief
    assert str(environment) in results(user)[0]


def test_a_command_has_no_key_and_no_network(stage: OpenStage, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connect = f'python3 -c \'import socket; socket.create_connection(("127.0.0.1", {port})); print("in touch")\''
        user = stage(
            [
                says(
                    "",
                    call("run_command", command=f"env; cat {tmp_path}/home/letter; cat ~/letter"),
                    call("run_command", command=connect),
                ),
                says("Tried."),
            ],
            config={"llm": {"api_key_env": "SHOP_KEY"}},
        )
        (user.home / "letter").write_text("dear diary")
        secrets = {"SHOP_KEY": "sk-of-config", "OPENAI_API_KEY": "sk-of-provider", "ANTHROPIC_API_KEY": "sk-other"}
        user.environ |= secrets

        ended = user.run("chat", "tell me the key", "--yes")

    assert ended.code == 0, ended.brief
    environment, connection = results(user)
    assert "PATH=" in environment
    assert "dear diary" not in environment
    assert not [name for name, value in secrets.items() if name in environment or value in environment]
    assert "ConnectionRefusedError" in connection or "OSError" in connection
    assert "in touch" not in connection


def test_a_command_over_its_time_is_killed_whole(stage: OpenStage) -> None:
    seconds = f"60.{os.getpid()}"
    user = stage(
        [
            calls("run_command", command=f"(sleep {seconds} &) ; setsid sleep {seconds} & sleep {seconds}", timeout=1),
            says("It took too long."),
        ]
    )

    ended = user.run("chat", "wait", "--yes", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert "timed out" in ended.of("tool_returned")[0]["text"]
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in running if seconds.encode() in line.split(b"\0")]
