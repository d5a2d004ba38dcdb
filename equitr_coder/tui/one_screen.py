"""The one screen: rows that never move, the place between them, and what each key does."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen

from equitr_coder.tui.ask_line import AskLine
from equitr_coder.tui.choice import Choice
from equitr_coder.tui.keys import GLOBAL_KEYS, bindings
from equitr_coder.tui.layout import BODY, EMPTY, FOOTER, HEADER, NEEDS, NOTICE, PROMPT, TOO_SMALL
from equitr_coder.tui.place import Place
from equitr_coder.tui.presenter import Presenter
from equitr_coder.tui.prompt import CompletionMenu, Prompt
from equitr_coder.tui.rows_pane import Bar, RowsPane

if TYPE_CHECKING:
    from equitr_coder.tui.app import ScreenApp
    from equitr_coder.tui.desk import Desk

_AGAIN = 2.0
"""Seconds in which a second Ctrl+C leaves, or a second Esc opens the list of states to go back to."""


class OneScreen(Screen[object], inherit_bindings=False):
    BINDINGS: ClassVar[list[BindingType]] = bindings(GLOBAL_KEYS)

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="_default")
        self._desk = desk
        self.presenter = Presenter(self, desk)
        self._stopped_at = self._back_at = -_AGAIN
        self._mouse_is_on = True

    # ------------------------------------------------------------ what is mounted

    def compose(self) -> ComposeResult:
        yield Bar(id=HEADER)
        with Container(id=BODY):
            yield RowsPane(id=EMPTY)
            yield Bar(id=NOTICE)
        yield Bar(id=NEEDS)
        menu = CompletionMenu()
        yield Prompt(
            self._desk.history,
            self._desk.offers.at,
            menu,
            edit=self._desk.edit,
            leave_up=self._enter_list,
            id=PROMPT,
        )
        yield Bar(id=FOOTER)
        yield Bar(id=TOO_SMALL)
        yield menu

    def on_mount(self) -> None:
        self._desk.leave = self._leave_or_ask
        self._desk.turn_theme = self.action_next_theme
        self.prompt.focus()
        self.presenter.start()
        self.call_after_refresh(self._desk.is_painted.set)

    def on_resize(self) -> None:
        self.presenter.resized()

    def on_descendant_focus(self) -> None:
        self.presenter.focus_moved()

    @property
    def _app(self) -> ScreenApp:
        return cast("ScreenApp", self.app)

    @property
    def is_ascii(self) -> bool:
        return self._app.is_ascii

    @property
    def prompt(self) -> Prompt:
        return self.query_one(f"#{PROMPT}", Prompt)

    # ------------------------------------------------------------ what is typed

    @property
    def is_settled(self) -> bool:
        """Whether what is typed next is for what has the focus now: nothing is being opened that will take it."""
        asking = (*self.query(Choice), *self.query(AskLine))
        return self.presenter.is_settled and all(one.is_ready for one in asking)

    def on_prompt_submitted(self, message: Prompt.Submitted) -> None:
        message.stop()
        self.presenter.hide_notice()
        self._desk.hear(message.text, is_pasted=message.is_pasted, steer=message.steer)

    def on_prompt_refused(self, message: Prompt.Refused) -> None:
        message.stop()
        self._desk.say(message.problem, message.hint, is_bad=True)

    def on_completion_menu_clicked(self, message: CompletionMenu.Clicked) -> None:
        message.stop()
        self.prompt.take_offer(message.number)

    def on_paste(self, event: events.Paste) -> None:
        """A paste while a pane has the focus is text for the prompt too."""
        event.stop()
        self.prompt.focus()
        self.prompt.paste(event.text)

    def on_key(self, event: events.Key) -> None:
        """What nothing took: a key of the open place, else text for the prompt."""
        if self.app.focused is self.prompt:
            place = self.presenter.place
            found = [key for key in place.KEYS if not key.where and event.key in key.keys] if place is not None else []
            if place is not None and found:
                event.stop()
                self.call_later(place.run_action, found[0].action)
            return
        bound = self.active_bindings.get(event.key)  # Textual looks at these only after this
        is_taken = bound is not None and bound.enabled
        if event.is_printable and event.character and not is_taken:
            event.stop()
            self.prompt.focus()
            self.prompt.type_in(event.character)

    def _enter_list(self) -> bool:
        place = self.presenter.place
        if place is None or place.NAME != "home":
            return False
        place.query_one("#home-runs", RowsPane).focus()
        return True

    # ------------------------------------------------------------ keys

    def action_open(self, name: str) -> None:
        self.presenter.open(name)

    def action_needs_you(self) -> None:
        self.presenter.open("inbox")

    def action_documents(self) -> None:
        """The conversation with its documents; there, the documents alone."""
        place = self.presenter.place
        if isinstance(place, Place) and place.NAME == "talk":
            place.turn_documents()
        else:
            self.presenter.open("talk")

    def action_palette(self) -> None:
        self.presenter.open("palette")

    def action_unfold(self) -> None:
        if self.app.focused is self.prompt and self.prompt.unfold():
            return
        if self.presenter.place is not None:
            self.presenter.place.unfold()

    def action_step_back(self) -> None:
        """Close a choice or what is open inside the place, else stop the agent that is talking here, else go back, else
        stop what works elsewhere; twice within 2 s: go back in the files.
        """
        now = time.monotonic()
        is_again, self._back_at = now - self._back_at < _AGAIN, now
        for choice in self.query(Choice):
            choice.close()
            return
        place = self.presenter.place
        if place is not None and place.back():
            self.presenter.draw()
            return
        talks = place is not None and place.NAME == "talk"
        if not (talks and self._desk.is_busy) and self.presenter.back():
            return
        if self._desk.is_busy:
            self._desk.interrupt()
        elif is_again and self._desk.chat is not None:
            self._desk.hear("/rewind")
        elif self.app.focused is not self.prompt:
            self.prompt.focus()

    def action_stop(self) -> None:
        """Ctrl+C: copy what is selected; else clear the prompt; else stop the agent; else leave when pressed again."""
        now = time.monotonic()
        if self._copy_selection():
            return
        if self.prompt.clear_kept():
            self._desk.say("cleared; Ctrl+Y brings it back")
            return
        is_again, self._stopped_at = now - self._stopped_at < _AGAIN, now
        if is_again:
            self._leave_or_ask()
        elif self._desk.is_busy:
            self._desk.interrupt()
            self._desk.say("stopping; Ctrl+C again leaves")
        else:
            self._desk.say("Ctrl+C again within 2 s leaves")

    def action_leave(self) -> None:
        """Ctrl+D on an empty prompt; in a text it deletes forward, as in a shell."""
        if self.prompt.text:
            self.prompt.action_delete_right()
        else:
            self._leave_or_ask()

    def _leave_or_ask(self) -> None:
        """Work that goes on is not left without a question."""
        if not self._desk.live:
            self.app.exit(0)
            return
        if any(self.query(Choice)):
            return
        names = ", ".join(run.view.epic or run.run for run in self._desk.live)
        options = (("stop it and leave; it can be resumed", "leave"), ("stay", "stay"))
        self.query_one(f"#{BODY}").mount(Choice(f"{names} is at work", options))

    def on_choice_chosen(self, message: Choice.Chosen) -> None:
        message.stop()
        if message.name == "leave":
            self._desk.do(self._stop_and_leave())

    async def _stop_and_leave(self) -> None:
        await self._desk.stop_all()
        self.app.exit(0)

    def action_next_mode(self) -> None:
        mode = self._desk.mode
        if mode is not None:
            mode.use(mode.next_name)
            self.presenter.draw()

    def action_focus_next_pane(self) -> None:
        self.app.action_focus_next()

    def action_focus_previous_pane(self) -> None:
        self.app.action_focus_previous()

    def action_redraw(self) -> None:
        self.app.refresh(layout=True)
        self.refresh(layout=True)

    def action_next_theme(self) -> None:
        self._desk.say(f"theme {self._app.next_theme()}")
        self.presenter.redraw_all()

    def action_take_back(self) -> None:
        self._desk.take_back(self.prompt.put_back)

    def action_steer(self) -> None:
        """Send what is typed so that the agent gets it before its next call; with nothing typed, what is queued."""
        if not self.prompt.is_empty:
            self.prompt.send(steer=True)
        else:
            self._desk.steer_queued()

    def action_toggle_mouse(self) -> None:
        """Off: the terminal's own selection works."""
        driver = self.app._driver  # noqa: SLF001 - Textual has no other way
        if driver is None:
            return
        self._mouse_is_on = not self._mouse_is_on
        switch = "_enable_mouse_support" if self._mouse_is_on else "_disable_mouse_support"
        with suppress(AttributeError):
            getattr(driver, switch)()
        self._desk.say(f"mouse {'on' if self._mouse_is_on else 'off: select with the terminal'}")

    # ------------------------------------------------------------ copying

    def on_text_selected(self) -> None:
        self._copy_selection()

    def _copy_selection(self) -> bool:
        text = self.get_selected_text()
        if not text:
            return False
        self.copy(text)
        self.clear_selection()
        return True

    def on_rows_pane_copied(self, message: RowsPane.Copied) -> None:
        self.copy(message.text)

    def copy(self, text: str) -> None:
        """To the terminal's clipboard by OSC 52, which tmux passes on to its own buffer."""
        self.app.copy_to_clipboard(text)
        lines = len(text.splitlines()) or 1
        self._desk.say(f"copied {lines} line{'s' if lines > 1 else ''}")
