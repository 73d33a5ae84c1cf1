"""The command line: one module a command, each a thin door on the Python API.

Nothing here imports torch, pandas or pydantic before the command that needs it runs, so that
``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import io
import os
import signal
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from computebill.base.errors import RequestError

COMMANDS = {
    "run": "Price a hypothetical training run: FLOP, days, GPU-hours, dollars, energy.",
    "plan": "Find the layout, GPU count and accelerator that are fastest or cheapest.",
    "model": "Count a model's parameters, FLOP and memory from its config.json.",
    "mfu": "Read a speed, or a published MFU, under every convention.",
    "bench": "Measure what this machine's accelerator reaches, beside its datasheet.",
    "validate": "Predict measured training steps, and say how far off the model is.",
    "measured": "Make rows for calibrate of a log and its launch files.",
    "calibrate": "Fit the step model's efficiencies to measured training steps.",
    "sweep": "Price a research programme, experiment by experiment, beside its final run.",
    "spend": "Set an organisation's final runs against the R&D compute it reported.",
    "statement": "State a model's training compute under public rules, line by line.",
    "report": "Make one page of results: answers, charts, tables, sources; no network needed.",
    "serve": "Serve a local page where assumptions are sliders.",
    "score": "Score a catalogue of models: FLOP, GPU-hours, cost and energy of every row.",
    "ledger": "Read what clusters, trackers and clouds recorded: hours, dollars, kinds of work.",
    "hardware": "List the accelerators that are known, and where each figure comes from.",
}
"""Name and one-line help of each command; its code is the module of that name."""


SELDOM = 50_000
"""Objects made between collections of garbage: modules that load make few circles, and looking for
them after every 700 objects takes a tenth of a command's time."""

MEANT = {
    "price": "run",
    "estimate": "run",
    "cost": "run",
    "params": "model",
    "count": "model",
    "memory": "model",
    "layout": "plan",
    "search": "plan",
    "optimize": "plan",
    "compare": "spend",
    "budget": "spend",
    "sacct": "ledger",
    "jobs": "ledger",
    "bill": "ledger",
    "gpus": "hardware",
    "accelerators": "hardware",
    "benchmark": "bench",
    "fit": "calibrate",
    "rules": "statement",
    "threshold": "statement",
    "ai-act": "statement",
    "ui": "serve",
}
"""Words that people try, and the command whose question they are."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order a newcomer meets them."""
        return list(COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as given: a result tells the command that reproduces it."""
        from .outputs import ARGUMENTS

        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return its ``command``."""
        if cmd_name not in COMMANDS:
            return OWN.get(cmd_name)
        command: click.Command = importlib.import_module(f".{cmd_name}", __name__).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; of a name that is none, say which may be meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            word = args[0].casefold() if args else ""
            meant = MEANT.get(word) or next(iter(get_close_matches(word, COMMANDS)), "")
            if not meant:
                raise
            told = f"{error.message} Did you mean {meant}? {COMMANDS[meant]}"
            raise click.UsageError(told, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a request that cannot be met ends with its message and status 2."""
        gc.set_threshold(SELDOM)
        with contextlib.suppress(ValueError):  # in another thread than the first
            # Asked to end, a command cleans up as after Ctrl-C: no half-written file is left.
            signal.signal(signal.SIGTERM, _end)
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal that is not UTF-8 gets \u2013 for a dash, which JSON reads as one.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except ValueError as error:
            from computebill.base.errors import RequestError

            if not isinstance(error, RequestError):
                raise
            raise BadRequest(str(_placed(error, ctx))) from None
        except _Ended as ended:
            # What was open is closed by now; threads that still read would abort a slower end.
            sys.stdout.flush()
            os._exit(int(ended.code or 0))
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has enough
                raise
            raise click.ClickException(f"cannot write: {error}") from None


def _placed(error: RequestError, ctx: click.Context) -> RequestError:
    """Return an error with the places of launch files that it is about, where some were read."""
    from .launches import READ

    launched = ctx.meta.get(READ)
    return error if launched is None else launched.placed(error)


class _Ended(SystemExit):
    """A signal asked the command to end."""


def _end(number: int, _: object) -> None:
    raise _Ended(128 + number)


class BadRequest(click.ClickException):
    """A request that cannot be met as given: one message, exit status 2."""

    exit_code = 2


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(None, "-V", "--version", package_name="computebill", prog_name="computebill")
def main() -> None:
    """What training an AI model costs in compute, and the research bill behind it."""


@click.command("help")
@click.argument("name", required=False, metavar="[COMMAND]")
@click.pass_context
def _help(ctx: click.Context, name: str | None) -> None:
    """Explain a command, or list them."""
    if name is None or ctx.parent is None:
        click.echo(main.get_help(ctx.parent or ctx))
        return
    _, command, _ = main.resolve_command(ctx.parent, [name])
    if command is not None:
        click.echo(command.get_help(click.Context(command, info_name=name, parent=ctx.parent)))


@click.command("version")
def _version() -> None:
    """Tell the version."""
    from importlib.metadata import version

    click.echo(f"computebill, version {version('computebill')}")


OWN = {"help": _help, "version": _version}
"""Commands that people type where others have flags; --help does not list them."""
