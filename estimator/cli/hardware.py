"""The command that lists accelerators and shows where each figure comes from."""

from __future__ import annotations

from pathlib import Path

import click

from .options import F, print_tables, profiles_option


def shared_options(function: F) -> F:
    """Add the options that all forms of the command take."""
    as_json = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
    )
    return profiles_option(as_json(function))


@click.group("hardware", invoke_without_command=True)
@shared_options
@click.pass_context
def command(context: click.Context, profiles: tuple[Path, ...], as_json: bool) -> None:
    """List the accelerators that are known, and where each figure comes from.

    Examples: computebill hardware; computebill hardware show "NVIDIA H100 SXM5 80GB"
    """
    context.obj = (profiles, as_json)
    if context.invoked_subcommand is None:
        _print_list(profiles, as_json)


@command.command("list")
@shared_options
@click.pass_obj
def list_command(
    outer: tuple[tuple[Path, ...], bool], profiles: tuple[Path, ...], as_json: bool
) -> None:
    """List every accelerator: peaks, memory, power, a typical price."""
    _print_list((*profiles, *outer[0]), as_json or outer[1])


@command.command("show")
@click.argument("name")
@click.option("--prices", "all_prices", is_flag=True, help="Show every cloud price on record.")
@shared_options
@click.pass_obj
def show_command(
    outer: tuple[tuple[Path, ...], bool],
    name: str,
    all_prices: bool,
    profiles: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Show one accelerator, each figure with its source.

    NAME is any name in use (h100-sxm, "GeForce RTX 4090", Trillium) or a profile's file.
    """
    from ..accelerators import find_accelerator

    accelerator = find_accelerator(name, (*profiles, *outer[0]))
    if as_json or outer[1]:
        click.echo(accelerator.model_dump_json(exclude_none=True, indent=2))
        return
    from ..views.hardware import profile_view

    print_tables(profile_view(accelerator, all_prices=all_prices))


def _print_list(profiles: tuple[Path, ...], as_json: bool) -> None:
    import json

    from ..accelerators import list_accelerators
    from ..views.hardware import summary_rows, summary_table

    rows = summary_rows(list_accelerators(profiles))
    if as_json:
        click.echo(json.dumps({"accelerators": rows}, indent=2, ensure_ascii=False))
        return
    print_tables([summary_table(rows)])
