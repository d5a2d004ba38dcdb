"""Keys through the real command: stored, listed, tested, rotated, removed; and never to be found anywhere."""

import base64
import contextlib
import json
import secrets
import shutil
import sqlite3
import subprocess
import zlib
from pathlib import Path

import pytest

from equitr_coder.testing.script import Rule, Script, ScriptedError, ScriptedReply, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import gate, held, writes

OLD, NEW = "shop-k3y-Ab3dEf6hIj9kLm2nOp5q", "shop-k3y-Zy8xWv5uTs2rQp9oNm6l"
SHAPED = "ghp_" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAbCd"
MASTER = "EQUITR_MASTER_KEY"
SHOP = {"llm": {"api_key_env": "SHOP_KEY"}}


def opened(stage: OpenStage, *replies: ScriptedReply | Rule, key: str | tuple[str, ...] = OLD) -> Stage:
    """A user with a master key, whose provider takes `key`."""
    rules = tuple(each if isinstance(each, Rule) else always(each) for each in replies or (says("Hello."),))
    user = stage(Script(rules=rules, require_key=key), config=SHOP)
    user.environ[MASTER] = secrets.token_hex(32)
    return user


def put(user: Stage, key: str = OLD) -> None:
    ended = user.run("keys", "set", "SHOP_KEY", "--stdin", stdin=f"{key}\n")
    assert ended.code == 0, ended.brief


def test_a_stored_key_is_used_listed_tested_and_removed(stage: OpenStage) -> None:
    user = opened(stage)
    without = user.run("chat", "hello")
    assert (without.code, "equitrcoder keys set SHOP_KEY" in without.err) == (4, True), without.brief

    put(user)
    assert "\nHello.\n" in user.run("chat", "hello").out
    listed = json.loads(user.run("keys", "list", "--output", "json").out)
    (row,) = [row for row in listed["keys"] if row["name"] == "SHOP_KEY"]
    assert (row["source"], row["models"]) == ("file", ["stub/strong", "stub/weak"])
    tested = user.run("keys", "test", "SHOP_KEY")
    assert (tested.code, "SHOP_KEY: ok" in tested.out) == (0, True), tested.brief
    for command in (("models",), ("config-cmd",), ("doctor",)):
        shown = user.run(*command)
        assert f"the key store {user.equitr_home}/keys" in shown.out, shown.brief
        assert OLD not in shown.text

    assert user.run("keys", "remove", "SHOP_KEY").code == 0
    assert user.run("chat", "hello").code == 4
    assert [request.key for request in user.server.requests] == [OLD]


def test_what_the_environment_holds_comes_first(stage: OpenStage) -> None:
    user = opened(stage, key=(OLD, NEW))
    user.environ["SHOP_KEY"] = NEW

    ended = user.run("keys", "set", "SHOP_KEY", "--stdin", stdin=OLD)

    assert "set in the environment too" in ended.out, ended.brief
    assert user.run("chat", "hello").code == 0
    assert user.server.requests[-1].key == NEW
    assert "another is stored" in user.run("keys", "list").out


def test_a_key_that_is_refused_or_cannot_be_asked_about_is_said(stage: OpenStage) -> None:
    user = opened(stage)
    put(user, NEW)

    refused = user.run("keys", "test", "SHOP_KEY")
    user.environ["EQUITR_LLM__API_BASE"] = "http://127.0.0.1:9/v1"
    down = user.run("keys", "test", "SHOP_KEY")

    assert (refused.code, "refused" in refused.out) == (4, True), refused.brief
    assert (down.code, "cannot be reached" in down.out) == (4, True), down.brief
    assert NEW not in refused.text + down.text


def test_a_run_at_work_uses_a_rotated_key_from_its_next_call_on(stage: OpenStage) -> None:
    replies = rule(
        calls("read_file", path="README.md").model_copy(update={"barrier": held("first")}), says("Read."), model="weak"
    )
    user = opened(stage, replies, gate("first"), key=(OLD, NEW, "gate"))
    put(user)

    working = user.start("chat", "read it")
    user.server.reached(1)
    rotated = user.run("keys", "rotate", "SHOP_KEY", "--stdin", stdin=NEW)
    user.server.take_keys(False)  # the gate's own request has no key
    user.open_gate("first")
    out, err = working.communicate(timeout=60)

    assert rotated.code == 0, rotated.brief
    assert "SHOP_KEY: ok" in rotated.out
    assert (working.returncode, "Read." in out) == (0, True), err
    assert [request.key for request in user.asked("weak")] == [OLD, NEW]


def test_a_key_that_the_provider_refuses_takes_the_place_of_none(stage: OpenStage) -> None:
    user = opened(stage)
    put(user)

    refused = user.run("keys", "rotate", "SHOP_KEY", "--stdin", stdin=NEW)

    assert (refused.code, "the old one stays" in refused.err) == (2, True), refused.brief
    assert NEW not in refused.text
    assert user.run("chat", "hello").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "SHOP_KEY", SHAPED),
        ("rotate", f"SHOP_KEY={OLD}"),
        (SHAPED,),
    ],
)
def test_a_key_on_the_command_line_is_refused_and_not_repeated(arguments: tuple[str, ...], stage: OpenStage) -> None:
    user = opened(stage)

    ended = user.run("keys", *arguments)

    assert ended.code == 2, ended.brief
    assert len(ended.err.splitlines()) == 2
    assert SHAPED not in ended.text
    assert OLD not in ended.text
    assert not (user.equitr_home / "keys").exists()


