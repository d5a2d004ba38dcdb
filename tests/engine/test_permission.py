import shlex
import string
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.approvals import Touches, Verdict
from equitr_coder.domain.globs import covers
from equitr_coder.engine.command_line import parse, spellings
from equitr_coder.engine.permission import Rules, SessionPolicy
from equitr_coder.engine.read_only import is_read_only

READS = [
    "ls",
    "ls -la src",
    "ls *.py",
    "cat README.md",
    "cat a.py b.py | head -50",
    "head -n 20 src/app.py",
    "tail -5 log.txt",
    "wc -l src/*.py",
    "pwd",
    "echo 'done; really'",
    'echo "a && b"',
    "grep -rn 'def total' src",
    'grep -n "foo$" a.py',
    "grep -rn foo --include=*.py src | head -20",
    "grep -n '/api/users' src/routes.py",
    "grep foo a.py 2>/dev/null",
    "grep foo a.py 2>&1 | wc -l",
    "grep foo a.py > /dev/null",
    "grep foo a.py || true",
    "grep foo a.py; ls",
    "ls ;",
    "rg -n 'class \\w+' -g '*.py'",
    "rg --files --hidden",
    "rg foo -A 3 -tpy",
    "find . -name '*.py' -not -path './build/*' | sort",
    "find src -type f -mtime -7",
    "find . \\( -name a -o -name b \\) -print",
    "sort -u names.txt",
    "sort -t, -k2,2n data.csv",
    "sort a.txt | uniq -c | sort -rn | head",
    "sed -n 10,20p a.py",
    "sed -n '/def /p' a.py",
    "sed 's/a/b/g' a.py",
    "cut -d: -f1 names.txt",
    "diff a.py b.py",
    "stat a.py",
    "file a.bin",
    "tree -L 2",
    "jq '.name' package.json",
    "cd src && ls",
    "cd src; grep -n foo app.py",
    "python3 --version",
    "command -v make",
    "which python3",
    "test -f a.py && echo yes",
    "printf '%s\\n' a",
    "date +%F",
    "git status",
    "git status --short",
    "git log --oneline -5",
    "git --no-pager diff HEAD~1 -- src",
    "git diff --stat",
    "git show HEAD:src/app.py",
    "git blame -L 1,20 a.py",
    "git branch -a",
    "git branch --contains HEAD",
    "git branch --show-current",
    "git tag -l 'v1*'",
    "git remote -v",
    "git stash list",
    "git grep -n foo",
    "git ls-files",
    "git rev-parse HEAD",
    "git config --get user.name",
    "git cat-file -p HEAD",
    "git worktree list",
    "git reflog",
]

