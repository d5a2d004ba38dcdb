"""Every case of `cases/*.yaml`: files before, an edit, and the files after it or the error that changes none of them.

Written by hand: nothing in them was made by the code under test. `as` is the codec of all files of a case, `unread`
leaves out the read that an edit needs, and `meanwhile` is what somebody else wrote after it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.edit_file import EditFile
from tests.edits.conftest import Desk

FOLDER = Path(__file__).parent / "cases"
FILE = "a.txt"


def load() -> list[Any]:
    cases = []
    for path in sorted(FOLDER.glob("*.yaml")):
        cases += [
            pytest.param(case, id=f"{path.stem}: {case['name']}")
            for case in yaml.safe_load(path.read_text(encoding="utf-8"))
        ]
    return cases


CASES = load()


def text_of(case: Mapping[str, Any], key: str) -> str:
    if f"{key}_repeat" in case:
        piece, count, end = case[f"{key}_repeat"]
        return str(piece) * int(count) + str(end)
    return str(case[key])


def files_before(case: Mapping[str, Any]) -> dict[str, str]:
    return dict(case["files"]) if "files" in case else {FILE: text_of(case, "before")}


def files_after(case: Mapping[str, Any]) -> dict[str, str]:
    return dict(case["afters"]) if "afters" in case else {FILE: text_of(case, "after")}


def patch_of(case: Mapping[str, Any]) -> str:
    if "text" in case:
        return str(case["text"])
    return "\n".join(["*** Begin Patch", *case["patch"], "*** End Patch"])


async def edit(desk: Desk, case: Mapping[str, Any]) -> None:
    if "old" in case:
        arguments = {"path": FILE, "old_text": case["old"], "new_text": case["new"]}
        await desk.call(EditFile(desk.workspace), {**arguments, "replace_all": case.get("all", False)})
    else:
        await desk.call(ApplyPatch(desk.workspace), {"patch": patch_of(case)})


@pytest.mark.parametrize("case", CASES)
async def test_a_case_ends_with_exactly_these_bytes(case: Mapping[str, Any], desk: Desk) -> None:
    codec = case.get("as", "utf-8")
    desk.write({path: text.encode(codec) for path, text in files_before(case).items()})
    if not case.get("unread"):
        await desk.read_all()
    if "meanwhile" in case:
        desk.write({FILE: case["meanwhile"].encode(codec)})
    before = desk.content()

    if "error" in case:
        with pytest.raises(ToolFailure) as caught:
            await edit(desk, case)
        assert case["error"] in str(caught.value)
        assert desk.content() == before
    else:
        await edit(desk, case)
        assert desk.content() == {path: text.encode(codec) for path, text in files_after(case).items()}


def test_there_are_as_many_cases_as_promised_and_no_two_are_the_same() -> None:
    said = [repr({key: value for key, value in case.values[0].items() if key != "name"}) for case in CASES]

    assert len(CASES) >= 250
    assert len(set(said)) == len(said)
