import asyncio

import pytest

from equitr_coder.testing.threads import InlineExecutor


@pytest.fixture(autouse=True)
async def inline_threads() -> None:
    """The tokenizer's thread takes one turn of the loop: every schedule below can be repeated exactly."""
    asyncio.get_running_loop().set_default_executor(InlineExecutor())
