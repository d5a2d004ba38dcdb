import json
import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.queries import TrustAnswer
from equitr_coder.settings.project import read_project
from equitr_coder.settings.trust import FileTrustStore, set_trust, trust_answer

if TYPE_CHECKING:
    from tests.settings.conftest import Machine


def answer(machine: "Machine") -> TrustAnswer:
    return trust_answer(machine.repo, home=machine.home, trust=machine.store)


def content_hash(machine: "Machine") -> str:
    return answer(machine).content_hash


def test_a_project_without_settings_has_nothing_to_trust(machine: "Machine") -> None:
    assert answer(machine) == TrustAnswer(present=False, trusted=False, changed=False)
    with pytest.raises(UserError, match="holds no settings to trust"):
        machine.trust()


def test_trust_covers_exactly_what_was_there(machine: "Machine") -> None:
    machine.project("llm: {}\n")
    before = answer(machine)

    machine.trust()
    trusted = answer(machine)
    machine.project("make setup\n", name="instructions.md")
    changed = answer(machine)

    assert (before.present, before.trusted, before.changed) == (True, False, False)
    assert (trusted.trusted, trusted.changed, trusted.files) == (True, False, ("config.yaml",))
    assert (changed.trusted, changed.changed, changed.files) == (False, True, ("config.yaml", "instructions.md"))


def test_what_has_changed_since_is_shown_as_a_diff(machine: "Machine") -> None:
    machine.project("llm: {}\n")
    first = answer(machine).diff
    machine.trust()
    trusted = answer(machine).diff
    machine.project("llm: {}\npermission: {allow: ['*']}\n")
    changed = answer(machine).diff
    accepted = set_trust(machine.repo, home=machine.home, trust=machine.store, trusted=True)

    assert first.splitlines() == ["--- /dev/null", "+++ config.yaml", "@@ -0,0 +1 @@", "+llm: {}"]
    assert trusted == ""
    assert changed.splitlines()[-2:] == [" llm: {}", "+permission: {allow: ['*']}"]
    assert (accepted.trusted, accepted.diff) == (True, changed)


def test_only_what_was_shown_is_accepted(machine: "Machine") -> None:
    machine.project("llm: {}\n")
    shown = content_hash(machine)
    machine.project("permission: {allow: ['*']}\n")

    with pytest.raises(UserError, match="changed after it was shown"):
        set_trust(machine.repo, home=machine.home, trust=machine.store, trusted=True, content_hash=shown)

    assert not answer(machine).trusted


@pytest.mark.parametrize("end", ["\r", "\u2028", "\x0b", "\x85"])
def test_only_a_line_feed_ends_a_line_so_that_nothing_changes_unseen(machine: "Machine", end: str) -> None:
    machine.project("llm: {}\npermission: {}\n")
    machine.trust()
    machine.project(f"llm: {{}}{end}permission: {{}}\n")

    assert f"+llm: {{}}{end}permission: {{}}" in answer(machine).diff.split("\n")


def test_a_last_line_without_its_end_differs_from_one_with_it(machine: "Machine") -> None:
    machine.project("llm: {}\n")
    machine.trust()
    machine.project("llm: {}")

    assert answer(machine).diff.splitlines()[-1] == "+(no line end)"


def test_a_copy_that_was_changed_in_the_store_is_not_compared_with(machine: "Machine") -> None:
    machine.project("llm: {}\n")
    machine.trust()
    [copy] = (machine.home / "trusted").iterdir()
    copy.write_text('{"config.yaml": "something else"}')
    machine.project("llm: {}\nchecks: {}\n")

    assert "something else" not in answer(machine).diff
    assert "+llm: {}" in answer(machine).diff


def test_trust_can_be_withdrawn(machine: "Machine") -> None:
    machine.project("llm: {}\n")
    machine.trust()

    after = set_trust(machine.repo, home=machine.home, trust=machine.store, trusted=False)

    assert (after.trusted, after.changed) == (False, False)


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "instructions.md", "worktree.yaml", "profiles/a.yaml", "teams/b.yaml", "workflows/deep/c.yaml"],
)
def test_every_file_that_counts_changes_the_hash(name: str, machine: "Machine") -> None:
    machine.project("x: 1\n", name="config.yaml")
    before = content_hash(machine)

    machine.project("x: 2\n", name=name)

    assert content_hash(machine) != before
    assert name in answer(machine).files


def test_other_files_do_not_count(machine: "Machine") -> None:
    machine.project("x: 1\n")
    before = content_hash(machine)

    machine.project("notes", name="notes.txt")

    assert content_hash(machine) == before


