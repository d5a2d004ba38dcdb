"""The interactive session: reads what the person types, a request or a command, until they leave."""

from equitr_coder.domain.errors import EquitrError
from equitr_coder.presentation.mode import Mode, status_line
from equitr_coder.presentation.slash import find_slash, is_slash
from equitr_coder.presentation.text import Line, Tone
from equitr_coder.repl.commands import FIRST_QUESTION, Commands
from equitr_coder.repl.keyboard import Closed, Interrupted, Keyboard, Typed
from equitr_coder.repl.turns import Next, Turns

_WELCOME = "EQUITR Coder. /help lists the commands and keys."
_DONE, INTERRUPTED = 0, 130
_FAREWELLS = ("exit", "quit")


class Conversation:
    def __init__(self, *, keyboard: Keyboard, mode: Mode, turns: Turns, commands: Commands) -> None:
        self._keyboard = keyboard
        self._screen = keyboard.screen
        self._mode = mode
        self._turns = turns
        self._commands = commands
        self._again = ""
        """Text that stands at the next prompt, to be confirmed."""

    async def hold(self) -> int:
        """Until the person leaves; returns the exit code: 130 when that cut a run off, else 0."""
        self._screen.say(_WELCOME)
        if self._mode.plans_first:
            self._screen.say(FIRST_QUESTION, Tone.STRONG)
        follows = Next.PROMPT
        while follows in (Next.PROMPT, Next.STOPPED):
            text, self._again = self._again, ""
            status = status_line(self._mode, self._turns.view, width=self._screen.width)
            entry = await self._keyboard.request(status=status, text=text)
            match entry:
                case Typed():
                    follows = await self._take(entry)
                case Interrupted() if follows is Next.STOPPED and not entry.text:
                    follows = Next.LEAVE
                case Interrupted():
                    follows = Next.STOPPED
                    self._screen.say("Ctrl-C again leaves.")
                case Closed():
                    follows = Next.LEAVE
        await self.say_how_to_go_on()
        return INTERRUPTED if follows is Next.ABANDON else _DONE

    async def say_how_to_go_on(self) -> None:
        """Name what can be resumed; nothing when everything has ended."""
        for view in await self._turns.unfinished():
            self._screen.show([Line(f"resume with: equitrcoder resume {view.epic or view.run}")])

    async def _take(self, typed: Typed) -> Next:
        """A request or a command. What goes wrong with it is told in two lines and ends nothing."""
        text = typed.text.rstrip()
        try:
            if is_slash(text):
                return await self._command(text, is_pasted=typed.is_pasted)
            if text.strip().lower() in _FAREWELLS:
                return Next.LEAVE
            return await self._turns.request(text.strip()) if text.strip() else Next.PROMPT
        except EquitrError as error:
            self._screen.complain(str(error), getattr(error, "hint", ""))
            return Next.PROMPT

    async def _command(self, text: str, *, is_pasted: bool) -> Next:
        """Pasted text is no command: it is a request, or stands at the prompt again when it reads like one."""
        if not is_pasted:
            return await self._commands.do(text)
        if find_slash(text.split(maxsplit=1)[0]):
            self._again = text
            self._screen.say("That was pasted, so it was not run as a command. Enter runs it.")
            return Next.PROMPT
        return await self._turns.request(text)
