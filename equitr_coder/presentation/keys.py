"""Keys as lines: which there are, what a provider said of one, what was changed. Never a key."""

from equitr_coder.domain.queries import KeyChanged, KeyRow, KeysAnswer, KeyTested
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, prose

_OUTCOMES = {
    "ok": ("+", Tone.GOOD, "ok"),
    "refused": ("x", Tone.BAD, "refused"),
    "unreachable": ("x", Tone.BAD, "cannot be reached"),
    "untestable": ("!", Tone.WARN, "not tested"),
}


def keys_lines(answer: KeysAnswer, *, width: int | None = None) -> list[Line]:
    """One row per key, in the order of their names."""
    lines: list[Line] = []
    if answer.keys:
        rows = [(row.name, row.place + _beside(row), _stored(row), _used_by(row)) for row in answer.keys]
        head, *body = table(rows, header=("key", "comes from", "stored", "for"), width=width, spare=(3, 1, 2))
        lines = [Line(head, Tone.DIM), *map(Line, body)]
    else:
        lines = [Line("No key is stored, and none is in the environment. Store one with: equitrcoder keys set NAME")]
    for name in answer.missing:
        lines.append(Line(f"! missing: {name}: export {name}=..., or: equitrcoder keys set {name}", Tone.WARN))
    return [*lines, Line(f"Keys that you store lie in {answer.place}.", Tone.DIM)]


def tested_lines(answer: KeyTested) -> list[Line]:
    glyph, tone, word = _OUTCOMES[answer.outcome]
    lines = [Line(f"{glyph} {answer.name}: {word}: {prose(answer.text)}", tone)]
    return [*lines, Line(f"  {prose(answer.hint)}")] if answer.hint else lines


def changed_lines(answer: KeyChanged, verb: str) -> list[Line]:
    what = answer.name or "The key store"
    lines = [Line(f"+ {what} is {verb} {answer.place}", Tone.GOOD)]
    if answer.tested is not None:
        lines += tested_lines(answer.tested)
        lines.append(Line("  Runs at work take it with their next call; now revoke the old one at its provider."))
    if not answer.name and answer.is_by_variable:
        lines.append(Line("  Set EQUITR_MASTER_KEY to the new master key from now on."))
    if answer.is_hidden:
        lines.append(Line(f"! {answer.name} is set in the environment too, and that one is used", Tone.WARN))
    return lines


def _stored(row: KeyRow) -> str:
    return row.changed.date().isoformat() if row.changed is not None else "-"


def _beside(row: KeyRow) -> str:
    return " (another is stored)" if row.is_hidden else ""


def _used_by(row: KeyRow) -> str:
    return ", ".join(map(prose, row.models)) or ", ".join(row.providers) or "-"
