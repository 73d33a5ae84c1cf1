"""``computebill plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from computebill.base.errors import RequestError, shown

from .grouped import Grouped
from .launches import launch_option, launch_tables, read_launches, with_launch
from .layouts import read_layout, setting_options
from .options import (
    FILE,
    field_options,
    given_fields,
    profiles_option,
    set_option,
)
from .outputs import Outputs, output_options
from .stages import FIELDS as STAGE_FIELDS

if TYPE_CHECKING:
    from computebill.planning.result import Plan
    from computebill.training.launched import Launched

FIELDS = (
    ("name", "A name for the plan."),
    ("model", "A name that ships (`computebill model` lists them), or a config.json."),
    ("part", "Of a multimodal model: whole (default), or language, its language model alone."),
    ("images-per-sample", "Images, and clips of sound, of a sequence of the whole (default 1)."),
    ("image-size", "Of a model of images or video: pixels, 1024x1024; with frames, 480x832x81."),
    ("text-length", "Tokens of text beside an image or video."),
    ("tokens", "Tokens trained on, 15.6T."),
    ("accelerator", "Names, or profiles' files: h100,h200,b200; each is tried."),
    ("count", "Accelerators: 512, or 512,1024, or 64..4096 (powers of two), h100=512,b200=256."),
    ("max-gpus", "In its place: powers of two from 8 up to this, and this."),
    ("node-network", "From a node to the others, 800gbit."),
    ("power-limit", "Watts that an accelerator may take, 500, where fewer than its own."),
    ("global-batch", "Sequences a step."),
    ("global-batch-tokens", "Tokens a step in its place, 4M."),
    ("sequence-length", "Tokens a sequence."),
    ("precision", "Of products, bf16,fp8; each is tried."),
    ("software", "For the step's time: early, megatron, eager, fused, modern, graphed, …"),
    ("framework", "In its place, by name, as of --date: nemo, torchtitan, megatron-lm, maxtext, …"),
    ("efficiency", "Efficiencies fitted by `computebill calibrate`, in place of the shipped."),
    ("objective", "What is to be least: time, cost or energy (default time)."),
    ("max-days", "Of the run, at the median."),
    ("max-cost", "USD of renting, 20M, at the median."),
    ("memory-margin", "Share of the memory that is to stay free (default 0.05)."),
    ("fit-odds", "Odds of fitting that a layout has to have, 0.5 to below 1 (default 0.9)."),
    ("top", "Layouts that are shown, the best included (default 6)."),
    ("tp", "Tensor parallel ranks to try, 4,8; all powers of two of a domain if not given."),
    ("across-domains", "Whether tensor parallel ranks may span scale-up domains: true, false."),
    ("sequence-parallel", "To try: on, off (default on)."),
    ("pp", "Pipeline stages to try."),
    ("uneven", "Whether to try stages with fewer layers than others, too: true, false."),
    ("layers-per-stage", "Layers of every stage, in place of what is tried: 7,8,8,7."),
    ("vpp", "Chunks of layers on a stage to try."),
    ("schedule", "Of the pipeline, to try: 1f1b (default), zero-bubble, dualpipe."),
    ("cp", "Ranks that share a sequence, to try."),
    ("ep", "Expert parallel ranks to try."),
    ("etp", "Tensor parallel ranks of an expert, to try: 1, tp (default both)."),
    ("zero", "ZeRO stages to try (default 1,3)."),
    ("micro-batch", "Sequences of a micro-batch, to try (default 1,2,4,8,16)."),
    ("recompute", "What to recompute, to try (default none,full); fewest: as few layers as fit."),
    ("deadline", "Days by which it is to be done: the odds are told."),
    ("price", "USD per accelerator-hour, 2.1; of each, h100=2.1,b200=3..5, spot=1.1,on-demand=2."),
    ("provider", "Take the price from this provider's list: aws, gcp, lambda, …"),
    ("commitment", "Of that price: on-demand, 1y, 3y, spot."),
    ("market", "Several of these side by side: on-demand,spot."),
    ("prices", "Take it from this list: a CSV of SkyPilot, of gpuhunt or of your own; a folder."),
    ("region", "Of --prices: us-east-1, …; all of them without it."),
    ("date", "Of the prices, 2025-06-30."),
    ("failures-per-gpu-day", "Unexpected interruptions; as Llama 3's if not given; 0: none."),
    ("checkpoint-seconds", "Training stands still for each checkpoint."),
    ("restart-seconds", "From a failure until training goes on."),
    (
        "interruptions-per-gpu-day",
        "Of spot machines, taken away, 0.0125; h100=0.0125,b200=0; as published, aws-5-10, …",
    ),
    ("goodput", "Share of the time that trains, 0.9, in place of those four."),
    ("lost", "The rest of it, 10%: the share of the time that is lost."),
)

ROLLOUTS = (
    "kind", "steps", "prompts", "samples-per-prompt", "prompt-length", "answer-length",
    "answer-mean", "longest-answer", "epochs", "kept-share", "references", "reward-params",
    "reward-model", "critic-params", "critic-model", "verifier-seconds", "staleness", "tail",
    "throughput", "batch", "trained-share",
)  # fmt: skip
"""Flags of a stage of reinforcement learning, whose accelerators are shared out."""

STAGE = (
    ("stage", "Of a file of several: the name of the one of reinforcement learning."),
    ("params", "Of reinforcement learning without --model: parameters, 32B."),
    ("params-active", "Parameters that one token meets, where fewer than all."),
    *(each for each in STAGE_FIELDS if each[0] in ROLLOUTS),
    ("colocated", "Whether one pool that writes and trains in turn is tried, too: true, false."),
)


@click.command(cls=Grouped)
@click.argument("spec", required=False, metavar="[SPEC]")
@field_options((*FIELDS, *STAGE))
@click.option(
    "--cluster",
    "clusters",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="A cluster, side by side with others: accelerator, count, network, price; repeated.",
)
@launch_option
@click.option(
    "--emit",
    metavar="FRAMEWORK",
    help="Print the best layout in its words: megatron, torchtitan, nanotron, deepspeed, nemo, …",
)
@click.option("--emit-to", type=FILE, metavar="FILE", help="Write it there, beside the result.")
@setting_options
@set_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@profiles_option
@output_options
def command(
    spec: str | None,
    clusters: tuple[Path, ...],
    launches: tuple[Path, ...],
    emit: str | None,
    emit_to: Path | None,
    layout_flags: dict[str, Any],
    changes: tuple[str, ...],
    device: str,
    profiles: tuple[Path, ...],
    outputs: Outputs,
    **fields: str | None,
) -> None:
    """Find the layout, the number of GPUs and the accelerator that are fastest or cheapest.

    SPEC is a TOML file of the same fields as the flags; a flag goes before the file. Of a stage of
    reinforcement learning (--kind rl, a file of stages, or a launch file of one) it shares the
    accelerators out: how many write answers, and how many train.

    \b
    computebill plan --model config.json --tokens 2T --accelerator h100 --count 512 \\
      --global-batch 1024 --sequence-length 4096
    computebill plan --model config.json --tokens 15T --accelerator h100,h200,b200 \\
      --max-gpus 4096 --global-batch 2048 --objective cost --max-days 60
    computebill plan --launch train.sh --accelerator h100 --count 512 --emit megatron
    computebill plan --kind rl --params 32B --steps 500 --prompts 128 --samples-per-prompt 8 \\
      --prompt-length 300 --answer-length 12000 --accelerator h100 --count 256
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    check_emitted(emit, emit_to, outputs)
    from computebill.hardware.accelerators import find_accelerator
    from computebill.hardware.cluster import in_cluster
    from computebill.planning.rollout_spec import NO_USE
    from computebill.planning.spec import plan_spec

    path = None if spec is None else Path(spec)
    given = given_fields(fields)
    given |= framework_of(emit, given, path)
    read_layout(layout_flags)  # a mistake in a flag is told by the flag's name
    launched = read_launches(launches, given, layout_flags, path)
    described = Described(path, given, layout_flags, changes, launched)
    if is_of_rollouts(path, given, launched):
        if emit is not None:
            raise RequestError("--emit", "a split of reinforcement learning has no writer yet")
        if clusters:
            raise RequestError("--cluster", NO_USE)
        share_out(described, device, profiles, outputs)
        return
    if is_of_several(path, given, clusters):
        handing = (emit, emit_to)
        side_by_side(described, clusters, device, profiles, outputs, handing)
        return
    asked = plan_spec(*described)
    for name in asked.accelerator:
        in_cluster(find_accelerator(name, profiles), asked.node_network, asked.power_limit)
    # What is wrong so far was told before torch was loaded.
    from computebill.planning.search import plan

    found = plan(asked, device=device, profiles=profiles)
    if emit is not None and hand_over(found, emit, emit_to):
        return

    def tables() -> Any:
        from computebill.views import plan as view

        return [*view.full(found), *launch_tables(launched)]

    outputs.emit(with_launch(found.to_dict(), launched), found.to_frame, tables)


