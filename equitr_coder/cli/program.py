"""The command table. A command's module is imported when that command runs; help and errors need none of them."""

from __future__ import annotations

import difflib
from collections.abc import Coroutine, Sequence
from importlib import import_module
from typing import Any

import click

from equitr_coder import __version__
from equitr_coder.cli.doors import Doors, Invocation
from equitr_coder.cli.options import common_options
from equitr_coder.domain.errors import UserError

NAME = "equitrcoder"

_TABLE = {
    "chat": ("work", "chat", "Do one request and exit; -M plans it and builds it with workers."),
    "interactive": ("work", "interactive", "Open the interactive session: the screen, or --inline the prompt."),
    "tui": ("work", "tui", "Open the full screen."),
    "loop": ("work", "loop", "Work, check, feed back, until the check passes or a limit is met."),
    "epic": ("epic", "epic", "Plan, approve, run and follow epics."),
    "runs": ("runs", "runs", "List the runs of this workspace."),
    "resume": ("runs", "resume", "Go on with an unfinished run."),
    "verify": ("receipts", "verify", "Run the checks of a run's receipts again."),
    "replay": ("replay", "replay", "Build an epic again from its log, and compare."),
    "why": ("why", "why", "Tell which task, model and requirement a line of code is from."),
    "prune": ("receipts", "prune", "Show what finished runs have left in git, and delete it."),
    "conflict": ("conflict", "conflict", "List, show, resolve or give back what does not merge."),
    "cost": ("cost", "cost", "Show where the money went, and how forecasts did."),
    "metrics": ("metrics", "metrics", "Show where the time of a run went."),
    "escalations": ("escalations", "escalations", "Show what went to the supervisor, and what came of it."),
    "audit": ("audit", "audit", "Show who did what, and verify that the log is whole."),
    "map": ("map", "show_map", "Show the definitions that matter most for a request."),
    "models": ("workspace", "models", "Show the configured models, or what an endpoint offers."),
    "config-cmd": ("workspace", "config_cmd", "Show the configuration and where each value comes from."),
    "keys": ("keys", "keys", "Store, list, test, rotate and remove provider keys."),
    "policy": ("policy", "policy", "Explain what the policy says of a tool call, and why."),
    "trust": ("workspace", "trust", "Accept this workspace's .equitr folder as it is now."),
    "doctor": ("workspace", "doctor", "Check this machine, the configuration and the repository."),
    "demo": ("extras", "demo", "Watch the whole product work, offline, on a scripted model."),
    "completion": ("extras", "completion", "Print the completion script of a shell."),
    "version": ("extras", "version", "Print the version."),
}


class CommonCommand(click.Command):
    """A command that also takes the common options, listed apart in its help."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.own = len(self.params)
        self.params.extend(common_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _format_options(self, ctx, formatter)


class CommonGroup(click.Group):
    """A group that takes the common options and answers an unknown name with the nearest one."""

    command_class = CommonCommand

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.own = len(self.params)
        self.params.extend(common_options())

    def list_commands(self, _: click.Context) -> list[str]:
        return list(self.commands)  # in the order they are used, not of the alphabet

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
            guess = f"did you mean `{ctx.command_path} {near[0]}`? " if near else ""
            raise UserError(
                f"there is no command `{ctx.command_path} {name}`",
                hint=f"{guess}`{ctx.command_path} --help` lists the commands",
            )
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


class Program(CommonGroup):
    """The top of the program: its commands come from the table."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(_TABLE)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _TABLE:
            return None
        module, attribute = _TABLE[cmd_name][:2]
        command: click.Command = getattr(import_module(f"equitr_coder.cli.{module}"), attribute)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in _TABLE.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=row[2]) for name, row in _TABLE.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=Program,
    name=NAME,
    invoke_without_command=True,
    help="A strong model plans, cheap models build in parallel, code merges, checks and counts the money.\n\n"
    "Without a command it opens the planning session.",
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
@click.pass_context
def program(ctx: click.Context) -> Any:
    if ctx.invoked_subcommand is not None:
        return None
    from equitr_coder.cli.prompt import open_session

    return open_session(ctx.obj, planning=True, inline=bool(ctx.obj.given.get("inline")))


def run(arguments: Sequence[str], doors: Doors) -> int | Coroutine[Any, Any, int]:
    """Parse and start. Returns the exit code, or the work that will give it; the caller runs the event loop.

    Raises:
        UserError: the arguments make no sense; says what was meant.
    """
    try:
        outcome = program.main(args=list(arguments), prog_name=NAME, standalone_mode=False, obj=Invocation(doors))
    except click.NoSuchOption as error:
        raise UserError(f"there is no option {error.option_name}{_place(error)}", hint=_nearest(error)) from error
    except click.UsageError as error:
        message = error.format_message().rstrip(".")
        raise UserError(f"{message[:1].lower()}{message[1:]}", hint=_usage(error.ctx)) from error
    except click.Abort as error:
        raise KeyboardInterrupt from error
    return 0 if outcome is None else outcome


def usage_error(message: str) -> UserError:
    """A wrong call of the current command, with its usage line."""
    return UserError(message, hint=_usage(click.get_current_context()))


def _usage(ctx: click.Context | None) -> str:
    if ctx is None:
        return f"`{NAME} --help` explains"
    if isinstance(ctx.command, click.Group) and ctx.parent is not None:
        return f"usage: {ctx.command_path} {'|'.join(ctx.command.list_commands(ctx))} ..."
    return f"usage: {' '.join([ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])}"


def _place(error: click.UsageError) -> str:
    return f" for `{error.ctx.command_path}`" if error.ctx is not None else ""


def _nearest(error: click.NoSuchOption) -> str:
    path = error.ctx.command_path if error.ctx is not None else NAME
    near = f"did you mean {error.possibilities[0]}? " if error.possibilities else ""
    return f"{near}`{path} --help` lists the options"


def _format_options(command: CommonCommand | CommonGroup, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    shared = {id(param) for param in command.params[command.own :]}
    own: list[tuple[str, str]] = []
    common: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            (common if id(param) in shared else own).append(record)
    if own:
        with formatter.section("Options"):
            formatter.write_dl(own)
    with formatter.section("Common options"):
        formatter.write_dl(common)
