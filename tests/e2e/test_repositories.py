import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.testing.script import call, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import builds, hands_in, plans, task, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
Prepare = Callable[[Stage], None]


def fresh(user: Stage, folder: Path) -> None:
    """A new repository with one commit in another place."""
    folder.mkdir(parents=True)
    user.repo = folder
    user.git("init", "-q", "-b", "main")
    user.git("config", "user.name", "A User")
    user.git("config", "user.email", "user@example.invalid")
    user.commit({"README.md": "# Shop\n"})


def without_identity(user: Stage) -> None:
    user.git("config", "--unset", "user.name")
    user.git("config", "--unset", "user.email")
    user.git("config", "user.useConfigOnly", "true")


def signing(user: Stage) -> None:
    user.git("config", "commit.gpgsign", "true")
    user.git("config", "tag.gpgsign", "true")
    user.git("config", "gpg.program", "false")


def failing_hooks(user: Stage) -> None:
    for name in (
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "pre-merge-commit",
        "post-merge",
        "pre-rebase",
        "post-index-change",
    ):
        hook = user.repo / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho the hook of the user >&2\nexit 1\n")
        hook.chmod(0o755)


def hooks_path(user: Stage) -> None:
    folder = user.home / "hooks"
    folder.mkdir()
    for name in ("pre-commit", "post-checkout", "reference-transaction"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {user.home}/hook-ran\nexit 1\n")
        (folder / name).chmod(0o755)
    user.git("config", "core.hooksPath", str(folder))


def submodule(user: Stage) -> None:
    main, library = user.repo, user.home / "library"
    fresh(user, library)
    user.repo = main
    user.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "library")
    user.git("commit", "-qm", "with a library")


