from pathlib import Path
from typing import Any

import pytest

from equitr_coder.adapters.keys.held import HeldKeys
from equitr_coder.tools.edit_file import EditFile
from equitr_coder.tools.read_file import ReadFile
from equitr_coder.tools.redacted import RedactedTool
from equitr_coder.tools.write_file import WriteFile

KEY = "shop-k3y-Ab3dEf6hIj9kLm2n"
SHAPED = "ghp_" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAbCd"


@pytest.fixture
def held() -> HeldKeys:
    keys = HeldKeys()
    keys.hold("SHOP_KEY", KEY)
    return keys


async def test_a_held_key_in_a_file_is_not_read_and_the_shape_of_one_is(
    workspace: Any, outputs: Any, session: Any, held: HeldKeys, tmp_path: Path
) -> None:
    (tmp_path / "a.env").write_text(f"SHOP_KEY={KEY}\nEXAMPLE={SHAPED}\n")

    result = await session.call(RedactedTool(ReadFile(workspace, outputs), held), {"path": "a.env"})

    assert KEY not in result.for_model
    assert "SHOP_KEY=[key SHOP_KEY]" in result.for_model
    assert f"EXAMPLE={SHAPED}" in result.for_model


async def test_the_lines_around_a_held_key_can_be_edited_and_its_mark_never_takes_its_place(
    workspace: Any, outputs: Any, session: Any, held: HeldKeys, tmp_path: Path
) -> None:
    file = tmp_path / "a.env"
    file.write_text(f"SHOP_KEY={KEY}\nPORT=1\n")
    edit, write = RedactedTool(EditFile(workspace), held), RedactedTool(WriteFile(workspace), held)
    await session.call(RedactedTool(ReadFile(workspace, outputs), held), {"path": "a.env"})

    refused = await session.failure(write, {"path": "a.env", "content": "SHOP_KEY=[key SHOP_KEY]\nPORT=2\n"})
    await session.call(edit, {"path": "a.env", "old_text": "PORT=1", "new_text": "PORT=2"})

    assert "[key SHOP_KEY] stands for a key" in refused
    assert file.read_text() == f"SHOP_KEY={KEY}\nPORT=2\n"


async def test_what_a_tool_complains_of_holds_no_key_either(workspace: Any, session: Any, held: HeldKeys) -> None:
    failure = await session.failure(
        RedactedTool(EditFile(workspace), held), {"path": f"{KEY}.txt", "old_text": "a", "new_text": "b"}
    )

    assert KEY not in failure
    assert "[key SHOP_KEY].txt" in failure
