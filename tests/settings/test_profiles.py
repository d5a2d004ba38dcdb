from typing import TYPE_CHECKING

import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.models import Tier
from equitr_coder.ports import Profile
from equitr_coder.settings.profiles import load_profiles

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tests.settings.conftest import Machine

READING = ("read_file", "list_files", "search")
CHAT = ("read_file", "write_file", "edit_file", "apply_patch", "list_files", "search", "run_command", "recall")
WHOLE = "role: worker\ntier: weak\nprompt: worker\ntools: [Read, Grep]\n"


def profiles(machine: "Machine", known: "Collection[str] | None" = None) -> "Mapping[str, Profile]":
    return load_profiles(home=machine.home, project=machine.load().project, known_tools=known)


def refused(machine: "Machine", known: "Collection[str] | None" = None) -> str:
    with pytest.raises(UserError) as caught:
        profiles(machine, known)
    return f"{caught.value}\n{caught.value.hint}".replace(str(machine.home), "HOME")


def test_seven_profiles_ship(machine: "Machine") -> None:
    shipped = profiles(machine)

    assert {name: (profile.role, profile.tier) for name, profile in shipped.items()} == {
        "arbiter": ("coordinator", Tier.STRONG),
        "chat": ("specialist", Tier.STRONG),
        "merger": ("coordinator", Tier.STRONG),
        "planner": ("coordinator", Tier.STRONG),
        "reviewer": ("specialist", Tier.STRONG),
        "supervisor": ("coordinator", Tier.STRONG),
        "worker": ("worker", Tier.WEAK),
    }
    assert {name: profile.tools for name, profile in shipped.items()} == {
        "chat": CHAT,
        "worker": (*CHAT, "tick_todo", "hand_in", "publish_artifact", "read_artifact", "ask_supervisor"),
        "planner": (*READING, "recall", "ask_user", "write_document", "submit_plan"),
        "supervisor": (*READING, "ask_user"),
        "reviewer": (*READING, "review"),
        "arbiter": (*READING, "review", "pass_on"),
        "merger": (*CHAT[:-2], "hand_in"),
    }
    prompts = {name: profile.prompt for name, profile in shipped.items() if profile.prompt != name}
    assert prompts == {"arbiter": "reviewer"}
    assert all(profile.name == name for name, profile in shipped.items())


def test_uncertainty_escalates_unless_a_profile_says_otherwise(machine: "Machine") -> None:
    machine.user(WHOLE, name="profiles/mine.yaml")
    machine.user("extends: worker\nauto_escalate_on_uncertainty: false\n", name="profiles/bold.yaml")

    found = profiles(machine)

    assert [found[name].auto_escalate_on_uncertainty for name in ("worker", "mine", "bold")] == [True, True, False]


def test_aliases_mean_our_tools_each_once(machine: "Machine") -> None:
    machine.user(
        "role: worker\ntier: weak\nprompt: worker\ntools: [Read, Write, Edit, Bash, Grep, Glob, read_file]\n",
        name="profiles/mine.yaml",
    )

    assert profiles(machine)["mine"].tools == (
        "read_file",
        "write_file",
        "edit_file",
        "run_command",
        "search",
        "list_files",
    )


def test_a_stronger_layer_overrides_by_name(machine: "Machine") -> None:
    machine.user(WHOLE + "extra_prompt: of the user\n", name="profiles/worker.yaml")
    machine.project(WHOLE + "extra_prompt: of the project\n", name="profiles/worker.yaml")

    untrusted = profiles(machine)["worker"]
    machine.trust()
    trusted = profiles(machine)["worker"]

    assert untrusted == Profile(
        name="worker",
        role="worker",
        tier=Tier.WEAK,
        tools=("read_file", "search"),
        prompt="worker",
        extra_prompt="of the user",
    )
    assert trusted.extra_prompt == "of the project"


def test_a_profile_may_extend_one_of_a_weaker_layer(machine: "Machine") -> None:
    machine.user("extends: worker\nmax_iterations: 5\n", name="profiles/worker.yaml")
    machine.user("extends: reviewer\nspecialization: security\n", name="profiles/security.yaml")
    machine.project("extends: worker\ntemperature: 0.1\n", name="profiles/worker.yaml")
    machine.trust()

    found = profiles(machine)

    worker = found["worker"]
    assert (worker.max_iterations, worker.temperature, worker.tools[-1]) == (5, 0.1, "ask_supervisor")
    assert found["security"] == Profile(
        name="security",
        role="specialist",
        tier=Tier.STRONG,
        tools=(*READING, "review"),
        prompt="reviewer",
        specialization="security",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "role: boss\n",
            "HOME/profiles/x.yaml:1: role: expected one of 'coordinator', 'specialist' or 'worker'; "
            "found the text 'boss'\ncorrect line 1 of HOME/profiles/x.yaml",
        ),
        ("tolls: []\n", "HOME/profiles/x.yaml:1: tolls: there is no such key\ndid you mean tools?"),
        (
            "role: worker\n",
            "HOME/profiles/x.yaml:1: tier: it is missing\nadd `tier`, or `extends` another profile",
        ),
        (
            "\nextends: wroker\n",
            "HOME/profiles/x.yaml:2: extends: there is no profile wroker to extend\n"
            "known: arbiter, chat, merger, planner, reviewer, supervisor, worker",
        ),
        (
            WHOLE + "name: y\n",
            "HOME/profiles/x.yaml:5: name: expected x, as the file is called; found y\ncorrect HOME/profiles/x.yaml",
        ),
        (
            "extends: worker\ntools: [Read, serach]\n",
            "HOME/profiles/x.yaml:2: tools: there is no tool serach\ndid you mean search?",
        ),
    ],
)
def test_faults_name_the_file_the_line_and_the_key(text: str, expected: str, machine: "Machine") -> None:
    machine.user(text, name="profiles/x.yaml")

    known = {tool for profile in profiles_that_ship(machine) for tool in profile.tools}

    assert refused(machine, known) == expected


def profiles_that_ship(machine: "Machine") -> "Collection[Profile]":
    return load_profiles(home=machine.repo, project=machine.load().project).values()
