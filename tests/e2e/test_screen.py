"""The screen through the real command in a real terminal: what only all of it together can show."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from equitr_coder.testing.script import ScriptedReply, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.pane import Pane
from tests.e2e.scenes import gate, held

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: no terminal to test in"),
]

STREAMED = "The first words of a long answer. " * 6
PASTE = "/quit now\n" + "".join(f"  row {number}\t of 42  \n" for number in range(2, 42)) + "the last row"


@contextmanager
def open_screen(user: Stage, **environ: str) -> Iterator[Pane]:
    """The screen of a chat, ready for a request."""
    given = {"LANG": "C.UTF-8"} | {name: value for name, value in user.environ.items() if name != "LC_ALL"} | environ
    with Pane("interactive", cwd=user.repo, environ=given) as pane:
        pane.sees("main, ")
        yield pane


def said(user: Stage) -> list[str]:
    """What the person has said, as the last request tells it."""
    messages = user.server.requests[-1].messages
    return [str(message["content"]) for message in messages if message["role"] == "user"]


def before(texts: list[str], *wanted: str) -> bool:
    """Whether these stand in the texts in this order."""
    joined = "\n".join(texts)
    places = [joined.find(each) for each in wanted]
    return -1 not in places and places == sorted(places)


def test_esc_stops_the_request_and_ctrl_c_never_leaves_by_surprise(stage: OpenStage) -> None:
    user = stage(
        [
            # First, because with tools as text both messages are sent as one: nothing was answered in between.
            always(says("Here I am."), last="are you there", model="weak"),
            rule(ScriptedReply(text=STREAMED, cut_after=12, hang=True), last="think for ever", model="weak"),
        ]
    )

    with open_screen(user) as pane:
        pane.types("think for ever")
        pane.presses("Enter")
        pane.sees("The first words of a long answer.")
        pane.presses("Escape")
        user.server.closed(1)
        assert user.server.requests[0].outcome == "disconnected"
        pane.sees("The first words of a long answer.")
        pane.types("are you gone")
        pane.prompts("are you gone")
        pane.presses("C-c")
        pane.prompts("")
        pane.presses("C-y")
        pane.prompts("are you gone")
        pane.presses("C-w")
        pane.types("there")
        pane.prompts("are you there")
        pane.presses("Enter")
        pane.sees("Here I am.")
        pane.presses("C-c")
        pane.sees("Ctrl+C again")
        assert pane.ask("#{alternate_on}") == "1"
        pane.presses("C-c")
        code = int(re.findall(r"left with (\d+)", pane.sees("left with"))[0])

        assert code in (0, 130)
        assert pane.ask("#{alternate_on}#{mouse_any_flag}#{cursor_flag}") == "001"
    assert len(user.server.requests) == 2


def test_what_is_said_to_an_agent_at_work_waits_comes_back_or_goes_in_at_once(stage: OpenStage) -> None:
    user = stage(
        [
            gate("first"),
            gate("second"),
            rule(
                says("I look.", call("read_file", path="README.md"), barrier=held("first")),
                says("I look again.", call("list_files"), barrier=held("second")),
                says("All is done."),
                says("The fruit too."),
                says("And the rest."),
                first="begin",
                model="weak",
            ),
        ]
    )

    with open_screen(user) as pane:
        pane.types("begin")
        pane.presses("Enter")
        user.wait_for("weak")
        for number, text in enumerate(("apples", "pears", "plums"), start=1):
            pane.types(text)
            pane.presses("Enter")
            pane.until(lambda shown, n=number: shown.count("queued") >= n, f"{text} is not queued")  # type: ignore[misc]
        pane.presses("M-Up")
        pane.prompts("plums")
        pane.presses("C-u")
        pane.prompts("")
        pane.types("cherries now")
        pane.presses("M-s")
        pane.until(lambda shown: "cherries now" in shown and pane.prompt[0] == ">", "it was not sent")
        user.open_gate("first")
        user.wait_for("weak", contains="cherries now")
        assert not before(said(user), "apples")
        user.open_gate("second")
        user.wait_for("weak", contains="apples")
        pane.sees("The fruit too.")
        pane.types("plums")
        pane.presses("Enter")
        user.wait_for("weak", contains="plums")

        assert before(said(user), "begin", "cherries now", "apples", "pears", "plums")


def test_a_long_paste_is_one_piece_and_arrives_as_it_was(stage: OpenStage) -> None:
    user = stage([always(says("I have read it."), model="weak")])
    user.commit({"hello.py": "x = 1\n", "src/the.py": "", "docs/help.md": ""}, "files")

    with open_screen(user) as pane:
        pane.pastes(PASTE)
        pane.prompts("[pasted 42 lines]")
        assert not user.server.requests
        pane.presses("BSpace")
        pane.prompts("")
        pane.pastes(PASTE)
        pane.prompts("[pasted 42 lines]")
        pane.types(" see @he")
        offered = pane.sees("docs/help.md").splitlines()
        first = next(row for row in offered if "hello.py" in row)
        assert offered.index(first) < next(number for number, row in enumerate(offered) if "docs/help.md" in row)
        assert ".git/" not in "\n".join(offered)
        pane.presses("Tab")
        pane.until(lambda _: "@hello.py" in pane.prompt[0], "it was not completed")
        pane.presses("Enter")
        pane.sees("I have read it.")

        assert any(PASTE in text for text in said(user))


COLOURED = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
EDIT = {"path": "README.md", "old_text": "# Shop", "new_text": "# Store"}


@pytest.mark.parametrize(
    ("environ", "is_wanted"),
    [
        ({"NO_COLOR": "1"}, lambda shown, coded: not COLOURED.search(coded)),
        ({"LANG": "C", "LC_ALL": "C"}, lambda shown, coded: shown.isascii()),
    ],
    ids=["no colour", "no other letters"],
)
def test_without_colours_or_glyphs_it_can_still_be_read(
    stage: OpenStage, environ: dict[str, str], is_wanted: Callable[[str, str], bool]
) -> None:
    replies = (calls("read_file", path="README.md"), calls("edit_file", **EDIT), says("# Done\n\n- It is **renamed**."))
    user = stage([rule(*replies, model="weak")])

    with open_screen(user, **environ) as pane:
        assert is_wanted(pane.shown, pane.coded)
        pane.types("/")
        pane.sees("/help")
        assert is_wanted(pane.shown, pane.coded)
        pane.presses("C-u")
        pane.types("rename it")
        pane.presses("Enter")
        pane.sees("It is renamed.", "README.md")

        assert is_wanted(pane.shown, pane.coded)
        pane.types("/diff")
        pane.presses("Enter")
        diff = pane.sees("# Store", "# Shop")
        assert re.search(r"^.*-.*# Shop", diff, re.MULTILINE)
        assert re.search(r"^.*\+.*# Store", diff, re.MULTILINE)
        assert is_wanted(diff, pane.coded)


def test_what_cannot_draw_gets_no_code_at_all(stage: OpenStage) -> None:
    user = stage([always(says("Hello."), model="weak")])

    piped = user.run("chat", stdin="hi")
    user.environ["TERM"] = "dumb"
    dumb = user.run("tui")

    assert (piped.code, "\x1b" in piped.text) == (0, False), piped.brief
    assert (dumb.code != 0, "\x1b" in dumb.text) == (True, False), dumb.brief


def test_after_a_kill_the_same_stands_there_and_nothing_is_asked_twice(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                says("I look first.", call("read_file", path="README.md")),
                ScriptedReply(text=STREAMED, cut_after=3, hang=True),
                first="rename",
                model="weak",
            )
        ]
    )

    with open_screen(user) as pane:
        pane.types("rename the shop")
        pane.presses("Enter")
        pane.sees("I look first.", "The first words")
        seen = told(pane.shown)
        pane.kill_program()
        pane.start()
        assert "rename the shop" in first_run(pane.sees("main, ", "rename the shop"))
        looked = pane.coded
        pane.presses("Up")
        pane.until(lambda _: pane.coded != looked, "the list was not entered")
        pane.presses("Enter")
        pane.sees("I look first.")

        again = told(pane.shown)
        assert again == [row for row in seen if "The first words" not in row][: len(again)]
    assert len(user.server.requests) == 2


def told(shown: str) -> list[str]:
    """The rows of the conversation that are no clocks or streams."""
    rows = [row.rstrip() for row in shown.splitlines()]
    start = next((number for number, row in enumerate(rows) if "rename the shop" in row), 0)
    return [row for row in rows[start : start + 4] if row.strip()]


def first_run(shown: str) -> str:
    rows = shown.splitlines()
    start = next(number for number, row in enumerate(rows) if "Continue" in row)
    return rows[start + 1]