SNEAKY = [
    # output goes to a file
    "ls > listing.txt",
    "cat a >> b",
    "echo x >|y",
    "ls 2> errors.txt",
    "ls &> all.txt",
    "ls >/dev/null/../../tmp/x",
    "ls >/dev/nullified",
    "ls >&file",
    "cat <a >b",
    "cat <<EOF\nx\nEOF",
    "echo x | tee y",
    # a second command hides
    "ls; rm a",
    "ls && rm a",
    "ls || rm a",
    "ls | sh",
    "ls & rm a",
    "ls&",
    "ls |& sh",
    "ls ;; rm a",
    "ls\nrm a",
    "ls\rrm a",
    "ls # comment\nrm a",
    "(rm a)",
    "{ rm a; }",
    "! rm a",
    "if true; then rm a; fi",
    "ls() { rm a; }; ls",
    "time rm a",
    "sort ';' cat -o x",
    'sort "|" cat -o x',
    "sort \\; cat -o x",
    # something is expanded
    "echo $(rm a)",
    'echo "$(rm a)"',
    "echo `rm a`",
    'echo "`rm a`"',
    'grep "$x" a',
    'grep "$[x]" a',
    'grep "$" "$(rm a)" b',
    "cat ${x:=$(rm a)}",
    "cat $FILES",
    "find . -{exec,x} rm {} +",
    "cat <(rm a)",
    "uniq a*",
    "sort *",
    "git diff --out*",
    "git diff *",
    "cat src/.*/secret",
    # the environment is changed
    "PATH=. ls",
    "LD_PRELOAD=./x.so ls",
    "GIT_EXTERNAL_DIFF=./x git diff",
    "env ls",
    "export A=b",
    "printf -v PATH .; ls",
    "test -v 'a[$(touch x)]'",
    # programs that run or write by an option
    "find . -exec rm {} ;",
    "find . -execdir sh -c x {} +",
    "find . -ok rm {} ;",
    "find . -delete",
    "find . -fprint out",
    "find . -fprintf out %p",
    "find . -fls out",
    "sort -o out in",
    "sort -uo out in",
    "sort --output=out in",
    "sort --outp out in",
    "sort --compress-program=./x in",
    "sort -T . in",
    "uniq in out",
    "uniq - out",
    "sed -i s/a/b/ a.py",
    "sed --in-place s/a/b/ a.py",
    "sed -n -i p a.py",
    "sed -ni p a.py",
    "sed 'w out' a.py",
    "sed -n '/x/w out' a.py",
    "sed 's/a/b/w out' a.py",
    "sed 's/a/id/e' a.py",
    "sed '1e id' a.py",
    "sed -e p a.py",
    "sed -f script a.py",
    "sed 's/[/]w out/x/;p' a.py",
    "rg --pre ./x foo",
    "rg --pre=./x foo",
    "rg --hostname-bin ./x foo",
    "tree -o out",
    "tree -R -L 1",
    "file -C -m magic",
    "date -s 2020-01-01",
    "awk '{print}' a",
    "xargs rm",
    "ls | xargs rm",
    "python3 -c 'print(1)'",
    "python3 --version -c x",
    "./ls",
    "/tmp/ls",
    "l?",
    "sh -c ls",
    "eval ls",
    "source x",
    ". ./x",
    "exec ls",
    "command rm a",
    "command -v ls rm x",
    "type=x ls",
    # git
    "git -c core.pager=./x log",
    "git -C /tmp status",
    "git --exec-path=. status",
    "git -p log",
    "git diff --output=x",
    "git diff --output x",
    "git log --outp=x -p",
    "git show --o=x",
    "git diff --ext-diff",
    "git log -p --textconv",
    "git grep -O./x foo",
    "git grep --open-files-in-pager=./x foo",
    "git grep -nO./x foo",
    "git diff --no-index a b",
    "git branch new",
    "git branch -D main",
    "git branch -v new",
    "git branch --sort=x new",
    "git tag v1",
    "git tag -d v1",
    "git remote add x y",
    "git remote show origin",
    "git stash",
    "git stash pop",
    "git reflog expire --all",
    "git config user.name x",
    "git config --get --unset user.name",
    "git checkout .",
    "git commit -m x",
    "git push",
    "git ls-remote x",
    "git archive -o x HEAD",
    "git worktree add x",
    "git cat-file --textconv HEAD:a",
    "git status-all",
    "git",
    # the workspace is left
    "cat /etc/passwd",
    "cat ../secret",
    "cat a/../../b",
    "cat ~/.ssh/id_rsa",
    "cat ~root/x",
    "head --lines=1 /etc/passwd",
    "grep -f/etc/passwd x",
    "grep -e x /etc/passwd",
    "grep -ex /etc/passwd",
    "grep -r --regexp=x /etc/passwd",
    "rg -ex /etc",
    "grep x --file=/etc/passwd a",
    "find / -name x",
    "git diff -- ../x",
    "ls ..",
    "diff --from-file=/etc/passwd a",
    "sed -n p /etc/passwd",
    # it cannot be read at all
    "ls 'unterminated",
    'ls "unterminated',
    "ls \\",
    "ls \x00rm",
    "ls\u00a0rm",
    "",
    "   ",
    "| ls",
    "; ls",
    "ls &&",
    "ls |",
    "> /dev/null",
]


@pytest.mark.parametrize("command", READS)
def test_a_command_that_only_reads_runs_unasked(command: str) -> None:
    decision = SessionPolicy().decide("run_command", Touches(command=command))

    assert decision.verdict is Verdict.ALLOW


@pytest.mark.parametrize("command", SNEAKY)
def test_a_command_that_might_do_more_is_not_read_only(command: str) -> None:
    assert not is_read_only(command)
    assert SessionPolicy().decide("run_command", Touches(command=command)).verdict is not Verdict.ALLOW


def test_the_tables_are_large_enough_to_mean_something() -> None:
    assert len(READS) >= 40
    assert len(SNEAKY) >= 80
    assert len({*READS, *SNEAKY}) == len(READS) + len(SNEAKY)


