"""How many tests ran, from what a runner printed. Pure; knows the summaries of the common runners."""

import re
from collections.abc import Callable, Iterable, Mapping

from equitr_coder.domain.check_command import Runner
from equitr_coder.domain.frozen import frozen

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@frozen
class Count:
    ran: int
    """Passed and failed ones."""
    skipped: int = 0


def count_tests(runners: Iterable[Runner], output: str) -> Count | None:
    """The sum over the given runners; None when none of them printed a summary."""
    text = _COLOUR.sub("", output).replace("\r\n", "\n")
    found = [count for runner in dict.fromkeys(runners) if (count := _READERS[runner](text)) is not None]
    return Count(sum(one.ran for one in found), sum(one.skipped for one in found)) if found else None


def read_counts(output: str) -> Count | None:
    """The same when it is not known which runners there were."""
    return count_tests(Runner, output)


def _pytest(text: str) -> Count | None:
    ran = skipped = 0
    summaries = re.findall(
        r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+|no tests (?:ran|collected)(?: \([^)]*\))?) in \d[\d.]*s\b",
        text,
        re.MULTILINE,
    )
    for summary in summaries:
        for number, word in re.findall(r"(\d+) ([a-z]+)", summary if not summary.startswith("no ") else ""):
            if word in ("passed", "failed", "xfailed", "xpassed", "error", "errors"):
                ran += int(number)
            elif word == "skipped":
                skipped += int(number)
    if summaries:
        return Count(ran, skipped)
    return Count(0) if re.search(r"^(?:=+ )?no tests (?:ran|collected)\b", text, re.MULTILINE) else None


def _unittest(text: str) -> Count | None:
    totals = re.findall(r"^Ran (\d+) tests? in ", text, re.MULTILINE)
    if not totals:
        return Count(0) if re.search(r"^NO TESTS RAN", text, re.MULTILINE) else None
    skipped = sum(int(n) for n in re.findall(r"^(?:OK|FAILED|NO TESTS RAN) \(.*?skipped=(\d+)", text, re.MULTILINE))
    return Count(max(0, sum(int(n) for n in totals) - skipped), skipped)


def _node(text: str) -> Count | None:
    totals = _all(r"^(?:# |ℹ )tests (\d+)$", text)
    if totals is None:
        return None
    skipped = (_all(r"^(?:# |ℹ )skipped (\d+)$", text) or 0) + (_all(r"^(?:# |ℹ )todo (\d+)$", text) or 0)
    return Count(max(0, totals - skipped), skipped)


def _jest(text: str) -> Count | None:
    lines = re.findall(r"^Tests: +(.*?)(\d+) total$", text, re.MULTILINE)
    if not lines:
        return Count(0) if re.search(r"^No tests found", text, re.MULTILINE) else None
    skipped = sum(int(n) for words, _ in lines for n in re.findall(r"(\d+) (?:skipped|todo)", words))
    return Count(max(0, sum(int(total) for _, total in lines) - skipped), skipped)


def _vitest(text: str) -> Count | None:
    lines = re.findall(r"^ *Tests  (.*?) ?\((\d+)\)$", text, re.MULTILINE)
    if not lines:
        return Count(0) if re.search(r"^No test files found", text, re.MULTILINE) else None
    skipped = sum(int(n) for words, _ in lines for n in re.findall(r"(\d+) (?:skipped|todo)", words))
    return Count(max(0, sum(int(total) for _, total in lines) - skipped), skipped)


def _mocha(text: str) -> Count | None:
    passing = _all(r"^ *(\d+) passing\b", text)
    if passing is None:
        return None
    return Count(passing + (_all(r"^ *(\d+) failing\b", text) or 0), _all(r"^ *(\d+) pending\b", text) or 0)


def _go(text: str) -> Count | None:
    shown = len(re.findall(r"^--- (?:PASS|FAIL): ", text, re.MULTILINE))
    skipped = len(re.findall(r"^--- SKIP: ", text, re.MULTILINE))
    if shown or skipped:
        return Count(shown, skipped)
    packages = re.findall(r"^(?:ok|FAIL|---)\s.*$", text, re.MULTILINE)
    with_tests = [line for line in packages if "[no tests to run]" not in line and "[no test files]" not in line]
    is_empty = bool(packages) or re.search(r"\[no test files\]$", text, re.MULTILINE) is not None
    return Count(0) if is_empty and not with_tests else None  # how many, only `-v` says


