from typing import TYPE_CHECKING

import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.settings.worktree import WorktreeSetup, worktree_setup

if TYPE_CHECKING:
    from tests.settings.conftest import Machine

TEXT = """
links: [node_modules, packages/a/node_modules]
copies: [.env.test]
setup: "npm ci --offline"
setup_inputs:
  - package-lock.json
ports: [PORT, db_port]
"""


def found(machine: "Machine") -> WorktreeSetup:
    return worktree_setup(machine.load().project)


def test_a_trusted_file_is_read(machine: "Machine") -> None:
    machine.project(TEXT, name="worktree.yaml")
    machine.trust()

    assert found(machine) == WorktreeSetup(
        links=("node_modules", "packages/a/node_modules"),
        copies=(".env.test",),
        setup="npm ci --offline",
        setup_inputs=("package-lock.json",),
        ports=("PORT", "db_port"),
    )


def test_a_file_that_is_not_trusted_sets_nothing_up(machine: "Machine") -> None:
    machine.project(TEXT, name="worktree.yaml")

    assert found(machine) == WorktreeSetup()


def test_no_file_sets_nothing_up(machine: "Machine") -> None:
    assert found(machine) == WorktreeSetup()


def test_keys_without_a_value_are_not_given(machine: "Machine") -> None:
    machine.project("links:\nsetup: make\n", name="worktree.yaml")
    machine.trust()

    assert found(machine) == WorktreeSetup(setup="make")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "links:\n  - node_modules\n  - ../outside\n",
            ":3: links: expected paths inside the repository, such as node_modules; found the text '../outside'",
        ),
        (
            "copies: [/etc/passwd]\n",
            ":1: copies: expected paths inside the repository, such as node_modules; found the text '/etc/passwd'",
        ),
        (
            "copies: [.git/config]\n",
            ":1: copies: expected paths inside the repository, such as node_modules; found the text '.git/config'",
        ),
        ("links: ['.']\n", ":1: links: expected paths inside the repository, such as node_modules; found the text '.'"),
        ("setup: [make]\n", ":1: setup: expected text; found a list"),
        (
            "ports:\n  - PORT\n  - DB PORT\n",
            ":3: ports: expected names of variables of your own, such as PORT and DB_PORT; found the text 'DB PORT'",
        ),
        (
            "ports: [PATH]\n",
            ":1: ports: expected names of variables of your own, such as PORT and DB_PORT; found the text 'PATH'",
        ),
        (
            "ports: [EQUITR_WORKTREE]\n",
            ":1: ports: expected names of variables of your own, such as PORT and DB_PORT; "
            "found the text 'EQUITR_WORKTREE'",
        ),
        ("ports: 8080\n", ":1: ports: expected a list of texts, such as [first, second]; found the number 8080"),
        ("setup: make\nlink: [x]\n", ":2: link: there is no such key"),
        ("just text\n", ":1: the file: expected a section: keys with values, indented under it; found the text"),
    ],
)
def test_faults_name_line_key_and_what_was_expected(text: str, expected: str, machine: "Machine") -> None:
    path = machine.project(text, name="worktree.yaml")
    machine.trust()

    with pytest.raises(UserError) as caught:
        found(machine)

    assert str(caught.value).startswith(f"{path}{expected}")
    assert caught.value.exit_code == 2
