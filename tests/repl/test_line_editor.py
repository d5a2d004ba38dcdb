"""Of the line editor what the conversation's tests do not show."""

from pathlib import Path

from equitr_coder.domain import commands as c
from equitr_coder.domain.redaction import without_shapes
from equitr_coder.domain.runs import RunKind
from equitr_coder.repl.history import open_history
from tests.repl.conftest import PlayedApi, attend, reply


def chat(text: str) -> c.StartRun:
    return c.StartRun(kind=RunKind.CHAT, request=text, multi_agent=False)


async def test_earlier_requests_are_searched_with_ctrl_r(history: Path) -> None:
    api = PlayedApi(reply("One."), reply("Two.", call="c2"), reply("Three.", call="c3"))

    async with attend(api, history=history) as person:
        for text in ("fix the typo", "write the docs"):
            person.types(f"{text}\r")
            await person.sees("together")
            await person.asks()
        person.types("\x12typo")
        await person.shows("you> fix the typo\n")
        person.types("\r")
        person.types("\r")
        await person.sees("Three.")

    assert isinstance(api.submitted[-1], c.SendMessage)
    assert api.submitted[-1].text == "fix the typo"


async def test_a_request_of_several_lines_comes_back_whole(history: Path) -> None:
    async with attend(PlayedApi(reply("One.")), history=history) as person:
        person.types("one\x1b\rtwo\r")
        await person.sees("together")
    api = PlayedApi(reply("Again."))

    async with attend(api, history=history) as person:
        await person.asks()
        person.types("\x1b[A")
        await person.sees("one\n     two")
        person.types("\r")
        await person.sees("Again.")

    assert api.submitted == [chat("one\ntwo")]


async def test_answers_are_not_in_the_history_of_requests(history: Path) -> None:
    async with attend(PlayedApi(), history=history) as person:
        await person.asks()

    assert history.read_text() == ""


async def test_a_home_that_cannot_be_written_costs_the_history_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    api = PlayedApi(reply("Done."))

    async with attend(api, history=tmp_path / "file" / "history") as person:
        person.types("hi\r")
        await person.sees("Done.")


def test_a_history_that_cannot_be_written_any_more_costs_the_history_alone(history: Path) -> None:
    kept = open_history(history)
    history.unlink()
    history.mkdir()

    kept.append_string("fix the typo")

    assert kept.get_strings() == ["fix the typo"]


def test_no_key_that_was_typed_is_kept(history: Path) -> None:
    shaped = "ghp_" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAbCd"

    open_history(history, lambda text: without_shapes(text.replace("my-key", "[key]"))).append_string(
        f"my-key {shaped}"
    )

    assert history.read_text().splitlines()[-1] == "+[key] [key]"


async def test_the_menu_of_files_takes_no_room_until_one_is_wanted() -> None:
    async with attend(PlayedApi()) as person:
        await person.asks()
        assert person.tape.height == 2
        person.types("see @")
        await person.shows("README.md")

        assert person.tape.height > 2


async def test_the_chosen_file_is_taken_by_enter_and_sent_by_the_next() -> None:
    api = PlayedApi(reply("Read."))
    api.files = ("aa.py", "aa.txt")

    async with attend(api) as person:
        await person.asks()
        person.types("see @a\t")
        await person.sees("see @aa.py")
        person.types("\t")
        await person.shows("see @aa.txt")
        person.types("\r and go\r")
        await person.sees("Read.")

    assert api.submitted == [chat("see @aa.txt and go")]


async def test_a_paste_into_the_middle_of_typed_text_is_not_the_beginning() -> None:
    async with attend(PlayedApi()) as person:
        await person.asks()
        person.types("/qu")
        person.pastes("it")
        person.types("\r")

        assert await person.ends() == 0


async def test_a_command_pasted_in_two_pieces_is_still_pasted() -> None:
    api = PlayedApi()

    async with attend(api) as person:
        await person.asks()
        person.pastes("/plan")
        person.pastes(" a shop")
        person.types("\r")
        await person.sees("That was pasted, so it was not run as a command.")

    assert api.submitted == []


async def test_long_pastes_arrive_whole() -> None:
    text = "\n".join(f"line {number} \u6f22" for number in range(2000))
    api = PlayedApi(reply("Read."))

    async with attend(api) as person:
        await person.asks()
        person.pastes(text)
        person.types("\r")
        await person.sees("Read.")

    assert api.submitted == [chat(text)]
