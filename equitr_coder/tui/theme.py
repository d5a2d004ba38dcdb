"""Colours of the screen: meanings (`Ink`) to colours, per theme. No widget names a colour of its own."""

from functools import lru_cache

from rich.style import Style
from textual.theme import Theme

from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.rows import Ink, Span


@frozen
class Colours:
    """One theme. Colours as `#rrggbb`, or as one of the terminal's own (`ansi_cyan`)."""

    name: str
    background: str
    panel: str
    line: str
    """Borders and rules."""
    selection: str
    """Behind the chosen row; empty: reversed instead."""
    inks: dict[Ink, str]
    is_dark: bool = True
    is_ansi: bool = False

    def theme(self) -> Theme:
        """For Textual: its variables, and `$line` for borders."""
        return Theme(
            name=self.name,
            primary=self.inks[Ink.ACCENT],
            accent=self.inks[Ink.ACCENT],
            foreground=self.inks[Ink.TEXT],
            background=self.background,
            surface=self.background,
            panel=self.panel,
            boost=self.panel,
            success=self.inks[Ink.OK],
            warning=self.inks[Ink.ASK],
            error=self.inks[Ink.BAD],
            dark=self.is_dark,
            ansi=self.is_ansi,
            variables={
                "line": self.line,
                "dim": self.inks[Ink.DIM],
                "accent-ink": self.inks[Ink.ACCENT],
                "ask-ink": self.inks[Ink.ASK],
                "block-cursor-background": self.inks[Ink.ACCENT],
                "input-selection-background": self.selection or self.inks[Ink.ACCENT],
                "screen-selection-background": self.selection or self.inks[Ink.ACCENT],
                **(_ANSI if self.is_ansi else {}),
            },
        )


_ANSI = {
    "ansi-background": "ansi_black",
    "ansi-foreground": "ansi_white",
    "border-blurred": "ansi_default",
    "input-cursor-text-style": "reverse",
    "scrollbar": "ansi_default",
    "scrollbar-hover": "ansi_default",
    "scrollbar-active": "ansi_default",
    "scrollbar-background": "ansi_default",
    "scrollbar-corner-color": "ansi_default",
    "scrollbar-background-hover": "ansi_default",
    "scrollbar-background-active": "ansi_default",
}
"""What Textual's own styles refer to when the terminal's colours are used."""


_LANES = tuple(Ink(f"lane{number}") for number in range(1, 9))


def _inks(own: dict[Ink, str], lanes: tuple[str, ...]) -> dict[Ink, str]:
    return own | dict(zip(_LANES, lanes, strict=True))


DARK = Colours(
    name="dark",
    background="#101418",
    panel="#161c22",
    line="#5c6b78",
    selection="#1a2d3f",
    inks=_inks(
        {
            Ink.TEXT: "#d8dee4",
            Ink.DIM: "#8b98a5",
            Ink.ACCENT: "#5fb3d9",
            Ink.OK: "#7fbf7f",
            Ink.ASK: "#e6b450",
            Ink.BAD: "#e0707a",
            Ink.INFO: "#b39ddb",
        },
        ("#6cb6e0", "#84c29a", "#b8a6e0", "#e39ab8", "#9cb4f0", "#7cc4c4", "#cfa2d8", "#a9bd86"),
    ),
)

LIGHT = Colours(
    name="light",
    background="#fbfaf7",
    panel="#f1efe9",
    line="#8a857a",
    selection="#e0eef5",
    inks=_inks(
        {
            Ink.TEXT: "#1f262d",
            Ink.DIM: "#5f6b76",
            Ink.ACCENT: "#0b6488",
            Ink.OK: "#286c2b",
            Ink.ASK: "#7d5200",
            Ink.BAD: "#b3261e",
            Ink.INFO: "#5e3fa3",
        },
        ("#0b6488", "#22694a", "#5e3fa3", "#9c2f66", "#2c52ab", "#0b676b", "#823a91", "#48681f"),
    ),
    is_dark=False,
)

HIGH_CONTRAST = Colours(
    name="high-contrast",
    background="#000000",
    panel="#000000",
    line="#9a9a9a",
    selection="#00406e",
    inks=_inks(
        {
            Ink.TEXT: "#ffffff",
            Ink.DIM: "#c8c8c8",
            Ink.ACCENT: "#6fd0ff",
            Ink.OK: "#7dff9a",
            Ink.ASK: "#ffd75f",
            Ink.BAD: "#ff9b9b",
            Ink.INFO: "#dcbcff",
        },
        ("#6fd0ff", "#7dffb8", "#dcbcff", "#ffb0d0", "#b8c8ff", "#7df0f0", "#f0b0ff", "#c8f08c"),
    ),
)

ANSI16 = Colours(
    name="ansi16",
    background="ansi_default",
    panel="ansi_default",
    line="ansi_default",
    selection="",
    inks=_inks(
        {
            Ink.TEXT: "ansi_default",
            Ink.DIM: "ansi_bright_black",
            Ink.ACCENT: "ansi_cyan",
            Ink.OK: "ansi_green",
            Ink.ASK: "ansi_yellow",
            Ink.BAD: "ansi_red",
            Ink.INFO: "ansi_magenta",
        },
        ("ansi_default",) * 8,
    ),
    is_ansi=True,
)

NO_COLOUR = Colours(
    name="none",
    background="ansi_default",
    panel="ansi_default",
    line="ansi_default",
    selection="",
    inks=dict.fromkeys(Ink, "ansi_default"),
    is_ansi=True,
)

THEMES = {colours.name: colours for colours in (DARK, LIGHT, HIGH_CONTRAST, ANSI16, NO_COLOUR)}
DEFAULT = DARK.name


@lru_cache(maxsize=512)
def style_of(theme: str, ink: Ink, bold: bool, underline: bool, reverse: bool) -> Style:
    """What Rich draws a span with; attributes that are off are left to what is behind."""
    colours = THEMES[theme]
    is_dim = colours is NO_COLOUR and ink is Ink.DIM
    return Style(
        color=_rich(colours.inks[ink]),
        bold=bold or None,
        underline=underline or None,
        reverse=reverse or None,
        dim=is_dim or None,
    )


def span_style(theme: str, span: Span) -> Style:
    return style_of(theme, span.ink, span.bold, span.underline, span.reverse)


@lru_cache(maxsize=8)
def cursor_style(theme: str) -> Style:
    """Over the chosen row."""
    colours = THEMES[theme]
    return Style(bgcolor=colours.selection) if colours.selection else Style(reverse=True)


def _rich(colour: str) -> str:
    """Rich's name of a colour."""
    return colour.removeprefix("ansi_")
