import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.epic import Task
from equitr_coder.domain.footprint import Claim, claim_of, collision, outside


def task(**fields: object) -> Task:
    return Task.model_validate({"id": "T1", "title": "t", **fields})


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ({"files": ["src/a.py"]}, {"files": ["src/a.py"]}, "src/a.py"),
        ({"files": ["src/**"]}, {"files": ["src/a.py"]}, "src/a.py"),
        ({"files": ["src"]}, {"files": ["src/deep/a.py", "b"]}, "src/deep/a.py"),
        ({"files": ["src/*.py"]}, {"files": ["**/a.*"]}, "**/a.*"),
        ({"files": ["src/a.py"]}, {"files": ["src/b.py"]}, ""),
        ({"files": []}, {"files": ["**"]}, ""),
        ({"resources": ["Port:8080"]}, {"resources": ["port:8080 "]}, "resource port:8080"),
        ({"resources": ["port:8080"]}, {"resources": ["port:8081"]}, ""),
    ],
)
def test_what_two_tasks_both_claim(mine: dict[str, object], theirs: dict[str, object], expected: str) -> None:
    assert collision(claim_of(task(**mine)), claim_of(task(**theirs))) == expected


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (["a.py::Order"], ["a.py::Cart"], ""),
        (["a.py::Order"], ["a.py::Order"], "a.py::Order"),
        (["a.py::Order"], ["a.py::Order.total"], "a.py::Order.total"),
        (["a.py::Order.total"], ["a.py::Order.tax"], ""),
        (["a.py::Order"], ["a.py::Orders"], ""),
        (["a.py::Order"], [], "a.py"),
        (["a.py::Order"], ["b.py::Order"], "a.py"),
        (["a.py::Order", "a.py"], ["a.py::Cart"], "a.py"),
    ],
)
def test_a_shared_file_is_no_collision_when_both_name_different_parts(
    mine: list[str], theirs: list[str], expected: str
) -> None:
    one, other = ({"files": ["a.py"], "symbols": symbols} for symbols in (mine, theirs))

    assert collision(claim_of(task(**one)), claim_of(task(**other))) == expected


def test_symbols_separate_nothing_but_their_own_file() -> None:
    one = claim_of(task(files=["src/*.py"], symbols=["src/a.py::Order"]))

    assert collision(one, claim_of(task(files=["src/a.py"], symbols=["src/a.py::Cart"]))) == ""
    assert collision(one, claim_of(task(files=["src/a.py", "src/b.py"], symbols=["src/a.py::Cart"]))) == "src/b.py"
    assert collision(one, claim_of(task(files=["src/*"], symbols=["src/a.py::Cart"]))) == "src/*"


def test_symbols_that_nobody_can_check_claim_the_whole_file() -> None:
    one, other = (claim_of(task(files=["a.ts"], symbols=[f"a.ts::{name}"])) for name in ("Order", "Cart"))

    assert collision(one, other) == "a.ts"


def test_a_file_that_is_named_by_a_symbol_alone_is_claimed() -> None:
    claim = claim_of(task(files=["b.py"], symbols=["./a.py::Order"]))

    assert claim.files == ("b.py", "a.py")
    assert claim.shown == ("b.py", "a.py::Order")


def test_files_that_were_allowed_later_are_claimed_whole() -> None:
    claim = claim_of(task(files=["src/**"]), ["README.md", "src/a.py"])

    assert claim.files == ("src/**", "README.md")
    assert outside(claim, ["src/b.py", "README.md", "setup.py"]) == ("setup.py",)
    assert outside(claim_of(task()), ["anything"]) == ()


entries = st.lists(
    st.sampled_from(["src/a.py", "src/*.py", "src", "**/*.py", "docs/**", "b.py", "[ab].py"]), max_size=3
)
names = st.lists(st.sampled_from(["src/a.py::A", "src/a.py::A.b", "src/a.py::C", "b.py::A"]), max_size=2)
claims = st.builds(lambda files, symbols: claim_of(task(files=files, symbols=symbols)), entries, names)


@given(claims, claims)
@settings(deadline=None)
def test_a_collision_is_mutual(one: Claim, other: Claim) -> None:
    assert bool(collision(one, other)) == bool(collision(other, one))
