"""Markdown as drawn rows, by Rich. One block at a time: a block that is closed is drawn once."""

import io
from functools import lru_cache
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax
from rich.theme import Theme
from textual.strip import Strip

from equitr_coder.presentation.rows import Ink
from equitr_coder.tui.theme import DEFAULT, THEMES

_INDENT = "  "


class LeftHeading(Heading):
    """Where it stands in the text; Rich would put it into the middle, the largest in a box."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        yield self.text


class PlainCode(CodeBlock):
    """In the colours of the terminal's own palette and on the pane's own ground; Rich's themes bring a ground along."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Padding(
            Syntax(
                str(self.text).rstrip(), self.lexer_name, theme=self.theme, background_color="default", word_wrap=True
            ),
            (0, 0, 0, 2),
        )


class Prose(Markdown):
    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": LeftHeading,
        "fence": PlainCode,
        "code_block": PlainCode,
    }


def markdown_strips(text: str, *, width: int, theme: str) -> list[Strip]:
    """Rows of at most `width` cells. `text` must be visible already (`presentation.text.prose`)."""
    room = max(10, width)
    console = _console(theme)
    options = console.options.update(width=room, height=None)
    lines = console.render_lines(
        Prose(text, code_theme="ansi_dark" if THEMES[theme].is_dark else "ansi_light"),
        options,
        pad=False,
        new_lines=False,
    )
    strips = [Strip(_plain_ends(line)) for line in lines]
    while strips and not strips[-1].text.strip():
        strips.pop()
    while strips and not strips[0].text.strip():
        strips.pop(0)
    return strips


def load_lexers() -> None:
    """Draw code in the usual languages, and in an unknown one, for nobody: the first of each loads its lexer, which
    would hold up what is typed for as long as 70 ms. May run in a thread.
    """
    for language in ("python", "bash", "json", "yaml", "javascript", "no-such-language"):
        markdown_strips(f"# code\n\n- in `it`\n\n```{language}\nx = 1\n```\n", width=80, theme=DEFAULT)


def _plain_ends(line: list[Segment]) -> list[Segment]:
    """Without links, which would let a text name an address that is not the one it shows."""
    return [
        Segment(piece.text, piece.style.update_link(None) if piece.style is not None else None)
        for piece in line
        if not piece.is_control
    ]


@lru_cache(maxsize=8)
def _console(theme: str) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        theme=_rich_theme(theme),
        width=80,
        no_color=False,
        _environ={},
    )


def _rich_theme(name: str) -> Theme:
    colours = THEMES[name]

    def ink(which: Ink, *, bold: bool = False, italic: bool = False, underline: bool = False) -> Style:
        colour = colours.inks[which].removeprefix("ansi_")
        return Style(color=colour, bold=bold or None, italic=italic or None, underline=underline or None)

    return Theme(
        {
            "markdown.h1": ink(Ink.ACCENT, bold=True, underline=True),
            "markdown.h2": ink(Ink.ACCENT, bold=True),
            "markdown.h3": ink(Ink.ACCENT, bold=True),
            "markdown.h4": ink(Ink.ACCENT, bold=True),
            "markdown.h5": ink(Ink.ACCENT),
            "markdown.h6": ink(Ink.ACCENT),
            "markdown.code": ink(Ink.INFO),
            "markdown.code_block": ink(Ink.INFO),
            "markdown.block_quote": ink(Ink.DIM),
            "markdown.list": ink(Ink.TEXT),
            "markdown.item.bullet": ink(Ink.ACCENT),
            "markdown.item.number": ink(Ink.ACCENT),
            "markdown.link": ink(Ink.ACCENT),
            "markdown.link_url": ink(Ink.DIM),
            "markdown.hr": ink(Ink.DIM),
            "markdown.table.border": ink(Ink.DIM),
            "markdown.table.header": ink(Ink.TEXT, bold=True),
        }
    )
