"""The prompt of the screen: an editor of one request, which knows nothing of runs, models or the door."""

from equitr_coder.tui.prompt.history import History
from equitr_coder.tui.prompt.menu import CompletionMenu
from equitr_coder.tui.prompt.widget import Prompt

__all__ = ["CompletionMenu", "History", "Prompt"]
