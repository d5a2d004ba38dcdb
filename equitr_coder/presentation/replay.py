"""What building an epic again came to, in words."""

from equitr_coder.domain.queries import ReplayAnswer
from equitr_coder.presentation.figures import amount
from equitr_coder.presentation.text import Line, Tone, plural, prose, shorten

_WIDTH = 100


def replay_lines(answer: ReplayAnswer) -> list[Line]:
    name = answer.epic or answer.run
    did = [
        Line(
            f"{plural(answer.steps, 'step')}: {plural(answer.edits, 'edit')} made again, "
            f"{plural(answer.commands, 'command')} taken from the log, {answer.commands_again} of them run again"
        ),
        Line(f"{plural(answer.commits, 'commit')} made again; {plural(answer.taken, 'tree')} taken as recorded"),
        Line(f"{plural(answer.calls, 'model call')} priced again: {amount(answer.usd, is_unpriced=False)}"),
    ]
    if answer.difference is None:
        tip = f", tip {answer.tip[:12]}" if answer.tip else ""
        return [*did, Line(f"{name}: every tree, commit and ledger row is the same{tip}", Tone.GOOD)]
    found = answer.difference
    return [
        *did,
        Line(f"{name} DIFFERS at record {found.seq}: {prose(found.what)}", Tone.BAD),
        Line(f"  was {shorten(prose(found.was), _WIDTH)}", Tone.BAD),
        Line(f"  now {shorten(prose(found.now), _WIDTH)}", Tone.BAD),
    ]
