import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from equitr_coder.demo.performance import perform
from equitr_coder.demo.stage import Stage, make_stage
from equitr_coder.domain.errors import RunStopped, StopReason
from equitr_coder.testing.script import Script
from tests.demo.conftest import Retold


def without_sandbox(stage: Stage, folder: Path) -> Stage:
    """The stage on a machine that has git, a shell and Python, where nothing confines a command."""
    folder.mkdir()
    for program in ("git", "sh", "env"):
        found = shutil.which(program)
        assert found is not None
        (folder / program).symlink_to(found)
    path = os.pathsep.join([str(Path(sys.executable).parent), str(folder)])
    return replace(stage, environ=stage.environ | {"PATH": path, "EQUITR_SANDBOX__MODE": "off"})


async def test_without_a_sandbox_the_user_allows_the_commands_and_it_ends_as_well(
    retold: Retold, tmp_path: Path
) -> None:
    story, said = retold(), list[str]()
    stage = without_sandbox(make_stage(story, within=tmp_path), tmp_path / "bin")

    code = await perform(story, stage, said.append)

    assert code == 0, "\n".join(said)
    assert any("asks for permission (run_command): python3 -m unittest tests.test_levels" in line for line in said)
    assert any(line.endswith("sandbox none") for line in said)


async def test_a_claim_that_does_not_hold_is_named_and_the_demo_fails(retold: Retold, tmp_path: Path) -> None:
    story, said = retold(tests="python3 -m unittest tests.test_nothing"), list[str]()

    code = await perform(story, make_stage(story, within=tmp_path), said.append)

    assert code == 1
    assert "  x NOT SO: in the finished checkout the tests pass and the program runs" in said
    assert said[-1] == "The demo FAILED: not everything happened as it should; see the lines marked with x."


async def test_a_run_that_stops_early_is_an_error_after_saying_where_it_stands(retold: Retold, tmp_path: Path) -> None:
    story, said = retold(script=Script(rules=())), list[str]()
    stage = make_stage(story, within=tmp_path)

    with pytest.raises(RunStopped, match="script has no rule") as caught:
        await perform(story, stage, said.append)

    assert caught.value.reason is StopReason.MODEL_ERROR
    assert said[-1] == f"The demo did not reach its end. What there is stands in {stage.folder}"