def large_files(user: Stage) -> None:
    """The attributes of LFS, and nothing that knows them."""
    user.commit({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": "a pointer\n"})


def large_files_without_their_filter(user: Stage) -> None:
    """The filters are configured and required, but git-lfs is not there: git itself fails on a changed file."""
    large_files(user)
    filters = {
        "filter.lfs.clean": "git-lfs clean -- %f",
        "filter.lfs.smudge": "git-lfs smudge -- %f",
        "filter.lfs.process": "git-lfs filter-process",
        "filter.lfs.required": "true",
    }
    for key, value in filters.items():
        user.git("config", key, value)
    user.own_git = {"GIT_CONFIG_COUNT": str(len(filters))}
    for number, key in enumerate(filters):
        user.own_git |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": ""}


def spaces(user: Stage) -> None:
    fresh(user, user.repo.parent / "my own projects" / "shop «日本»")


def linked_worktree(user: Stage) -> None:
    folder = user.repo.parent / "linked"
    user.git("worktree", "add", "-q", "-b", "feature", str(folder))
    user.repo = folder


def dirty(user: Stage) -> None:
    user.write({"README.md": "# My Shop\n", "notes.txt": "mine\n"})


def windows_lines(user: Stage) -> None:
    user.git("config", "core.autocrlf", "true")
    user.commit({".gitattributes": "* text=auto\n*.bat text eol=crlf\n", "run.bat": "echo\r\n", "lines.txt": "a\nb\n"})
    user.git("rm", "-q", "--cached", "-r", ".")
    user.git("reset", "-q", "--hard")


def shallow(user: Stage) -> None:
    user.commit({"more.txt": "more\n"})
    folder = user.repo.parent / "shallow"
    user.git("clone", "-q", "--depth", "1", f"file://{user.repo}", str(folder))
    user.repo = folder
    user.git("config", "user.name", "A User")
    user.git("config", "user.email", "user@example.invalid")


def odd_names(user: Stage) -> None:
    folder = str(user.repo).encode()
    for name in (b"caf\xe9.txt", b"tab\there.txt", b'quote".txt', b"new\nline.txt", b"-rf", b"$HOME.txt"):
        with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123 - the name is not text
            file.write(b"x\n")
    (user.repo / "link").symlink_to("README.md")
    (user.repo / "run.sh").write_text("#!/bin/sh\n")
    (user.repo / "run.sh").chmod(0o755)
    user.git("add", "-A")
    user.git("commit", "-qm", "odd names")


def nested(user: Stage) -> None:
    """Another repository, ignored, inside this one."""
    main = user.repo
    user.commit({".gitignore": "vendor/\n"})
    fresh(user, main / "vendor" / "tool")
    user.repo = main


def sparse(user: Stage) -> None:
    user.commit({"src/shop.py": "x = 1\n", "assets/big.txt": "big\n"})
    user.git("sparse-checkout", "set", "src")


def sha256(user: Stage) -> None:
    folder = user.repo.parent / "sha256"
    folder.mkdir()
    user.repo = folder
    user.git("init", "-q", "-b", "main", "--object-format=sha256")
    user.git("config", "user.name", "A User")
    user.git("config", "user.email", "user@example.invalid")
    user.commit({"README.md": "# Shop\n"})


def no_commits(user: Stage) -> None:
    shutil.rmtree(user.repo / ".git")
    user.git("init", "-q", "-b", "trunk")
    user.git("config", "user.name", "A User")
    user.git("config", "user.email", "user@example.invalid")


def plain_folder(user: Stage) -> None:
    shutil.rmtree(user.repo / ".git")


def detached(user: Stage) -> None:
    user.git("switch", "-q", "--detach")


def unfinished_merge(user: Stage) -> None:
    user.git("switch", "-qc", "other")
    user.commit({"README.md": "# Other Shop\n"})
    user.git("switch", "-q", "main")
    user.commit({"README.md": "# Main Shop\n"})
    subprocess.run(["git", "merge", "-q", "other"], cwd=user.repo, env=user.environ, check=False, capture_output=True)
    assert (user.repo / ".git/MERGE_HEAD").exists()


def bare(user: Stage) -> None:
    folder = user.repo.parent / "bare.git"
    user.git("clone", "-q", "--bare", str(user.repo), str(folder))
    user.repo = folder


ORDINARY: tuple[Prepare, ...] = (
    without_identity,
    signing,
    failing_hooks,
    hooks_path,
    submodule,
    large_files,
    large_files_without_their_filter,
    spaces,
    linked_worktree,
    dirty,
    windows_lines,
    shallow,
    odd_names,
    nested,
    sparse,
    sha256,
)


MAY_STOP = {submodule, large_files_without_their_filter, sha256}
"""Where stopping before money is spent is good enough for work in worktrees."""
IS_KEPT = {dirty, sparse}
"""Where the work is not landed, and the command that takes it is printed."""


def assert_stopped_in_two_lines(user: Stage, ended: Ended) -> None:
    assert ended.code == 2, ended.brief
    assert not user.server.requests
    assert len(ended.err.strip().splitlines()) <= 2, ended.err
    assert "Traceback" not in ended.err


def snapshot(user: Stage) -> dict[str, bytes]:
    """Every file of the user's, but for git's own."""
    return {
        str(path.relative_to(user.repo)): path.read_bytes()
        for path in user.repo.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(user.repo).parts
    }


@pytest.mark.parametrize("prepare", ORDINARY, ids=lambda prepare: prepare.__name__)
def test_a_planned_run_works_or_stops_before_money_is_spent(stage: OpenStage, prepare: Prepare) -> None:
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), builds("T1"), builds("T2")])
    prepare(user)
    before, status = snapshot(user), user.git("status", "--porcelain")

    ended = user.run(*PLANNED, "build words", cwd=user.repo)

    after = snapshot(user)
    assert {name: after.get(name) for name in before} == before
    assert user.git("status", "--porcelain") == status
    assert not (user.home / "hook-ran").exists()
    if ended.code == 2 and prepare in MAY_STOP:
        assert_stopped_in_two_lines(user, ended)
    else:
        assert ended.code == 0, ended.brief
        assert "2 done, 0 failed" in ended.out
        if prepare in IS_KEPT:
            assert "git merge" in ended.out
        else:
            assert user.read("t1.txt") == "T1-built\n"
            assert user.git("log", "-3", "--format=%an").strip()
    assert user.git("fsck", "--no-dangling") == ""


