"""The programmatic door: one request, planned and built by several agents, from Python.

    python examples/python_door.py "Design a caching layer for a high-traffic web application"

It works on the repository in the current folder, asks nothing, and needs two models, as planned_epic.sh says. Prices,
budget and everything else come from the configuration; what is set on `config` goes before it.
"""

import asyncio
import sys

from equitr_coder.core.config import config_manager
from equitr_coder.core.orchestrator import AgentOrchestrator


async def run_multi_agent(request: str) -> bool:
    config = config_manager.load_config("default")
    config.orchestrator.use_multi_agent = True

    orchestrator = AgentOrchestrator(config, ".")

    result = await orchestrator.run(request)

    print(f"Cost: ${result['cost']:.4f}")
    print(f"Content: {result['content']}")
    return result["status"] == "completed"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python_door.py REQUEST")
    sys.exit(0 if asyncio.run(run_multi_agent(sys.argv[1])) else 1)
