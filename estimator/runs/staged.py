"""A run of several stages, priced stage by stage and in all: FLOP, GPU-hours, days, dollars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from computebill.base.assumptions import GIVEN, Assumption
from computebill.base.notebook import Shown
from computebill.kernels.stages import StageFlop
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Method, Settings, settings
from computebill.uncertainty.sensitivity import Swing, swings

from .notes import memory_note
from .stage_draws import PricedStages, StageDraws
from .stage_inputs import StageRow, stage_rows
from .stage_spec import Stage
from .staged_spec import StagedSpec, read_staged
from .staged_spec import stage_parts as stage_parts

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = 2**14
"""Draws where nobody says: scrambled Sobol points, for some twenty figures of every stage."""

FLOP = StageFlop._fields
MONEY = ("gpu_hours", "cloud", "amortised", "energy_mwh", "carbon_t")
FIGURES = ("tokens", *FLOP, "forward", "flop", "flop_hardware", "mfu", "days", *MONEY)
"""What is told of a stage and of all; FLOP, hours, USD, MWh, t CO2e."""

MAIN = ("cloud", "amortised", "gpu_hours", "flop")
"""What a run of stages is asked for: the first that is known."""


@dataclass(frozen=True)
class StageEstimate:
    """What a stage takes.

    Attributes:
        stage: as described.
        rows: distributions by the names of ``FIGURES``.
    """

    stage: Stage
    rows: Mapping[str, Distribution]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract. What is not known is null."""
        stage = self.stage
        return {
            "name": stage.label,
            "kind": stage.kind,
            "from": list(stage.begins),
            "accelerator": stage.accelerator,
            "count": None if stage.count is None else stage.count.median,
            "source": stage.source,
            **figures(self.rows, stage.purpose),
        }