class Described(NamedTuple):
    """What describes a plan, in the order in which files and flags take it."""

    path: Path | None
    flags: dict[str, Any]
    layout: dict[str, Any]
    changes: tuple[str, ...]
    launch: Launched | None


def is_of_rollouts(path: Path | None, given: dict[str, str], launched: Launched | None) -> bool:
    """Whether a plan is of a stage of reinforcement learning."""
    from computebill.base.specfile import read_toml
    from computebill.runs.staged_spec import is_staged

    of_launch = launched is not None and bool(launched.stage) and "tokens" not in given
    named = set(given) | (set() if path is None else set(read_toml(path)))
    return of_launch or is_staged(named - {"fit_odds"})  # which any plan has


def share_out(
    described: Described, device: str, profiles: tuple[Path, ...], outputs: Outputs
) -> None:
    """Share accelerators out between writing and training, and print what is found."""
    from computebill.hardware.accelerators import find_accelerator
    from computebill.planning.rollout_spec import rollout_spec

    asked = rollout_spec(*described)
    for name in asked.accelerator:
        find_accelerator(name, profiles)
    # What is wrong so far was told before torch was loaded.
    from computebill.planning.rollouts import plan_rollouts

    found = plan_rollouts(asked, device=device, profiles=profiles)

    def tables() -> Any:
        from computebill.views import rollouts as view

        return [*view.full(found), *launch_tables(described.launch)]

    outputs.emit(with_launch(found.to_dict(), described.launch), found.to_frame, tables)


