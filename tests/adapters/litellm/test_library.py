"""What importing litellm must not do. Each in a process of its own: an import happens once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from equitr_coder.adapters.litellm.library import DEFAULTS, SETTINGS

pytestmark = pytest.mark.xdist_group("litellm")

WATCHED = """
import asyncio, os, socket, sys
from pathlib import Path
opened = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        family = getattr(arguments[0], "family", None)
        if event != "socket.connect" or family in (socket.AF_INET, socket.AF_INET6):
            opened.append((event, str(arguments[1:])))
sys.addaudithook(watch)
# A folder above the installation may hold a .env of the person's.
import dotenv
dotenv.main.find_dotenv = lambda *_, **__: sys.argv[1]
before = dict(os.environ)
from equitr_coder.adapters.litellm.library import import_litellm
assert "litellm" not in sys.modules
async def main():
    ticks = 0
    task = None
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.to_thread(import_litellm))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0.01)
    return ticks, task.result()
ticks, litellm = asyncio.run(main())
changed = {name: os.environ[name] for name in os.environ if os.environ[name] != before.get(name)}
print(opened)
print(sorted(changed))
print(ticks > 20, litellm.suppress_debug_info, litellm.num_retries, "mcp" in sys.modules)
"""


def test_the_import_opens_no_connection_reads_no_env_file_and_leaves_the_event_loop_free(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("OPENAI_API_KEY=sk-from-a-file\nHTTPS_PROXY=http://proxy.example\n")

    environ = {name: value for name, value in os.environ.items() if name not in (*SETTINGS, *DEFAULTS)}

    shown = subprocess.run(
        [sys.executable, "-c", WATCHED, str(env_file)],
        env=environ,
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert shown.stderr == ""
    assert shown.stdout.splitlines() == [
        "[]",
        "['LITELLM_LOCAL_MODEL_COST_MAP', 'LITELLM_MODE', 'REPEATED_STREAMING_CHUNK_LIMIT']",
        "True True 0 False",
    ]