@pytest.mark.parametrize("prepare", [bare, unfinished_merge], ids=lambda prepare: prepare.__name__)
def test_nothing_is_broken_where_work_cannot_start(stage: OpenStage, prepare: Prepare) -> None:
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), builds("T1"), builds("T2")])
    prepare(user)
    refs = user.git("for-each-ref")
    status = "" if prepare is bare else user.git("status", "--porcelain")

    for arguments in ((*PLANNED, "build words"), ("loop", "build", "--check", "true", "--yes")):
        ended = user.run(*arguments, cwd=user.repo)

        assert_stopped_in_two_lines(user, ended)
        assert user.git("for-each-ref") == refs
        if prepare is unfinished_merge:
            assert user.git("status", "--porcelain") == status
            assert (user.repo / ".git/MERGE_HEAD").exists()


def test_a_detached_head_stays_where_it_is(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), builds("T1"), builds("T2")])
    detached(user)
    start = user.tip()

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert "2 done, 0 failed" in ended.out
    assert (user.tip(), user.tip("main")) == (start, start)
    assert user.git("branch", "--show-current") == ""
    assert user.git("status", "--porcelain") == ""
    line = next(line for line in ended.out.splitlines() if "equitr/epic-001" in line and "git " in line)
    command = line[line.index("git ") :].strip().strip("`")
    subprocess.run(["sh", "-ec", command], cwd=user.repo, env=user.environ, check=True, capture_output=True)
    assert user.read("t2.txt") == "T2-built\n"


@pytest.mark.parametrize(
    "prepare",
    [*ORDINARY, no_commits, plain_folder, detached, unfinished_merge, bare],
    ids=lambda prepare: prepare.__name__,
)
def test_chat_works_in_every_ordinary_repository(stage: OpenStage, prepare: Prepare) -> None:
    user = stage(
        [
            rule(
                says("", call("read_file", path="README.md"), writes("from-chat.txt", "x\n")),
                says("", call("list_files"), call("search", pattern="Shop")),
                says("Written."),
                model="weak",
            )
        ]
    )
    prepare(user)
    has_git = prepare is not plain_folder
    refs = user.git("for-each-ref") if has_git else ""
    staged = user.git("diff", "--cached") if has_git and prepare is not bare else ""
    before = snapshot(user)

    ended = user.run("chat", "write it", cwd=user.repo)

    if prepare is bare:
        assert_stopped_in_two_lines(user, ended)
        assert snapshot(user) == before
        return
    assert ended.code == 0, ended.brief
    assert snapshot(user) == before | {"from-chat.txt": b"x\n"}
    if has_git:
        shown = [line for line in user.git("for-each-ref").splitlines() if "refs/equitr/" not in line]
        assert shown == refs.splitlines()
        assert user.git("diff", "--cached") == staged
        assert user.git("status", "--porcelain", "from-chat.txt") == "?? from-chat.txt"
    assert not (user.home / "hook-ran").exists()


def test_a_plain_folder_becomes_a_repository_at_approval(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), builds("T1"), builds("T2")], repo=False)
    user.write({"mine.txt": "mine\n", "deep/er.txt": "deeper\n"})

    waiting = user.run("epic", "create", "build words")
    assert waiting.code in (0, 5), waiting.brief
    assert not (user.repo / ".git").exists()

    ended = user.run("epic", "run", "epic-001", "--yes")

    assert ended.code == 0, ended.brief
    root = user.git("rev-list", "--max-parents=0", "HEAD")
    assert set(user.git("ls-tree", "-r", "--name-only", root).splitlines()) == {"mine.txt", "deep/er.txt"}
    assert (user.read("mine.txt"), user.read("t2.txt")) == ("mine\n", "T2-built\n")
    assert user.git("status", "--porcelain") == ""


def test_a_repository_without_commits_gets_one(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2", needs=("T1",))),
            worker("T1", says("", call("read_file", path="README.md"), writes("t1.txt", "T1-built\n"), hands_in())),
            builds("T2"),
        ]
    )
    no_commits(user)
    user.write({".gitignore": "*.log\n", "private.log": "x\n"})

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert user.git("branch", "--show-current") == "trunk"
    assert (user.read("t2.txt"), user.read("README.md")) == ("T2-built\n", "# Shop\n")
    root = user.git("rev-list", "--max-parents=0", "trunk")
    assert set(user.git("ls-tree", "--name-only", root).splitlines()) >= {"README.md"}
    assert "private.log" not in user.git("log", "--name-only", "--format=", "--all")
    assert user.git("status", "--porcelain") == ""