def is_of_several(path: Path | None, given: dict[str, str], clusters: tuple[Path, ...]) -> bool:
    """Whether clusters or markets are asked for side by side."""
    from computebill.base.specfile import read_toml
    from computebill.planning.compared_spec import is_compared

    of_file = {} if path is None else read_toml(path)
    return is_compared({**of_file, **given}, clusters)


def side_by_side(
    described: Described,
    clusters: tuple[Path, ...],
    device: str,
    profiles: tuple[Path, ...],
    outputs: Outputs,
    handing: tuple[str | None, Path | None],
) -> None:
    """Search clusters and price them on markets, and print what is found, the best first."""
    from computebill.hardware.accelerators import find_accelerator
    from computebill.planning.compared_spec import compared_spec

    asked = compared_spec(*described, clusters)
    for way in asked.ways:
        for name in way.plan.accelerator:
            find_accelerator(name, profiles)
    # What is wrong so far was told before torch was loaded.
    from computebill.planning.compared import compare_plans

    found = compare_plans(asked, device=device, profiles=profiles)
    emit, emit_to = handing
    if emit is not None and hand_over(found.best.plan, emit, emit_to):
        return

    def tables() -> Any:
        from computebill.views import compared as view

        return [*view.full(found), *launch_tables(described.launch)]

    outputs.emit(with_launch(found.to_dict(), described.launch), found.to_frame, tables)


def check_emitted(emit: str | None, emit_to: Path | None, outputs: Outputs) -> None:
    """Refuse what cannot be handed over before anything is searched.

    Raises:
        RequestError: naming the flag.
    """
    if emit is None:
        if emit_to is not None:
            raise RequestError("--emit-to", "allowed: with --emit, which names the framework")
        return
    from computebill.launch.writing import writer

    writer(emit)
    if emit_to is None and not outputs.is_tables_only:
        raise RequestError("--emit", "got another output as well; allowed: with --emit-to FILE")
    if emit_to is not None and not emit_to.parent.is_dir():
        raise RequestError("--emit-to", f"got {shown(str(emit_to))}; its folder does not exist")


def framework_of(emit: str | None, given: dict[str, str], path: Path | None) -> dict[str, str]:
    """Return the framework that a layout is handed to, which is the one it is searched for.

    Nothing is returned where a flag or FILE names one, or its software.
    """
    from computebill.base.specfile import read_toml
    from computebill.launch.writing import writer

    named = given if path is None else {**read_toml(path), **given}
    if emit is None or "framework" in named or "software" in named:
        return {}
    return {"framework": writer(emit).known.framework}


def hand_over(found: Plan, emit: str, emit_to: Path | None) -> bool:
    """Write the best layout in a framework's words; whether that is all that is printed."""
    from computebill.base.writing import replacing

    handed = found.handed(emit)
    if emit_to is None:
        click.echo(handed.text, nl=False)
        return True
    with replacing(emit_to) as temporary:
        temporary.write_text(handed.text, encoding="utf-8")
    return False
