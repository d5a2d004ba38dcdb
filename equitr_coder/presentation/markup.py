"""Text for HTML: what a model or a file says is shown as text, never obeyed."""

from html import escape

from equitr_coder.presentation.text import prose


def escaped(text: str) -> str:
    return escape(prose(text), quote=True)
