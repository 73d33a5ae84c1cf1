"""A programme as tensors: every quantity a row, every run priced in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.base.quantity import UNKNOWN, Quantity, constant
from computebill.hardware.accelerators import find_accelerator
from computebill.kernels import bill as kernel
from computebill.kernels.flop import training_flop
from computebill.kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from computebill.uncertainty.draws import Columns

from .bases import DOLLARS, EMISSIONS, ENERGY, HOURS
from .lag import LagRows, remaining
from .periods import parse_period
from .regressions import Prediction, Regressions
from .spec import Programme, Run

ONE, NOT_KNOWN = 0, 1
"""Rows that every programme has: the number one, and what nobody knows."""

FACTORS = 3
"""Of a run's size, at most: parameters, tokens and a multiplier."""


class Outcome(NamedTuple):
    """A programme in every draw.

    Attributes:
        bill: FLOP, accelerator-seconds and USD of each run, ``(runs, draws)``.
        sizes: each run in the unit of the programme's basis, ``(runs, draws)``.
        final: the counted runs in that unit, ``(draws,)``; NaN where none has a size.
        rnd: R&D compute, reported and added, in that unit, ``(draws,)``.
        usd_per_hour: price that runs share, ``(draws,)``; NaN where there is none.
    """

    bill: kernel.Bill
    sizes: Tensor
    final: Tensor
    rnd: Tensor
    usd_per_hour: Tensor

    @property
    def share(self) -> Tensor:
        """Final runs over R&D compute, ``(draws,)``."""
        return self.final / self.rnd

    @property
    def exploration(self) -> Tensor:
        """What is left of R&D compute, ``(draws,)``; negative where the final runs took more."""
        return self.rnd - self.final

    def select(self, draws: Tensor) -> Outcome:
        """Keep the draws where ``draws`` is true."""
        bill = kernel.Bill(*(part[:, draws] for part in self.bill))
        rest = (each[draws] for each in (self.final, self.rnd, self.usd_per_hour))
        return Outcome(bill, self.sizes[:, draws], *rest)


class RunRows(NamedTuple):
    """Which rows of the draws make each run; int64 unless another type is told.

    Attributes:
        factors: whose product is the run's size; ``(runs, 3)``.
        scale: from that product to FLOP, seconds or USD; float64 ``(runs, 1)``.
        given_in: FLOP, SECONDS or DOLLARS, as the kernel numbers them; ``(runs, 1)``.
        is_own: true where the size is in the basis's own unit, which nothing else follows from;
            bool ``(runs, 1)``.
        base: the run whose FLOP the size is a fraction of, or -1; ``(runs,)``.
        peak: FLOP per second; ``(runs,)``.
        mfu: utilisation; ``(runs,)``.
        price: USD per accelerator-hour; ``(runs,)``.
        counted: one where the run counts as final, else zero; float64 ``(runs, 1)``.
    """

    factors: Tensor
    scale: Tensor
    given_in: Tensor
    is_own: Tensor
    base: Tensor
    peak: Tensor
    mfu: Tensor
    price: Tensor
    counted: Tensor


class SpendRows(NamedTuple):
    """Which rows of the draws make R&D compute.

    Attributes:
        amounts: of each reported period; int64 ``(amounts,)``.
        factors: share of it that is meant; int64 ``(amounts,)``.
        weights: its sign over its currency's rate; ``(amounts, 1)``.
        lag: what moves it to the months that a drawn lag leads to; None where the file's stand.
    """

    amounts: Tensor
    factors: Tensor
    weights: Tensor
    lag: LagRows | None = None

    def total(self, values: Tensor) -> Tensor:
        """R&D compute where every quantity is known, ``(rows, draws)``: ``(draws,)``."""
        signed = values[self.amounts].mul_(values[self.factors]).mul_(self.weights)
        return signed.sum(0) if self.lag is None else self.lag.moved(values, signed)


