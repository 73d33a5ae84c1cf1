"""What the rest went to: stated facts, then development by stage, then what nothing explains.

In every draw final runs, the kinds and what is unexplained add up to R&D compute. Draws in which
the kinds take more than there is are left out, and their share is told: the kinds are conditioned
on what was reported, and never cut off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.base.quantity import Quantity, constant, from_table
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Columns, Settings

from .bases import DOLLARS, MARKS, Basis
from .compiled import CompiledProgramme, Outcome
from .followers import Follower, FollowerRows, FollowersBill, parts_of
from .grades import kind_bound
from .loading import LoadedProgramme
from .rest import known_of_rest, multiplier, prior_told
from .scenarios import sweep_hours, sweep_of
from .spec import NEVER
from .stated import KINDS, STAGES, Kind, StatedPart

MOST_SAMPLES = 2**15
"""Draws of a split; what it rests on is rougher than these."""
TABLE = 2**12
"""Draws of a sweep's hours that stand for its distribution."""
LEAST_KEPT = 0.01
"""Where fewer draws than this leave something unexplained, the kinds cannot be told."""
ROUNDING = 1e-9
"""Of R&D compute: parts that add up to it exactly may come out this much larger."""
SEED_APART = 7919
"""Between the seed of a programme's draws and that of what the rest is split by."""


class Source(NamedTuple):
    """One source of a part of the rest.

    Attributes:
        kind: of the part.
        rests_on: in words.
        observations: how many.
        is_stated: whether it is a named fact, and no draw.
        measure: what its factors are multiplied with: ``none``, ``total``, ``rest``, ``price``, or
            runs by their places.
        factors: quantities.
    """

    kind: Kind
    rests_on: str
    observations: int
    is_stated: bool
    measure: str | tuple[int, ...]
    factors: tuple[Quantity, ...]


@dataclass(frozen=True)
class KindOfRest:
    """One kind of the rest.

    Attributes:
        kind: its name.
        rests_on: in words.
        observations: how many it rests on.
        is_stated: whether all of it was stated of this programme.
        amount: in the unit of the programme's basis.
        share: of R&D compute.
    """

    kind: str
    rests_on: str
    observations: int
    is_stated: bool
    amount: Distribution
    share: Distribution


@dataclass(frozen=True)
class Exploration:
    """The rest by kind.

    Attributes:
        kinds: those that anything is known of, in the order of ``KINDS``.
        unexplained: what remains, in the unit of the basis.
        unexplained_share: of R&D compute.
        final_share: final runs over R&D compute in the draws that are kept.
        kept: share of all draws in which the kinds take no more than there is.
        followers: what those pay who skip a part of each kind; none where the final runs are not
            known.
        prior: shares by kind where there is no evidence, as JSON has them.
        basis: unit of amounts.
    """

    kinds: tuple[KindOfRest, ...]
    unexplained: Distribution
    unexplained_share: Distribution
    final_share: Distribution
    kept: float
    followers: tuple[FollowersBill, ...]
    prior: dict[str, Any]
    basis: Basis

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        key = {"gpu_hours": "hours"}.get(self.basis.key, self.basis.key)
        return {
            "kinds": [
                {
                    "kind": each.kind,
                    "rests_on": each.rests_on,
                    "observations": each.observations,
                    "is_stated": each.is_stated,
                    key: each.amount.to_dict(),
                    "share": each.share.to_dict(),
                }
                for each in self.kinds
            ],
            "unexplained": {
                key: self.unexplained.to_dict(),
                "share": self.unexplained_share.to_dict(),
            },
            "final_share": self.final_share.to_dict(),
            "kept": self.kept,
            "left_out": 1 - self.kept,
            "prior": self.prior,
        }

    def followers_told(self) -> list[dict[str, Any]]:
        """Return the JSON form of what followers pay."""
        return [each.to_dict(self.basis) for each in self.followers]


class Parts(NamedTuple):
    """The rest in every draw.

    Attributes:
        kinds: amount of each source's part, ``(sources, draws)``.
        unexplained: what remains; negative where the parts take more than there is, ``(draws,)``.
        fits: where they do not, ``(draws,)``.
    """

    kinds: Tensor
    unexplained: Tensor
    fits: Tensor