@pytest.mark.parametrize(
    "command",
    [
        "cd /",
        "cd / && ls",
        "cd .. && ls",
        "cd src && cd ../.. && ls",
        "cd",
        "cd ~",
        "cd -",
        "cd $HOME && make",
        "(cd /tmp && make)",
        "make; cd '/tmp'",
        "pushd /tmp",
        "true && cd $(git rev-parse --show-toplevel)",
    ],
)
def test_a_command_that_changes_out_of_the_workspace_is_refused(command: str) -> None:
    decision = SessionPolicy(rules=Rules(allow=("make*",))).decide("run_command", Touches(command=command))

    assert decision.verdict is Verdict.DENY
    assert "outside the workspace" in decision.reason


@pytest.mark.parametrize("command", ["cd src && cd .. && ls", "cd /checkout/tree/src && ls", "cat /checkout/tree/a.py"])
def test_paths_below_the_known_root_are_inside(command: str) -> None:
    policy = SessionPolicy(roots=("/checkout/tree", "/home/me/project"))

    assert policy.decide("run_command", Touches(command=command)).verdict is Verdict.ALLOW


def test_a_root_is_not_a_prefix_of_letters() -> None:
    policy = SessionPolicy(roots=("/checkout/tree",))

    assert policy.decide("run_command", Touches(command="cat /checkout/tree2/a")).verdict is Verdict.ASK
    assert policy.decide("run_command", Touches(command="cd /checkout/tree2 && ls")).verdict is Verdict.DENY


def test_words_about_cd_in_quotes_do_not_count_as_leaving() -> None:
    assert is_read_only("grep -n '; cd /etc' a.sh")


APPROVED = "python -m pytest -q tests/test_app.py"


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        (APPROVED, Verdict.ALLOW),
        (f"  {APPROVED}\n", Verdict.ALLOW),
        (f"{APPROVED} -x", Verdict.ASK),
        (f"{APPROVED}; rm -r .", Verdict.ASK),
        (APPROVED.upper(), Verdict.ASK),
        ("python -m pytest", Verdict.ASK),
    ],
)
def test_an_approved_check_runs_unasked_to_the_letter(command: str, verdict: Verdict) -> None:
    policy = SessionPolicy(approved_commands=frozenset({APPROVED}))

    assert policy.decide("run_command", Touches(command=command)).verdict is verdict


def test_an_approved_check_may_change_folders_as_it_was_approved() -> None:
    policy = SessionPolicy(approved_commands=frozenset({"cd /opt/tool && make check"}))

    assert policy.decide("run_command", Touches(command="cd /opt/tool && make check")).verdict is Verdict.ALLOW
    assert policy.decide("run_command", Touches(command="cd /opt/tool && make")).verdict is Verdict.DENY


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("npm test", Verdict.ALLOW),
        ("npm run build -- --watch=false", Verdict.ALLOW),
        ("npm run build; rm -r .", Verdict.ASK),
        ("npm run build && npm test", Verdict.ALLOW),
        ("npm run build 2>&1 | tail -20", Verdict.ALLOW),
        ("npm run build > log", Verdict.ASK),
        ("npm run $(rm a)", Verdict.ASK),
        ("npm run build | sh", Verdict.ASK),
        ("npm run build & rm a", Verdict.ASK),
        ("npm run build ';' cat", Verdict.ALLOW),
        ("sort ';' cat -o x && npm test", Verdict.ASK),
        ("cd web && make all", Verdict.ALLOW),
        ("cd web && make all && rm a", Verdict.ASK),
        ("make > out.txt", Verdict.ALLOW),
    ],
)
def test_an_allow_rule_must_cover_every_part_of_a_command(command: str, verdict: Verdict) -> None:
    rules = Rules(allow=("npm run *", "npm test", "cd web && make*", "make > out.txt"))

    assert SessionPolicy(rules=rules).decide("run_command", Touches(command=command)).verdict is verdict


def test_the_rule_star_allows_everything_but_what_is_denied() -> None:
    policy = SessionPolicy(rules=Rules(allow=("*",), deny=("git push*",)))

    assert policy.decide("run_command", Touches(command="rm -r $(cat list) &")).verdict is Verdict.ALLOW
    assert policy.decide("run_command", Touches(command="git push")).verdict is Verdict.DENY


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf x",
        "rm   -rf  x",
        "/bin/rm -rf x",
        "'rm' -rf x",
        'r"m" -rf x',
        "\\rm -rf x",
        "ls && rm -rf x",
        "ls | rm -rf x",
        "ls\nrm -rf x",
        "(rm -rf x)",
        "$(rm -rf x)",
        "`rm -rf x`",
        "sudo rm -rf x",
        "sudo -n rm -rf x",
        "env A=1 rm -rf x",
        "A=1 B=2 rm -rf x",
        "timeout 5 rm -rf x",
        "nohup nice -n 5 rm -rf x",
        "sh -c 'rm -rf x'",
        "bash -lc 'ls; rm -rf x'",
        "eval 'rm -rf x'",
        "find . -exec rm -rf x ;",
        "ls | xargs rm -rf x",
        "if true; then rm -rf x; fi",
    ],
)
def test_a_deny_rule_sees_through_the_ways_to_write_a_command(command: str) -> None:
    policy = SessionPolicy(rules=Rules(deny=("rm -rf *",), allow=("*",)), approved_commands=frozenset({command}))

    decision = policy.decide("run_command", Touches(command=command))

    assert decision.verdict is Verdict.DENY
    assert "rm -rf *" in decision.reason


