"""``computebill mfu``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .completion import completed
from .grouped import Grouped
from .launches import filled, launch_option, launch_tables, with_launch
from .logs import GivenLog, log_options
from .options import (
    documents_options,
    number,
    part_options,
    profiles_option,
    whole_number,
)
from .outputs import Outputs, output_options

SPEED = (
    ("tokens-per-second", "Of all accelerators with --count, and of one without."),
    ("tokens-per-second-per-gpu", "Of one accelerator, with --count or without."),
    ("step-seconds", "Seconds of a step; with --global-batch, --sequence-length and --count."),
    ("global-batch", "Sequences of a step."),
    ("count", "Accelerators."),
    ("mfu", "A published utilisation, to be read under the other conventions."),
)

SPEEDS = ("tokens_per_second", "tokens_per_second_per_gpu", "step_seconds", "mfu")
"""Flags that tell what a log tells, too."""

FIELDS = (
    "accelerator", "sequence_length", "count", "global_batch", "precision", "recompute",
    "lora_rank",
)  # fmt: skip
"""Flags that launch files may fill."""

if TYPE_CHECKING:
    from computebill.architectures import Sample
    from computebill.models.logged import LoggedUse
    from computebill.models.mfu import Utilisation

    Tables = Callable[[], Iterable[Any]]


def _speed_options(command: Any) -> Any:
    for name, text in reversed(SPEED):
        command = click.option(f"--{name}", metavar="VALUE", callback=number, help=text)(command)
    return command


@click.command(cls=Grouped)
@click.option(
    "--model", metavar="CONFIG", help="A name that ships, a config.json, its directory, or -."
)
@part_options
@click.option("--params", metavar="N", callback=number, help="Parameters, without a config.json.")
@click.option(
    "--params-active", metavar="N", callback=number, help="Those that a token meets, if fewer."
)
@click.option(
    "--accelerator",
    metavar="NAME",
    help="Name, or a profile's file; needed where no launch file tells it.",
    shell_complete=completed("accelerator"),
)
@click.option("--precision", metavar="NAME", help="Of the peak: bf16, fp8, …")
@_speed_options
@click.option("--convention", metavar="NAME", help="Of --mfu: 6nd, palm, megatron, causal.")
@click.option("--sequence-length", metavar="TOKENS", callback=whole_number, help="Of a sequence.")
@documents_options
@launch_option
@log_options
@click.option("--recompute", show_default="none", help="none, selective, operators, full.")
@click.option(
    "--lora-rank",
    metavar="N",
    callback=whole_number,
    help="Of adapters, base frozen; else as the model's adapter_config.json has it.",
)
@profiles_option
@output_options
def command(
    model: str | None,
    part: str,
    images_per_sample: float,
    sample: Sample,
    params: float | None,
    params_active: float | None,
    lengths: str | None,
    packing: str | None,
    launches: tuple[Path, ...],
    given_log: GivenLog,
    profiles: tuple[Path, ...],
    outputs: Outputs,
    **given: Any,
) -> None:
    """Read a measured speed, a log, or a published MFU, under every convention.

    \b
    computebill mfu --model config.json --tokens-per-second 430 --accelerator h100
    computebill mfu --model config.json --step-seconds 19.8 --global-batch 2048 \\
        --sequence-length 8192 --count 1024 --accelerator h100 --recompute full
    computebill mfu --model config.json --mfu 0.41 --convention palm --accelerator a100-80gb
    computebill mfu --log train.log --launch train.sh
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    given_log.check({name: given[name] for name in SPEEDS})
    if params is not None and params_active is not None and params_active > params:
        from computebill.base.errors import RequestError

        raise RequestError("--params-active", f"got {params_active:g}; allowed: up to {params:g}")
    from computebill.architectures import read_architecture
    from computebill.hardware.accelerators import find_accelerator

    if given["accelerator"] is not None:  # a name that nobody knows is told before torch is loaded
        find_accelerator(given["accelerator"], profiles)
    elif not launches:
        raise click.UsageError("Missing option '--accelerator'.")
    fields = {name: given[name] for name in FIELDS}
    launch, told = filled(launches, {"model": model, "params": params, **fields}, {})
    if launch is not None:
        wanted = ("accelerator", *(["sequence_length"] if given["step_seconds"] else []))
        launch.need(wanted, {name: value for name, value in told.items() if value is not None})
    architecture = None
    if told["model"] is not None:
        architecture = read_architecture(
            told["model"], part=part, images_per_sample=images_per_sample, sample=sample
        )
    from computebill.training.documents import given_documents

    work = {
        "config": architecture,
        "params_active": params_active if params_active is not None else params,
        "documents": given_documents(lengths, packing),
        "profiles": profiles,
        "recompute": told["recompute"] or "none",
        **{name: told[name] for name in ("accelerator", "precision", "sequence_length")},
        "lora_rank": told["lora_rank"],
    }
    found, tables = (
        _of_speed(given, told, work)
        if given_log.log is None
        else _of_log(given_log, told, work, aside=outputs.form is not None)
    )
    outputs.emit(
        with_launch(found.to_dict(), launch),
        found.to_frame,
        lambda: [*tables(), *launch_tables(launch)],
    )


def _of_speed(
    given: dict[str, Any], told: dict[str, Any], work: dict[str, Any]
) -> tuple[Utilisation, Tables]:
    """Return utilisation at a speed that flags give, and its tables."""
    from computebill.models.mfu import Speed, utilisation
    from computebill.views import mfu as view

    together, of_one = given["tokens_per_second"], given["tokens_per_second_per_gpu"]
    if together is not None and given["count"] is None and of_one is None:
        together, of_one = None, together
    speed = Speed(
        tokens_per_second=together,
        tokens_per_second_per_gpu=of_one,
        **{name: given[name] for name in ("step_seconds", "mfu", "convention")},
        **{name: told[name] for name in ("count", "global_batch")},
    )
    found = utilisation(speed=speed, **work)
    return found, lambda: view.full(found)


def _of_log(
    given_log: GivenLog, told: dict[str, Any], work: dict[str, Any], *, aside: bool
) -> tuple[LoggedUse, Tables]:
    """Return utilisation over the course of a log, and its tables."""
    from computebill.models.logged import logged_use, work_of
    from computebill.views import logs, mfu

    architecture = work["config"]
    step = work_of(told, 1 if architecture is None else architecture.stacks)
    log = given_log.read(
        lambda log: logs.line(logged_use(log, step, **work).to_dict()), aside=aside
    )
    found = logged_use(log, step, **work)
    return found, lambda: [*mfu.full(found.mean), *logs.of_log(found.to_dict())]