@dataclass(frozen=True, repr=False)
class StagedEstimate(Shown):
    """What ``estimate_stages`` finds; figures that need what was not given are not known.

    Attributes:
        spec: the run as described.
        stages: each, in the file's order.
        rows: of all together, distributions by the names of ``FIGURES``.
        assumptions: every number that went in, with its source.
        notes: what a reader must know before the figures, in sentences.
        settings: draws, seed, device.
        swings_of: what of it is shown in ``swings``.
        swings: that figure with one input at an end of its interval, the others at their medians.
    """

    spec: StagedSpec
    stages: tuple[StageEstimate, ...]
    rows: Mapping[str, Distribution]
    assumptions: tuple[Assumption, ...]
    notes: tuple[str, ...]
    settings: Settings
    swings_of: str | None = None
    swings: tuple[Swing, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract. What is not known is null."""
        return {
            "name": self.spec.name,
            **figures(self.rows, ""),
            "stages": [each.to_dict() for each in self.stages],
            "notes": list(self.notes),
            "swings_of": self.swings_of,
            "swings": [swing.to_dict() for swing in self.swings],
            "assumptions": [assumption.to_dict() for assumption in self.assumptions],
            "samples": self.settings.samples,
            "seed": self.settings.seed,
            "device": self.settings.device,
            "method": self.settings.method,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a stage and figure: p5, p50, p95, mean; ``total`` for all of them."""
        import pandas as pd

        keys = ("p5", "p50", "p95", "mean")
        parts = [*((each.stage.label, each.rows) for each in self.stages), ("total", self.rows)]
        rows = [
            {"stage": name, "quantity": key, **{each: getattr(row, each) for each in keys}}
            for name, found in parts
            for key, row in found.items()
            if row.is_known
        ]
        return pd.DataFrame(rows, columns=["stage", "quantity", *keys])


def figures(rows: Mapping[str, Distribution], purpose: str) -> dict[str, Any]:
    """Return the JSON form of what a stage, or all of them, take.

    Args:
        rows: distributions by the names of ``FIGURES``.
        purpose: what the stage's own forward passes are for; of all of them: samples.
    """
    figure = {name: row.to_dict() for name, row in rows.items()}
    by = {purpose or "samples": figure["samples"]}
    beside = ("discarded", "reference", "teacher", "reward", "critic")
    by |= {name: figure[name] for name in beside}
    return {
        "tokens": figure["tokens"],
        "flop": {
            "model": figure["flop"],
            "hardware": figure["flop_hardware"],
            **{name: figure[name] for name in ("updates", "forward", "recomputed", "restarted")},
            "discarded": figure["discarded"],
            "critic_updates": figure["critic_updates"],
            "forward_by": by,
            "by_hours": figure["hardware"],
        },
        "mfu": figure["mfu"],
        "gpu_hours": figure["gpu_hours"],
        "days": figure["days"],
        "cost_usd": figure["cloud"],
        "cost_ways_usd": {way: figure[way] for way in ("cloud", "amortised")},
        "energy_mwh": figure["energy_mwh"],
        "carbon_t": figure["carbon_t"],
    }


def estimate_stages(
    spec: StagedSpec | str | Path | Mapping[str, Any],
    *,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
) -> StagedEstimate:
    """Price a run of several stages.

    Args:
        spec: a StagedSpec, a mapping of its fields, or a TOML file.
        samples: Monte Carlo draws, 16,384 where not given.
        seed: same seed, same draws.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        method: ``sobol`` (scrambled) or ``random``.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong.
    """
    chosen = settings(SAMPLES if samples is None else samples, seed, device, method)
    run = read_staged(spec)
    rows = list(stage_rows(run, stage_parts(run, profiles)))
    draws = StageDraws(rows, chosen.device)
    collector = Collector(len(FIGURES) * (draws.stages + 1), chosen)
    for replicate, priced in draws.chunks(chosen):
        collector.add(replicate, told_figures(priced).flatten(0, 1))
    found = collector.finish()
    width = draws.stages + 1
    table = [dict(zip(FIGURES, found[place::width], strict=True)) for place in range(width)]
    main = next((name for name in MAIN if table[-1][name].is_known), None)
    moved: list[Swing] = []
    if main is not None:
        row = FIGURES.index(main)
        moved = swings(draws.columns, lambda points: told_figures(draws.price(points))[row, -1])
    return StagedEstimate(
        spec=run,
        stages=tuple(map(StageEstimate, run.stage, table[:-1])),
        rows=table[-1],
        assumptions=tuple(told_once([(run.stage[r.stage].label, r.assumptions) for r in rows])),
        notes=tuple(dict.fromkeys(_notes(run, rows, table))),
        settings=chosen,
        swings_of=main,
        swings=tuple(moved),
    )


def told_figures(priced: PricedStages) -> Tensor:
    """Figures of each stage and, last, of all; ``(figures, stages + 1, draws)``.

    What is computed again is not known of every stage; the total is of those of which it is.
    """
    flop, bill = priced.flop, priced.bill
    recomputed = flop.recomputed.nan_to_num(0.0)
    sums = {
        "tokens": priced.tokens,
        **{name: getattr(flop, name) for name in FLOP},
        "forward": flop.forward,
        "flop": flop.once,
        "flop_hardware": flop.once + flop.restarted + recomputed,
        "days": priced.days,
        **{name: getattr(bill, name) for name in MONEY},
    }
    whole = {name: torch.cat([each, each.sum(0, keepdim=True)]) for name, each in sums.items()}
    known = torch.where(flop.recomputed.isnan().all(), torch.nan, recomputed.sum(0))
    whole["recomputed"][-1] = known
    done = whole["flop"] + whole["restarted"]
    peak = torch.cat([priced.peak_flop, priced.peak_flop.sum(0, keepdim=True)])
    whole["mfu"] = torch.where(peak > 0, done / peak, torch.nan)
    return torch.stack([whole[name] for name in FIGURES])


def told_once(
    parts: Iterable[tuple[str, Sequence[Assumption]]],
) -> Iterator[Assumption]:
    """Yield assumptions of stages, once where all that have one say the same, else by stage."""
    by_name: dict[str, dict[str, list[Assumption]]] = {}
    told = list(parts)
    is_one = len({stage for stage, _ in told}) == 1
    for stage, assumptions in told:
        for each in assumptions:
            by_name.setdefault(each.name, {}).setdefault(stage, []).append(each)
    for name, by_stage in by_name.items():
        values = {tuple(dict.fromkeys(each.value for each in found)) for found in by_stage.values()}
        if is_one or (len(by_stage) > 1 and len(values) == 1):
            several = [each for found in by_stage.values() for each in found]
            sources = {each.source for each in several}
            # What is said above all stages is from no stage's own source.
            told_of = dict.fromkeys(each.value for each in several)
            source = sources.pop() if len(sources) == 1 else GIVEN
            yield from (Assumption(name, value, source) for value in told_of)
            continue
        for stage, found in by_stage.items():
            for each in dict.fromkeys(found):
                yield replace(each, name=f"{stage}: {name}")


def _notes(
    spec: StagedSpec, rows: Sequence[StageRow], table: Sequence[Mapping[str, Distribution]]
) -> Iterator[str]:
    """Yield what undoes the figures first."""
    for row in rows:
        stage, model = spec.stage[row.stage], row.model
        if model is not None and model.memory is not None and row.accelerator is not None:
            note = memory_note(stage, row.accelerator, model, table[row.stage]["tokens"])
            if note:
                yield f"{stage.label}: {note}"
    for name, label in (("gpu_hours", "GPU-hours"), ("cloud", "rent")):
        lacking = [
            stage.label
            for stage, found in zip(spec.stage, table, strict=False)
            if not found[name].is_known
        ]
        if lacking and len(lacking) < len(spec.stage):
            yield f"No total of {label}: not known of {', '.join(lacking)}."
