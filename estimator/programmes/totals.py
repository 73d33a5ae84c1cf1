"""A programme's totals: the one loop over its draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Settings
from computebill.uncertainty.side_by_side import in_order

from .bases import DOLLARS, Basis
from .compiled import CompiledProgramme, Outcome

TOTALS = ("final_runs", "rnd_compute", "final_share", "exploration")
"""Rows of every draw of a programme."""
AMOUNTS = ("final_runs", "rnd_compute", "exploration")
"""Those of them that have a unit."""

LEAST_KEPT = 0.01
"""Where fewer draws than this fit the spend, what is left says nothing."""


@dataclass(frozen=True)
class Totals:
    """A programme's totals under one set of assumptions.

    Attributes:
        final_runs: final runs, in the unit of the basis.
        rnd_compute: R&D compute, in that unit.
        final_share: the one over the other.
        exploration: what is left, in that unit.
        excess: share of all draws in which the final runs exceed the R&D compute.
        basis: what they are counted in.
        in_usd: the three amounts in dollars by their names, where hours have a price.
    """

    final_runs: Distribution
    rnd_compute: Distribution
    final_share: Distribution
    exploration: Distribution
    excess: float
    basis: Basis = DOLLARS
    in_usd: Mapping[str, Distribution] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; dollars are null where amounts of another basis have no price."""
        found: dict[str, Any] = {"probability_final_exceeds_rnd": self.excess}
        for name in TOTALS:
            value = getattr(self, name).to_dict()
            if name != "final_share" and self.basis is not DOLLARS:
                usd = self.in_usd.get(name)
                found[f"{name}_{DOLLARS.key}"] = None if usd is None else usd.to_dict()
            found[name if name == "final_share" else f"{name}_{self.basis.key}"] = value
        return found


class Chunk(NamedTuple):
    """Draws of a programme.

    Attributes:
        replicate: that they belong to.
        outcome: of those that hold together.
        drawn: how many were drawn, those left out included.
        excess: how many the final runs cost more in than all R&D compute.
    """

    replicate: int
    outcome: Outcome
    drawn: int
    excess: int


class Sampled(NamedTuple):
    """What draws of a programme give.

    Attributes:
        totals: its sums.
        more: distributions of the further rows that were asked for.
        collector: of all rows, the totals first.
    """

    totals: Totals
    more: list[Distribution]
    collector: Collector


def sample(
    compiled: CompiledProgramme,
    chosen: Settings,
    more: Callable[[Outcome], Tensor] | None = None,
    tell: Callable[[Chunk], None] | None = None,
) -> Sampled:
    """Draw a programme, chunk by chunk.

    Args:
        compiled: the programme.
        chosen: draws.
        more: rows to summarise beside the totals, ``(rows, draws)``.
        tell: told of each chunk.

    Raises:
        RequestError: where too few draws hold together, or R&D compute is not positive in all.
    """
    collector, excess = None, 0
    for chunk in _outcomes(compiled, chosen):
        rows = torch.cat([total_rows(chunk.outcome), _dollar_rows(compiled, chunk.outcome)])
        if more is not None:
            rows = torch.cat([rows, more(chunk.outcome)])
        if collector is None:
            collector = Collector(len(rows), chosen)
        collector.add(chunk.replicate, rows)
        excess += chunk.excess
        if tell is not None:
            tell(chunk)
    assert collector is not None  # there is a draw at least
    found = collector.finish()
    final, rnd, share, exploration = found[: len(TOTALS)]
    basis = compiled.programme.counted_in
    dollars = len(AMOUNTS) if compiled.has_dollars else 0
    end = len(TOTALS) + dollars
    in_usd = dict(zip(AMOUNTS[:dollars], found[len(TOTALS) : end], strict=True))
    totals = Totals(final, rnd, share, exploration, excess / chosen.samples, basis, in_usd)
    return Sampled(totals, found[end:], collector)


def _dollar_rows(compiled: CompiledProgramme, outcome: Outcome) -> Tensor:
    """Return AMOUNTS in dollars where a programme in hours has a price, else no row."""
    rows = torch.stack([outcome.final, outcome.rnd, outcome.exploration])
    return rows * outcome.usd_per_hour if compiled.has_dollars else rows[:0]


def total_names(key: str) -> list[str]:
    """Return what TOTALS are called in tables of draws, their unit at the end."""
    return [name if name == "final_share" else f"{name}_{key}" for name in TOTALS]


def total_rows(outcome: Outcome) -> Tensor:
    """Return the rows that TOTALS names, ``(4, draws)``."""
    rows = (outcome.final, outcome.rnd, outcome.share, outcome.exploration)
    return torch.stack(rows)


def share_of(compiled: CompiledProgramme) -> Callable[[Tensor], Tensor]:
    """Return the share as a function of the drawn quantities, ``(rows, draws)``.

    Where draws are left out, one counts as 1.
    """
    largest = 1.0 if compiled.programme.assumptions.within_spend else torch.inf
    return lambda values: compiled.price(values).share.clamp(max=largest)


def _outcomes(compiled: CompiledProgramme, chosen: Settings) -> Iterator[Chunk]:
    """Price the programme chunk by chunk, leaving out draws where it asks for that."""
    kept = 0

    def priced(chunk: tuple[int, Tensor]) -> tuple[int, Outcome]:
        replicate, points = chunk
        return replicate, compiled.evaluate(points, replicate)

    for replicate, outcome in in_order(priced, compiled.columns.chunks(chosen), chosen):
        if bool((outcome.rnd <= 0).any()):
            raise RequestError(
                "reported", "R&D compute is zero or negative in some draws; allowed: above 0 in all"
            )
        # Where the final runs are not known, nothing says that they exceed the spend.
        fits = ~(outcome.exploration < 0)
        drawn = outcome.bill.usd.shape[1]
        excess = drawn - int(fits.sum())
        if excess and compiled.programme.assumptions.within_spend:
            outcome = outcome.select(fits)
        kept += outcome.final.shape[0]
        yield Chunk(replicate, outcome, drawn, excess)
    if kept < LEAST_KEPT * chosen.samples:
        raise RequestError(
            "assumptions.within_spend",
            f"the final runs stay within R&D compute in {kept} of {chosen.samples} draws; "
            f"allowed: at least {LEAST_KEPT:.0%}",
        )
