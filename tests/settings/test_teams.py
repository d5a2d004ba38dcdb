from typing import TYPE_CHECKING

import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.settings.teams import Team, load_team

if TYPE_CHECKING:
    from tests.settings.conftest import Machine

FILE = "teams/coding.yaml"
ALONE = "coordination_rules:\n  parallel_execution: no\n"


def team(machine: "Machine") -> Team:
    return load_team(home=machine.home, project=machine.load().project)


def refused(machine: "Machine") -> str:
    with pytest.raises(UserError) as caught:
        team(machine)
    return f"{caught.value}\n{caught.value.hint}".replace(str(machine.home), "HOME")


def shown(machine: "Machine") -> list[tuple[str, str, str]]:
    text = [(entry.key, entry.value, entry.source) for entry in team(machine).entries]
    return [
        (key, value, source.replace(str(machine.home), "HOME").replace(str(machine.repo), "REPO"))
        for key, value, source in text
    ]


def test_the_team_that_ships_works_in_parallel_within_the_configured_time(machine: "Machine") -> None:
    assert (team(machine).is_parallel, team(machine).agent_timeout) == (True, None)
    assert shown(machine) == [
        ("teams.coding.parallel_execution", "true", "default"),
        ("teams.coding.timeout_per_agent_seconds", "null", "default"),
        ("teams.coding.escalation_policy", "vote", "default"),
        ("teams.coding.wait_for_all", "true", "default"),
    ]
    assert (team(machine).escalation_policy, team(machine).waits_for_all) == ("vote", True)


def test_the_users_rules_and_a_trusted_projects_are_taken_key_by_key(machine: "Machine") -> None:
    machine.user(ALONE, name=FILE)
    machine.project("coordination_rules:\n\n  timeout_per_agent_seconds: 5\n", name=FILE)
    machine.trust()

    assert (team(machine).is_parallel, team(machine).agent_timeout) == (False, 5.0)
    assert [source for _, _, source in shown(machine)] == [
        "user HOME/teams/coding.yaml:2",
        "project REPO/.equitr/teams/coding.yaml:3",
        "default",
        "default",
    ]


def test_a_project_that_is_not_trusted_changes_nothing_and_is_shown(machine: "Machine") -> None:
    machine.project(ALONE, name=FILE)

    assert team(machine).is_parallel
    assert ("teams.coding.parallel_execution", "false", "ignored: untrusted REPO/.equitr/teams/coding.yaml") in shown(
        machine
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "coordination_rules:\n  quorum: 2\n",
            "HOME/teams/coding.yaml:2: coordination_rules.quorum: there is no such key\n"
            "known here: parallel_execution, timeout_per_agent_seconds, escalation_policy, wait_for_all",
        ),
        (
            "coordination_rules:\n  escalation_policy: always\n",
            "HOME/teams/coding.yaml:2: coordination_rules.escalation_policy: "
            "expected one of 'vote', 'coordinator' or 'on_disagreement'; found the text 'always'\n"
            "correct line 2 of HOME/teams/coding.yaml",
        ),
        (
            "coordination_rules:\n  wait_for_all: maybe\n",
            "HOME/teams/coding.yaml:2: coordination_rules.wait_for_all: expected true or false; found the text 'maybe'",
        ),
        (
            "pattern: peer_to_peer\n",
            "HOME/teams/coding.yaml:1: pattern: there is no such key\nknown here: coordination_rules",
        ),
        (
            "coordination_rules:\n  timeout_per_agent_seconds: 0\n",
            "HOME/teams/coding.yaml:2: coordination_rules.timeout_per_agent_seconds: "
            "expected a number of seconds greater than 0; found the number 0\n"
            "correct line 2 of HOME/teams/coding.yaml",
        ),
        (
            "- 1\n",
            "HOME/teams/coding.yaml:1: the file: expected a section: keys with values, indented under it; found a list",
        ),
    ],
)
def test_what_is_not_acted_on_is_refused_with_what_is_known(machine: "Machine", text: str, said: str) -> None:
    machine.user(text, name=FILE)

    assert said in refused(machine)


def test_a_file_that_cannot_be_read_is_said(machine: "Machine") -> None:
    (machine.home / FILE).mkdir(parents=True)

    assert "HOME/teams/coding.yaml cannot be read" in refused(machine)
