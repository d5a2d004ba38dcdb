from equitr_coder.testing.script import calls, rule
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import tool_results

SETUP = """\
links: [vendor]
copies: [.env.test]
setup: mkdir -p built && cp lock.txt built/lock.txt
setup_inputs: [lock.txt]
"""
CHECK = "grep -q secret-free .env.test && test -f vendor/lib.txt && test -f built/lock.txt && test -f made.txt"


def test_a_trusted_project_gets_its_links_copies_and_set_up_in_worktrees_and_checks(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                calls("run_command", command="cat vendor/lib.txt built/lock.txt .env.test"),
                calls("read_file", path="vendor/lib.txt"),
                calls("write_file", path="vendor/more.txt", content="mine\n"),
                calls("list_files"),
                calls("write_file", path="made.txt", content="made\n"),
                calls("hand_in", summary="made it"),
                offers="hand_in",
            )
        ]
    )
    user.commit({".gitignore": "vendor/\n.env.test\nbuilt/\n", "lock.txt": "v1\n", ".equitr/worktree.yaml": SETUP})
    user.write({"vendor/lib.txt": "a library\n", ".env.test": "secret-free\n"})

    untrusted = user.run("chat", "-M", "--plan", "never", "--yes", "--check", CHECK, "make made.txt")
    trusted = user.run("trust")
    ended = user.run("chat", "-M", "--plan", "never", "--yes", "--check", CHECK, "make made.txt")

    assert untrusted.code == 1, untrusted.out
    assert trusted.code == 0, trusted.err
    assert ended.code == 0, ended.out + ended.err
    assert (user.repo / "made.txt").exists()
    assert user.git("status", "--porcelain") == ""
    assert sorted(path.name for path in user.repo.iterdir() if path.name not in (".git", ".equitr")) == [
        ".env.test", ".gitignore", "README.md", "lock.txt", "made.txt", "vendor",
    ]  # fmt: skip
    read, shown, refused, listed, _ = tool_results(user.server.requests[-1])
    assert "a library" in shown
    assert "cannot be written" in refused
    assert not (user.repo / "vendor" / "more.txt").exists()
    assert "left out: vendor" in listed
    assert "a library" in read
    assert "v1" in read
    assert "secret-free" in read
