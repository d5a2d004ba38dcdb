import pytest

from equitr_coder.domain.check_command import Runner
from equitr_coder.domain.counts import Count, count_tests, read_counts


@pytest.mark.parametrize(
    ("runner", "output", "count"),
    [
        (Runner.PYTEST, "..s\n2 passed, 1 skipped in 0.12s\n", Count(2, 1)),
        (Runner.PYTEST, "===== 1 failed, 2 passed, 1 warning in 3.10s (0:00:03) =====\n", Count(3)),
        (Runner.PYTEST, "no tests ran in 0.01s\n", Count(0)),
        (Runner.PYTEST, "3 skipped in 0.01s\n", Count(0, 3)),
        (Runner.PYTEST, "2 deselected in 0.01s\n", Count(0)),
        (Runner.PYTEST, "1 error in 0.05s\n", Count(1)),
        (Runner.UNITTEST, "...\nRan 3 tests in 0.001s\n\nOK (skipped=1)\n", Count(2, 1)),
        (Runner.UNITTEST, "Ran 0 tests in 0.000s\n\nNO TESTS RAN\n", Count(0)),
        (Runner.NODE, "# tests 4\n# pass 2\n# fail 1\n# skipped 1\n# todo 0\n", Count(3, 1)),
        (Runner.NODE, "ℹ tests 0\nℹ pass 0\n", Count(0)),
        (Runner.JEST, "Tests:       1 failed, 1 skipped, 2 passed, 4 total\n", Count(3, 1)),
        (Runner.JEST, "No tests found, exiting with code 0\n", Count(0)),
        (Runner.VITEST, "\x1b[2m      Tests \x1b[22m 2 passed | 1 skipped (3)\n", Count(2, 1)),
        (Runner.MOCHA, "  3 passing (8ms)\n  1 pending\n  1 failing\n", Count(4, 1)),
        (Runner.GO, "ok  \tshop\t0.01s [no tests to run]\n", Count(0)),
        (Runner.GO, "?   \tshop\t[no test files]\n", Count(0)),
        (Runner.GO, "--- PASS: TestA (0.00s)\n--- SKIP: TestB (0.00s)\nok  \tshop\t0.01s\n", Count(1, 1)),
        (Runner.CARGO, "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n", Count(3, 1)),
        (Runner.RSPEC, "4 examples, 0 failures, 1 pending\n", Count(3, 1)),
        (Runner.PHPUNIT, "OK (3 tests, 5 assertions)\n", Count(3)),
        (Runner.PHPUNIT, "No tests executed!\n", Count(0)),
        (Runner.MAVEN, "Tests run: 3, Failures: 0, Errors: 0, Skipped: 1, Time elapsed: 0.1 s\n"
         "Tests run: 3, Failures: 0, Errors: 0, Skipped: 1\n", Count(2, 1)),
        (Runner.MAVEN, "[INFO] Tests are skipped.\n", Count(0)),
        (Runner.GRADLE, "> Task :test NO-SOURCE\n", Count(0)),
        (Runner.CTEST, "100% tests passed, 0 tests failed out of 5\n", Count(5)),
        (Runner.CTEST, "No tests were found!!!\n", Count(0)),
        (Runner.PROVE, "Files=1, Tests=3,  0 wallclock secs\nResult: PASS\n", Count(3)),
        (Runner.PROVE, "Files=0, Tests=0,  0 wallclock secs\nResult: NOTESTS\n", Count(0)),
    ],
)  # fmt: skip
def test_each_runner_says_how_many_tests_ran(runner: Runner, output: str, count: Count) -> None:
    assert count_tests([runner], output) == count
    assert read_counts(output) == count


@pytest.mark.parametrize("output", ["", "ok\n", "ok  \tshop\t0.01s\n", "5 passed\n", "tests 4\n"])
def test_what_is_no_summary_is_not_counted(output: str) -> None:
    assert read_counts(output) is None