class Splitter:
    """What splits the rest of a programme."""

    def __init__(self, compiled: CompiledProgramme, sources: Sequence[Source]) -> None:
        """Lay the sources' quantities out."""
        self.sources = sources
        self._compiled = compiled
        quantities = [factor for source in sources for factor in source.factors]
        names = [f"{source.kind} {i}" for i, source in enumerate(sources) for _ in source.factors]
        self._columns = Columns(quantities, names, compiled.columns.device)

    def split(self, outcome: Outcome, chosen: Settings, start: int) -> Parts:
        """Split what final runs leave in each draw.

        Args:
            outcome: of the programme, ``(draws,)``.
            chosen: draws of the programme.
            start: number of the first of these draws.
        """
        count = outcome.rnd.shape[0]
        # Plain draws of another seed: points of one sequence would go together with the runs'.
        apart = chosen._replace(seed=chosen.seed + SEED_APART, method="random")
        values = self._columns.draw(self._columns.points(apart, 0, start, count))
        known = torch.where(outcome.final.isnan(), 0.0, outcome.final)
        rest = outcome.rnd - known
        rows, place = [], 0
        for source in self.sources:
            end = place + len(source.factors)
            rows.append(values[place:end].prod(0) * _measure(source, outcome, rest))
            place = end
        kinds = torch.stack(rows) if rows else rest.new_zeros(0, count)
        left = rest - kinds.sum(0)
        slack = ROUNDING * outcome.rnd
        fits = left >= -slack
        return Parts(kinds, torch.where(fits & (left < 0), 0.0, left), fits)


def _measure(source: Source, outcome: Outcome, rest: Tensor) -> Tensor:
    if isinstance(source.measure, tuple):
        return outcome.sizes[list(source.measure)].sum(0)
    return {
        "none": torch.ones_like(rest),
        "total": outcome.rnd,
        "rest": rest,
        "price": outcome.usd_per_hour.expand_as(rest),
    }[source.measure]


def split_rest(
    compiled: CompiledProgramme,
    loaded: LoadedProgramme,
    chosen: Settings,
    profiles: Sequence[Path] = (),
    followers: Sequence[Follower] = (),
) -> Exploration:
    """Split what is no final run by kind.

    Args:
        compiled: the programme.
        loaded: its file; what it measured itself does not explain it.
        chosen: draws, seed, device.
        profiles: folders of accelerator profiles of one's own.
        followers: ways of following it.

    Raises:
        RequestError: naming the part that cannot be sized.
    """
    fewer = chosen._replace(samples=min(chosen.samples, MOST_SAMPLES))
    sources = [*_stated(compiled, loaded.folder, fewer, profiles)]
    sources += _drawn(compiled, loaded.name, sources)
    splitter = Splitter(compiled, sources)
    programme = compiled.programme
    following = FollowerRows(
        followers if any(compiled.counted) else (), programme.counted_in, compiled.columns.device
    )
    kept, found = _collected(compiled, splitter, following, fewer)
    if kept < LEAST_KEPT and any(not source.is_stated for source in sources):
        stated = [source for source in sources if source.is_stated]
        splitter = Splitter(compiled, stated)
        kept, found = _collected(compiled, splitter, following, fewer)
    kinds = _kinds_of(splitter.sources)
    rows, count = len(kinds), len(following.followers)
    amounts, shares = found[:rows], found[rows : 2 * rows]
    unexplained, left_share, final_share, *rest = found[2 * rows :]
    bills = zip(following.followers, rest[:count], rest[count:], strict=True)
    year = programme.window.months.last_day.year
    return Exploration(
        tuple(
            KindOfRest(kind, *_told(splitter.sources, kind), amount, share)
            for kind, amount, share in zip(kinds, amounts, shares, strict=True)
        ),
        unexplained,
        left_share,
        final_share,
        kept,
        tuple(FollowersBill(*each, kind_bound(programme, each[0])) for each in bills),
        prior_told(year, programme.laboratory),
        programme.counted_in,
    )


def _collected(
    compiled: CompiledProgramme, splitter: Splitter, following: FollowerRows, chosen: Settings
) -> tuple[float, list[Distribution]]:
    """Return the share of draws that fit, and the distributions of what is made of them.

    These are amounts of the kinds, their shares of R&D compute, what is unexplained, its share, the
    share of final runs, and the bills of followers with their shares.
    """
    kinds = _kinds_of(splitter.sources)
    size = 2 * len(kinds) + 3 + 2 * len(following.followers)
    collector, start, kept = Collector(size, chosen), 0, 0
    for replicate, points in compiled.columns.chunks(chosen):
        outcome = compiled.evaluate(points, replicate)
        parts = splitter.split(outcome, chosen, start)
        by_kind = rows_by_kind(splitter.sources, parts.kinds)
        final, rnd = outcome.final.expand_as(parts.unexplained), outcome.rnd
        whole = parts_of(final, kinds, by_kind, parts.unexplained)
        bills = following.bills(whole, chosen, start)
        start += points.shape[1]
        more = torch.stack([parts.unexplained, parts.unexplained / rnd, final / rnd])
        rows = torch.cat([by_kind, by_kind / rnd, more, bills, bills / rnd])[:, parts.fits]
        kept += rows.shape[1]
        collector.add(replicate, rows)
    nothing = Distribution(math.nan, math.nan, math.nan, math.nan)
    found = collector.finish() if kept else [nothing] * size
    return kept / chosen.samples, found


