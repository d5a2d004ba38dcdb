"""Where things stand: rows that never move above and below, one place between them."""

HEADER = "header"
BODY = "body"
EMPTY = "empty"
NOTICE = "notice"
NEEDS = "needs"
PROMPT = "prompt"
FOOTER = "footer"
TOO_SMALL = "too-small"

NARROW, LOW = 60, 20
"""Columns below which the prompt has one row and the header one; rows likewise."""
LEAST = (40, 10)
"""Columns and rows that the screen needs."""

CSS = """
Screen { background: $background; color: $foreground; layers: below menu; }
#header { height: 2; dock: top; }
#body { width: 1fr; height: 1fr; layout: vertical; layers: below notice menu; border-top: solid $line; }
#empty { width: 1fr; height: 1fr; }
#notice { layer: notice; dock: bottom; height: auto; max-height: 3; display: none; background: $panel; }
#notice.-shown { display: block; }
#needs { height: 1; }
#prompt { border: round $line; border-title-color: $dim; border-subtitle-color: $dim; }
#prompt:focus { border: round $accent; }
#footer { height: 1; }
Screen.-narrow #header { height: 1; }
Screen.-ascii #prompt { border: ascii $line; }
Prompt > .prompt--placeholder, CompletionMenu > .menu--dim { color: $dim; }
CompletionMenu { layer: menu; }
Screen.-ascii #body { border-top: ascii $line; }
Screen.-ascii TwoPanes .detail, Screen.-ascii Talk #documents { border-left: ascii $line; }
Screen.-ascii TwoPanes.-narrow-place .detail, Screen.-ascii Talk.-alone #documents { border-left: none; }
#too-small { display: none; height: 1fr; }
Screen.-tiny #too-small { display: block; }
Screen.-tiny #header, Screen.-tiny #body, Screen.-tiny #needs, Screen.-tiny #prompt, Screen.-tiny #footer {
  visibility: hidden; height: 0; min-height: 0; border: none;
}
Horizontal { height: 1fr; }
RowsPane {
  scrollbar-color: $line; scrollbar-color-hover: $accent; scrollbar-color-active: $accent;
  scrollbar-background: $background; scrollbar-background-hover: $background; scrollbar-background-active: $background;
}
"""