def test_a_deny_rule_for_git_sees_past_its_global_options() -> None:
    policy = SessionPolicy(rules=Rules(deny=("git push*",)))

    assert policy.decide("run_command", Touches(command="git -C sub -c a=b push origin")).verdict is Verdict.DENY


def test_an_ask_rule_stands_above_approved_checks_and_reading() -> None:
    policy = SessionPolicy(rules=Rules(ask=("git log*",), allow=("*",)), approved_commands=frozenset({"git log"}))

    assert policy.decide("run_command", Touches(command="git log")).verdict is Verdict.ASK


def test_without_a_sandbox_every_command_asks_unless_the_user_allowed_it() -> None:
    policy = SessionPolicy(
        is_confined=False, rules=Rules(allow=("make test",)), approved_commands=frozenset({"pytest"})
    )

    verdicts = [policy.decide("run_command", Touches(command=c)).verdict for c in ("ls", "pytest", "make test")]

    assert verdicts == [Verdict.ASK, Verdict.ASK, Verdict.ALLOW]


def test_a_session_that_only_reads_refuses_to_write_and_to_run() -> None:
    policy = SessionPolicy(can_write=False, rules=Rules(allow=("*",)))

    assert policy.decide("write_file", Touches(writes=("a.py",))).verdict is Verdict.DENY
    assert policy.decide("run_command", Touches(command="make")).verdict is Verdict.DENY
    assert policy.decide("run_command", Touches(command="git log")).verdict is Verdict.ALLOW
    assert policy.decide("read_file", Touches(reads=("a.py",))).verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("entry", "path", "covered"),
    [
        ("src/app.py", "src/app.py", True),
        ("./src/app.py", "src/app.py", True),
        ("src/app.py", "src/app.pyc", False),
        ("src", "src/deep/app.py", True),
        ("src/", "src/app.py", True),
        ("src", "src2/app.py", False),
        ("src/*.py", "src/app.py", True),
        ("src/*.py", "src/deep/app.py", False),
        ("src/**", "src/deep/app.py", True),
        ("src/**/*.py", "src/app.py", True),
        ("src/**/*.py", "src/a/b/app.py", True),
        ("src/**/*.py", "src/a/b/app.js", False),
        ("**/test_*.py", "test_a.py", True),
        ("a?.py", "ab.py", True),
        ("a?.py", "a/.py", False),
        ("[!a]*.py", "b.py", True),
        ("[!a]*.py", "a.py", False),
        ("app/[id]/page.tsx", "app/[id]/page.tsx", True),
        (".", "anything/at/all", True),
        ("a.b", "axb", False),
    ],
)
def test_a_footprint_entry_covers_paths_folders_and_globs(entry: str, path: str, covered: bool) -> None:
    assert covers(entry, path) is covered


def test_a_closed_session_is_refused_what_others_would_be_asked_about() -> None:
    policy = SessionPolicy(footprint=("src/app.py",), is_closed=True)

    assert policy.decide("write_file", Touches(writes=("src/app.py",))).verdict is Verdict.ALLOW
    refused = policy.decide("write_file", Touches(writes=("docs/readme.md",)))
    assert refused.verdict is Verdict.DENY
    assert "src/app.py" in refused.reason


def test_a_write_outside_the_footprint_asks_and_an_undeclared_footprint_allows() -> None:
    write = Touches(writes=("src/other.py",))

    declared = SessionPolicy(footprint=("src/app.py", "tests/**")).decide("write_file", write)
    undeclared = SessionPolicy(footprint=("", "  ")).decide("write_file", write)

    assert declared.verdict is Verdict.ASK
    assert "leaves its footprint" in declared.reason
    assert undeclared.verdict is Verdict.ALLOW


