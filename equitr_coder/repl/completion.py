"""What Tab offers, as prompt-toolkit wants it."""

from collections.abc import Iterator, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from equitr_coder.presentation.completion import Offers
from equitr_coder.presentation.ranking import FileNames
from equitr_coder.presentation.slash import SLASH_COMMANDS


class PromptCompleter(Completer):
    def __init__(self, *, commands: bool) -> None:
        """Without `commands` only file names are offered: the prompt of an answer."""
        self._offers = Offers(commands=SLASH_COMMANDS if commands else ())

    def offer(self, files: Sequence[str], words: Mapping[str, Sequence[str]]) -> None:
        """What `@` completes from now on, and which words a command takes."""
        self._offers.files, self._offers.words = FileNames(files), words

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        for offer in self._offers.at(document.text_before_cursor, document.text_after_cursor):
            yield Completion(offer.text, -offer.replaces, display=offer.shown, display_meta=offer.note)

    def has_something(self, document: Document) -> bool:
        """Whether completing makes sense here; elsewhere no menu opens and no room is kept for one."""
        return self._offers.make_sense(document.text_before_cursor, document.text_after_cursor)
