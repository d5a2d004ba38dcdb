import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.check_command import Runner, parts, runners


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("pytest -q tests/test_a.py::test_x", [Runner.PYTEST]),
        ("python3.12 -m pytest tests", [Runner.PYTEST]),
        ("cd api && python3 -m unittest tests.test_a", [Runner.UNITTEST]),
        ("timeout 60 env A=1 uv run pytest", [Runner.PYTEST]),
        ("coverage run -m pytest tests", [Runner.PYTEST]),
        ("ruff check . && pytest", [Runner.PYTEST]),
        ("sh -c 'pytest tests'", [Runner.PYTEST]),
        ("pytest 2>&1", [Runner.PYTEST]),
        ("node --test x.test.js", [Runner.NODE]),
        ("npx jest", [Runner.JEST]),
        ("go test ./...", [Runner.GO]),
        ("cargo nextest run", [Runner.CARGO]),
        ("./gradlew :app:test", [Runner.GRADLE]),
        ("bundle exec rspec spec", [Runner.RSPEC]),
        ("vendor/bin/phpunit", [Runner.PHPUNIT]),
        ("pytest | tail -3", []),
        ("pytest > /dev/null", []),
        ("pytest -qq", []),
        ("grep pytest README.md", []),
        ("go build ./...", []),
        ("python3 -c 'import pytest'", []),
    ],
)
def test_a_runner_is_known_where_it_is_run_and_heard(command: str, found: list[Runner]) -> None:
    assert list(runners(command)) == found


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("sh check.sh", "check.sh"),
        ("./check.sh --all", "./check.sh"),
        (". ./lib.sh", "./lib.sh"),
        ("python3 tools/check.py", "tools/check.py"),
        ("node scripts/check.mjs", "scripts/check.mjs"),
        ("grep -q x src/a.py", ""),
    ],
)
def test_a_script_is_known_by_who_runs_it(command: str, script: str) -> None:
    [part] = parts(command)

    assert part.script == script


def test_make_and_package_scripts_are_launchers() -> None:
    [make] = parts("make -s test lint")
    [npm] = parts("npm run test:unit")

    assert (make.makes, make.is_launcher) == (("test", "lint"), True)
    assert (npm.package_script, npm.is_launcher) == ("test:unit", True)


@given(st.text(alphabet="ab/.-'\"|&;<>()$ \n=", max_size=60))
def test_no_command_is_too_odd_to_be_read(command: str) -> None:
    assert isinstance(parts(command), tuple)