def test_one_write_outside_is_enough_for_a_patch_to_ask() -> None:
    policy = SessionPolicy(footprint=("src",))

    assert policy.decide("apply_patch", Touches(writes=("src/a.py", "README.md"))).verdict is Verdict.ASK


def test_what_another_task_holds_is_refused_where_it_leaves_the_footprint_and_only_there() -> None:
    policy = SessionPolicy(footprint=("src", "b.py"), holder={"a.py": "T2 (Schema)", "b.py": "T3"}.get)

    refused = policy.decide("write_file", Touches(writes=("./a.py",)))

    assert refused.verdict is Verdict.DENY
    assert "./a.py leaves its footprint (src, b.py), and T2 (Schema) holds ./a.py" in refused.reason
    assert policy.decide("write_file", Touches(writes=("b.py",))).verdict is Verdict.ALLOW
    assert policy.decide("write_file", Touches(writes=("c.py",))).verdict is Verdict.ASK


def test_a_write_outside_the_footprint_is_refused_where_the_user_wants_it_so() -> None:
    decision = SessionPolicy(footprint=("src",), leaving="refuse").decide("write_file", Touches(writes=("a.py",)))

    assert decision.verdict is Verdict.DENY
    assert "leaves its footprint" in decision.reason
    assert "orchestrator.footprint" in decision.reason


@pytest.mark.parametrize("path", ["docs/todos.md", "docs/../docs/design.md", "docs/Requirements.md", "./docs/todos.md"])
def test_planning_documents_are_never_written_by_a_session(path: str) -> None:
    documents = ("docs/requirements.md", "docs/design.md", "docs/todos.md")
    policy = SessionPolicy(documents=documents, footprint=("docs",))

    decision = policy.decide("write_file", Touches(writes=(path,)))

    assert decision.verdict is Verdict.DENY
    assert "planning document" in decision.reason


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "~/.ssh/config", ".git/config", "sub/.GIT/hooks/x"]
)
def test_paths_outside_the_workspace_are_refused_for_reading_and_writing(path: str) -> None:
    assert SessionPolicy().decide("read_file", Touches(reads=(path,))).verdict is Verdict.DENY
    assert SessionPolicy().decide("write_file", Touches(writes=(path,))).verdict is Verdict.DENY


def test_a_tool_that_does_not_say_what_it_touches_asks_and_one_that_touches_nothing_runs() -> None:
    assert SessionPolicy().decide("mcp_x", Touches(unknown=True)).verdict is Verdict.ASK
    assert SessionPolicy().decide("hand_in", Touches()).verdict is Verdict.ALLOW


def test_the_strictest_answer_of_one_call_wins() -> None:
    touches = Touches(reads=("a.py",), writes=("../b",), command="ls", unknown=True)

    assert SessionPolicy().decide("mixed", touches).verdict is Verdict.DENY


words = st.text(alphabet=string.printable.replace("\n", "").replace("\r", ""), min_size=1, max_size=12)


@given(st.lists(words, min_size=1, max_size=6))
def test_quoted_words_are_read_as_the_shell_reads_them(arguments: list[str]) -> None:
    parsed = parse(shlex.join(arguments))

    if any(character in "".join(arguments) for character in "\x0b\x0c"):
        return
    assert parsed is not None
    assert [word.text for word in parsed[0]] == arguments


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@settings(deadline=None)
@given(line=st.text(alphabet="ab;|&<>()'\"\\\\\\\\ \t$`*{}#=-2", max_size=16))
def test_the_real_shell_sees_the_same_words_in_what_is_taken_for_one_command(line: str, empty_folder: Path) -> None:
    parsed = parse(f"echo {line}")
    if parsed is None or len(parsed) > 1 or ">" in line:
        return

    shell = subprocess.run(
        ["/bin/sh", "-c", f"set -f; printf '%s\\n' echo {line}"],
        cwd=empty_folder,
        env={"PATH": "/nowhere"},
        check=False,
        capture_output=True,
        text=True,
    )

    assert (shell.returncode, shell.stderr) == (0, "")
    assert shell.stdout == "".join(f"{word.text}\n" for word in parsed[0])
    assert not list(empty_folder.iterdir())


@given(st.text(alphabet="rm -f;|&$()`'\"\\\n sudo", max_size=40))
def test_reading_any_line_for_deny_rules_ends(line: str) -> None:
    assert all(form.strip() for form in spellings(line))


@given(st.text(max_size=40))
def test_no_text_at_all_breaks_the_reading(line: str) -> None:
    parse(line)
    spellings(line)
    SessionPolicy(roots=("/work",)).decide("run_command", Touches(command=line))