@dataclass(frozen=True)
class CompiledProgramme:
    """A programme laid out once; then any number of draws are priced.

    Attributes:
        programme: as described.
        counted: whether each run counts as final.
        predictions: of runs whose FLOP are read off a regression, by the run's name.
        runs: rows that make the runs.
        depth: length of the longest chain of bases.
        spend: rows that make R&D compute.
        shared_price: row of the price that runs share.
        replicates: the uncertain quantities as each replicate draws them: one for all, or as many
            as the regressions among them have.
    """

    programme: Programme
    counted: tuple[bool, ...]
    predictions: Mapping[str, Prediction]
    runs: RunRows
    depth: int
    spend: SpendRows
    shared_price: int
    replicates: tuple[Columns, ...]

    @property
    def columns(self) -> Columns:
        """The uncertain quantities, as the first replicate draws them."""
        return self.replicates[0]

    def at_medians(self) -> Outcome:
        """Price the programme once, every quantity at its median."""
        halves = torch.full((self.columns.dimensions, 1), 0.5, dtype=torch.float64)
        return self.evaluate(halves.to(self.columns.device))

    def draw(self, points: Tensor, replicate: int = 0) -> Tensor:
        """Every quantity ``(rows, draws)`` at uniform points ``(dimensions, draws)``."""
        return self.replicates[replicate % len(self.replicates)].draw(points)

    def evaluate(self, points: Tensor, replicate: int = 0) -> Outcome:
        """Price the programme at uniform points ``(dimensions, draws)`` of a replicate."""
        return self.price(self.draw(points, replicate))

    def price(self, values: Tensor) -> Outcome:
        """Price the programme where its quantities are known, ``(rows, draws)``."""
        runs = self.runs
        first, second, third = runs.factors.unbind(1)
        own = values[first].mul_(values[second]).mul_(values[third]).mul_(runs.scale)
        if self.has_own:
            stated, own = own, own.masked_fill(runs.is_own, torch.nan)
        bill = kernel.price_runs(
            kernel.Runs(own, runs.given_in, runs.base, self.depth),
            kernel.Rates(
                peak_flop_per_s=values[runs.peak],
                mfu=values[runs.mfu],
                usd_per_second=values[runs.price] / SECONDS_PER_HOUR,
            ),
        )
        sizes = bill.usd
        if self.programme.basis != DOLLARS.name:
            sizes = stated if self.has_own else bill.seconds / SECONDS_PER_HOUR
        # A run outside the count may have no price; zero times NaN would spoil the sum.
        final = torch.where(runs.counted > 0, sizes, 0.0).sum(0)
        if not any(self.counted):
            final = torch.full_like(final, torch.nan)
        return Outcome(bill, sizes, final, self.spend.total(values), values[self.shared_price])

    def moved_by(self, values: Tensor) -> Tensor:
        """R&D compute with the lag that is drawn over that of the file's own, ``(draws,)``."""
        return self.spend.total(values) / self.spend._replace(lag=None).total(values)

    @property
    def has_dollars(self) -> bool:
        """Whether it is counted in hours that have a price."""
        return self.programme.basis == HOURS.name and self.shared_price != NOT_KNOWN

    @property
    def has_own(self) -> bool:
        """Whether runs are given in a unit that neither hours nor dollars follow from."""
        return self.programme.basis in (ENERGY.name, EMISSIONS.name)


def compile_programme(
    programme: Programme,
    regressions: Regressions,
    device: str,
    profiles: Sequence[Path] = (),
) -> CompiledProgramme:
    """Lay a programme out as tensors.

    Args:
        programme: as described.
        regressions: that its runs may be read off.
        device: that it is priced on.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: where a run lacks what its price needs, naming the run's field; where R&D
            compute is not positive.
    """
    table = _Rows()
    assumed = programme.assumptions
    mfu = table.add(None if assumed.mfu is None else assumed.mfu.value, "utilisation")
    price = table.add(None if assumed.price is None else assumed.price.value, "price")
    predictions: dict[str, Prediction] = {}
    runs = []
    for i, run in enumerate(programme.runs):
        if run.regression is not None:
            draw = assumed.regression_draw
            predictions[run.name] = regressions.predict(run.regression, draw, f"runs[{i}]")
        own = _add_size(table, run, predictions.get(run.name))
        own = own._replace(
            peak=table.add(_peak_of(programme, i, profiles), f"{run.name}: peak"),
            mfu=table.add(run.mfu, f"{run.name}: utilisation") if run.mfu else mfu,
            price=table.add(run.price, f"{run.name}: price") if run.price else price,
        )
        runs.append(own)
    order = {run.name: i for i, run in enumerate(programme.runs)}
    bases = [order[run.base] if run.base else -1 for run in programme.runs]
    counted = tuple(programme.is_priced(run) for run in programme.runs)
    found = CompiledProgramme(
        programme=programme,
        counted=counted,
        predictions=predictions,
        runs=_run_rows(runs, bases, counted, device),
        depth=max(_depth(i, bases) for i in range(len(bases))),
        spend=_spend_rows(table, programme, device),
        shared_price=price,
        replicates=table.laid_out(device),
    )
    _check(found)
    return found