def test_a_passphrase_and_a_key_are_typed_unseen_and_asked_for_once(stage: OpenStage) -> None:
    user = opened(stage)
    del user.environ[MASTER]
    with user.terminal("keys", "set", "SHOP_KEY") as person:
        person.answer(OLD, prompt="key SHOP_KEY:")
        person.answer("four plain words here", prompt="new passphrase")
        person.answer("four plain words here", prompt="the same again:")
        person.expect("SHOP_KEY is stored")
        assert person.wait() == 0
        assert OLD not in person.screen
        assert "plain words" not in person.screen

    with user.terminal("chat", "hello") as person:
        person.answer("wrong words", prompt="passphrase of")
        person.answer("four plain words here", prompt="passphrase of")
        person.expect("Hello.")
        assert person.wait() == 0
        assert person.screen.count("passphrase of") == 2
    alone = user.run("chat", "hello")
    assert alone.code == 2, alone.brief
    assert "nobody is here to type it" in alone.err
    assert len(alone.err.splitlines()) == 2


def test_a_rotated_master_key_opens_the_store_and_the_old_one_does_not(stage: OpenStage) -> None:
    user = opened(stage)
    put(user)
    old, new = user.environ[MASTER], secrets.token_hex(32)
    user.environ["EQUITR_NEW_MASTER_KEY"] = new

    rotated = user.run("keys", "rotate", "--master")

    assert rotated.code == 0, rotated.brief
    del user.environ["EQUITR_NEW_MASTER_KEY"]
    closed = user.run("chat", "hello")
    assert (closed.code, "does not open" in closed.err) == (2, True), closed.brief
    user.environ[MASTER] = new
    assert user.run("chat", "hello").code == 0
    assert old not in rotated.text + closed.text
    assert new not in rotated.text


def everything(user: Stage, into: Path) -> dict[str, bytes]:
    """Every byte that is left: the home and a copy of it, the checkout, and every object of its git and every value of
    the store, unpacked.
    """
    backup = shutil.copytree(user.home, into / "backup")
    found = {
        str(path): path.read_bytes()
        for top in (user.home, backup, user.repo)
        for path in top.rglob("*")
        if path.is_file()
    }
    names = user.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").splitlines()
    for name in names:
        ran = subprocess.run(
            ["git", "cat-file", "--batch"],
            input=name.encode(),
            cwd=user.repo,
            env=user.environ,
            capture_output=True,
            check=True,
        )
        found[f"git object {name}"] = ran.stdout
    return {**found, **packed_values(user.equitr_home / "equitr.db")}


def packed_values(database: Path) -> dict[str, bytes]:
    """Long ones are compressed there: the bytes of the file would hide anything."""
    found: dict[str, bytes] = {}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in connection.execute(f"select * from {table}"):
                for value in row:
                    if isinstance(value, bytes):
                        with contextlib.suppress(zlib.error):
                            found[f"{table} {len(found)}"] = zlib.decompress(value)
    assert found
    return found


@pytest.mark.parametrize(
    ("place", "form"),
    [
        ("environment", ()),
        ("store", ("--output", "stream-json")),
        ("environment", ("--output", "json")),
        ("store", ("-M", "--plan", "never")),
    ],
)
def test_a_key_is_nowhere_after_a_run_in_which_everybody_said_it(
    place: str, form: tuple[str, ...], stage: OpenStage, tmp_path: Path
) -> None:
    coded = base64.b64encode(f"id:{OLD}".encode()).decode()
    # As a command the key is in pieces that the shell joins: nobody could have known it from what was sent.
    prints = f"printf %s '{OLD[:9]}''{OLD[9:]}'; printf %s 'aWQ6{coded[4:14]}''{coded[14:]}'"
    # Once more in the middle of what is too long to be shown and is kept apart.
    prints = f"{prints}; seq 20000; {prints}; seq 20000"
    echoing = ScriptedError(status=500, message=f"cannot take {OLD} ({coded}), nor {SHAPED}")
    turns = rule(
        says(f"You said {OLD}.", call("run_command", command=prints), writes("a.txt", "one\n")),
        calls("hand_in", summary=f"made with {OLD}") if "-M" in form else says(f"It is {OLD}, {coded} and {SHAPED}."),
    )
    user = opened(stage, Rule(turns=(ScriptedReply(error=echoing),), times=1), turns)
    if place == "environment":
        user.environ["SHOP_KEY"] = OLD
    else:
        put(user)

    ended = user.run("chat", f"My key is {OLD}. Use it.", "--verbose", "--yes", *form)

    assert len(user.server.requests) >= 3, ended.brief
    assert "500" in ended.text or "failed" in ended.text
    shown = {"stdout": ended.out.encode(), "stderr": ended.err.encode()}
    shown["list of runs"] = user.run("runs", "--output", "json").text.encode()
    sent = {f"request {record.number}": json.dumps(record.body).encode() for record in user.server.requests}
    left = {**everything(user, tmp_path), **shown, **sent}
    spoken = (OLD, coded, base64.b64encode(OLD.encode()).decode())
    assert [name for name, data in left.items() if any(each.encode() in data for each in spoken)] == []
    assert [name for name, data in shown.items() if SHAPED.encode() in data] == []
    assert any(b"[key SHOP_KEY]" in data for data in sent.values())
    if "stream-json" in form:
        assert ended.events
