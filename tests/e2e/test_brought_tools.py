import subprocess
import sys

from equitr_coder.testing.script import calls, rule
from tests.e2e.conftest import OpenStage


def test_a_worker_that_brings_its_own_test_runner_gets_no_receipt(stage: OpenStage) -> None:
    fake = "#!/bin/sh\\necho 9 passed\\n"
    make = f"mkdir -p .venv/bin && printf '{fake}' > .venv/bin/runtests && chmod +x .venv/bin/runtests"
    user = stage(
        [
            rule(
                calls("write_file", path=".gitignore", content="!.venv\n"),
                calls("run_command", command=make),
                calls("hand_in", summary="all green"),
                offers="hand_in",
            )
        ]
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(user.repo / ".venv")], check=True)
    runner = user.repo / ".venv" / "bin" / "runtests"
    runner.write_text("#!/bin/sh\necho 1 failed\nexit 1\n")
    runner.chmod(0o755)
    (user.repo / ".git" / "info" / "exclude").write_text(".venv\n")
    user.environ["PATH"] = f"{runner.parent}:{user.environ['PATH']}"

    ended = user.run(
        "chat", "-M", "--plan", "never", "--yes", "--check", "runtests", "--output", "json", "make it pass"
    )

    assert ended.code == 1, ended.out + ended.err
    assert ended.result["tasks"][0]["state"] == "failed"
    assert ended.result["tasks"][0]["receipt"] is None
    assert user.git("status", "--porcelain") == ""