def rows_by_kind(sources: Sequence[Source], parts: Tensor) -> Tensor:
    """Add up parts ``(sources, draws)`` by kind, ``(kinds, draws)``."""
    kinds = _kinds_of(sources)
    found = parts.new_zeros(len(kinds), parts.shape[1])
    for source, part in zip(sources, parts, strict=True):
        found[kinds.index(source.kind)] += part
    return found


def _kinds_of(sources: Sequence[Source]) -> list[Kind]:
    given = {source.kind for source in sources}
    return [kind for kind in KINDS if kind in given]


def _told(sources: Sequence[Source], kind: Kind) -> tuple[str, int, bool]:
    own = [source for source in sources if source.kind == kind]
    text = "; ".join(dict.fromkeys(source.rests_on for source in own))
    return text, sum(source.observations for source in own), all(s.is_stated for s in own)


def _stated(
    compiled: CompiledProgramme, folder: Path | None, chosen: Settings, profiles: Sequence[Path]
) -> Iterator[Source]:
    """Yield the named facts: runs that were never released, and what the file states."""
    programme = compiled.programme
    titles = {key: source.title for key, source in programme.sources.items()}
    for i, run in enumerate(programme.runs):
        if run.released == NEVER and run.unsized is None:
            text = f"stated: {run.name}, never released ({titles[run.source]})"
            yield Source("unreleased and failed runs", text, 1, True, (i,), (constant(1.0),))
    names = [run.name for run in programme.runs]
    for i, part in enumerate(programme.exploration):
        marked = f", {part.mark}" if part.mark in MARKS and part.mark != "unmarked" else ""
        text = f"stated: {part.name} ({titles[part.source]}{marked})"
        try:
            measure, factors = _sized(compiled, part, names, folder, chosen, profiles)
        except RequestError as error:
            raise error.within(f"exploration[{i}]") from None
        yield Source(part.kind, text, 1, True, measure, factors)


def _sized(
    compiled: CompiledProgramme,
    part: StatedPart,
    names: Sequence[str],
    folder: Path | None,
    chosen: Settings,
    profiles: Sequence[Path],
) -> tuple[str | tuple[int, ...], tuple[Quantity, ...]]:
    """Return what a part is measured by, and what that is multiplied with."""
    if part.amount is not None:
        return "none", (part.amount,)
    if part.share_of_total is not None:
        return "total", (part.share_of_total,)
    if part.share_of_rest is not None:
        return "rest", (part.share_of_rest,)
    if part.run is not None and part.ratio is not None:
        return (names.index(part.run),), (part.ratio,)
    if part.sweep is not None:
        spec = sweep_of(compiled.programme, part.sweep, part.name, folder)
        few = chosen._replace(samples=min(chosen.samples, TABLE))
        hours = sweep_hours(spec, few, profiles).sum(0).tolist()
        is_money = compiled.programme.basis == DOLLARS.name
        return "price" if is_money else "none", (from_table(hours, "hours of a sweep"),)
    factors = (part.people, part.usd_per_day, part.days, part.cost_share)
    return "none", tuple(factor for factor in factors if factor is not None)


def _drawn(compiled: CompiledProgramme, name: str, stated: Sequence[Source]) -> Iterator[Source]:
    """Yield what is drawn for kinds of which nothing was stated."""
    programme = compiled.programme
    taken = {source.kind for source in stated}
    taken |= {kind for part in programme.exploration for kind in part.holds}
    for stage, kind in STAGES.items():
        final = tuple(
            i for i, run in enumerate(programme.runs) if compiled.counted[i] and run.stage == stage
        )
        if kind not in taken and final:
            found = multiplier(stage, name)
            yield Source(kind, found.rests_on, found.observations, False, final, (found.value,))
    if "evaluation" not in taken:
        judged = known_of_rest().evaluation
        title = known_of_rest().sources[judged.source].title
        text = f"2–6 % of the rest ({title})"
        yield Source("evaluation", text, judged.observations, False, "rest", (judged.value,))
