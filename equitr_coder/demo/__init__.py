"""The demo: the whole product at work on a scripted model, in a folder of its own. Nothing leaves the machine."""

from collections.abc import Callable


async def run_demo(say: Callable[[str], None]) -> int:
    """Play the story, one line at a time to `say`; returns 0 when everything it promises was seen to happen.

    Raises:
        EquitrError: the product stopped; the folder stays as it is.
    """
    from equitr_coder.demo.performance import perform
    from equitr_coder.demo.stage import make_stage
    from equitr_coder.demo.story import load_story

    story = load_story()
    stage = make_stage(story)
    return await perform(story, stage, say)
