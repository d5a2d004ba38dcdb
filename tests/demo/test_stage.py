from pathlib import Path

import pytest

from equitr_coder.demo.stage import make_stage
from equitr_coder.demo.story import load_story
from equitr_coder.domain.errors import UserError


def test_the_project_of_the_story_stands_in_a_new_folder_each_time(tmp_path: Path) -> None:
    story = load_story()

    one, other = make_stage(story, within=tmp_path), make_stage(story, within=tmp_path)

    assert one.folder != other.folder
    assert one.folder.name.startswith("equitr-demo-")
    assert {str(path.relative_to(one.checkout)) for path in one.checkout.rglob("*") if path.is_file()} == set(
        story.project
    )
    assert (one.checkout / "stockroom/model.py").read_text() == story.project["stockroom/model.py"]
    assert not one.home.is_relative_to(one.checkout)


def test_a_folder_inside_a_repository_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    inside = tmp_path / "build" / "tmp"
    inside.mkdir(parents=True)

    with pytest.raises(UserError, match="part of the git repository") as caught:
        make_stage(load_story(), within=inside)

    assert "TMPDIR" in caught.value.hint
    assert list(inside.iterdir()) == []


def test_the_configuration_is_that_of_the_story_at_the_given_address(tmp_path: Path) -> None:
    stage = make_stage(load_story(), within=tmp_path)

    stage.configure(load_story().config, api_base="http://127.0.0.1:9/v1")

    text = (stage.home / "config.yaml").read_text()
    assert "api_base: http://127.0.0.1:9/v1" in text
    assert "scripted-demo/strong" in text
