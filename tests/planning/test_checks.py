import pytest

from equitr_coder.planning.checks import cannot_fail


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("true", "`true` always succeeds"),
        ("exit 0", "`exit 0` always succeeds"),
        ("echo ok", "`echo ok` always succeeds"),
        (":", "`:` always succeeds"),
        ("/bin/true", "`/bin/true` always succeeds"),
        ("pytest || true", "`|| true` hides every failure"),
        ("pytest -q || echo failed", "`|| echo failed` hides every failure"),
        ("make && pytest || :", "`|| :` hides every failure"),
        ("pytest; echo done", "`echo done` always succeeds"),
        ("pytest\necho done\n", "`echo done` always succeeds"),
        ("pytest; exit 0", "`exit 0` always succeeds"),
        ("exit 0; pytest", "`exit 0` always succeeds"),
        ("true && echo ok", "`echo ok` always succeeds"),
        ("pytest | tee log", "the pipe into `tee` hides the exit code"),
        ("pytest -q 2>&1 | tail -n 3", "the pipe into `tail` hides the exit code"),
        ("pytest &", "it runs in the background"),
        ("pytest & wait", "`wait` always succeeds"),
        ("true # pytest", "`true` always succeeds"),
        ("# pytest", "it runs nothing"),
        ("X=1 env Y=2 true", "`true` always succeeds"),
        ("timeout 60 true", "`true` always succeeds"),
        ("echo ok > log", "`echo ok` always succeeds"),
        ("sh -c 'exit 0'", "`exit 0` always succeeds"),
        ('bash -lc "pytest || true"', "`|| true` hides every failure"),
        ("python -c 'print(\"ok\")'", "`python -c 'print(\"ok\")'` always succeeds"),
        ("python3 -c pass", "`python3 -c pass` always succeeds"),
        ("python --version", "`python --version` always succeeds"),
        ("test 1 = 1", "`test 1 = 1` always succeeds"),
        ("[ -d . ]", "`[ -d . ]` always succeeds"),
        ("cd . && ls", "`ls` always succeeds"),
        ("set -x; true", "`true` always succeeds"),
    ],
)
def test_a_check_that_cannot_fail_is_seen_through(command: str, reason: str) -> None:
    assert cannot_fail(command) == reason


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "pytest -q tests/users",
        "make test",
        "cd app && npm test",
        "echo start; pytest",
        "echo start && pytest",
        "true && pytest",
        "pytest && echo ok",
        "set -e; pytest; echo ok",
        "set -euo pipefail\npytest | tee log\nmake lint\necho ok",
        "pytest || exit 1",
        "pytest | grep -q passed",
        "cat out.txt | grep ok",
        "test -f README.md",
        "test -d src",
        "[ -s out.txt ]",
        'test "$(wc -l < a)" = 3',
        "! grep -r TODO src",
        "if pytest; then echo ok; else exit 1; fi",
        "(pytest)",
        "for f in a b; do test -f $f; done",
        "python -c 'import app; assert app.x == 1'",
        "python -c 'import app'",
        "python -m pytest",
        "sh -c 'pytest'",
        "sh run.sh",
        'echo "a; true" | diff - expected',
        "mytool --version",
        "grep -q 'exit 0' script.sh",
        "pytest 2>&1",
        "python - <<'EOF'\nassert 1 == 2\nEOF",
        "echo it's open",
        "X=1 pytest",
        "wait || pytest --unbalanced '",
    ],
)
def test_a_check_that_may_fail_is_left_alone(command: str) -> None:
    assert cannot_fail(command) == ""
