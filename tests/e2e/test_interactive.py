import re
from pathlib import Path

from equitr_coder.testing.script import ScriptedReply, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import builds, documents, first_message, plan_of, task, tool_results

COMMANDS = (
    "/help", "/status", "/cost", "/model", "/multi-agent", "/plan", "/run", "/diff", "/undo", "/redo", "/rewind",
    "/trust", "/clear", "/quit",
)  # fmt: skip


def test_the_session_shows_and_changes_its_state(stage: OpenStage) -> None:
    user = stage([says("Hello.")])

    with user.terminal("--inline", "interactive", "-M") as terminal:
        terminal.answer("/status")
        terminal.expect("multi-agent on")
        terminal.expect("stub/strong")
        terminal.expect("stub/weak")
        terminal.answer("/help")
        for command in COMMANDS:
            terminal.expect(command)
        # None of the three waits for what the one before shows: Enter stays Enter between two prompts.
        for command in ("/multi-agent off", "/status", "/quit"):
            terminal.press(f"{command}\r")
        assert terminal.wait() == 0, terminal.screen

    assert re.search(r"/status.*multi-agent off +model stub/weak.*/quit", terminal.screen, re.DOTALL), terminal.screen
    assert not user.server.requests


def test_without_a_command_the_planning_session_opens(stage: OpenStage, tmp_path: Path) -> None:
    user = stage([says("Never asked.")])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    with user.terminal("--inline", "--multi-agent", "--repo", str(user.repo), cwd=elsewhere) as terminal:
        terminal.expect("What would you like to build?")
        terminal.answer("/quit")
        assert terminal.wait() == 0, terminal.screen

    assert not list(elsewhere.iterdir())
    assert user.git("status", "--porcelain") == ""


def test_undo_takes_back_the_last_turn(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                calls("read_file", path="README.md"),
                says(
                    "",
                    call("edit_file", path="README.md", old_text="Shop", new_text="Store"),
                    call("write_file", path="new.txt", content="new\n"),
                ),
                says("Renamed it."),
                model="weak",
            )
        ]
    )
    user.write({"README.md": "# Shop, unsaved\n"})

    with user.terminal("--inline", "interactive") as terminal:
        terminal.answer("rename the shop")
        terminal.expect("Renamed it.")
        terminal.answer("/diff")
        terminal.expect("Store, unsaved")
        assert user.read("README.md") == "# Store, unsaved\n"
        terminal.answer("/cost")
        terminal.expect("stub/weak")
        terminal.answer("/undo")
        terminal.expect("README.md")
        assert user.read("README.md") == "# Shop, unsaved\n"
        terminal.answer("/redo")
        terminal.expect("brought back: README.md, new.txt")
        assert user.read("README.md") == "# Store, unsaved\n"
        terminal.answer("/rewind")
        terminal.expect("* 2  write_file new.txt")
        terminal.answer("/rewind 1")
        terminal.expect("changed: new.txt")
        assert user.read("README.md") == "# Store, unsaved\n"
        assert not (user.repo / "new.txt").exists()
        terminal.answer("/rewind 0")
        terminal.expect("changed: README.md")
        terminal.answer("/quit")
        assert terminal.wait() == 0, terminal.screen

    assert user.read("README.md") == "# Shop, unsaved\n"
    assert not (user.repo / "new.txt").exists()