def _run_rows(
    runs: Sequence[_RunPlaces], bases: Sequence[int], counted: Sequence[bool], device: str
) -> RunRows:
    return RunRows(
        factors=_index([run.factors for run in runs], device),
        scale=_column([run.scale for run in runs], device),
        given_in=_index([[run.given_in] for run in runs], device),
        is_own=torch.tensor([[run.is_own] for run in runs], device=device),
        base=_index(bases, device),
        peak=_index([run.peak for run in runs], device),
        mfu=_index([run.mfu for run in runs], device),
        price=_index([run.price for run in runs], device),
        counted=_column([float(each) for each in counted], device),
    )


def _index(values: object, device: str) -> Tensor:
    return torch.tensor(values, dtype=torch.int64, device=device)


def _column(values: Sequence[float], device: str) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=device)[:, None]


@dataclass
class _Rows:
    """Quantities that are drawn together, each a row with a name.

    Attributes:
        quantities: of each row.
        names: of each row, as people read them.
        predicted: rows that are read off a regression, whose replicates differ.
    """

    quantities: list[Quantity] = field(default_factory=lambda: [constant(1.0), UNKNOWN])
    names: list[str] = field(default_factory=lambda: ["", ""])
    predicted: dict[int, Prediction] = field(default_factory=dict)

    def add(self, quantity: Quantity | None, name: str) -> int:
        """Add a quantity, and return its row; what is not there is not known."""
        if quantity is None:
            return NOT_KNOWN
        self.quantities.append(quantity)
        self.names.append(name)
        return len(self.quantities) - 1

    def laid_out(self, device: str) -> tuple[Columns, ...]:
        """Return all rows: once, or for each replicate of the regressions among them."""
        replicates = [len(prediction.quantities) for prediction in self.predicted.values()]
        found = []
        for replicate in range(max(replicates, default=1)):
            quantities = list(self.quantities)
            for row, prediction in self.predicted.items():
                quantities[row] = prediction.quantities[replicate]
            found.append(Columns(quantities, self.names, device))
        return tuple(found)


class _RunPlaces(NamedTuple):
    """A run's rows, as in RunRows."""

    factors: list[int]
    scale: float
    given_in: int
    is_own: bool = False
    peak: int = NOT_KNOWN
    mfu: int = NOT_KNOWN
    price: int = NOT_KNOWN


def _add_size(table: _Rows, run: Run, prediction: Prediction | None) -> _RunPlaces:
    """Add the quantities that a run's size is the product of."""
    given_in, scale, is_own = kernel.FLOP, 1.0, False
    sizes = [(run.flop, "FLOP")]
    if run.tokens is not None:
        one = torch.ones((), dtype=torch.float64)
        scale = float(training_flop(one, one))
        params = run.params_active or run.params
        sizes = [(params, "parameters"), (run.tokens, "tokens")]
    elif run.base is not None:
        sizes = [(run.fraction, "fraction of its base")]
    elif run.count is not None:
        given_in, scale = kernel.SECONDS, SECONDS_PER_DAY
        sizes = [(run.count, "accelerators"), (run.days, "days")]
    elif run.accelerator_hours is not None:
        given_in, scale = kernel.SECONDS, SECONDS_PER_HOUR
        sizes = [(run.accelerator_hours, "accelerator-hours")]
    elif run.cost_usd is not None:
        given_in, sizes = kernel.DOLLARS, [(run.cost_usd, "cost")]
    elif run.energy_mwh is not None or run.emissions_t is not None:
        is_own, sizes = True, [(run.energy_mwh, "energy")]
        if run.energy_mwh is None:
            sizes = [(run.emissions_t, "emissions")]
    elif prediction is not None:
        table.predicted[len(table.quantities)] = prediction
        sizes = [(prediction.quantities[0], "FLOP")]
    if run.multiplier is not None:
        sizes.append((run.multiplier, "multiplier"))
    rows = [table.add(quantity, f"{run.name}: {what}") for quantity, what in sizes]
    return _RunPlaces(rows + [ONE] * (FACTORS - len(rows)), scale, given_in, is_own)


