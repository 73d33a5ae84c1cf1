"""``computebill run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .grouped import Grouped
from .launches import launch_option, launch_tables, read_launches, with_launch
from .layouts import layout_options, read_layout
from .logs import GivenLog, log_options
from .options import (
    Outputs,
    field_options,
    given_fields,
    output_options,
    sampling_of,
    set_option,
)
from .stages import FIELDS as STAGE_FIELDS

if TYPE_CHECKING:
    from computebill.logs import Log
    from computebill.runs.estimate import RunEstimate
    from computebill.training.launched import Launched

FIELDS = (
    ("name", "A name for the run."),
    ("model", "A name that ships, llama-3.1-8b, or a config.json: exact counts, no --params."),
    ("part", "Of a multimodal model: whole (default), or language, its language model alone."),
    ("images-per-sample", "Images, and clips of sound, of a sequence of the whole (default 1)."),
    ("image-size", "Of a model of images or video: pixels, 1024x1024; with frames, 480x832x81."),
    ("text-length", "Tokens of text beside an image or video."),
    ("convention", "How model FLOP are counted: 6nd; with --model palm, megatron, causal."),
    ("failures-per-gpu-day", "Unexpected interruptions; 0: none; with a layout as Llama 3's."),
    ("checkpoint-seconds", "Training stands still for each checkpoint."),
    ("restart-seconds", "From a failure until training goes on."),
    ("goodput", "Share of the time that trains, 0.9, in place of those three."),
    ("lost", "The rest of it, 10%: the share of the time that is lost."),
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
    ("prices", "Take it from this list: a CSV of SkyPilot, of gpuhunt or of your own; a folder."),
    ("region", "Of --prices: us-east-1, …; all of them without it."),
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
@field_options((*FIELDS, *STAGE_FIELDS))
@launch_option
@log_options
@layout_options
@set_option
@sampling_of("131,072; of stages 16,384")
@output_options
def command(
    spec: str | None,
    launches: tuple[Path, ...],
    given_log: GivenLog,
    layout_flags: dict[str, Any],
    changes: tuple[str, ...],
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
    computebill run --launch train.sh --accelerator h100 --count 512
    computebill run --launch train.sh --log train.log --follow
    computebill run --kind rl --params 8B --steps 500 --prompts 64 --samples-per-prompt 16
        --prompt-length 400 --answer-length 1000..8000 --accelerator h100 --count 64
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    given_log.check()
    from computebill.base.specfile import read_toml
    from computebill.runs.staged_spec import is_staged

    given = given_fields(fields)
    read_layout(layout_flags)  # a mistake in a flag is told by the flag's name
    found = read_launches(launches, given, layout_flags, None if spec is None else Path(spec))
    asked = Asked(spec, given, layout_flags, changes, found)
    of_file = spec is not None and is_staged(read_toml(Path(spec)))
    of_launch = found is not None and bool(found.stage) and "tokens" not in given
    staged = is_staged(given) or of_file or of_launch
    if staged:
        given_log.refuse("a run of stages")
        estimate, result, view = _staged(asked, sampling)
    else:
        is_alone = not outputs.as_csv and given_log.log is None
        estimate, result, view = _alone(asked, sampling, more=is_alone)
    seen = _watched(given_log, estimate, result, aside=outputs.form is not None)
    result |= seen

    def tables() -> Any:
        from computebill.views import logs

        beside = logs.watched(result) if seen else ()
        return [*beside, *view.full(estimate), *launch_tables(found)]

    outputs.emit(with_launch(result, found), lambda: view.sheet(estimate), tables)


class Asked(NamedTuple):
    """What describes a run, in the order in which files and flags take it."""

    spec: str | None
    flags: dict[str, Any]
    layout: dict[str, Any]
    changes: tuple[str, ...]
    launch: Launched | None


Told = tuple[Any, dict[str, Any], Any]
"""A result, what JSON has of it, and its view."""


def _alone(asked: Asked, sampling: dict[str, Any], *, more: bool) -> Told:
    """Return a run priced from its totals; with more, what the best layout would take."""
    from computebill.hardware.accelerators import find_accelerator
    from computebill.hardware.cluster import in_cluster
    from computebill.runs.spec import run_spec

    run = run_spec(*asked)
    part = find_accelerator(run.accelerator, sampling["profiles"])
    in_cluster(part, run.node_network, run.power_limit)
    # What is wrong so far was told before torch was loaded.
    from computebill.planning.of_run import beside_run
    from computebill.runs.estimate import estimate_run
    from computebill.views import run as view

    estimate = estimate_run(run, **sampling)
    best = beside_run(run, device=sampling["device"], profiles=sampling["profiles"]) if more else {}
    return estimate, {**estimate.to_dict(), **best}, view


def _watched(
    given_log: GivenLog, estimate: RunEstimate, result: dict[str, Any], *, aside: bool
) -> dict[str, Any]:
    """Return the keys that a result gets of a log beside it; none without a log."""
    if given_log.log is None:
        return {}
    from computebill.runs.watched import watch_run
    from computebill.views import logs

    def line(log: Log) -> str:
        return logs.line({**result, **watch_run(estimate, log).to_dict()})

    return watch_run(estimate, given_log.read(line, aside=aside)).to_dict()


def _staged(asked: Asked, sampling: dict[str, Any]) -> Told:
    """Return a run priced stage by stage."""
    from computebill.runs.staged_spec import stage_parts, staged_run

    run = staged_run(*asked)
    stage_parts(run, sampling["profiles"])
    # What is wrong so far was told before torch was loaded.
    from computebill.runs.staged import estimate_stages
    from computebill.views import stages as view

    estimate = estimate_stages(run, **sampling)
    return estimate, estimate.to_dict(), view
