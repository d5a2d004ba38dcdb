"""Searching the history as it is typed, the newest match first."""

from equitr_coder.domain.frozen import frozen
from equitr_coder.tui.prompt.draft import Draft
from equitr_coder.tui.prompt.history import History


@frozen
class Search:
    before: Draft
    """What stood there; Esc brings it back."""
    typed: str = ""
    found: int | None = None
    """Number of the request that is shown."""
    has_failed: bool = False

    def narrowed(self, typed: str, history: History) -> "Search":
        """Another text is looked for: at the request shown, then in older ones. With less text, from the newest."""
        start = self.found + 1 if self.found is not None and typed.startswith(self.typed) else None
        return self._looked(typed, history, start)

    def older(self, history: History) -> "Search":
        """The next older request that has the text and differs from the one shown."""
        shown = None if self.found is None else history.requests[self.found]
        start = self.found
        while (found := history.newest_with(self.typed, start)) is not None and history.requests[found] == shown:
            start = found
        if found is None:
            return Search(self.before, self.typed, self.found, has_failed=True)
        return Search(self.before, self.typed, found)

    def _looked(self, typed: str, history: History, start: int | None) -> "Search":
        if not typed:
            return Search(self.before)
        found = history.newest_with(typed, start)
        if found is None:
            return Search(self.before, typed, self.found, has_failed=True)
        return Search(self.before, typed, found)
