"""Help that is read: flags in groups, what everybody needs first, a layout's and a stage's folded.

A flag means the same in every command, so it has one group and one unit, here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any, NamedTuple

import click

LAYOUT = "Layout"
STAGE = "A stage (--kind)"
OWN = "This command"
FEW = 4
"""Flags of a group that need no folding."""


class Fold(NamedTuple):
    """A group whose flags are shown where they are asked for.

    Attributes:
        flag: what asks for them.
        of: what they are of, in words.
        well_known: those that are named all the same.
    """

    flag: str
    of: str
    well_known: tuple[str, ...]

    @property
    def name(self) -> str:
        """The flag's name among a command's parameters."""
        return self.flag.removeprefix("--").replace("-", "_")


FOLDS = {
    LAYOUT: Fold(
        "--help-layout",
        "a layout",
        ("tp", "pp", "dp", "zero", "micro-batch", "recompute", "optimizer", "lora-rank"),
    ),
    STAGE: Fold(
        "--help-stage",
        "a stage",
        ("steps", "prompts", "samples-per-prompt", "answer-length", "pairs", "price-per-token"),
    ),
}
"""Groups that are folded, where a command has any of their flags."""

SECTIONS: dict[str, str] = {
    "What is trained": """kind launch log model params params-active tokens flop global-batch
        global-batch-tokens sequence-length lengths packing part images-per-sample image-size
        text-length""",
    "On what": """accelerator count cluster max-gpus gpus gpu-hours precision mfu tokens-per-second
        tokens-per-second-per-gpu step-seconds software framework efficiency node-network
        power-limit days""",
    OWN: "",
    STAGE: """stage steps prompts samples-per-prompt prompt-length answer-length answer-mean
        longest-answer requests pairs epochs kept kept-share references reward-params reward-model
        critic-params critic-model verifier-seconds teacher-params teacher-model generators
        staleness colocated tail throughput batch trained-share restarted-tokens
        price-per-token price-per-token-read price-per-token-written""",
    "Price": """price provider commitment market prices region date operator pue usd-per-kwh
        carbon-g-per-kwh final-share budget""",
    "Interruptions": """goodput lost failures-per-gpu-day interruptions-per-gpu-day
        checkpoint-seconds restart-seconds""",
    LAYOUT: """recipe qlora lora lora-rank lora-targets dora modules-to-save recompute
        recompute-layers early-stop tp pp vpp uneven first-layers last-layers layers-per-stage
        schedule dp cp cp-exchange ep etp micro-batch micro-batches zero shards sequence-parallel
        across-domains tp-overlap ep-overlap dispatcher experts weights gradients reduce-bits
        optimizer offload loss loss-chunk attention attention-kernel kernels dropout overhead-gb""",
    "Sampling": "samples seed method device",
    "Output": """brief markdown output html plot json csv draws experiments pictures profiles note
        print help""",
}
"""Flags by group, in the order of help; who is in none is the command's own."""

FOLDED = "computebill.folded"
"""Key of the group that help was asked for."""

UNITS = {
    "kind": "KIND",
    "answer-length": "FILE|RANGE",
    "prompt-length": "FILE|RANGE",
    "longest-answer": "TOKENS",
    "restarted-tokens": "TOKENS",
    "teacher-params": "N",
    "reward-params": "N",
    "teacher-model": "CONFIG",
    "reward-model": "CONFIG",
    "generators": "GPUS",
    "kept-share": "SHARE",
    "trained-share": "SHARE",
    "verifier-seconds": "SECONDS",
    "price-per-token": "USD",
    "price-per-token-read": "USD",
    "price-per-token-written": "USD",
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
    "deadline": "DAYS",
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
    "prices": "FILE",
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


def _shows(title: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            ctx.meta[FOLDED] = title
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    return show


class Grouped(click.Command):
    """A command whose help has flags in groups; those of a layout are shown by --help-layout."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        asked = {"is_flag": True, "is_eager": True, "expose_value": False}
        for title, fold in FOLDS.items():
            if any(section_of(each) == title for each in self.params):
                text = f"Show the flags of {fold.of}."
                self.params.append(
                    click.Option([fold.flag], callback=_shows(title), help=text, **asked)
                )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; of a flag that is none, name first those that begin like it."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            word = error.option_name.rstrip("s")
            names = [name for each in self.params for name in each.opts]
            begun = [name for name in names if len(word) > 3 and name.startswith(word)]
            if not begun:
                raise
            meant = " or ".join(f"'{name}'" for name in begun)
            told = f"No such option '{error.option_name}'. Did you mean {meant}?"
            raise click.UsageError(told, ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, group by group; folded ones where they are few, or asked for."""
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        flags = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        asking = {fold.name for fold in FOLDS.values()}
        for flag in sorted(flags, key=_place):
            record = flag.get_help_record(ctx)
            if record is not None and flag.name not in asking:
                groups[section_of(flag)].append(record)
        asked = ctx.meta.get(FOLDED)
        if asked:
            groups = {asked: groups[asked]}
        for title, fold in FOLDS.items():
            if not asked and len(groups[title]) > FEW:
                count, some = len(groups[title]), ", ".join(f"--{e}" for e in fold.well_known)
                groups[title] = [(fold.flag, f"Show its {count} flags: {some}, …")]
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
