"""The prompt: one request being written, with history, completion, pastes as chips and the editor of the person's own.

It stands on fixed rows and scrolls inside them. What it needs is handed to it; what happens is told in its messages.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import ClassVar

from rich.style import Style
from textual import events, on
from textual.actions import SkipAction
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Offset, Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from equitr_coder.domain.errors import UserError
from equitr_coder.presentation.completion import Kind, Offer
from equitr_coder.tui.prompt.draft import Draft, Editing
from equitr_coder.tui.prompt.history import History
from equitr_coder.tui.prompt.keys import PROMPT_KEYS
from equitr_coder.tui.prompt.menu import CompletionMenu
from equitr_coder.tui.prompt.recall import Recall
from equitr_coder.tui.prompt.search import Search
from equitr_coder.tui.prompt.strips import MARK, Inks, placeholder_strip, text_strip
from equitr_coder.tui.prompt.terminal_keys import teach_keys
from equitr_coder.tui.prompt.wrapped import WrappedRow, Wrapping, row_of

Complete = Callable[[str, str], Iterable[Offer]]
"""What may stand between the text before the cursor and the text after it."""

_ACTIONS = {name: key.action for key in PROMPT_KEYS for name in key.keys}
_SEARCH_KEYS = "Ctrl+R older, Enter takes it, Esc goes back"


class Prompt(Widget, can_focus=True):
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "prompt--text",
        "prompt--mark",
        "prompt--chip",
        "prompt--placeholder",
        "prompt--cursor",
        "prompt--match",
    }
    DEFAULT_CSS = """
    Prompt {
        height: 3; padding: 0 1; border: round $border; color: $foreground;
        border-title-color: $text-muted; border-subtitle-color: $text-muted; border-subtitle-align: right;
        &:focus { border: round $accent; }
        &.ascii { border: ascii $border; }
        &.ascii:focus { border: ascii $accent; }
        & > .prompt--text { color: $foreground; }
        & > .prompt--mark { color: $accent; text-style: bold; }
        & > .prompt--chip { color: $accent; text-style: bold; }
        & > .prompt--placeholder { color: $text-muted; }
        & > .prompt--cursor { text-style: reverse; }
        & > .prompt--match { text-style: underline; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(key.keys), key.action, key.label, show=False) for key in PROMPT_KEYS
    ]
    ALLOW_SELECT = False

    rows: reactive[int] = reactive(1)
    """Rows of text, given by the layout; with its border it stands on two more."""
    mode: reactive[str] = reactive("")
    """Stands in the border at the left."""
    cap: reactive[str] = reactive("")
    """Stands in the border at the right."""
    placeholder: reactive[str] = reactive("")

    class Submitted(Message):
        def __init__(self, text: str, *, is_pasted: bool, steer: bool) -> None:
            super().__init__()
            self.text = text
            """As it was written, pastes in full; never blank."""
            self.is_pasted = is_pasted
            """Its beginning came from the clipboard: it is no command, whatever it looks like."""
            self.steer = steer
            """To be said at once, before the agent's next step."""

    class Edited(Message):
        """The text has changed."""

    class Refused(Message):
        """Something the person asked for cannot be done: what is wrong, and what to do."""

        def __init__(self, problem: str, hint: str) -> None:
            super().__init__()
            self.problem = problem
            self.hint = hint

    def __init__(
        self,
        history: History,
        complete: Complete,
        menu: CompletionMenu,
        *,
        edit: Callable[[str], str | None] | None = None,
        leave_up: Callable[[], bool] = lambda: False,
        id: str | None = None,  # noqa: A002 (as Textual names it)
    ) -> None:
        """`edit` opens a text in the person's editor and blocks (None: not saved, or a UserError); `leave_up` is asked
        when Up is pressed in an empty prompt, before the history: whether something above took the focus.
        """
        super().__init__(id=id)
        teach_keys()
        self.remembers = True
        """Whether what is sent goes into the history; an answer to a question does not."""
        self._history, self._complete, self._menu = history, complete, menu
        self._edit, self._leave_up = edit, leave_up
        self._editing = Editing()
        self._recall = Recall(history, self._from_outside)
        self._search: Search | None = None
        self._wrapping = Wrapping(self._label)
        self._first_row = 0
        self._wanted_column: int | None = None
        self._has_chosen = False
        """Whether the arrows moved the mark in the menu."""
        self._dismissed: str | None = None
        """Where the menu was closed with Esc: the text before the word that it would complete."""
        self._drawn: list[Strip] = []

    # -- for the app

    @property
    def text(self) -> str:
        return self._editing.text

    @property
    def is_empty(self) -> bool:
        return not self._editing.draft.text

    @property
    def is_pasted(self) -> bool:
        return self._editing.is_pasted

    def set_text(self, text: str) -> None:
        """Another text instead; Ctrl+_ brings the old one back."""
        self._recall.stop()
        self._editing.become(self._editing.from_outside(text))
        self._changed()

    def send(self, *, steer: bool = False) -> None:
        """What is written, as Enter does; a blank text is not sent."""
        text = self.text
        if not text.strip():
            return
        message = self.Submitted(text, is_pasted=self.is_pasted, steer=steer)
        if self.remembers:
            self._history.add(text)
        self._recall.stop()
        self._editing = self._editing.next()
        self._changed()
        self.post_message(message)

    def put_back(self, text: str) -> None:
        """A request that was sent and taken back stands before what has been written since."""
        written = self._editing.draft.text
        self._editing.move(0)
        self._editing.type(f"{text}\n" if written else text)
        self._editing.move(len(self._editing.draft.text))
        self._changed()

    def type_in(self, text: str) -> None:
        """As if the keys had been pressed here."""
        if self._search is not None:
            self._look(self._search.narrowed(self._search.typed + text, self._history))
            return
        self._editing.type(text)
        self._changed(completes=True)

    def paste(self, text: str) -> None:
        if self._search is not None:
            self._take_found()
        self._editing.paste(text)
        self._changed()

    def clear_kept(self) -> bool:
        """Clears the text, or ends a search; Ctrl+Y and `restore` bring it back. False when there was nothing."""
        if self._search is not None:
            self._go_back()
            return True
        if self.is_empty:
            return False
        self._recall.stop()
        self._editing.clear()
        self._changed()
        return True

    def restore(self) -> bool:
        """What was cleared or deleted last stands at the cursor. False when there is nothing to bring back."""
        if not self._editing.killed:
            return False
        self._editing.yank()
        self._changed()
        return True

    def unfold(self) -> bool:
        """The paste beside the cursor as the text it stands for. False when there is none."""
        if not self._editing.expand():
            return False
        self._changed()
        return True

    def close_menu(self) -> bool:
        """False when none was open."""
        if not self._menu.is_open:
            return False
        self._menu.close()
        return True

    # -- keys

    def check_consume_key(self, key: str, character: str | None = None) -> bool:
        return character is not None and character.isprintable() and not key.startswith(("alt+", "ctrl+"))

    async def _on_key(self, event: events.Key) -> None:
        if self._search is not None and event.key in ("enter", "escape", "ctrl+g", "backspace", "ctrl+r"):
            event.stop()
            event.prevent_default()
            self._search_key(event.key)
        elif event.is_printable and event.character and self.check_consume_key(event.key, event.character):
            event.stop()
            event.prevent_default()
            self.type_in(event.character)
        else:
            if self._search is not None and event.key != "ctrl+c":
                self._take_found()  # the key means what it means in the text that was found
            if self._act(event.key):
                event.stop()
                event.prevent_default()

    def _act(self, key: str) -> bool:
        """Do what the key means here, at once: Textual runs bindings only after letters that were typed behind them."""
        action = _ACTIONS.get(key)
        if action is None:
            return False
        try:
            getattr(self, f"action_{action}")()
        except SkipAction:
            return False
        return True

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.paste(event.text)

    def action_send(self) -> None:
        offer = self._chosen()
        if offer is None:
            before = self._editing.draft.before
            if before.endswith("\\"):
                self._editing.replace(1, "\n")
                self._changed()
            else:
                self.send()
        elif offer.kind is Kind.COMMAND and (not offer.takes_argument or self._editing.draft.text == offer.text):
            self._take(offer)
            self.send()
        else:
            self._take(offer)

    def _chosen(self) -> Offer | None:
        """What Enter takes: the command that is marked, a file or a word only when the arrows chose it."""
        if not self._menu.is_open:
            return None
        offer = self._menu.offers[self._menu.selected]
        return offer if offer.kind is Kind.COMMAND or self._has_chosen else None

    def action_steer(self) -> None:
        self.send(steer=True)

    def action_new_line(self) -> None:
        self._editing.type("\n")
        self._changed()

    def action_complete(self) -> None:
        if not self._menu.is_open:
            self._dismissed = None
            self._offer()
        if not self._menu.is_open:
            raise SkipAction
        self._take(self._menu.offers[self._menu.selected])

    def action_close(self) -> None:
        if not self._menu.is_open:
            raise SkipAction
        self._dismissed = self._before_word(self._menu.offers[0])
        self._menu.close()

    def action_search(self) -> None:
        self._menu.close()
        self._look(Search(self._editing.draft))

    def action_up(self) -> None:
        self._vertical(-1)

    def action_down(self) -> None:
        self._vertical(1)

    def action_yank(self) -> None:
        self.restore()

    def action_undo(self) -> None:
        self._editing.undo()
        self._changed()

    def action_redo(self) -> None:
        self._editing.redo()
        self._changed()

    def action_unfold(self) -> None:
        if not self.unfold():
            raise SkipAction

    def action_edit(self) -> None:
        if self._edit is None:
            raise SkipAction
        self.call_later(self._edit_outside, self._edit)

    async def _edit_outside(self, edit: Callable[[str], str | None]) -> None:
        """The prompt waits for the editor; the loop does not, so that runs go on."""
        try:
            with self.app.suspend():
                edited = await asyncio.to_thread(edit, self.text)
        except UserError as error:
            self.post_message(self.Refused(str(error), error.hint))
        except SuspendNotSupported:
            self.post_message(self.Refused("this terminal cannot be left to an editor", "write the text here instead"))
        else:
            if edited is not None and (edited := edited.removesuffix("\n")) != self.text:
                self.set_text(edited)

    def action_left(self) -> None:
        self._move(self._editing.draft.cursor - 1)

    def action_right(self) -> None:
        self._move(self._editing.draft.cursor + 1)

    def action_word_left(self) -> None:
        self._move(self._editing.draft.word_left)

    def action_word_right(self) -> None:
        self._move(self._editing.draft.word_right)

    def action_line_start(self) -> None:
        self._move(self._editing.draft.line_start)

    def action_line_end(self) -> None:
        self._move(self._editing.draft.line_end)

    def action_home(self) -> None:
        if self.is_empty:
            raise SkipAction
        self.action_line_start()

    def action_end(self) -> None:
        if self.is_empty:
            raise SkipAction
        self.action_line_end()

    def action_delete_left(self) -> None:
        cursor = self._editing.draft.cursor
        self._editing.delete(cursor - 1, cursor)
        self._changed(completes=True)

    def action_delete_right(self) -> None:
        cursor = self._editing.draft.cursor
        self._editing.delete(cursor, cursor + 1)
        self._changed()

    def action_delete_or_quit(self) -> None:
        if self.is_empty:
            raise SkipAction
        self.action_delete_right()

    def action_kill_blank_left(self) -> None:
        self._kill(self._editing.draft.blank_left, self._editing.draft.cursor)

    def action_kill_word_left(self) -> None:
        self._kill(self._editing.draft.word_left, self._editing.draft.cursor)

    def action_kill_word_right(self) -> None:
        self._kill(self._editing.draft.cursor, self._editing.draft.word_right)

    def action_kill_line_start(self) -> None:
        self._kill(self._editing.draft.line_start, self._editing.draft.cursor)

    def action_kill_line_end(self) -> None:
        draft = self._editing.draft
        self._kill(draft.cursor, max(draft.line_end, draft.cursor + (draft.text[draft.cursor :][:1] == "\n")))

    # -- changes

    def _from_outside(self, text: str) -> Draft:
        return self._editing.from_outside(text)

    def _kill(self, start: int, end: int) -> None:
        self._editing.kill(start, end)
        self._changed()

    def _move(self, to: int) -> None:
        self._editing.move(to)
        self._menu.close()
        self._wanted_column = None
        self._redraw()

    def _vertical(self, by: int) -> None:
        if self._menu.is_open:
            self._has_chosen = True
            count = len(self._menu.offers)
            self._menu.open(self._menu.offers, self.region, (self._menu.selected + by) % count)
            return
        draft = self._editing.draft
        rows = self._wrapped()
        number = row_of(rows, draft.cursor)
        if 0 <= number + by < len(rows):
            column = self._wanted_column
            if column is None:
                column = self._wrapping.column(draft.text, rows[number], draft.cursor)
            self._editing.move(self._wrapping.index(draft.text, rows[number + by], column))
            self._wanted_column = column
            self._redraw()
            return
        if by < 0 and self.is_empty and not self._recall.is_walking and self._leave_up():
            return
        other = self._recall.older(draft) if by < 0 else self._recall.newer(draft)
        if other is not None:
            self._editing.become(other)
            self._changed()

    def _changed(self, *, completes: bool = False) -> None:
        self._wanted_column = None
        if completes:
            self._offer()
        else:
            self._menu.close()
        self._redraw()
        self.post_message(self.Edited())

    # -- completion

    def _offer(self) -> None:
        self._has_chosen = False
        draft = self._editing.draft
        offers = list(self._complete(draft.before, draft.after))
        if self.is_pasted:  # it is no command, whatever it looks like
            offers = [offer for offer in offers if offer.kind is Kind.FILE]
        if not offers:
            self._dismissed = None
        if not offers or self._dismissed == self._before_word(offers[0]):
            self._menu.close()
            return
        self._dismissed = None
        self._menu.open(offers, self.region)

    def _before_word(self, offer: Offer) -> str:
        before = self._editing.draft.before
        return before[: len(before) - offer.replaces]

    def _take(self, offer: Offer) -> None:
        text = offer.text if offer.kind is not Kind.COMMAND or not offer.takes_argument else f"{offer.text} "
        if offer.kind is Kind.FILE and not self._editing.draft.after[:1].isspace():
            text += " "
        self._editing.replace(offer.replaces, text)
        self._changed(completes=offer.kind is Kind.COMMAND and offer.takes_argument)

    @on(CompletionMenu.Clicked)
    def _take_clicked(self, message: CompletionMenu.Clicked) -> None:
        self.take_offer(message.number)

    def take_offer(self, number: int) -> None:
        """The row of the menu that was clicked; the app passes `CompletionMenu.Clicked` on."""
        if number < len(self._menu.offers):
            self._take(self._menu.offers[number])

    # -- search

    def _search_key(self, key: str) -> None:
        assert self._search is not None
        if key == "enter":
            self._take_found()
        elif key == "backspace":
            self._look(self._search.narrowed(self._search.typed[:-1], self._history))
        elif key == "ctrl+r":
            self._look(self._search.older(self._history))
        else:
            self._go_back()

    def _look(self, search: Search) -> None:
        self._search = search
        self._show_border()
        self._redraw()

    def _take_found(self) -> None:
        search, self._search = self._search, None
        self._show_border()
        if search is not None and search.found is not None:
            found = self._recall.jump(search.before, search.found)
            assert found is not None
            self._editing.become(found)
            self._changed()
        else:
            self._redraw()

    def _go_back(self) -> None:
        self._search = None
        self._show_border()
        self._redraw()

    def _show_border(self) -> None:
        if self._search is None:
            self.border_title, self.border_subtitle = Content(self.mode), Content(self.cap)
            return
        found = "nothing found" if self._search.has_failed else "search history"
        self.border_title = Content(f"{found}: {self._search.typed}")
        self.border_subtitle = Content(_SEARCH_KEYS)

    # -- drawing

    def watch_rows(self, rows: int) -> None:
        self.styles.height = rows + 2

    def watch_mode(self) -> None:
        self._show_border()

    def watch_cap(self) -> None:
        self._show_border()

    def watch_placeholder(self) -> None:
        self._redraw()

    def watch_has_focus(self, _focused: bool) -> None:
        if not _focused:
            self._menu.close()
        super().watch_has_focus(_focused)
        self._redraw()

    def _on_resize(self, event: events.Resize) -> None:  # noqa: ARG002 (Textual's own signature)
        self._menu.close()
        self._redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = []
        if self.is_mounted:
            self._redraw()

    def render_line(self, y: int) -> Strip:
        if not self._drawn:
            self._drawn = self._strips()
        return self._drawn[y] if y < len(self._drawn) else Strip.blank(self.content_size.width)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        rows = self._wrapped()
        if offset is not None and self._search is None:
            row = rows[min(self._first_row + offset.y, len(rows) - 1)]
            self._move(self._wrapping.index(self._editing.draft.text, row, max(0, offset.x - len(MARK))))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(-1, event)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(1, event)

    def _scroll(self, by: int, event: events.MouseEvent) -> None:
        event.stop()
        draft, rows = self._editing.draft, self._wrapped()
        number = row_of(rows, draft.cursor) + by
        if 0 <= number < len(rows):
            self._move(self._wrapping.index(draft.text, rows[number], 0))

    def _label(self, character: str) -> str | None:
        return self._editing.label(character) if character in self._editing.chips else None

    def _wrapped(self) -> list[WrappedRow]:
        return self._wrapping.rows(self._editing.draft.text, self.content_size.width - len(MARK))

    def _redraw(self) -> None:
        """Only the rows that have changed go to the terminal."""
        if not self.is_mounted or not self.content_size:
            return
        before, self._drawn = self._drawn, self._strips()
        changed = [y for y, strip in enumerate(self._drawn) if y >= len(before) or strip != before[y]]
        if changed:
            self.refresh(*(Region(0, y, self.content_size.width, 1) for y in changed))

    def _strips(self) -> list[Strip]:
        width, height = self.content_size
        inks = Inks(self._style)
        draft = self._shown()
        if not draft.text:
            strips = [placeholder_strip(self.placeholder, has_focus=self.has_focus, inks=inks)]
            self._first_row = 0
            self._place_cursor(Offset(len(MARK), 0))
        else:
            strips = self._text_strips(draft, height, inks)
        blank = Strip.blank(width, inks.text)
        strips += [blank] * (height - len(strips))
        return [strip.adjust_cell_length(width, inks.text) for strip in strips]

    def _text_strips(self, draft: Draft, height: int, inks: Inks) -> list[Strip]:
        rows = self._wrapping.rows(draft.text, self.content_size.width - len(MARK))
        number = row_of(rows, draft.cursor)
        self._first_row = min(max(self._first_row, number - height + 1), number, max(0, len(rows) - height))
        shown = rows[self._first_row : self._first_row + height]
        column = self._wrapping.column(draft.text, rows[number], draft.cursor)
        self._place_cursor(Offset(len(MARK) + column, number - self._first_row))
        matches = range(0)
        if self._search is not None and self._search.typed and not self._search.has_failed:
            start = draft.text.lower().find(self._search.typed.lower())
            matches = range(start, start + len(self._search.typed))
        return [
            text_strip(
                draft.text,
                row,
                cursor=draft.cursor if self.has_focus else None,
                chips=self._editing.chips,
                matches=matches,
                wrapping=self._wrapping,
                inks=inks,
            )
            for row in shown
        ]

    def _shown(self) -> Draft:
        """The draft, or what the search found."""
        if self._search is None:
            return self._editing.draft
        if self._search.found is None:
            return self._search.before
        found = self._history.requests[self._search.found]
        return Draft(found, max(0, found.lower().find(self._search.typed.lower())))

    def _place_cursor(self, inside: Offset) -> None:
        """The terminal's own cursor, hidden, tells input methods where the text grows."""
        if self.has_focus:
            self.app.cursor_position = self.content_region.offset + inside

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name)
