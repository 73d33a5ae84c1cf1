"""``computebill run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .grouped import Grouped
from .layouts import layout_options, read_layout
from .options import Outputs, field_options, output_options, sampling_options
from .stages import stage_options

FIELDS = (
    ("name", "A name for the run."),
    ("model", "config.json, its directory, or -: exact counts in place of --params."),
    ("part", "Of a multimodal model: whole (default), or language, its language model alone."),
    ("images-per-sample", "Images, and clips of sound, of a sequence of the whole (default 1)."),
    ("image-size", "Of a model of images or video: pixels, 1024x1024; with frames, 480x832x81."),
    ("text-length", "Tokens of text beside an image or video."),
    ("convention", "How model FLOP are counted: 6nd; with --model palm, megatron, causal."),
    ("failures-per-gpu-day", "Unexpected interruptions; 0: none; with a layout as Llama 3's."),
    ("checkpoint-seconds", "Training stands still for each checkpoint."),
    ("restart-seconds", "From a failure until training goes on."),
    ("goodput", "Share of the time that trains, 0.9, in place of those three."),
    (
        "software",
        "For the step's time: early, megatron, eager, fused, modern, graphed, compiled, …",
    ),
    ("framework", "In its place, by name, as of --date: nemo, torchtitan, megatron-lm, maxtext, …"),
    ("efficiency", "Efficiencies fitted by `computebill calibrate`, in place of the shipped."),
    ("params", "Parameters, 405B."),
    ("params-active", "Parameters that one token meets, where fewer than all."),
    ("tokens", "Tokens trained on, 15.6T."),
    ("flop", "Training FLOP, in place of parameters and tokens."),
    ("accelerator", "Name of an accelerator, or a profile's file."),
    ("count", "Accelerators."),
    ("node-network", "From a node to the others, 800gbit, for the step's time."),
    ("power-limit", "Watts that an accelerator may take, 500, where fewer than its own."),
    ("precision", "Of the peak that utilisation is a share of: bf16, fp8, …"),
    ("mfu", "Model FLOP utilisation, 0.4 or 0.35..0.45; without it, as observed on 37 runs."),
    ("price", "USD per accelerator-hour, 2.1 or 1.5..3."),
    ("final-share", "Share of its programme that the run is, 0.1..0.25: what the rest costs."),
    ("provider", "Take the price from this provider's list: aws, gcp, lambda, …"),
    ("commitment", "Of that price: on-demand, 1y, 3y, spot."),
    ("date", "Of the prices and the run, 2025-06-30."),
    ("operator", "Who runs the data centre, for its power usage effectiveness."),
    ("pue", "Power usage effectiveness."),
    ("usd-per-kwh", "Price of electricity."),
    ("carbon-g-per-kwh", "Grams of CO2 equivalent per kWh."),
    ("global-batch", "Sequences a step."),
    ("global-batch-tokens", "Tokens a step in its place, 4M; with --sequence-length."),
    ("sequence-length", "Tokens a sequence."),
    ("lengths", "Tokens of documents: a CSV with a column tokens, or 200..4000 (p10..p90)."),
    ("packing", "Of documents in a sequence: attention within each (the default), or across."),
)


@click.command(cls=Grouped)
@click.argument("spec", required=False, metavar="[SPEC]")
@field_options(FIELDS)
@stage_options
@layout_options
@sampling_options
@output_options
def command(
    spec: str | None,
    layout_flags: dict[str, Any],
    stage_flags: dict[str, Any],
    sampling: dict[str, Any],
    outputs: Outputs,
    **fields: str | None,
) -> None:
    """Price a hypothetical training run from its totals, or from its config.json; or its stages.

    SPEC is a TOML file of the same fields as the flags; a flag goes before the file. Any number
    may be a range, 0.3..0.45, read as its 10th to 90th percentile. A file may have [[stage]]s,
    from pretraining to reinforcement learning; --kind and its flags describe one of them.

    \b
    computebill run --params 405B --tokens 15.6T --accelerator h100 --count 16384 --mfu 0.36..0.43
    computebill run --params 70B --tokens 2T --accelerator a100-80gb --provider aws --count 2048
    computebill run --model config.json --tokens 2T --accelerator h100 --count 512 --tp 8 --pp 4
    computebill run --kind rl --params 8B --steps 500 --prompts 64 --samples-per-prompt 16
        --prompt-length 400 --answer-length 1000..8000 --accelerator h100 --count 64
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    from computebill.runs.stage_spec import is_staged

    given = {name.replace("-", "_"): value for name, value in fields.items() if value is not None}
    read_layout(layout_flags)  # a mistake in a flag is told by the flag's name
    if stage_flags or (spec is not None and is_staged(_fields_of(spec))):
        estimate, full = _staged(spec, {**given, **stage_flags}, layout_flags, sampling)
    else:
        estimate, full = _alone(spec, given, layout_flags, sampling)
    outputs.emit(estimate.to_dict(), estimate.to_frame, lambda: full(estimate))


def _fields_of(spec: str) -> dict[str, Any]:
    from computebill.base.specfile import read_toml

    return read_toml(Path(spec))


def _alone(
    spec: str | None, given: dict[str, Any], layout: dict[str, Any], sampling: dict[str, Any]
) -> tuple[Any, Any]:
    """Return a run priced from its totals, and what tells it."""
    from computebill.hardware.accelerators import find_accelerator
    from computebill.hardware.cluster import in_cluster
    from computebill.runs.spec import run_spec

    run = run_spec(spec, given, layout)
    part = find_accelerator(run.accelerator, sampling["profiles"])
    in_cluster(part, run.node_network, run.power_limit)
    # What is wrong so far was told before torch was loaded.
    from computebill.runs.estimate import estimate_run
    from computebill.views import run as view

    return estimate_run(run, **sampling), view.full


def _staged(
    spec: str | None, given: dict[str, Any], layout: dict[str, Any], sampling: dict[str, Any]
) -> tuple[Any, Any]:
    """Return a run priced stage by stage, and what tells it."""
    from computebill.runs.stage_spec import staged_run

    run = staged_run(spec, given, layout)
    # What is wrong so far was told before torch was loaded.
    from computebill.runs.staged import estimate_stages
    from computebill.views import stages as view

    return estimate_stages(run, **sampling), view.full
