"""A screen with nothing but a prompt and its menu."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from textual import events, on
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

from equitr_coder.presentation.completion import Offers
from equitr_coder.presentation.ranking import FileNames
from equitr_coder.tui.prompt.history import History
from equitr_coder.tui.prompt.menu import CompletionMenu
from equitr_coder.tui.prompt.widget import Prompt

FILES = ("hello.py", "docs/help.md", "src/the.py", "my notes.txt", ".git/HEAD")


class PromptApp(App[None]):
    CSS = "Screen { layers: base overlay; } #above { height: 1fr; }"

    def __init__(self, history: History, edit: Callable[[str], str | None] | None, rows: int) -> None:
        super().__init__()
        offers = Offers()
        offers.files, offers.marks = FileNames(FILES), {"hello.py": "M"}
        offers.words = {"/multi-agent": ("on", "off")}
        self.menu = CompletionMenu()
        self.left_up = False
        self.prompt = Prompt(history, offers.at, self.menu, edit=edit, leave_up=lambda: self.left_up)
        self.prompt.rows = rows
        self.sent: list[Prompt.Submitted] = []
        self.refused: list[Prompt.Refused] = []
        self.missed: list[str] = []

    def compose(self) -> ComposeResult:
        yield Static("above", id="above")
        yield self.prompt
        yield self.menu

    def on_mount(self) -> None:
        self.prompt.focus()

    @on(Prompt.Submitted)
    def _note_sent(self, message: Prompt.Submitted) -> None:
        self.sent.append(message)

    @on(Prompt.Refused)
    def _note_refused(self, message: Prompt.Refused) -> None:
        self.refused.append(message)

    @on(CompletionMenu.Clicked)
    def _click(self, message: CompletionMenu.Clicked) -> None:
        self.prompt.take_offer(message.number)


@dataclass
class Desk:
    app: PromptApp
    pilot: Pilot[None]
    prompt: Prompt = field(init=False)

    def __post_init__(self) -> None:
        self.prompt = self.app.prompt

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if each == " " else each for each in text))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def paste(self, text: str) -> None:
        self.app.post_message(events.Paste(text))
        await self.pilot.pause()

    @property
    def sent(self) -> list[str]:
        return [each.text for each in self.app.sent]

    @property
    def shown(self) -> list[str]:
        """The rows of text on the screen, with `|` where the cursor is."""
        rows = []
        for y in range(self.prompt.rows):
            strip = self.prompt.render_line(y)
            text = "".join(f"|{piece.text}" if piece.style and piece.style.reverse else piece.text for piece in strip)
            rows.append(text[2:].rstrip())
        return rows

    @property
    def offered(self) -> list[str]:
        return [each.text for each in self.app.menu.offers]


OpenDesk = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
def open_desk() -> OpenDesk:
    @asynccontextmanager
    async def opened(
        history: History | None = None,
        *,
        edit: Callable[[str], str | None] | None = None,
        rows: int = 3,
        size: tuple[int, int] = (60, 16),
    ) -> AsyncIterator[Desk]:
        app = PromptApp(history or History(), edit, rows)
        async with app.run_test(size=size) as pilot:
            yield Desk(app, pilot)

    return opened
