"""``computebill mfu``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .completion import completed
from .grouped import Grouped
from .launches import launch_option, launch_tables, read_launches, with_launch
from .options import (
    Outputs,
    documents_options,
    number,
    output_options,
    part_options,
    profiles_option,
    whole_number,
)

SPEED = (
    ("tokens-per-second", "Of all accelerators with --count, and of one without."),
    ("tokens-per-second-per-gpu", "Of one accelerator, with --count or without."),
    ("step-seconds", "Seconds of a step; with --global-batch, --sequence-length and --count."),
    ("global-batch", "Sequences of a step."),
    ("count", "Accelerators."),
    ("mfu", "A published utilisation, to be read under the other conventions."),
)

if TYPE_CHECKING:
    from computebill.architectures import Sample


def _speed_options(command: Any) -> Any:
    for name, text in reversed(SPEED):
        command = click.option(f"--{name}", metavar="VALUE", callback=number, help=text)(command)
    return command


@click.command(cls=Grouped)
@click.option("--model", metavar="CONFIG", help="config.json, its directory, or -.")
@part_options
@click.option("--params", metavar="N", callback=number, help="Parameters, without a config.json.")
@click.option(
    "--params-active", metavar="N", callback=number, help="Those that a token meets, if fewer."
)
@click.option(
    "--accelerator",
    required=True,
    metavar="NAME",
    help="Name, or a profile's file.",
    shell_complete=completed("accelerator"),
)
@click.option("--precision", metavar="NAME", help="Of the peak: bf16, fp8, …")
@_speed_options
@click.option("--convention", metavar="NAME", help="Of --mfu: 6nd, palm, megatron, causal.")
@click.option("--sequence-length", metavar="TOKENS", callback=whole_number, help="Of a sequence.")
@documents_options
@launch_option
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
    accelerator: str,
    precision: str | None,
    sequence_length: int | None,
    lengths: str | None,
    packing: str | None,
    launches: tuple[Path, ...],
    recompute: str | None,
    lora_rank: int | None,
    profiles: tuple[Path, ...],
    outputs: Outputs,
    tokens_per_second: float | None,
    tokens_per_second_per_gpu: float | None,
    **speed: Any,
) -> None:
    """Read a measured speed, or a published MFU, under every convention.

    \b
    computebill mfu --model config.json --tokens-per-second 430 --accelerator h100
    computebill mfu --model config.json --step-seconds 19.8 --global-batch 2048 \\
        --sequence-length 8192 --count 1024 --accelerator h100 --recompute full
    computebill mfu --model config.json --mfu 0.41 --convention palm --accelerator a100-80gb
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    if params is not None and params_active is not None and params_active > params:
        from computebill.base.errors import RequestError

        raise RequestError("--params-active", f"got {params_active:g}; allowed: up to {params:g}")
    from computebill.architectures import read_architecture
    from computebill.hardware.accelerators import find_accelerator

    if accelerator is not None:  # a name that nobody knows is told before torch is loaded
        find_accelerator(accelerator, profiles)
    asked = {
        "model": model, "params": params, "sequence_length": sequence_length,
        "count": speed["count"], "global_batch": speed["global_batch"], "precision": precision,
    }  # fmt: skip
    flags = {name: value for name, value in asked.items() if value is not None}
    launch = read_launches(launches, flags, {})
    if launch is not None:
        launch.need(("model",), {**flags, **({"model": ""} if params is not None else {})})
        told = {**launch.fields, **flags}
        model, precision = told.get("model"), told.get("precision")
        sequence_length = told.get("sequence_length")
        speed |= {name: told.get(name) for name in ("count", "global_batch")}
        recompute = recompute or launch.layout.get("recompute")
        lora_rank = launch.layout.get("lora_rank") if lora_rank is None else lora_rank
    architecture = None
    if model is not None:
        architecture = read_architecture(
            model, part=part, images_per_sample=images_per_sample, sample=sample
        )
    from computebill.models.mfu import Speed, utilisation
    from computebill.training.documents import given_documents

    is_of_one = speed["count"] is None and tokens_per_second_per_gpu is None
    if tokens_per_second is not None and is_of_one:
        tokens_per_second, tokens_per_second_per_gpu = None, tokens_per_second
    speed |= {
        "tokens_per_second": tokens_per_second,
        "tokens_per_second_per_gpu": tokens_per_second_per_gpu,
    }
    found = utilisation(
        architecture,
        speed=Speed(**speed),
        accelerator=accelerator,
        precision=precision,
        params_active=params_active if params_active is not None else params,
        sequence_length=sequence_length,
        documents=given_documents(lengths, packing),
        recompute=recompute or "none",
        lora_rank=lora_rank,
        profiles=profiles,
    )

    def tables() -> Any:
        from computebill.views import mfu as view

        return [*view.full(found), *launch_tables(launch)]

    outputs.emit(with_launch(found.to_dict(), launch), found.to_frame, tables)