def test_undo_takes_back_what_a_command_did_to_ignored_files(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                calls("run_command", command="echo KEY=2 > .env; rm old.db; echo new > new.db; rm -r node_modules"),
                says("Set up anew."),
                model="weak",
            )
        ]
    )
    user.configure({"permission": {"allow": ["*"]}})
    user.write({".gitignore": ".env\n*.db\nnode_modules/\n", ".env": "KEY=1\n", "old.db": "rows\n"})
    user.write({"node_modules/x.js": "x\n"})

    with user.terminal("--inline", "interactive") as terminal:
        terminal.answer("set it up anew")
        terminal.expect("Set up anew.")
        assert user.read(".env") == "KEY=2\n"
        terminal.answer("/undo")
        terminal.expect("taken back: .env, new.db, old.db")
        terminal.expect("not covered (ignored; large or made by a tool): node_modules/")
        assert (user.read(".env"), user.read("old.db")) == ("KEY=1\n", "rows\n")
        assert not (user.repo / "new.db").exists()
        terminal.answer("/redo")
        terminal.expect("brought back: .env, new.db, old.db")
        assert (user.read(".env"), user.read("new.db")) == ("KEY=2\n", "new\n")
        terminal.answer("/rewind 0")
        terminal.expect("changed: .env, new.db, old.db")
        terminal.answer("/quit")
        assert terminal.wait() == 0, terminal.screen

    assert (user.read(".env"), user.read("old.db")) == ("KEY=1\n", "rows\n")


def test_ctrl_c_interrupts_the_agent_and_keeps_the_session(stage: OpenStage) -> None:
    user = stage(
        [
            always(says("Here I am."), last="are you there", model="weak"),
            rule(ScriptedReply(hang=True), last="think for ever", model="weak"),
        ]
    )

    with user.terminal("--inline", "interactive") as terminal:
        terminal.answer("think for ever")
        user.wait_for("weak")
        terminal.press("\x03")
        terminal.expect("stop")
        terminal.answer("are you there")
        terminal.expect("Here I am.")
        terminal.expect(">")
        terminal.press("\x03")
        terminal.press("\x03")
        code = terminal.wait()

    assert code in (0, 130), terminal.screen
    assert "Traceback" not in terminal.screen
    assert user.git("status", "--porcelain") == ""


def test_a_person_is_asked_for_approval(stage: OpenStage) -> None:
    user = stage(
        [calls("run_command", command="touch first"), calls("run_command", command="touch second"), says("Touched.")]
    )

    with user.terminal("chat", "touch them") as terminal:
        terminal.expect("touch first")
        terminal.answer("no")
        terminal.expect("touch second")
        terminal.answer("once")
        code = terminal.wait()

    assert code == 0, terminal.screen
    assert not (user.repo / "first").exists()
    assert (user.repo / "second").exists()
    assert len(tool_results(user.asked("weak")[-1])) == 2


def test_the_conversation_goes_on_until_it_is_cleared(stage: OpenStage) -> None:
    user = stage(
        [
            always(says("One."), last="say one", model="weak"),
            always(says("Two."), last="say two", model="weak"),
            always(says("Three."), last="say three", model="weak"),
        ]
    )

    with user.terminal("--inline", "interactive") as terminal:
        terminal.answer("say one")
        terminal.expect("One.")
        terminal.answer("say two")
        terminal.expect("Two.")
        terminal.answer("/clear")
        terminal.expect("new conversation")
        terminal.answer("say three")
        terminal.expect("Three.")
        terminal.answer("/quit")
        assert terminal.wait() == 0, terminal.screen

    _, second, third = user.asked("weak")
    assert [m["content"] for m in second.messages if m["role"] == "assistant"] == ["One."]
    assert not [m for m in third.messages if m["role"] == "assistant"]


def test_a_project_is_planned_and_built_in_the_session(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                says("Which word comes first?"),
                says("", *documents(), plan_of(task("T1"), task("T2"))),
                model="strong",
                offers="submit_plan",
            ),
            builds("T1"),
            builds("T2"),
        ]
    )

    with user.terminal("--inline", "-M") as terminal:
        terminal.expect("What would you like to build?")
        terminal.answer("two words in two files, one after the other")
        terminal.expect("Which word comes first?")
        terminal.answer("the first")
        terminal.expect("Planning conversation complete!")
        terminal.expect("2 tasks")
        terminal.answer("/run")
        terminal.expect("2 done, 0 failed")
        terminal.answer("/quit")
        assert terminal.wait() == 0, terminal.screen

    assert first_message(user.asked("strong")[0]).startswith("two words in two files")
    assert user.read("t2.txt") == "T2-built\n"
    assert (user.repo / "docs/todos.md").exists()
