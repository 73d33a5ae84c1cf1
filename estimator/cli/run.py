"""``computebill run``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .grouped import Grouped
from .launches import launch_option, launch_tables, read_launches, with_launch
from .layouts import layout_options, read_layout
from .logs import GivenLog, GivenPassport, log_options, passport_options
from .options import field_options, given_fields, sampling_of, set_option
from .outputs import Outputs, output_options
from .stages import FIELDS as STAGE_FIELDS

if TYPE_CHECKING:
    from computebill.logs import Log
    from computebill.runs.estimate import RunEstimate
    from computebill.runs.staged import StagedEstimate
    from computebill.runs.watched import Watched
    from computebill.runs.watched_stage import WatchedStage
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
@passport_options
@layout_options
@set_option
@sampling_of("131,072; of stages 16,384")
@output_options
def command(
    spec: str | None,
    launches: tuple[Path, ...],
    given_log: GivenLog,
    given_passport: GivenPassport,
    log_stage: str | None,
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
    computebill run --launch train.sh --log train.log --passport passport.md
    computebill run --kind rl --params 8B --steps 500 --prompts 64 --samples-per-prompt 16
        --prompt-length 400 --answer-length 1000..8000 --accelerator h100 --count 64
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    given_log.check()
    given_passport.check(given_log)
    from computebill.base.specfile import read_toml
    from computebill.runs.staged_spec import is_staged

    given = given_fields(fields)
    read_layout(layout_flags)  # a mistake in a flag is told by the flag's name
    found = read_launches(launches, given, layout_flags, None if spec is None else Path(spec))
    of_file = spec is not None and is_staged(read_toml(Path(spec)))
    of_launch = found is not None and bool(found.stage) and "tokens" not in given
    staged = is_staged(given) or of_file or of_launch
    if not staged and spec is None:
        found = _with_tokens(found, given, given_log)
    asked = Asked(spec, given, layout_flags, changes, found)
    beside = Beside(given_log, given_passport, log_stage, outputs.form is not None)
    beside.check(staged=staged)
    if staged:
        estimate, result, view = _staged(asked, sampling)
    else:
        is_alone = not outputs.as_csv and given_log.log is None
        estimate, result, view = _alone(asked, sampling, more=is_alone)
    seen = beside.seen(estimate, result, sampling["profiles"])
    result |= seen

    def tables() -> Any:
        from computebill.views import logs

        watched = logs.watched(result) if seen else ()
        return [*watched, *view.full(estimate), *launch_tables(found)]

    outputs.emit(with_launch(result, found), lambda: view.sheet(estimate), tables)
    if given_passport.passport is not None:
        click.echo(f"Wrote {given_passport.passport}", err=outputs.form is not None)


def _with_tokens(
    found: Launched | None, given: dict[str, Any], given_log: GivenLog
) -> Launched | None:
    """Return launch files with a run's tokens by its log, where neither they nor flags say them."""
    log, known = given_log.log, given.keys() | (set() if found is None else found.fields.keys())
    if found is None or log is None or given_log.follow or known & {"tokens", "flop"}:
        return found
    from computebill.base.quantity import parse_number
    from computebill.logs import read_log
    from computebill.models.logged import work_of
    from computebill.runs.watched import tokens_of_log

    sizes = ("sequence_length", "global_batch")
    flags = {name: parse_number(given[name]) for name in sizes if name in given}
    tokens = tokens_of_log(read_log(log), work_of({**found.fields, **flags}))
    if tokens is None:
        return found
    note = f"its tokens are those of all steps that {log.name} counts on"
    return replace(found, fields={**found.fields, "tokens": tokens}, notes=(*found.notes, note))


class Beside(NamedTuple):
    """What is set beside a run's estimate: its log, and what is made of that."""

    log: GivenLog
    passport: GivenPassport
    stage: str | None
    aside: bool

    def check(self, *, staged: bool) -> None:
        """Refuse what a run of this kind does not take.

        Raises:
            RequestError: naming the flag.
        """
        from computebill.base.errors import RequestError

        if self.stage is not None and (self.log.log is None or not staged):
            raise RequestError("--log-stage", "needs --log FILE of a run of stages")
        if self.passport.passport is not None and staged:
            raise RequestError(
                "--passport", "got one with a run of stages; allowed: of one run by itself"
            )

    def seen(
        self, estimate: RunEstimate | StagedEstimate, result: dict[str, Any], profiles: Any
    ) -> dict[str, Any]:
        """Return the keys that a result gets of a log beside it; none without a log."""
        if self.log.log is None:
            return {}
        from computebill.runs.estimate import RunEstimate
        from computebill.runs.watched import watch_run
        from computebill.runs.watched_stage import watch_stage
        from computebill.views import logs

        def watched(log: Log) -> Watched | WatchedStage:
            if isinstance(estimate, RunEstimate):
                return watch_run(estimate, log)
            return watch_stage(estimate, log, self.stage)

        def line(log: Log) -> str:
            return logs.line({**result, **watched(log).to_dict()})

        found = watched(self.log.read(line, aside=self.aside))
        told = found.to_dict()
        if self.passport.passport is not None and isinstance(estimate, RunEstimate):
            from computebill.watching.logged import logged_passport

            passport = logged_passport(
                estimate, found.course.log, kwh=self.passport.kwh, profiles=profiles
            )
            passport.save(self.passport.passport)
            told["passport"] = passport.to_dict()
        return told


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
