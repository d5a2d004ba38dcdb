"""The first configuration: proposed from the keys that are there, tried with a priced call, written after a yes."""

from equitr_coder.domain.errors import ModelError, UserError
from equitr_coder.domain.queries import ProbeAnswer, ProbeModel, Proposal, ProposalAnswer, WriteConfig, Written
from equitr_coder.ports import RunApi
from equitr_coder.presentation.figures import dollars, duration
from equitr_coder.presentation.listings import proposal_lines
from equitr_coder.presentation.person import Person
from equitr_coder.presentation.text import Line, Tone, prose

_FILE = '"${EQUITR_HOME:-$HOME/.equitr}/config.yaml"'
_NO_KEY = (
    Line("Set the key of a provider, for example:"),
    Line("  export OPENAI_API_KEY=...      # or any variable named above"),
    Line("or store it, in your keyring or encrypted:"),
    Line("  equitrcoder keys set openai    # asks for it without showing it"),
    Line("or name any other provider's model, its key being set:"),
    Line("  export EQUITR_LLM__MODEL=openrouter/NAME"),
    Line("or a server of your own:"),
    Line("  export EQUITR_LLM__API_BASE=http://localhost:11434/v1 EQUITR_LLM__MODEL=NAME"),
    Line("then: equitrcoder models --discover"),
)


async def first_run(api: RunApi, answer: ProposalAnswer, person: Person) -> bool:
    """Whether a configuration was written."""
    person.show(proposal_lines(answer))
    if not answer.proposals:
        person.show(_NO_KEY)
        return False
    chosen = await _choose(answer.proposals, person)
    if chosen is None:
        person.show([Line("Nothing was written.")])
        return False
    for model in dict.fromkeys((chosen.supervisor, chosen.worker)):
        if await _says_yes(person, f"Make one small priced test call to {model}? (yes/no) "):
            person.show(await _probe(api, model))
    person.show([Line("This would be your configuration:", Tone.STRONG), *_indented(chosen.yaml)])
    if not await _says_yes(person, "Write it? (yes/no) "):
        person.show([Line("Nothing was written.")])
        return False
    written = await api.query(WriteConfig(text=chosen.yaml))
    assert isinstance(written, Written)
    person.show([Line(f"Wrote {written.path}", Tone.GOOD)])
    return True


def first_run_text(answer: ProposalAnswer) -> list[Line]:
    """The same without a terminal: the proposal, and the commands to type."""
    lines = proposal_lines(answer)
    if not answer.proposals:
        return [*lines, *_NO_KEY]
    first = answer.proposals[0]
    script = ['mkdir -p "${EQUITR_HOME:-$HOME/.equitr}"', f"cat > {_FILE} <<'END'", *first.yaml.splitlines(), "END"]
    return [*lines, Line("To use the first, type:"), *(Line(text) for text in script), Line("equitrcoder doctor")]


async def _choose(proposals: tuple[Proposal, ...], person: Person) -> Proposal | None:
    numbers = {str(number): proposal for number, proposal in enumerate(proposals, 1)}
    while True:
        typed = await person.ask(f"Use which? ({', '.join(numbers)}, or no) ")
        if typed is None or typed.lower() in ("no", "n"):
            return None
        if len(proposals) == 1 and typed.lower() in ("yes", "y"):
            return proposals[0]
        if typed in numbers:
            return numbers[typed]
        person.show([Line(f"Type {' or '.join(numbers)}, or no.")])


async def _says_yes(person: Person, prompt: str) -> bool:
    """Enter alone asks again."""
    while True:
        typed = await person.ask(prompt, fresh=True)
        if typed is None or typed.lower() in ("no", "n"):
            return False
        if typed.lower() in ("yes", "y"):
            return True


async def _probe(api: RunApi, model: str) -> list[Line]:
    try:
        answer = await api.query(ProbeModel(model=model))
    except (ModelError, UserError) as error:
        return [Line(f"x {model}: {prose(str(error))}", Tone.BAD), *([Line(f"  {error.hint}")] if error.hint else [])]
    assert isinstance(answer, ProbeAnswer)
    figures = f"{dollars(answer.usd)}, {duration(answer.latency_ms / 1000)}"
    if answer.ok:
        return [Line(f"+ {model} answers ({figures})", Tone.GOOD)]
    return [Line(f"x {model}: {prose(answer.text)} ({figures})", Tone.BAD)]


def _indented(text: str) -> list[Line]:
    return [Line(f"    {line}") for line in prose(text).splitlines()]
