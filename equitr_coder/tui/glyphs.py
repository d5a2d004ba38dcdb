"""The few glyphs that are not ASCII, and what stands for them where the terminal cannot show them."""

from collections.abc import Mapping

_ASCII = str.maketrans(
    {
        "·": "-",
        "─": "-",
        "━": "-",
        "│": "|",
        "┃": "|",
        "┬": "+",
        "┴": "+",
        "├": "+",
        "┤": "+",
        "┼": "+",
        "╭": "+",
        "╮": "+",
        "╯": "+",
        "╰": "+",
        "┌": "+",
        "┐": "+",
        "└": "+",
        "┘": "+",
        "…": ".",
        "•": "*",
        "▌": "|",
        "▎": "|",
        "█": "#",
        "→": ">",
        "↑": "^",
        "↓": "v",
        "–": "-",
        "—": "-",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
    }
)


def is_ascii_only(environ: Mapping[str, str]) -> bool:
    """By `EQUITR_GLYPHS=ascii`, or by a locale that is not UTF-8."""
    wish = environ.get("EQUITR_GLYPHS", "")
    if wish:
        return wish == "ascii"
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return "utf-8" not in locale.lower() and "utf8" not in locale.lower()


def in_ascii(text: str) -> str:
    """Every character as one that an ASCII terminal shows, in as many cells where that can be."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
