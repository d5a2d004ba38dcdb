"""A unified diff as lines with their meaning, and what it adds up to."""

from equitr_coder.presentation.text import Line, Tone, plural, visible


def diff_lines(text: str) -> list[Line]:
    """Every line of the diff; the signs stay, so it reads the same without colour."""
    return [Line(visible(line), _tone(line)) for line in text.splitlines()]


def diff_size(text: str) -> str:
    """`2 files, +14 -3`."""
    lines = text.splitlines()
    files = sum(line.startswith("diff --git ") for line in lines)
    added = sum(line.startswith("+") and not line.startswith("+++ ") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("--- ") for line in lines)
    return f"{plural(files, 'file')}, +{added} -{removed}"


def _tone(line: str) -> Tone:
    if line.startswith(("diff --git ", "+++ ", "--- ", "index ")):
        return Tone.STRONG
    if line.startswith("@@"):
        return Tone.DIM
    return {"+": Tone.GOOD, "-": Tone.BAD}.get(line[:1], Tone.PLAIN)
