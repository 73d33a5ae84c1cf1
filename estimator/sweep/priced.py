"""What groups of experiments, sizes and budgets come to, and what they were described by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from computebill.base.assumptions import GIVEN, Assumption, as_text, given_inputs
from computebill.uncertainty.distribution import Distribution

from .draws import FIGURES
from .spec import Group, SweepSpec

KEYS = ("flop", *FIGURES)


@dataclass(frozen=True)
class PricedGroup:
    """What a group of experiments takes.

    Attributes:
        group: as described.
        experiments: how many.
        rows: distributions by the names of ``KEYS``.
        share: of all experiments' cost, or hours where no price is known; of the means.
        mfu: FLOP over what its accelerators' peak would have given, at the median; NaN if unknown.
        length: share of its length that an experiment takes, with stops and failures, on average.
    """

    group: Group
    experiments: float
    rows: Mapping[str, Distribution]
    share: float
    mfu: float
    length: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.group.name,
            "kind": self.group.kind,
            "experiments": round(self.experiments),
            **figures(self.rows),
            "share": self.share,
            "mfu": None if math.isnan(self.mfu) else self.mfu,
            "mean_length": self.length,
            "source": self.group.source,
            "note": self.group.note,
        }


@dataclass(frozen=True)
class PricedSize:
    """Experiments with models of a size.

    Attributes:
        low: parameters, at least; NaN where they are not known.
        high: parameters, below.
        experiments: how many.
        gpu_hours: of them, at the median.
        cost_usd: the same.
        saved_usd: without these and all larger.
    """

    low: float
    high: float
    experiments: float
    gpu_hours: float
    cost_usd: float
    saved_usd: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what is not known is null."""
        found = {
            "params_from": self.low,
            "params_below": self.high,
            "experiments": round(self.experiments),
            "gpu_hours": self.gpu_hours,
            "cost_usd": self.cost_usd,
            "saved_without_these_and_larger_usd": self.saved_usd,
        }
        return {key: value if math.isfinite(value) else None for key, value in found.items()}


@dataclass(frozen=True)
class Fitting:
    """What a budget pays for.

    Attributes:
        budget_usd: to be spent.
        odds: that all experiments cost no more.
        part: of the programme that fits, at the median.
        experiments: of it, in the programme's own proportions.
        by_size: experiments of one size alone that fit: bounds of the size, and how many.
    """

    budget_usd: float
    odds: float
    part: float
    experiments: float
    by_size: tuple[tuple[float, float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "budget_usd": self.budget_usd,
            "odds_all_fit": self.odds,
            "part_that_fits": self.part,
            "experiments_that_fit": math.floor(self.experiments),
            "by_size": [
                {
                    "params_from": None if math.isnan(low) else low,
                    "params_below": high if math.isfinite(high) else None,
                    "experiments": math.floor(count),
                }
                for low, high, count in self.by_size
            ],
        }


def described_by(spec: SweepSpec) -> Iterator[Assumption]:
    """Yield what groups and the final run were described by, each with its source."""
    for group in spec.groups:
        source = GIVEN if group.source is None else spec.sources[group.source].title
        source += f"; {group.note}" if group.note else ""
        yield from given_inputs(group, f"{group.name}: ", source, ("name", "source", "note"))
    for name, value in (spec.final or {}).items():
        yield Assumption(f"final run: {name.replace('_', ' ')}", as_text(value), GIVEN)


def json_key(name: str) -> str:
    """Return what JSON and tables call a figure."""
    return {"cloud": "cost_usd", "amortised": "amortised_usd"}.get(name, name)


def figures(rows: Mapping[str, Distribution]) -> dict[str, Any]:
    """Return distributions as JSON, by the names that it has for them."""
    return {json_key(key): row.to_dict() for key, row in rows.items() if key in KEYS}
