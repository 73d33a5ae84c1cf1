"""The command that lists accelerators and shows where each figure comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import click

from .completion import completed
from .options import Command, profiles_option
from .outputs import Outputs, answer_options, html_option


class Shared(NamedTuple):
    """Options that all forms of the command take, before and after the form's name."""

    profiles: tuple[Path, ...]
    outputs: Outputs

    def after(self, outer: Shared) -> Shared:
        """Return these, and those that were given before the form's name."""
        return Shared((*self.profiles, *outer.profiles), self.outputs.after(outer.outputs))


def shared_options(function: Command) -> Command:
    """Add the options that all forms of the command take."""
    return profiles_option(answer_options(html_option)(function))


class Parts(click.Group):
    """A group in which a part's name stands for showing it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the form of the command; a name that is none is an accelerator's."""
        is_name = bool(args) and self.get_command(ctx, args[0]) is None
        return super().resolve_command(ctx, ["show", *args] if is_name else args)


@click.group("hardware", cls=Parts, invoke_without_command=True)
@shared_options
@click.pass_context
def command(context: click.Context, /, **shared: Any) -> None:
    """List the accelerators that are known, and where each figure comes from.

    Examples: computebill hardware; computebill hardware h100; computebill hardware show "RTX 4090"
    """
    context.obj = Shared(**shared)
    if context.invoked_subcommand is None:
        _print_list(context.obj)


@command.command("list")
@shared_options
@click.pass_obj
def list_command(outer: Shared, /, **shared: Any) -> None:
    """List every accelerator: peaks, memory, power, a typical price."""
    _print_list(Shared(**shared).after(outer))


@command.command("show")
@click.argument("name", shell_complete=completed("accelerator"))
@click.option("--prices", "all_prices", is_flag=True, help="Show every cloud price on record.")
@shared_options
@click.pass_obj
def show_command(outer: Shared, /, name: str, all_prices: bool, **shared: Any) -> None:
    """Show one accelerator, each figure with its source.

    NAME is any name in use (h100-sxm, "GeForce RTX 4090", Trillium) or a profile's file.
    """
    given = Shared(**shared).after(outer)
    given.outputs.check()
    from computebill.hardware.accelerators import find_accelerator
    from computebill.views.hardware import profile_view

    accelerator = find_accelerator(name, given.profiles)
    given.outputs.emit_answer(
        accelerator.model_dump(mode="json", exclude_none=True),
        lambda: profile_view(accelerator, all_prices=all_prices),
    )


def _print_list(given: Shared) -> None:
    given.outputs.check()
    from computebill.hardware.accelerators import list_accelerators
    from computebill.views.hardware import summary_rows, summary_table

    rows = summary_rows(list_accelerators(given.profiles))
    given.outputs.emit_answer({"accelerators": rows}, lambda: [summary_table(rows)])
