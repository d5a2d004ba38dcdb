"""Plays attempts under Landlock, as whoever runs this: `python -m tests.escape.plain_user FOLDER KIND`.

Prints a JSON object: the kind of sandbox, and for each attempt by its id what is not as its row says.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from equitr_coder.adapters.sandbox.landlocked import LandlockExecutor
from equitr_coder.adapters.sandbox.limits import Limits
from equitr_coder.ports import Executor
from tests.escape.machine import Machine, read_attempts
from tests.escape.play import play


def under_landlock(machine: Machine, limits: Limits) -> Executor:
    return LandlockExecutor(home=machine.equitr_home, readable=[], environ=machine.environ, limits=limits)


async def main(folder: Path, kind: str) -> None:
    faults: dict[str, list[str]] = {}
    with Machine(folder, "/usr/local/bin:/usr/bin:/bin") as machine:
        for attempt in read_attempts():
            if (attempt.kind, attempt.tool, attempt.landlock) != (kind, "run_command", "holds"):
                continue
            outcome = await play(attempt, machine, under_landlock)
            faults[attempt.id] = [*outcome.faults(attempt), outcome.said] if outcome.faults(attempt) else []
        sandbox = under_landlock(machine, Limits()).confinement.kind
    broken = {name: found for name, found in faults.items() if found}
    print(json.dumps({"user": os.getuid(), "sandbox": sandbox, "played": list(faults), "faults": broken}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
