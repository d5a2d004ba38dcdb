"""Running one shell command at the root of the workspace."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.tools import output_id
from equitr_coder.ports import CommandResult, Executor, Outputs, Place, ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, parse_arguments
from equitr_coder.tools.excerpt import lines_of

_TIMEOUT = 120.0
_LONGEST = 600.0
_HEAD = 3000
_TAIL = 5000
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class RunCommandArguments(Arguments):
    command: str = Field(min_length=1, description="For sh -c")
    timeout: float = Field(
        default=_TIMEOUT, gt=0, description=f"Seconds, at most {_LONGEST:g}; {_TIMEOUT:g} if left out"
    )


class RunCommand:
    spec = LazySpec("run_command", RunCommandArguments)

    def __init__(self, executor: Executor, place: Place, outputs: Outputs) -> None:
        self._executor = executor
        self._place = place
        self._outputs = outputs

    def parse(self, arguments: Mapping[str, Any]) -> RunCommandArguments:
        return parse_arguments("run_command", RunCommandArguments, arguments)

    def touches(self, arguments: RunCommandArguments) -> Touches:
        return Touches(command=arguments.command.strip())

    async def run(self, arguments: RunCommandArguments, _context: ToolContext) -> ToolResult:
        command = arguments.command.strip()
        if not command:
            raise ToolFailure("The command is empty; nothing was run.")
        if "\0" in command:
            raise ToolFailure("The command holds a NUL character; nothing was run.")
        timeout = min(arguments.timeout, _LONGEST)
        result = await self._executor.run(command, self._place, timeout=timeout)
        ended = _ending(result, timeout)
        output = plain_text(result.output)
        shown, kept = await self._shown(output)
        if result.truncated:
            shown += "\n[the command printed more than is kept; this is what was kept]"
        return ToolResult(for_model=f"{ended}\n{shown}", for_user=f"{ended}: {_one_line(command)}", kept=kept)

    async def _shown(self, output: str) -> tuple[str, tuple[str, ...]]:
        """Head and tail at line ends; the whole is kept and can be opened."""
        if not output:
            return "(no output)", ()
        if len(output) <= _HEAD + _TAIL:
            return output, ()
        head, tail = _head(output), _tail(output)
        kept = await self._outputs.keep(output)
        first = head.count("\n") + 1
        gap = (
            f"[... {len(output) - len(head) - len(tail)} of {len(output)} characters left out, of "
            f"{len(lines_of(output))} lines; read on with "
            f'read_file(path="output:{output_id(kept)}", offset={first}) ...]'
        )
        return f"{head.rstrip()}\n{gap}\n{tail}", (kept,)


def plain_text(output: bytes) -> str:
    """What a person would see: no colour codes, no overwritten progress lines."""
    text = _ESCAPE.sub("", output.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\0", "")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")).rstrip()


def _ending(result: CommandResult, timeout: float) -> str:
    seconds = f"{result.duration_ms / 1000:.1f} s"
    if result.timed_out:
        return f"timed out after {timeout:g} s and was killed"
    if result.killed_for:
        return f"exit {result.exit_code} (killed: {result.killed_for}) in {seconds}"
    if result.exit_code > 128:
        return f"exit {result.exit_code} (killed by signal {result.exit_code - 128}) in {seconds}"
    return f"exit {result.exit_code} in {seconds}"


def _head(text: str) -> str:
    cut = text[:_HEAD]
    return cut[: cut.rfind("\n") + 1] or cut


def _tail(text: str) -> str:
    cut = text[-_TAIL:]
    start = cut.find("\n") + 1
    return cut[start:] or cut


def _one_line(command: str) -> str:
    first, newline, _rest = command.partition("\n")
    return f"{first[:160]} ..." if newline or len(first) > 160 else first
