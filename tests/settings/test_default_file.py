from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.domain.errors import UserError
from equitr_coder.settings.faults import KeyPath, key_text
from equitr_coder.settings.keys import known_keys
from equitr_coder.settings.layers import parse_config
from equitr_coder.settings.schema import Settings
from equitr_coder.settings.shipped import config_dir
from equitr_coder.settings.yaml_text import Node, read

DEFAULT = config_dir() / "default.yaml"


def leaves(node: Node, path: KeyPath = ()) -> dict[KeyPath, Node]:
    if not isinstance(node.value, dict) or path == ("llm", "prices"):
        return {path: node}
    return {key: leaf for name, child in node.value.items() for key, leaf in leaves(child, (*path, name)).items()}


def comment_above(lines: list[str], line: int) -> str:
    above: list[str] = []
    for text in reversed(lines[: line - 1]):
        if not text.strip().startswith("#"):
            break
        above.insert(0, text.strip().lstrip("# "))
    return " ".join(above)


def without_decimals(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_decimals(item) for key, item in value.items()}
    return float(value) if isinstance(value, Decimal) else value


def test_the_file_and_the_schema_name_exactly_the_same_keys() -> None:
    named = leaves(read(DEFAULT.read_text(), name="default.yaml"))

    assert list(named) == list(known_keys())


def test_the_defaults_of_the_file_are_the_defaults_of_the_schema() -> None:
    in_file = parse_config(DEFAULT.read_text(), name="default.yaml")

    assert in_file == Settings()
    assert in_file.llm.budget == Decimal("10.00")


def test_every_default_is_written_out_in_the_file() -> None:
    """A key left empty would count as not set, and prove nothing about its default."""
    for path, node in leaves(read(DEFAULT.read_text(), name="default.yaml")).items():
        assert not node.is_empty, key_text(path)


def test_every_key_has_a_comment() -> None:
    lines = DEFAULT.read_text().splitlines()

    for path, node in leaves(read(DEFAULT.read_text(), name="default.yaml")).items():
        assert len(comment_above(lines, node.line)) > 10, key_text(path)


def test_another_yaml_reader_reads_the_same_file() -> None:
    ours = read(DEFAULT.read_text(), name="default.yaml").plain()

    assert yaml.safe_load(DEFAULT.read_text()) == without_decimals(ours)


def test_an_installed_package_has_its_own_copy_of_the_data_files(tmp_path: Path) -> None:
    package = tmp_path / "equitr_coder"
    for folder in (package / "_config", tmp_path / "config"):
        folder.mkdir(parents=True)
        (folder / "default.yaml").write_text("")

    assert config_dir(package) == package / "_config"


def test_missing_data_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="configuration files are missing"):
        config_dir(tmp_path)


def test_the_data_files_are_found_in_a_checkout() -> None:
    assert (config_dir() / "profiles").is_dir()
    assert (config_dir() / "presets").is_dir()
    assert config_dir() == Path(__file__).resolve().parents[2] / "config"