def _peak_of(programme: Programme, i: int, profiles: Sequence[Path]) -> Quantity | None:
    run, shared = programme.runs[i], programme.assumptions
    if run.peak_flop_per_s is not None:
        return run.peak_flop_per_s
    says_nothing = run.accelerator is None and run.precision is None
    if says_nothing and shared.peak_flop_per_s is not None:
        return shared.peak_flop_per_s
    name = run.accelerator or shared.accelerator
    if name is None:
        return None
    try:
        part = find_accelerator(name, profiles)
        precision = run.precision or shared.precision or part.default_precision
        return constant(part.peak_flop_per_s(precision))
    except RequestError as error:
        raise error.within(f"runs[{i}]") from None


def _spend_rows(table: _Rows, programme: Programme, device: str) -> SpendRows:
    """Add the amounts that R&D compute is the sum of, and the shares of them that are meant."""
    amounts, factors, weights = [], [], []
    for item in programme.reported:
        if not item.is_base:
            continue
        rate = programme.per_usd(item)
        for term in item.periods:
            name = f"{item.item}, {term.period}"
            amounts.append(table.add(term.amount, name))
            factor = term.factor
            factors.append(ONE if factor is None else table.add(factor, f"{name}: share"))
            weights.append(term.sign / rate)
    rows = (_index(amounts, device), _index(factors, device), _column(weights, device))
    return SpendRows(*rows, _lag_rows(table, programme, device))


def _lag_rows(table: _Rows, programme: Programme, device: str) -> LagRows | None:
    """Add the lag between spend and release, where it is drawn."""
    lag, window = programme.assumptions.lag, programme.window.months
    if lag is None:
        return None
    lines = [
        [(term.sign, parse_period(term.period)) for term in item.periods]
        for item in programme.reported
        if item.is_base
    ]
    first, parts = remaining(lines, window)
    months = table.add(lag.value, "lag of release behind spend")
    growth = table.add(lag.growth, "growth where no period is reported")
    kept = torch.tensor(parts, dtype=torch.float64, device=device)
    return LagRows(months, growth, programme.released_in.start - window.start, first, kept)


def _check(compiled: CompiledProgramme) -> None:
    """Refuse a counted run without a price, and a denominator that is not positive."""
    outcome = compiled.at_medians()
    unit = compiled.programme.counted_in.unit
    for i, (run, size) in enumerate(
        zip(compiled.programme.runs, outcome.sizes[:, 0].tolist(), strict=True)
    ):
        if compiled.counted[i] and size != size:
            needs = "a price, and for its FLOP a utilisation and a peak or an accelerator"
            if unit != DOLLARS.unit:
                needs = "accelerator-hours, or for its FLOP a utilisation and a peak"
            lacks = ", ".join(_lacking(compiled.programme, run))
            told = f"; missing: {lacks}" if lacks else ""
            raise RequestError(
                f"runs[{i}]",
                f"{run.name} cannot be priced; it needs {needs}, its own or shared{told}",
            )
    rnd = float(outcome.rnd)
    if not rnd > 0:
        raise RequestError(
            "reported", f"R&D compute adds up to {rnd:,.0f} {unit}; allowed: above 0"
        )


def _lacking(programme: Programme, run: Run) -> Iterator[str]:
    """Yield the fields that neither a run nor all runs together have, of those that price it."""
    shared = programme.assumptions
    is_in_dollars = programme.counted_in.unit == DOLLARS.unit
    names: list[tuple[str, ...]] = [("price",)] if is_in_dollars else []
    if run.accelerator_hours is None and run.count is None:
        names += [("mfu",), ("accelerator", "peak_flop_per_s")]
    for ways in names:
        if all(getattr(each, way) is None for each in (run, shared) for way in ways):
            yield f"assumptions.{ways[0]}"


def _depth(i: int, bases: Sequence[int]) -> int:
    depth = 0
    while bases[i] >= 0:
        i, depth = bases[i], depth + 1
    return depth
