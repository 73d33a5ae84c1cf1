"""Plans of several clusters and markets side by side: days, dollars, goodput, odds by a day."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from computebill.base.assumptions import Assumption, Input
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.costs.hour import Pricing, rent_inputs
from computebill.costs.spot_rates import Rate
from computebill.kernels import goodput
from computebill.kernels.units import SECONDS_PER_DAY
from computebill.runs.estimate import share_within
from computebill.runs.inputs import lost_time_inputs
from computebill.runs.spec import LLAMA_3, LLAMA_3_FAILURES

from .compared_spec import SPOT, ComparedSpec, Way, read_compared
from .result import Plan
from .search import OBJECTIVES, plans

if TYPE_CHECKING:
    import pandas as pd

INTERVALS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Times the best interval between checkpoints at which goodput is told."""

FIGURES = ("days", "gpu_hours", "cost_usd", "energy_mwh", "goodput", "mfu")
"""Of a plan's estimate, that are told side by side."""


@dataclass(frozen=True)
class Alternative:
    """One plan beside others.

    Attributes:
        way: cluster, market and what was searched.
        plan: what was found.
        price: of an hour, in words; with its source.
        failures: unexpected interruptions, of spot machines too [1/(GPU d)].
        interruptions: of them, machines that are taken away [1/(GPU d)].
        interruptions_source: who says how often.
        checkpoint_seconds: from one checkpoint to the next, that loses least [s]; NaN where the
            share of the time that trains is given.
        by_interval: share of the time that trains at other times between checkpoints, each in
            seconds; at medians.
        deadline_odds: how likely the run is done by the deadline; NaN without one.
    """

    way: Way
    plan: Plan
    price: tuple[str, str]
    failures: float
    interruptions: float
    interruptions_source: str
    checkpoint_seconds: float
    by_interval: tuple[tuple[float, float], ...]
    deadline_odds: float

    def figure(self, key: str) -> float:
        """Return the median of a figure, days or cost_usd; infinite where it is not known."""
        value = self.plan.estimate.rows["cloud" if key == "cost_usd" else key].p50
        return value if math.isfinite(value) else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what is not known is null."""
        best, whole = self.plan.best.to_dict(), self.plan.estimate.to_dict()
        text, source = self.price
        return {
            "cluster": self.way.cluster or None,
            "market": self.way.market or None,
            "accelerator": best["accelerator"],
            "precision": best["precision"],
            "layout": best["layout"],
            "memory_gb": best["memory_gb"],
            "fit_odds": best["fit_odds"],
            "price": text,
            "price_source": source,
            "failures_per_gpu_day": self.failures,
            "interruptions_per_gpu_day": self.interruptions,
            "interruptions_source": self.interruptions_source,
            "checkpoint_interval_seconds": _known(self.checkpoint_seconds),
            "goodput_by_interval": [
                {"seconds": seconds, "goodput": share} for seconds, share in self.by_interval
            ],
            **{key: whole[key] for key in FIGURES},
            "deadline_odds": _known(self.deadline_odds),
        }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True, repr=False)
class ComparedPlan(Shown):
    """What ``compare_plans`` finds.

    Attributes:
        spec: what was asked.
        alternatives: plans that were found, by the objective.
        dropped: others by their labels, and why nothing was found.
    """

    spec: ComparedSpec
    alternatives: tuple[Alternative, ...]
    dropped: Mapping[str, str]

    @property
    def best(self) -> Alternative:
        """The best by the objective."""
        return self.alternatives[0]

    def least(self, key: str) -> Alternative:
        """Return the one with the least of a figure, days or cost_usd."""
        return min(self.alternatives, key=lambda each: each.figure(key))

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every number that went into the best, and what is told of markets."""
        return (*self.best.plan.assumptions, *self._of_markets())

    def _of_markets(self) -> Iterator[Assumption]:
        """Yield what each alternative pays and is interrupted by, with its source."""
        for each in self.alternatives:
            label = each.way.label
            yield Assumption(f"{label}: USD per accelerator-hour", *each.price)
            yield Assumption(
                f"{label}: machines taken away, a GPU and day",
                f"{each.interruptions:.4g}",
                each.interruptions_source,
            )
        if any(each.way.market == SPOT for each in self.alternatives):
            told = "assumed: restart_seconds is all that passes until others take their place"
            yield Assumption("machines in place of those taken", "at once", told)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the best plan's, with all side by side."""
        whole = self.best.plan.to_dict()
        return {
            **whole,
            "deadline_days": self.spec.deadline,
            "alternatives": [each.to_dict() for each in self.alternatives],
            "alternatives_dropped": [
                {"name": label, "reason": reason} for label, reason in self.dropped.items()
            ],
            "assumptions": [each.to_dict() for each in self.assumptions],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row an alternative, its figures at the median."""
        import pandas as pd

        rows = []
        for each in self.alternatives:
            told = each.to_dict()
            layout = told.pop("layout")
            medians = {key: told[key] and told[key]["p50"] for key in FIGURES}
            rows.append({**told, **medians, **layout})
        return pd.DataFrame(rows)


def compare_plans(
    spec: ComparedSpec | str | Path | Mapping[str, Any],
    *,
    device: str = "auto",
    profiles: Sequence[Path] = (),
) -> ComparedPlan:
    """Search each cluster's layouts, and price them on each market.

    Args:
        spec: a ComparedSpec, a TOML file, or a mapping of a plan's fields with ``cluster``,
            ``market`` or ``deadline``.
        device: that the searches are on.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong; where nothing is found anywhere, what was
            said of the first.
    """
    asked = read_compared(spec)
    found: list[Alternative] = []
    errors: dict[str, RequestError] = {}
    every = plans([each.plan for each in asked.ways], device=device, profiles=profiles)
    for way, plan in zip(asked.ways, every, strict=True):
        if isinstance(plan, RequestError):
            errors[way.label] = plan
        else:
            found.append(_alternative(way, plan, asked.deadline))
    if not found:
        raise next(iter(errors.values()))
    key = OBJECTIVES[asked.ways[0].plan.objective]
    ordered = sorted(found, key=lambda each: (each.figure(key), each.figure("days")))
    dropped = {label: str(error) for label, error in errors.items()}
    return ComparedPlan(asked, tuple(ordered), dropped)


def _alternative(way: Way, plan: Plan, deadline: float | None) -> Alternative:
    spec, part = way.plan, plan.best.accelerator
    name = str(plan.estimate.spec.accelerator)
    rate = spec.interruptions(name)
    count = torch.tensor([float(plan.best.layout.accelerators)], dtype=torch.float64)
    lost = {
        each.key: each.quantity
        for each in lost_time_inputs(spec.lost(name))
        if isinstance(each, Input)
    }
    failures = lost["failures_per_second"].median  # a GPU and day, as people read it
    between = SECONDS_PER_DAY / failures / count if failures > 0 else count * math.nan
    checkpoint, restart = (
        torch.tensor([lost[key].median], dtype=torch.float64)
        for key in ("checkpoint_seconds", "restart_seconds")
    )
    interval = goodput.best_interval(between, checkpoint)
    others = interval * torch.tensor(INTERVALS, dtype=torch.float64)
    shares = goodput.training_share(between, checkpoint, restart, others)
    pairs = zip(others.tolist(), shares.tolist(), strict=True)
    odds = math.nan if deadline is None else share_within(plan.estimate, deadline)
    return Alternative(
        way=way,
        plan=plan,
        price=_price(Pricing(**spec.pricing(name)), part),
        failures=failures if math.isfinite(failures) else 0.0,
        interruptions=float(rate),
        interruptions_source=_said(rate, spec.interruptions_per_gpu_day is not None),
        checkpoint_seconds=float(interval),
        by_interval=tuple(pair for pair in pairs if math.isfinite(pair[1])),
        deadline_odds=odds,
    )


def _said(rate: float, is_given: bool) -> str:
    """Return who says how often machines are taken away."""
    if isinstance(rate, Rate):
        return rate.source
    others = f"beside failures, {LLAMA_3_FAILURES:.4g}: {LLAMA_3}"
    return "given" if is_given else f"none but failures are counted; {others}"


def _price(pricing: Pricing, part: Any) -> tuple[str, str]:
    """Return what an hour costs in words, and its source."""
    for each in rent_inputs(pricing, part):
        if isinstance(each, Input):
            if math.isfinite(each.quantity.median):
                return each.quantity.text, each.source
        elif each.value == "not known":
            return each.value, each.source
    return "not known", "no rental price on record"
