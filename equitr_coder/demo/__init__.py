"""The demo: the whole product at work on a scripted model, in a folder of its own. Nothing leaves the machine."""

from collections.abc import Callable

from equitr_coder.demo.performance import perform
from equitr_coder.demo.stage import make_stage
from equitr_coder.demo.story import load_story


async def run_demo(say: Callable[[str], None]) -> int:
    """Play the story, one line at a time to `say`; 0 when everything that it claims to show was seen to happen.

    Raises:
        EquitrError: the product stopped; the folder stays as it is.
    """
    story = load_story()
    return await perform(story, make_stage(story), say)
