"""Next year's budget over final runs and all else, at a given growth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.base.quantity import Quantity
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Columns, Method, Settings, settings

from .bases import Basis
from .comparison import Asked, Given, ask
from .grades import amount_bounds
from .spec import BASE_VARIANT
from .totals import LEAST_KEPT

DRIFT = Quantity("normal", (0.0, 0.5), "0 ± 0.5 (sd)", lower=-float("inf"))
"""By how much the logit of a share moves in a year.

Medians of windows that ship moved by 0.1 and 0.4 at MiniMax, 0.35 a year at OpenAI to 2024 and 1.2
at Z.ai, where a half-year held tunes only: a judgement about four observations.
"""
SEED_APART = 15_485_863
"""Between the seed of a programme's draws and that of growth and drift."""


@dataclass(frozen=True, repr=False)
class Forecast(Shown):
    """A later window of the same length.

    Attributes:
        name: of the programme.
        years: how many years later.
        growth: of R&D compute a year, as given; None where a budget was given.
        budget: R&D compute, in the unit of the programme's basis.
        final_runs: final runs, in that unit.
        exploration: all else, in that unit.
        final_share: the one over the other.
        basis: unit of amounts.
        kept: share of all draws in which the final runs stay within R&D compute; only these count.
        chosen: draws.
        bound: whether the share is at least, or at most, this; None where it is a figure.
        bounds: the same of final runs, R&D compute and the rest.
    """

    name: str
    years: int
    growth: Quantity | None
    budget: Distribution
    final_runs: Distribution
    exploration: Distribution
    final_share: Distribution
    basis: Basis
    kept: float
    chosen: Settings
    bound: str | None
    bounds: Mapping[str, str | None]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        key = self.basis.key
        return {
            "programme": self.name,
            "years": self.years,
            "growth": None if self.growth is None else self.growth.text,
            f"budget_{key}": self.budget.to_dict(),
            f"final_runs_{key}": self.final_runs.to_dict(),
            f"exploration_{key}": self.exploration.to_dict(),
            "final_share": self.final_share.to_dict(),
            "bound": self.bound,
            "bounds": dict(self.bounds),
            "kept": self.kept,
            "left_out": 1 - self.kept,
            "assumptions": [
                {
                    "name": "change of the logit of the share in a year",
                    "value": DRIFT.text,
                    "source": "Judgement of this project about four observed changes",
                }
            ],
            "samples": self.chosen.samples,
            "seed": self.chosen.seed,
        }


def forecast_spend(
    programme: Given,
    growth: Quantity | None = None,
    budget: Quantity | None = None,
    *,
    years: int = 1,
    variant: str = BASE_VARIANT,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
) -> Forecast:
    """Split a later budget over final runs and all else.

    The share starts from the programme's own and drifts: its logit by a normal number a year. Draws
    in which the final runs cost more than all R&D compute are left out: no share above 1 can drift.

    Args:
        programme: a shipped name, a TOML file, its data, or a Programme.
        growth: of R&D compute a year, a ratio: 2 for twice as much.
        budget: R&D compute in its place, in the unit of the programme's basis.
        years: how many years later, 1 to 5.
        variant: ``as-published`` or a variant of the file.
        samples: Monte Carlo draws.
        seed: same seed, same draws.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        method: ``sobol`` (scrambled) or ``random``.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming what is missing or wrong; where the programme's share is not known,
            or too few draws of it hold together.
    """
    if (growth is None) == (budget is None):
        raise RequestError("--growth", "allowed: a growth a year, 1.5..2.5, or a --budget")
    if not 1 <= years <= 5:
        raise RequestError("--years", f"got {years}; allowed: 1 to 5")
    chosen = settings(samples, seed, device, method)
    asked = ask(programme, variant, chosen, profiles)
    compiled = asked.compiled
    if not any(compiled.counted):
        raise RequestError("programme", f"the share of {asked.loaded.name} cannot be told")
    drawn = growth if growth is not None else budget
    assert drawn is not None
    columns = Columns([drawn, *[DRIFT] * years], ["budget", *["drift"] * years], chosen.device)
    apart = chosen._replace(seed=chosen.seed + SEED_APART, method="random")
    collector, start, kept = Collector(4, chosen), 0, 0
    for replicate, points in compiled.columns.chunks(chosen):
        outcome = compiled.evaluate(points, replicate)
        count = points.shape[1]
        values = columns.draw(columns.points(apart, 0, start, count))
        start += count
        share = outcome.share.expand(count)
        later = torch.sigmoid(torch.logit(share) + values[1:].sum(0))
        whole = values[0] if growth is None else outcome.rnd * values[0] ** years
        whole = whole.expand(count)
        rows = torch.stack([whole, whole * later, whole * (1 - later), later])
        rows = rows[:, (share >= 0) & (share <= 1)]
        kept += rows.shape[1]
        collector.add(replicate, rows)
    if kept < LEAST_KEPT * chosen.samples:
        raise RequestError(
            "programme",
            f"the final runs of {asked.loaded.name} stay within R&D compute in {kept} of "
            f"{chosen.samples} draws; allowed: at least {LEAST_KEPT:.0%}",
        )
    whole_found, final, rest, later_found = collector.finish()
    basis = compiled.programme.counted_in
    return Forecast(
        asked.loaded.name,
        years,
        growth,
        budget=whole_found,
        final_runs=final,
        exploration=rest,
        final_share=later_found,
        basis=basis,
        kept=kept / chosen.samples,
        chosen=chosen,
        **_bounds(asked, has_budget=growth is None),
    )


def _bounds(asked: Asked, *, has_budget: bool) -> dict[str, Any]:
    """Return which way a later budget's parts are bounded, as its share and R&D compute are.

    Of a budget that is given the parts are bounded as their shares are.
    """
    share = asked.graded.bound
    bounds = amount_bounds(asked.compiled.programme)
    if has_budget:
        other = {"at least": "at most", "at most": "at least"}
        rest = None if share is None else other.get(share, share)
        bounds = {"final_runs": share, "rnd_compute": None, "exploration": rest}
    return {"bound": share, "bounds": bounds}
