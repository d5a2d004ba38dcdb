from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import CommandResult, Place
from equitr_coder.tools.read_file import ReadFile
from equitr_coder.tools.run_command import RunCommand, plain_text


@pytest.fixture
def tool(executor: Any, outputs: Any, tmp_path: Path) -> RunCommand:
    return RunCommand(executor, Place(root=tmp_path), outputs)


async def test_a_command_runs_at_the_root_and_answers_with_exit_code_and_output(
    tool: RunCommand, session: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("hello\n")

    result = await session.call(tool, {"command": " cat a.txt; echo problem >&2; exit 3 "})

    first, *rest = result.for_model.split("\n")
    assert first.startswith("exit 3 in ")
    assert rest == ["hello", "problem"]
    assert result.for_user == f"{first}: cat a.txt; echo problem >&2; exit 3"
    assert not result.is_error


async def test_silence_is_said(tool: RunCommand, session: Any) -> None:
    assert (await session.call(tool, {"command": "true"})).for_model.endswith("\n(no output)")


async def test_a_command_that_takes_too_long_is_killed_and_said_to_be(tool: RunCommand, session: Any) -> None:
    result = await session.call(tool, {"command": "sleep 60", "timeout": 0.05})

    assert result.for_model.startswith("timed out after 0.05 s and was killed")


async def test_the_timeout_has_a_default_and_a_limit(tool: RunCommand, session: Any, executor: Any) -> None:
    await session.call(tool, {"command": "true"})
    await session.call(tool, {"command": "true", "timeout": "100000"})

    assert executor.timeouts == [120, 600]


async def test_a_signal_is_named(tool: RunCommand, session: Any) -> None:
    result = await session.call(tool, {"command": "kill -9 $$"})

    assert result.for_model.startswith("exit 137 (killed by signal 9) in ")


async def test_long_output_keeps_head_and_tail_and_the_rest_can_be_read(
    tool: RunCommand, session: Any, workspace: Any, outputs: Any
) -> None:
    result = await session.call(tool, {"command": "seq 1 5000"})

    shown = result.for_model.split("\n")
    assert len(result.for_model) < 8_500
    assert shown[1:4] == ["1", "2", "3"]
    assert shown[-1] == "5000"
    gap = next(line for line in shown if line.startswith("["))
    name, offset = gap.split('path="')[1].split('"')[0], int(gap.split("offset=")[1].split(")")[0])
    assert shown[shown.index(gap) - 1] == str(offset - 1)
    rest = await session.call(ReadFile(workspace, outputs), {"path": name, "offset": offset, "limit": 2})
    assert rest.for_model.startswith(f"{offset:>5}\t{offset}\n")


async def test_one_endless_line_is_cut_too(tool: RunCommand, session: Any) -> None:
    result = await session.call(tool, {"command": "head -c 100000 /dev/zero | tr '\\0' x"})

    assert len(result.for_model) < 8_500
    assert "of 100000 characters left out" in result.for_model


async def test_what_the_executor_already_cut_is_said(executor: Any, outputs: Any, session: Any, tmp_path: Path) -> None:
    class Cutting(type(executor)):  # type: ignore[misc]  # the fixture's class cannot be imported
        async def run(self, *_: Any, **__: Any) -> CommandResult:
            return CommandResult(0, b"some", truncated=True, duration_ms=1500)

    result = await session.call(RunCommand(Cutting(), Place(root=tmp_path), outputs), {"command": "x"})

    assert result.for_model == "exit 0 in 1.5 s\nsome\n[the command printed more than is kept; this is what was kept]"


async def test_the_limit_that_ended_it_is_told_to_model_and_user(
    executor: Any, outputs: Any, session: Any, tmp_path: Path
) -> None:
    class Killing(type(executor)):  # type: ignore[misc]  # the fixture's class cannot be imported
        async def run(self, *_: Any, **__: Any) -> CommandResult:
            return CommandResult(137, b"[killed: 9 processes]\n", duration_ms=1500, killed_for="9 processes")

    result = await session.call(RunCommand(Killing(), Place(root=tmp_path), outputs), {"command": "x"})

    assert result.for_model == "exit 137 (killed: 9 processes) in 1.5 s\n[killed: 9 processes]"
    assert result.for_user == "exit 137 (killed: 9 processes) in 1.5 s: x"


@pytest.mark.parametrize("command", ["   ", "\n", "a\0b"])
async def test_nothing_to_run_runs_nothing(tool: RunCommand, session: Any, executor: Any, command: str) -> None:
    assert "nothing was run" in await session.failure(tool, {"command": command})
    assert executor.timeouts == []


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (b"\x1b[1;31mred\x1b[0m text\n\n", "red text"),
        (b"\x1b]0;title\x07after", "after"),
        (b"10%\r50%\r100%\ndone\n", "100%\ndone"),
        (b"dos\r\nlines\r\n", "dos\nlines"),
        (b"caf\xe9", "caf\ufffd"),
        ("größe".encode(), "größe"),
    ],
)
def test_output_is_shown_as_a_person_would_see_it(raw: bytes, plain: str) -> None:
    assert plain_text(raw) == plain


@given(st.binary(max_size=200))
def test_any_output_can_be_shown(raw: bytes) -> None:
    shown = plain_text(raw)

    assert "\0" not in shown
    shown.encode()


def test_the_policy_sees_the_command_as_it_will_run(tool: RunCommand) -> None:
    assert tool.touches(tool.parse({"command": "  ls -l \n"})) == Touches(command="ls -l")
