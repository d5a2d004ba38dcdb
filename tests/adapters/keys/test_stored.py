"""One suite for both places where keys are kept, then what only the encrypted file has."""

import base64
import json
import multiprocessing
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from equitr_coder.adapters.keys.held import HeldKeys
from equitr_coder.adapters.keys.real_keyring import Keyring
from equitr_coder.adapters.keys.sealing import Cost
from equitr_coder.adapters.keys.stored import StoredKeys
from equitr_coder.domain.errors import UserError

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
KEY, OTHER = "sk-first-Ab3dEf6hIj9k", "sk-other-Zy8xWv5uTs2r"
MASTER = secrets.token_hex(32)
WORDS = "correct horse battery"


@dataclass
class MemoryKeyring:
    """A keyring's backend as `keyring` has them."""

    held: dict[tuple[str, str], str] = field(default_factory=dict)

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


def answers(*lines: str) -> Callable[[str], str | None]:
    left = list(lines)
    return lambda _: left.pop(0) if left else None


def store(
    home: Path,
    *,
    master: str | None = MASTER,
    new_master: str | None = None,
    typed: Sequence[str] = (),
    keyring: Keyring | None = None,
) -> StoredKeys:
    """Opened anew, as another process would."""
    environ = {"EQUITR_MASTER_KEY": master, "EQUITR_NEW_MASTER_KEY": new_master}
    return StoredKeys(
        home,
        environ={name: value for name, value in environ.items() if value is not None},
        hold=HeldKeys().hold,
        ask=answers(*typed),
        find_keyring=lambda: keyring,
        cost=CHEAP,
    )


Open = Callable[[], StoredKeys]