def _cargo(text: str) -> Count | None:
    found = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", text, re.MULTILINE)
    nextest = re.findall(r"^ *Summary \[.*?\] +(\d+) tests? run: .*?(?:(\d+) skipped)?$", text, re.MULTILINE)
    if not found and not nextest:
        return None
    ran = sum(int(passed) + int(failed) for passed, failed, _ in found) + sum(int(ran) for ran, _ in nextest)
    return Count(ran, sum(int(ignored) for _, _, ignored in found) + sum(int(n or 0) for _, n in nextest))


def _rspec(text: str) -> Count | None:
    found = re.findall(r"^(\d+) examples?, \d+ failures?(?:, (\d+) pending)?", text, re.MULTILINE)
    pending = sum(int(n or 0) for _, n in found)
    return Count(sum(int(n) for n, _ in found) - pending, pending) if found else None


def _phpunit(text: str) -> Count | None:
    if re.search(r"^No tests executed!", text, re.MULTILINE):
        return Count(0)
    found = [
        *re.findall(r"^OK \((\d+) tests?, ()", text, re.MULTILINE),
        *re.findall(r"^Tests: (\d+), Assertions: \d+(?:.*?Skipped: (\d+))?", text, re.MULTILINE),
    ]
    skipped = sum(int(n or 0) for _, n in found)
    return Count(sum(int(n) for n, _ in found) - skipped, skipped) if found else None


def _maven(text: str) -> Count | None:
    found = re.findall(
        r"Tests run: (\d+), Failures: \d+, Errors: \d+, Skipped: (\d+)(?!.*Time elapsed)", text, re.MULTILINE
    )
    if not found:
        return Count(0) if re.search(r"Tests are skipped|No tests to run", text) else None
    skipped = sum(int(n) for _, n in found)
    return Count(sum(int(n) for n, _ in found) - skipped, skipped)


def _gradle(text: str) -> Count | None:
    found = re.findall(r"^(\d+) tests completed(?:, \d+ failed)?(?:, (\d+) skipped)?", text, re.MULTILINE)
    if found:
        skipped = sum(int(n or 0) for _, n in found)
        return Count(sum(int(n) for n, _ in found) - skipped, skipped)
    tasks = re.findall(r"^> Task :(?:\S*:)?test\b *(.*)$", text, re.MULTILINE)
    return Count(0) if tasks and all(state in ("NO-SOURCE", "SKIPPED") for state in tasks) else None


def _ctest(text: str) -> Count | None:
    if "No tests were found!!!" in text:
        return Count(0)
    skipped = len(re.findall(r"\*\*\*(?:Skipped|Not Run)", text))
    total = _all(r"^\d+% tests passed, \d+ tests? failed out of (\d+)$", text)
    return Count(max(0, total - skipped), skipped) if total is not None else None


def _prove(text: str) -> Count | None:
    if re.search(r"^Result: NOTESTS", text, re.MULTILINE):
        return Count(0)
    total = _all(r"^Files=\d+, Tests=(\d+),", text)
    return Count(total) if total is not None else None


def _all(pattern: str, text: str) -> int | None:
    found = re.findall(pattern, text, re.MULTILINE)
    return sum(int(number) for number in found) if found else None


_READERS: Mapping[Runner, Callable[[str], Count | None]] = {
    Runner.PYTEST: _pytest,
    Runner.UNITTEST: _unittest,
    Runner.NODE: _node,
    Runner.JEST: _jest,
    Runner.VITEST: _vitest,
    Runner.MOCHA: _mocha,
    Runner.GO: _go,
    Runner.CARGO: _cargo,
    Runner.RSPEC: _rspec,
    Runner.PHPUNIT: _phpunit,
    Runner.MAVEN: _maven,
    Runner.GRADLE: _gradle,
    Runner.CTEST: _ctest,
    Runner.PROVE: _prove,
}
