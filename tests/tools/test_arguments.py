from typing import Any

import pytest
from pydantic import Field

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.tools.arguments import Arguments, Texts, json_schema, parse_arguments


class Part(Arguments):
    name: str = Field(min_length=1)
    size: int = 1


class Everything(Arguments):
    path: str = Field(description="Where")
    count: int = Field(default=3, ge=1)
    note: str | None = Field(default=None, description="Why")
    flag: bool = False
    words: Texts = ()
    parts: tuple[Part, ...] = ()


def parse(arguments: dict[str, Any]) -> Everything:
    return parse_arguments("tool", Everything, arguments)


def test_the_schema_holds_nothing_but_types_and_descriptions() -> None:
    assert json_schema(Everything) == {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where"},
            "count": {"type": "integer", "minimum": 1},
            "note": {"type": "string", "description": "Why"},
            "flag": {"type": "boolean"},
            "words": {"type": "array", "items": {"type": "string"}},
            "parts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
                    "required": ["name"],
                },
            },
        },
        "required": ["path"],
    }


def test_null_means_left_out_for_optional_fields_at_every_depth() -> None:
    given = {
        "path": "a",
        "count": None,
        "note": None,
        "flag": None,
        "words": None,
        "parts": [{"name": "n", "size": None}],
    }

    assert parse(given) == Everything(path="a", parts=(Part(name="n"),))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("one", ("one",)),
        ('["one", "two"]', ("one", "two")),
        ("", ()),
        (["a", 7], ("a", "7")),
        ("[broken", ("[broken",)),
    ],
)
def test_a_list_sent_as_text_is_read_as_what_was_meant(given: Any, words: tuple[str, ...]) -> None:
    assert parse({"path": "a", "words": given}).words == words


def test_numbers_given_as_text_and_texts_given_as_numbers_are_accepted() -> None:
    assert parse({"path": 7, "count": "5", "flag": "true"}) == Everything(path="7", count=5, flag=True)


def test_every_problem_is_listed_with_its_path_the_value_and_what_is_expected() -> None:
    with pytest.raises(ToolFailure) as caught:
        parse(
            {
                "count": 0,
                "flag": "perhaps",
                "parts": [{"name": "a"}, {"name": "", "sise": 2}, {"size": "many"}],
                "words": {"a": 1},
            }
        )

    lines = str(caught.value).split("\n")
    assert lines[0] == "tool did nothing: 8 arguments are wrong."
    assert sorted(lines[1:-1]) == sorted(
        [
            "- path: missing, and required",
            "- count: 0: should be greater than or equal to 1",
            '- flag: "perhaps": should be a valid boolean, unable to interpret input',
            '- parts[1].name: "": String should have at least 1 character',
            "- parts[1].sise: no such argument; did you mean size?",
            "- parts[2].name: missing, and required",
            '- parts[2].size: "many": should be a valid integer, unable to parse string as an integer',
            '- words[0]: {"a": 1}: should be a valid string',
        ]
    )
    assert lines[-1] == "Call tool again with all arguments."


def test_an_unknown_argument_unlike_any_other_is_told_the_known_ones() -> None:
    with pytest.raises(ToolFailure, match="zzz: no such argument; known here: path, count, note, flag, words, parts"):
        parse({"path": "a", "zzz": 1})


def test_a_long_wrong_value_is_quoted_shortened() -> None:
    with pytest.raises(ToolFailure) as caught:
        parse({"path": ["x" * 500]})

    assert "…: should be a valid string" in str(caught.value)
    assert len(str(caught.value)) < 300