@pytest.fixture(params=["keyring", "variable", "passphrase"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Each call is a new process that has what opens the store."""
    ring = Keyring("test", MemoryKeyring())
    match request.param:
        case "keyring":
            return lambda: store(tmp_path, master=None, keyring=ring)
        case "variable":
            return lambda: store(tmp_path)
        case _:
            return lambda: store(tmp_path, master=None, typed=(WORDS, WORDS))


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        act()
    assert caught.value.hint
    return str(caught.value)


def test_what_was_put_is_read_by_another_process(opens: Open) -> None:
    first = opens()
    first.put("A_KEY", KEY)
    first.put("B_KEY", OTHER)

    again = opens()

    assert [key.name for key in again.names()] == ["A_KEY", "B_KEY"]
    assert (again.read("A_KEY"), again.read("B_KEY"), again.read("C_KEY")) == (KEY, OTHER, None)


def test_a_running_process_sees_every_change_at_its_next_call(opens: Open) -> None:
    opens().put("A_KEY", KEY)
    running = opens()
    assert running.read("A_KEY") == KEY

    opens().put("A_KEY", OTHER)
    assert running.read("A_KEY") == OTHER
    opens().put("B_KEY", KEY)
    assert (running.read("A_KEY"), running.read("B_KEY")) == (OTHER, KEY)

    opens().remove("A_KEY")
    assert (running.read("A_KEY"), running.read("B_KEY")) == (None, KEY)


def test_removing_says_whether_there_was_one(opens: Open) -> None:
    opens().put("A_KEY", KEY)

    assert opens().remove("A_KEY")
    assert not opens().remove("A_KEY")
    assert opens().read("A_KEY") is None


def test_names_and_sources_are_told_without_opening_anything(opens: Open, tmp_path: Path) -> None:
    opens().put("A_KEY", KEY)
    locked = store(tmp_path, master=None)

    assert [key.name for key in locked.names()] == ["A_KEY"]
    assert locked.source("A_KEY") is not None
    assert locked.source("B_KEY") is None


def test_no_byte_on_disk_is_of_a_key(opens: Open, tmp_path: Path) -> None:
    opens().put("A_KEY", KEY)
    opens().put("A_KEY", OTHER)

    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for key in (KEY, OTHER):
        for form in (key.encode(), base64.b64encode(key.encode()), key.encode().hex().encode()):
            assert form not in written


def test_the_file_is_for_its_owner_alone_and_so_is_its_folder(opens: Open, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    opens().put("A_KEY", KEY)

    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_no_keyring_is_asked_when_a_master_key_is_set(tmp_path: Path) -> None:
    ring = MemoryKeyring()

    store(tmp_path, keyring=Keyring("test", ring)).put("A_KEY", KEY)

    assert not ring.held
    assert store(tmp_path).read("A_KEY") == KEY


def test_two_stores_never_meet_in_one_keyring(tmp_path: Path) -> None:
    ring = Keyring("test", MemoryKeyring())
    one, two = tmp_path / "one", tmp_path / "two"
    store(one, master=None, keyring=ring).put("A_KEY", KEY)
    store(two, master=None, keyring=ring).put("A_KEY", OTHER)

    store(two, master=None, keyring=ring).remove("A_KEY")

    assert store(one, master=None, keyring=ring).read("A_KEY") == KEY


def test_without_its_keyring_a_store_says_so(tmp_path: Path) -> None:
    store(tmp_path, master=None, keyring=Keyring("test", MemoryKeyring())).put("A_KEY", KEY)

    assert "there is none here" in refusal(lambda: store(tmp_path, master=None).read("A_KEY"))


# ---------------------------------------------------------------- the encrypted file


def test_another_master_key_opens_nothing(tmp_path: Path) -> None:
    store(tmp_path).put("A_KEY", KEY)

    said = refusal(lambda: store(tmp_path, master=secrets.token_hex(32)).read("A_KEY"))

    assert "EQUITR_MASTER_KEY does not open" in said
    assert "not set" in refusal(lambda: store(tmp_path, master=None).read("A_KEY"))


@pytest.mark.parametrize("master", ["", "secret", "0" * 64, "ab" * 31, "zz" * 32, "a" * 44])
def test_a_master_key_has_to_be_32_random_bytes(master: str, tmp_path: Path) -> None:
    said = refusal(lambda: store(tmp_path, master=master).put("A_KEY", KEY))

    assert "no master key" in said
    assert not master or master not in said


def test_a_master_key_may_be_base64(tmp_path: Path) -> None:
    store(tmp_path).put("A_KEY", KEY)

    assert store(tmp_path, master=base64.b64encode(bytes.fromhex(MASTER)).decode()).read("A_KEY") == KEY


def test_a_passphrase_is_asked_for_once_and_a_wrong_one_three_times(tmp_path: Path) -> None:
    store(tmp_path, master=None, typed=(WORDS, WORDS)).put("A_KEY", KEY)

    mistyped = store(tmp_path, master=None, typed=("wrong", WORDS))
    assert (mistyped.read("A_KEY"), mistyped.read("A_KEY")) == (KEY, KEY)
    assert "does not open" in refusal(lambda: store(tmp_path, master=None, typed=["wrong"] * 3).read("A_KEY"))
    assert "nobody is here" in refusal(lambda: store(tmp_path, master=None).read("A_KEY"))


@pytest.mark.parametrize(
    ("typed", "words"), [((), "nobody"), (("short",), "at least 8"), ((WORDS, "something else"), "differ")]
)
def test_a_new_passphrase_is_typed_twice_and_long_enough(typed: tuple[str, ...], words: str, tmp_path: Path) -> None:
    assert words in refusal(lambda: store(tmp_path, master=None, typed=typed).put("A_KEY", KEY))
    assert not (tmp_path / "keys").exists()


def test_a_rotated_master_opens_everything_and_the_old_one_nothing(tmp_path: Path) -> None:
    store(tmp_path).put("A_KEY", KEY)
    store(tmp_path).put("B_KEY", OTHER)
    running = store(tmp_path)
    assert running.read("A_KEY") == KEY
    before = json.loads((tmp_path / "keys").read_text())["keys"]
    fresh = secrets.token_hex(32)

    store(tmp_path, new_master=fresh).rotate_master()

    assert "does not open" in refusal(lambda: store(tmp_path).read("A_KEY"))
    assert [store(tmp_path, master=fresh).read(name) for name in ("A_KEY", "B_KEY")] == [KEY, OTHER]
    after = json.loads((tmp_path / "keys").read_text())["keys"]
    assert all(before[name]["box"] != after[name]["box"] for name in before)
    assert running.read("B_KEY") == OTHER  # who was at work when it happened goes on


def test_a_passphrase_gives_way_to_a_master_key_and_the_other_way_round(tmp_path: Path) -> None:
    store(tmp_path, master=None, typed=(WORDS, WORDS)).put("A_KEY", KEY)

    store(tmp_path, master=None, new_master=MASTER, typed=(WORDS,)).rotate_master()
    assert store(tmp_path).read("A_KEY") == KEY

    store(tmp_path, typed=("another passphrase", "another passphrase")).rotate_master()
    assert store(tmp_path, master=None, typed=("another passphrase",)).read("A_KEY") == KEY


def test_the_same_master_again_is_no_rotation(tmp_path: Path) -> None:
    store(tmp_path).put("A_KEY", KEY)

    assert "old one again" in refusal(lambda: store(tmp_path, new_master=MASTER).rotate_master())
    assert store(tmp_path).read("A_KEY") == KEY


def test_a_sealed_key_opens_under_no_other_name_and_in_no_other_file(tmp_path: Path) -> None:
    store(tmp_path / "a").put("A_KEY", KEY)
    store(tmp_path / "a").put("B_KEY", OTHER)
    path = tmp_path / "a" / "keys"
    body = json.loads(path.read_text())
    body["keys"]["A_KEY"], body["keys"]["B_KEY"] = body["keys"]["B_KEY"], body["keys"]["A_KEY"]
    path.write_text(json.dumps(body))

    assert "A_KEY" in refusal(lambda: store(tmp_path / "a").read("A_KEY"))


def damage(home: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = home / "keys"
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda home: (home / "keys").write_text(""),
        lambda home: (home / "keys").write_text((home / "keys").read_text()[:-40]),
        lambda home: (home / "keys").write_bytes(b"\x00\xff" * 100),
        lambda home: (home / "keys").write_text("[" * 100_000),
        lambda home: damage(home, lambda body: body.pop("derivation")),
        lambda home: damage(home, lambda body: body.update(keys=[])),
        lambda home: damage(home, lambda body: body.update(store="cloud")),
        lambda home: damage(home, lambda body: body.update(check="?")),
        lambda home: damage(home, lambda body: body.update(format="something else")),
        lambda home: damage(home, lambda body: body.update(version="1")),
    ],
)
def test_a_damaged_file_is_said_to_be_one(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    store(tmp_path).put("A_KEY", KEY)
    running = store(tmp_path)
    assert running.read("A_KEY") == KEY
    spoil(tmp_path)

    for act in (
        lambda: store(tmp_path).read("A_KEY"),
        lambda: store(tmp_path).put("B_KEY", OTHER),
        lambda: store(tmp_path).remove("A_KEY"),
        lambda: store(tmp_path).names(),
    ):
        assert f"the key store {tmp_path / 'keys'} is damaged" in refusal(act)
    assert running.read("A_KEY") == KEY


def test_a_greedy_derivation_is_not_followed(tmp_path: Path) -> None:
    store(tmp_path, master=None, typed=(WORDS, WORDS)).put("A_KEY", KEY)
    damage(tmp_path, lambda body: body["derivation"]["cost"].update(memory_kib=2**40))  # type: ignore[index]

    assert "damaged" in refusal(lambda: store(tmp_path, master=None, typed=(WORDS,)).read("A_KEY"))


def test_a_newer_version_asks_for_an_upgrade(tmp_path: Path) -> None:
    store(tmp_path).put("A_KEY", KEY)
    damage(tmp_path, lambda body: body.update(version=2, keys="unknown"))

    assert "newer version" in refusal(lambda: store(tmp_path).read("A_KEY"))


@pytest.mark.parametrize(
    ("path", "mode", "words"), [("keys", 0o644, "open to other users (mode 0644)"), (".", 0o777, "(mode 0777)")]
)
def test_a_file_that_others_reach_is_refused(path: str, mode: int, words: str, tmp_path: Path) -> None:
    store(tmp_path).put("A_KEY", KEY)
    (tmp_path / path).chmod(mode)

    assert words in refusal(lambda: store(tmp_path).read("A_KEY"))


def test_a_draft_left_by_a_death_is_taken_by_the_next_write(tmp_path: Path) -> None:
    store(tmp_path).put("A_KEY", KEY)
    (tmp_path / "keys.new").write_text("half a fi")

    store(tmp_path).put("B_KEY", OTHER)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys", "keys.lock"]
    assert store(tmp_path).read("A_KEY") == KEY


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_write_that_fails_changes_nothing(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path).put("A_KEY", KEY)
    before = (tmp_path / "keys").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path if step == "replace" else os, step, fail)

    assert "cannot be written" in refusal(lambda: store(tmp_path).put("A_KEY", OTHER))
    assert (tmp_path / "keys").read_bytes() == before
    assert not (tmp_path / "keys.new").exists()


def _put_many(home: str, number: int) -> None:
    for each in range(5):
        store(Path(home), master=MASTER_OF_TWO).put(f"K{number}_{each}", f"{KEY}{number}{each}")


MASTER_OF_TWO = "12" * 16 + "34" * 16


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_put_many, args=(str(tmp_path), number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    found = store(tmp_path, master=MASTER_OF_TWO)
    assert {key.name: found.read(key.name) for key in found.names()} == {
        f"K{number}_{each}": f"{KEY}{number}{each}" for number in range(3) for each in range(5)
    }
