"""What the screen needs once the engine is there; imported in a thread while the first frame stands."""

from equitr_coder.tui import hearing, slash, transcript_pane
from equitr_coder.tui.draw import status
from equitr_coder.tui.places import home, talk

__all__ = ["hearing", "home", "slash", "status", "talk", "transcript_pane"]
