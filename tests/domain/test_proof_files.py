import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from equitr_coder.domain.canary import command_with_fault, faults, holds_bold_words, is_bold
from equitr_coder.domain.proof_files import edited_sections, find

TREE = (
    "Makefile", "check.sh", "package.json", "pyproject.toml", "src/shop.py", "src/types.py", "tests/conftest.py",
    "tests/data/x.json", "tests/helpers.py", "tests/test_a.py", "tests/test_b.py", "web/x.test.js",
)  # fmt: skip
TEXTS = {
    "Makefile": "PY = python3\n\n.PHONY: test\ntest: lint\n\t@$(PY) -m unittest tests.test_a\nlint:\n\tsh check.sh\n",
    "check.sh": "#!/bin/sh\nset -e\npytest tests/test_b.py\n",
    "package.json": '{"scripts": {"test": "node --test web/x.test.js"}}',
}
A, B, BOTH = {"tests/test_a.py"}, {"tests/test_b.py"}, {"tests/test_a.py", "tests/test_b.py"}


@pytest.mark.parametrize(
    ("command", "tests", "scripts", "partly"),
    [
        ("pytest tests/test_a.py::test_x -q", A, set(), {"pyproject.toml"}),
        ("pytest", BOTH, set(), {"pyproject.toml"}),
        ("pytest tests/", BOTH, set(), {"pyproject.toml"}),
        ("python3 -m unittest tests.test_a.Shop.test_x", A, set(), {"pyproject.toml"}),
        ("python3 -m unittest discover -s tests", BOTH, set(), {"pyproject.toml"}),
        ("cd tests && python3 -m unittest test_b", B, set(), {"pyproject.toml"}),
        ("node --test web/x.test.js", {"web/x.test.js"}, set(), {"package.json"}),
        ("npm test", {"web/x.test.js"}, set(), {"package.json"}),
        ("sh check.sh", B, {"check.sh"}, {"pyproject.toml"}),
        ("make test", BOTH, {"check.sh"}, {"Makefile", "pyproject.toml"}),
        ("grep -q x tests/test_a.py", set(), set(), set()),
    ],
)
def test_a_check_rests_on_what_it_runs(command: str, tests: set[str], scripts: set[str], partly: set[str]) -> None:
    found = find([command], TREE, TEXTS)

    assert [set(each) for each in (found.tests, found.scripts, found.partly, found.wanted)] == [
        tests,
        scripts,
        partly,
        set(),
    ]


def test_helpers_and_data_beside_the_tests_count_other_tests_and_code_do_not() -> None:
    found = find(["pytest tests/test_a.py"], TREE, {})

    assert found.beside == {"tests/conftest.py", "tests/data/x.json", "tests/helpers.py"}
    assert not found.whole & {"tests/test_b.py", "src/types.py", "src/shop.py"}


@pytest.mark.parametrize(
    ("path", "steers"),
    [
        ("conftest.py", True), ("tests/conftest.py", True), ("tests/deep/conftest.py", False), ("pytest.ini", True),
        ("sitecustomize.py", True), ("unittest.py", True), ("unittest/__init__.py", True), ("tests/pytest.py", True),
        ("src/unittest.py", False), ("unittests.py", False), ("node_modules/jest/index.js", True), ("shop.py", False),
        ("tests/__init__.py", True), ("src/__init__.py", False), (".npmrc", False),
    ],
)  # fmt: skip
def test_some_files_steer_a_python_runner_from_where_they_stand(path: str, steers: bool) -> None:
    assert find(["pytest tests/test_a.py"], TREE, {}).steering.steers(path) is steers


@pytest.mark.parametrize(
    ("path", "before", "after", "edited"),
    [
        ("pyproject.toml", "[project]\nname='a'\n", "[project]\nname='b'\n", ()),
        ("pyproject.toml", "", "[tool.pytest.ini_options]\naddopts='-x'\n", ("tool.pytest",)),
        ("package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "jest", "start": "node ."}}', ()),
        ("package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "exit 0"}}', ("scripts.test",)),
        ("package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "jest", "pretest": "rm -r x"}}',
         ("scripts.pretest",)),
        ("package.json", "{}", '{"jest": {"testMatch": []}}', ("jest",)),
        ("setup.cfg", "[metadata]\nname=a\n", "[metadata]\nname=a\n[tool:pytest]\naddopts=-k b\n", ("tool:pytest",)),
        ("Makefile", "test:\n\tpytest\n", "test:\n\tpytest\nrun:\n\tpython3 a.py\n", ()),
        ("Makefile", "test:\n\tpytest\n", "test:\n\t-pytest\n", ("test",)),
        ("Makefile", "A = 1\ntest:\n\tpytest\n", "A = 2\ntest:\n\tpytest\n", ("",)),
        ("Makefile", "test:\n\tpytest\n", None, ("test",)),
    ],
)  # fmt: skip
def test_of_some_files_only_the_parts_that_steer_count(
    path: str, before: str, after: str | None, edited: tuple[str, ...]
) -> None:
    assert edited_sections(path, before, after, may_set=False) == edited


@given(
    st.text(alphabet="test_abc/.py", min_size=1, max_size=20), st.sampled_from(["pytest", "pytest tests", "make test"])
)
def test_a_further_file_never_frees_another(path: str, command: str) -> None:
    assume(not any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in TREE))

    before = find([command], TREE, TEXTS)

    after = find([command], (*TREE, path), TEXTS)

    assert before.tests <= after.tests
    assert before.whole <= after.whole


def test_only_words_that_can_silence_a_runner_are_bold() -> None:
    assert is_bold("+++ b/a.py\n+    os._exit(0)\n")
    assert not is_bold("-    os._exit(0)\n+    return 2\n")


@given(st.lists(st.sampled_from(["x = 1", "os._exit(0)", "import unit", "test", "a = skip", "pytest\r", "\x0cgc", ""])))
def test_a_file_holds_every_word_that_a_change_adds_to_it(lines: list[str]) -> None:
    added = "".join(f"+{line}\n" for line in lines)

    assert holds_bold_words("".join(f"{line}\n" for line in lines)) or not is_bold(f"+++ b/a.py\n{added}")


def test_a_fault_stands_in_every_test_in_every_way_that_they_assert() -> None:
    text = "import shop\n\n\nclass T:\n    def test_a(self):\n        self.assertEqual(shop.a(), 1)\n"

    first, second = (made["test_a.py"].decode() for made in faults({"test_a.py": text}, scripts=()))

    assert "    def test_a(self):\n        raise AssertionError(" in first
    assert "    def test_a(self):\n        return self.assertEqual(0, 1)\n" in second


def test_a_check_in_the_command_gets_its_fault_there() -> None:
    assert (
        command_with_fault("python3 -c 'import a; assert a.b'")
        == "python3 -c 'import a; assert a.b; raise AssertionError'"
    )
    assert command_with_fault("grep -q a b") is None
