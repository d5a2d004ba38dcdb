import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.queries import ConfigAnswer
from equitr_coder.settings.answers import config_answer
from equitr_coder.settings.home import equitr_home, set_user_value, write_user_config
from equitr_coder.settings.teams import load_team

if TYPE_CHECKING:
    from tests.settings.conftest import Machine


def test_the_home_is_where_the_environment_says() -> None:
    assert equitr_home({"HOME": "/home/me"}) == Path("/home/me/.equitr")
    assert equitr_home({"HOME": "/home/me", "EQUITR_HOME": "/data/e"}) == Path("/data/e")
    assert equitr_home({"HOME": "/home/me", "EQUITR_HOME": "~/e"}) == Path("/home/me/e")
    assert equitr_home({"HOME": "/home/me", "EQUITR_HOME": " "}) == Path("/home/me/.equitr")
    with pytest.raises(UserError, match="no home directory"):
        equitr_home({})


def test_a_first_configuration_is_written_for_the_user_alone(machine: "Machine") -> None:
    written = write_user_config(machine.home, "llm: {model: m}\n")

    path = machine.home / "config.yaml"
    assert written.path == str(path)
    assert path.read_text() == "llm: {model: m}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.home.stat().st_mode) == 0o700
    assert [item.name for item in machine.home.iterdir()] == ["config.yaml"]
    assert machine.load().settings.llm.model == "m"


def test_older_configurations_are_kept_one_by_one(machine: "Machine") -> None:
    for number in (1, 2, 3, 3):
        write_user_config(machine.home, f"llm: {{model: m{number}}}\n")

    assert {path.name: path.read_text() for path in machine.home.iterdir()} == {
        "config.yaml": "llm: {model: m3}\n",
        "config.yaml.bak": "llm: {model: m1}\n",
        "config.yaml.bak.2": "llm: {model: m2}\n",
    }


def test_a_linked_configuration_stays_a_link(machine: "Machine", tmp_path: Path) -> None:
    machine.home.mkdir()
    (tmp_path / "dotfiles.yaml").write_text("llm: {}\n")
    (machine.home / "config.yaml").symlink_to(tmp_path / "dotfiles.yaml")

    write_user_config(machine.home, "llm: {model: m}\n")

    assert (machine.home / "config.yaml").is_symlink()
    assert (tmp_path / "dotfiles.yaml").read_text() == "llm: {model: m}\n"


@pytest.mark.parametrize("text", ["llm: {modle: m}\n", "llm: ]", "llm: {budget: -1}\n"])
def test_a_configuration_that_is_not_valid_is_not_written(text: str, machine: "Machine") -> None:
    machine.user("llm: {model: old}\n")

    with pytest.raises(UserError, match="the new configuration:1: "):
        write_user_config(machine.home, text)

    assert [path.name for path in machine.home.iterdir()] == ["config.yaml"]
    assert machine.load().settings.llm.model == "old"


def test_a_broken_old_configuration_may_be_replaced(machine: "Machine") -> None:
    machine.user("llm: [\n")

    write_user_config(machine.home, "llm: {model: m}\n")

    assert (machine.home / "config.yaml.bak").read_text() == "llm: [\n"


def test_a_home_that_cannot_be_written_is_two_lines(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")

    with pytest.raises(UserError, match="cannot write") as caught:
        write_user_config(tmp_path / "home", "llm: {}\n")

    assert "EQUITR_HOME" in caught.value.hint
    assert "\n" not in str(caught.value)


def test_the_answer_carries_every_entry_and_warning(machine: "Machine") -> None:
    machine.user("llm:\n  model:\n")
    loaded = machine.load()

    team = load_team(home=machine.home, project=loaded.project)

    answer = config_answer(loaded, team)

    assert answer == ConfigAnswer(entries=(*loaded.entries, *team.entries), warnings=loaded.warnings)
    assert len(loaded.warnings) == 1


def test_one_key_changes_and_the_users_comments_stay(machine: "Machine") -> None:
    write_user_config(machine.home, "llm:\n  model: m  # mine\n")

    set_user_value(machine.home, "llm.budget", "2.50")
    set_user_value(machine.home, "llm.models.worker", "a/b:free")
    set_user_value(machine.home, 'llm.prices."a/b-1.5"', "{input: 1, output: 2}")
    set_user_value(machine.home, "checks.default", "yes | make: all")

    assert (machine.home / "config.yaml").read_text() == (
        "llm:\n  model: m  # mine\n  budget: 2.50\n  models:\n    worker: a/b:free\n"
        '  prices:\n    a/b-1.5: {input: 1, output: 2}\nchecks:\n  default: "yes | make: all"\n'
    )
    settings = machine.load().settings
    assert (str(settings.llm.budget), settings.checks.default) == ("2.50", "yes | make: all")

    set_user_value(machine.home, "llm.budget", None)
    assert "budget" not in (machine.home / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("llm.modle", "m", "there is no key"),
        ("llm", "{}", "there is no key"),
        ("llm.budget", "-1", "expected"),
        ("llm.budget", "[", "not usable YAML"),
    ],
)
def test_a_wrong_key_or_value_changes_nothing(machine: "Machine", key: str, value: str, problem: str) -> None:
    write_user_config(machine.home, "llm: {model: m}\n")

    with pytest.raises(UserError, match=problem):
        set_user_value(machine.home, key, value)

    assert [item.name for item in machine.home.iterdir()] == ["config.yaml"]
    assert (machine.home / "config.yaml").read_text() == "llm: {model: m}\n"