def test_moving_text_between_files_changes_the_hash(machine: "Machine") -> None:
    machine.project("ab", name="profiles/a.yaml")
    machine.project("c", name="profiles/b.yaml")
    before = content_hash(machine)

    machine.project("a", name="profiles/a.yaml")
    machine.project("bc", name="profiles/b.yaml")

    assert content_hash(machine) != before


def test_trust_of_one_project_says_nothing_of_another(machine: "Machine", tmp_path: Path) -> None:
    machine.project("x: 1\n")
    machine.trust()
    other = tmp_path / "other"
    (other / ".equitr").mkdir(parents=True)
    (other / ".equitr" / "config.yaml").write_text("x: 1\n")

    assert not trust_answer(other, home=machine.home, trust=machine.store).trusted


def test_a_link_to_the_project_is_the_project(machine: "Machine", tmp_path: Path) -> None:
    machine.project("x: 1\n")
    machine.trust()
    (tmp_path / "link").symlink_to(machine.repo)

    assert trust_answer(tmp_path / "link", home=machine.home, trust=machine.store).trusted


def test_what_leads_out_or_is_no_file_is_left_out_and_said(machine: "Machine", tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("key: value\n")
    machine.project("x: 1\n", name="instructions.md")
    folder = machine.repo / ".equitr"
    (folder / "config.yaml").symlink_to(tmp_path / "secret.yaml")
    os.mkfifo(folder / "worktree.yaml")
    (folder / "profiles").symlink_to(tmp_path)
    (folder / "teams").mkdir()
    (folder / "teams" / "loop.yaml").symlink_to("loop.yaml")
    machine.project("x" * 1_000_001, name="teams/large.yaml")

    project = read_project(machine.repo, home=machine.home, trust=machine.store)

    assert list(project.files) == ["instructions.md"]
    assert len(project.skipped) == 5
    for said in (
        "config.yaml: leads out",
        "worktree.yaml: not a regular",
        "profiles: a link",
        "loop.yaml",
        "large.yaml",
    ):
        assert any(said in line for line in project.skipped), said


def test_a_link_inside_the_repository_counts_with_its_content(machine: "Machine") -> None:
    (machine.repo / "shared.yaml").write_text("x: 1\n")
    (machine.repo / ".equitr").mkdir()
    (machine.repo / ".equitr" / "config.yaml").symlink_to("../shared.yaml")
    before = content_hash(machine)

    (machine.repo / "shared.yaml").write_text("x: 2\n")

    assert before
    assert content_hash(machine) != before


def test_the_store_is_readable_by_the_user_alone(machine: "Machine") -> None:
    machine.store.trust(machine.repo, "abc")

    file = machine.home / "trust.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"version": 1, "workspaces": {str(machine.repo): "abc"}}
    assert sorted(path.name for path in machine.home.iterdir()) == ["locks", "trust.json", "trusted"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 2, "workspaces": {}}', '{"version": 1, "workspaces": {"a": 1}}']
)
def test_a_damaged_store_trusts_nothing_and_says_what_to_do(text: str, machine: "Machine") -> None:
    machine.user(text, name="trust.json")

    with pytest.raises(UserError, match="is damaged") as on_reading:
        machine.store.trusted_hash(machine.repo)
    with pytest.raises(UserError, match="is damaged"):
        machine.store.trust(machine.repo, "x")

    assert "delete" in on_reading.value.hint
    assert (machine.home / "trust.json").read_text() == text


def test_a_store_that_cannot_be_read_trusts_nothing(machine: "Machine") -> None:
    (machine.home / "trust.json").mkdir(parents=True)

    assert machine.store.trusted_hash(machine.repo) is None


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")

    with pytest.raises(UserError, match="cannot write") as caught:
        FileTrustStore(tmp_path / "home").trust(tmp_path, "x")

    assert "EQUITR_HOME" in caught.value.hint


def test_two_who_trust_at_the_same_time_lose_nothing(machine: "Machine", tmp_path: Path) -> None:
    folders = [tmp_path / f"w{number}" for number in range(20)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda folder: FileTrustStore(machine.home).trust(folder, folder.name), folders))

    assert {folder.name: machine.store.trusted_hash(folder) for folder in folders} == {
        folder.name: folder.name for folder in folders
    }


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text("xy", max_size=2), min_size=1))
def test_the_store_remembers_what_it_was_told(told: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FileTrustStore(Path(folder) / "home")
        for name, content in told.items():
            store.trust(Path(folder) / name, content)
        store.forget(Path(folder) / "a")

        expected = {name: content for name, content in told.items() if name != "a"}
        assert {n: store.trusted_hash(Path(folder) / n) for n in told if n != "a"} == expected
        assert store.trusted_hash(Path(folder) / "a") is None
