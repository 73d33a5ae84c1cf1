"""A hypothetical run, priced from its totals: FLOP, days, GPU-hours, dollars, energy, carbon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from computebill.architectures import Architecture
from computebill.base.assumptions import Assumption
from computebill.base.notebook import Shown
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.cluster import in_cluster
from computebill.kernels.run import Cluster, Hour, Interruptions, Training, price_run
from computebill.training.memory import BESIDE, PARTS
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Columns, Method, Settings, bundle, settings
from computebill.uncertainty.sensitivity import Swing, swings

from .inputs import gather_inputs
from .model import RunModel, by_products, count_run_model, run_architecture
from .notes import memory_doubt, run_notes
from .spec import RunSpec, read_run

if TYPE_CHECKING:
    import pandas as pd

COST_WAYS = ("cloud", "amortised", "upfront")


@dataclass(frozen=True, repr=False)
class RunEstimate(Shown):
    """What ``estimate_run`` finds; figures that need what was not given are not known.

    Attributes:
        spec: the run as described.
        accelerator: the part it runs on.
        rows: distributions by name: flop, mfu, days, gpu_hours, cloud, amortised, upfront, …
        assumptions: every number that went in, with its source.
        settings: draws, seed, device.
        model: the model counted from its config.json, where one was given.
        swings_of: what of it is shown in ``swings``: cloud, amortised or gpu_hours.
        swings: that figure with one input at an end of its interval, the others at their medians.
    """

    spec: RunSpec
    accelerator: Accelerator
    rows: Mapping[str, Distribution]
    assumptions: tuple[Assumption, ...]
    settings: Settings
    model: RunModel | None = None
    swings_of: str | None = None
    swings: tuple[Swing, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before the figures, in sentences."""
        return tuple(run_notes(self.spec, self.accelerator, self.model, self.rows["params"]))

    @property
    def memory_doubt(self) -> str:
        """That it does not surely fit, and what would; empty where it does, or nobody can tell."""
        return memory_doubt(self.spec, self.accelerator, self.model, self.rows["params"])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract. What is not known is null."""
        figure = {name: row.to_dict() for name, row in self.rows.items()}
        return {
            "name": self.spec.name,
            "accelerator": self.accelerator.name,
            "accelerator_title": self.accelerator.title,
            "accelerator_memory_gb": self.accelerator.memory_gb.value,
            "count": None if self.spec.count is None else self.spec.count.median,
            "date": None if self.spec.date is None else str(self.spec.date),
            "model": {"params": figure["params"], "params_active": figure["params_active"]},
            "tokens": figure["tokens"],
            "flop": {"model": figure["flop"], "hardware": figure["flop_hardware"]},
            "convention": self.spec.convention,
            "mfu": figure["mfu"],
            "goodput": figure["goodput"],
            "step_seconds": figure["step_seconds"],
            "tokens_per_second_per_gpu": figure["tokens_per_second_per_gpu"],
            "days": figure["days"],
            "gpu_hours": figure["gpu_hours"],
            "cost_usd": figure["cloud"],
            "cost_ways_usd": {way: figure[way] for way in COST_WAYS},
            "programme_usd": figure["programme"],
            "exploration_usd": figure["exploration"],
            "amortised_parts_usd": {
                part: figure[part] for part in ("chip", "other_server", "interconnect", "energy")
            },
            "energy_mwh": figure["energy_mwh"],
            "carbon_t": figure["carbon_t"],
            "memory_gb": self._memory(),
            **self._memory_odds(),
            "layout": self.model.layout.to_dict() if self.model and self.model.layout else None,
            "breakdown_seconds": self._breakdown(),
            "scaling": [] if self.model is None else self.model.scaling(self.rows["mfu"].p50),
            "memory_doubt": self.memory_doubt or None,
            "notes": list(self.notes),
            "swings_of": self.swings_of,
            "swings": [swing.to_dict() for swing in self.swings],
            "assumptions": [assumption.to_dict() for assumption in self.assumptions],
            "samples": self.settings.samples,
            "seed": self.settings.seed,
            "device": self.settings.device,
            "method": self.settings.method,
        }

    def _breakdown(self) -> dict[str, float] | None:
        if self.model is None or self.model.step is None:
            return None
        return dict(self.model.step.breakdown)

    def _memory(self) -> dict[str, float] | None:
        if self.model is None or self.model.memory is None:
            return None
        return {part: getattr(self.model.memory, part) for part in (*PARTS, *BESIDE)}

    def _memory_odds(self) -> dict[str, Any]:
        """Keys that tell how sure the memory is, and whether it fits; nulls without a layout."""
        if self.model is None or self.model.memory is None:
            return dict.fromkeys(("memory_interval_gb", "fit_odds", "would_fit"))
        return self.model.memory.odds_dict()

    def to_frame(self) -> pd.DataFrame:
        """Return one row a figure: p5, p50, p95, mean."""
        import pandas as pd

        keys = ("p5", "p50", "p95", "mean")
        rows = [
            {"quantity": name, **{key: getattr(row, key) for key in keys}}
            for name, row in self.rows.items()
            if row.is_known
        ]
        return pd.DataFrame(rows, columns=["quantity", *keys])


def estimate_run(
    spec: RunSpec | str | Path | Mapping[str, Any] | None = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
    **given: Any,
) -> RunEstimate:
    """Price a run from its totals, or from its model.

    Args:
        spec: a RunSpec, a mapping of its fields, a TOML file, or nothing.
        samples: Monte Carlo draws.
        seed: same seed, same draws.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        method: ``sobol`` (scrambled) or ``random``.
        profiles: folders of accelerator profiles of one's own.
        given: fields of a RunSpec, which go before those of ``spec``: ``params="70B"``.

    Raises:
        RequestError: naming the field that is wrong.
    """
    chosen = settings(samples, seed, device, method)
    run = read_run(spec, given)
    accelerator = in_cluster(
        find_accelerator(run.accelerator, profiles), run.node_network, run.power_limit
    )
    return estimate_of(run, accelerator, run_architecture(run), chosen)


def estimate_of(
    run: RunSpec, accelerator: Accelerator, architecture: Architecture | None, chosen: Settings
) -> RunEstimate:
    """Price a run whose part and model are at hand.

    Args:
        run: as described.
        accelerator: the part it runs on.
        architecture: of its model, where it has one.
        chosen: draws, seed, device.

    Raises:
        RequestError: naming the field that is wrong.
    """
    run = by_products(run, architecture)
    model = None if architecture is None else count_run_model(run, accelerator, architecture)
    inputs = gather_inputs(run, accelerator, model)
    columns = Columns(list(inputs.quantities.values()), list(inputs.quantities), chosen.device)

    def priced(points: Tensor) -> dict[str, Tensor]:
        return run_figures(dict(zip(inputs.quantities, columns.draw(points), strict=True)))

    collector = Collector(len(ROWS), chosen)
    for replicate, points in columns.chunks(chosen):
        found = priced(points)
        collector.add(replicate, torch.stack([found[name] for name in ROWS]))
    rows = dict(zip(ROWS, collector.finish(), strict=True))
    main = next((name for name in MAIN_FIGURES if rows[name].is_known), None)
    moved = swings(columns, lambda points: priced(points)[main]) if main else []
    return RunEstimate(
        spec=run,
        accelerator=accelerator,
        rows=rows,
        assumptions=inputs.assumptions,
        settings=chosen,
        model=model,
        swings_of=main,
        swings=tuple(
            replace(each, assumption=inputs.labels.get(each.assumption, each.assumption))
            for each in moved
        ),
    )


def share_within(estimate: RunEstimate, days: float) -> float:
    """Return how likely a run is done in so many days: the share of its draws that are.

    Args:
        estimate: of the run, whose draws are drawn again.
        days: from its start.
    """
    inputs = gather_inputs(estimate.spec, estimate.accelerator, estimate.model)
    chosen = estimate.settings
    columns = Columns(list(inputs.quantities.values()), list(inputs.quantities), chosen.device)
    within = drawn = 0
    for _, points in columns.chunks(chosen):
        given = dict(zip(inputs.quantities, columns.draw(points), strict=True))
        found = run_figures(given)["days"]
        within += int((found <= days).sum())
        drawn += found.numel()
    return within / drawn


MAIN_FIGURES = ("cloud", "amortised", "gpu_hours")
"""What a run is asked for: the first that is known."""

ROWS = (
    "params",
    "params_active",
    "tokens",
    "flop",
    "flop_hardware",
    "mfu",
    "goodput",
    "gpu_hours",
    "days",
    "tokens_per_second_per_gpu",
    "step_seconds",
    "cloud",
    "amortised",
    "upfront",
    "programme",
    "exploration",
    "chip",
    "other_server",
    "interconnect",
    "energy",
    "energy_mwh",
    "carbon_t",
)
"""What is reported of a run, in the unit of its key; costs in USD."""


def run_figures(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Price a run in every draw; what is not known is NaN, and stays it.

    Args:
        given: ``(draws,)`` by the keys of a run's inputs, SI units and USD.

    Returns:
        ``(draws,)`` by the names of ``ROWS``.
    """
    training, cluster = bundle(Training, given), bundle(Cluster, given)
    bill = price_run(training, cluster, bundle(Interruptions, given), bundle(Hour, given))
    programme = bill.time.cloud / given["final_share"]
    own = {
        "params": training.params,
        "params_active": training.params_active,
        "tokens": training.tokens,
        "mfu": cluster.mfu,
        "programme": programme,
        "exploration": programme - bill.time.cloud,
    }
    found = {**own, **bill.time._asdict(), **bill._asdict()}
    return {name: found[name] for name in ROWS}
