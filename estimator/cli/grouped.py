"""Help that is read: flags in groups, what everybody needs first, the layout's folded.

A flag means the same in every command, so it has one group and one unit, here.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import Any

import click

LAYOUT = "Layout"
OWN = "This command"
HELP_LAYOUT = "help_layout"
FEW = 4
"""Flags of a layout that need no folding."""
WELL_KNOWN = ("tp", "pp", "dp", "zero", "micro-batch", "recompute", "optimizer", "lora-rank")

SECTIONS: dict[str, str] = {
    "What is trained": """launch model params params-active tokens flop global-batch
        global-batch-tokens sequence-length lengths packing""",
    "On what": """accelerator count max-gpus gpus precision mfu tokens-per-second
        tokens-per-second-per-gpu step-seconds framework software efficiency node-network
        power-limit days""",
    OWN: "",
    "Price": """price provider commitment date operator pue usd-per-kwh carbon-g-per-kwh
        final-share budget""",
    "Interruptions": "goodput lost failures-per-gpu-day checkpoint-seconds restart-seconds",
    LAYOUT: """recipe qlora lora-rank lora-targets recompute tp pp vpp schedule dp cp cp-exchange
        ep etp micro-batch micro-batches zero shards sequence-parallel across-domains tp-overlap
        ep-overlap dispatcher weights gradients optimizer offload loss loss-chunk attention kernels
        dropout overhead-gb""",
    "Sampling": "samples seed method device",
    "Output": "output html plot json csv draws experiments pictures profiles note print help",
}
"""Flags by group, in the order of help; who is in none is the command's own."""

UNITS = {
    "tokens": "TOKENS",
    "sequence-length": "TOKENS",
    "global-batch-tokens": "TOKENS",
    "global-batch": "SEQUENCES",
    "micro-batch": "SEQUENCES",
    "params": "N",
    "params-active": "N",
    "flop": "FLOP",
    "model": "CONFIG",
    "accelerator": "NAME",
    "framework": "NAME",
    "provider": "NAME",
    "price": "USD",
    "usd-per-kwh": "USD",
    "max-cost": "USD",
    "budget": "USD",
    "carbon-g-per-kwh": "GRAMS",
    "count": "GPUS",
    "max-gpus": "GPUS",
    "gpus": "GPUS",
    "power-limit": "WATTS",
    "node-network": "BITS/S",
    "date": "DAY",
    "days": "DAYS",
    "max-days": "DAYS",
    "mfu": "SHARE",
    "goodput": "SHARE",
    "lost": "SHARE",
    "final-share": "SHARE",
    "memory-margin": "SHARE",
    "fit-odds": "SHARE",
    "step-seconds": "SECONDS",
    "checkpoint-seconds": "SECONDS",
    "restart-seconds": "SECONDS",
    "overhead-gb": "GB",
    "loss-chunk": "TOKENS",
    "efficiency": "FILE",
    "lengths": "FILE|RANGE",
}
"""What a flag's value is, where it is more than a word."""

ALSO = {"count": ("gpus",)}
"""Other spellings of a flag, in commands that have no flag of that name."""


def unit(name: str) -> str:
    """Return what a flag's value is called in help."""
    return UNITS.get(name, "VALUE")


def spellings(name: str, taken: Collection[str]) -> list[str]:
    """Return a flag as it may be typed; the first is its name.

    Args:
        name: name of the field.
        taken: names of the command's other fields.
    """
    also = [each for each in ALSO.get(name, ()) if each not in taken]
    return [f"--{each}" for each in (name, *also)]


def _show_layout(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta[LAYOUT] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


class Grouped(click.Command):
    """A command whose help has flags in groups; those of a layout are shown by --help-layout."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if any(section_of(each) == LAYOUT for each in self.params):
            asked = {"is_flag": True, "is_eager": True, "expose_value": False}
            text = "Show the flags of a layout."
            self.params.append(
                click.Option(["--help-layout"], callback=_show_layout, help=text, **asked)
            )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, group by group; a layout's only where they are few, or asked for."""
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        flags = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        for flag in sorted(flags, key=_place):
            record = flag.get_help_record(ctx)
            if record is not None and flag.name != HELP_LAYOUT:
                groups[section_of(flag)].append(record)
        if ctx.meta.get(LAYOUT):
            groups = {LAYOUT: groups[LAYOUT]}
        elif len(groups[LAYOUT]) > FEW:
            count, some = len(groups[LAYOUT]), ", ".join(f"--{each}" for each in WELL_KNOWN)
            groups[LAYOUT] = [("--help-layout", f"Show its {count} flags: {some}, …")]
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _place(flag: click.Parameter) -> int:
    """Return the place of a flag in its group."""
    names = SECTIONS[section_of(flag)].split()
    places = [names.index(each) for each in _names(flag) if each in names]
    return min(places, default=0)


def _names(flag: click.Parameter) -> list[str]:
    return [each.lstrip("-") for each in flag.opts]


def section_of(flag: click.Parameter) -> str:
    """Return the group of a flag."""
    for title, flags in SECTIONS.items():
        if set(_names(flag)) & set(flags.split()):
            return title
    return OWN


class WithTasks(Grouped):
    """A command whose first argument may name a task of its own.

    Attributes:
        tasks: names of the tasks.
        module: beginning of their modules' names.
    """

    tasks: tuple[str, ...] = ()
    module = ""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return the context of the task that the first argument names, or of the command."""
        if args and args[0] in self.tasks:
            module = import_module(f".{self.module}_{args[0]}", __package__)
            task: click.Command = module.command
            return task.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)
