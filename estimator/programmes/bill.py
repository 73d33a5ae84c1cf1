"""A programme laid out as tensors: every quantity a row, every run priced in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.base.quantity import Quantity, constant
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.kernels import bill as kernel
from computebill.kernels.flop import training_flop
from computebill.kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from computebill.uncertainty.draws import Columns

from .regressions import Prediction, Regressions
from .spec import Assumptions, Programme, Run


class Outcome(NamedTuple):
    """A programme in every draw.

    Attributes:
        bill: FLOP, accelerator-seconds and USD of each run, ``(runs, draws)``.
        final_usd: what the counted runs cost, ``(draws,)``.
        rnd_usd: R&D compute, reported and added, ``(draws,)``.
    """

    bill: kernel.Bill
    final_usd: Tensor
    rnd_usd: Tensor

    @property
    def share(self) -> Tensor:
        """Final runs over R&D compute, ``(draws,)``."""
        return self.final_usd / self.rnd_usd

    @property
    def exploration_usd(self) -> Tensor:
        """What is left of R&D compute, ``(draws,)``; negative where the final runs cost more."""
        return self.rnd_usd - self.final_usd

    def select(self, draws: Tensor) -> Outcome:
        """Keep the draws where ``draws`` is true."""
        bill = kernel.Bill(*(part[:, draws] for part in self.bill))
        return Outcome(bill, self.final_usd[draws], self.rnd_usd[draws])


class ProgrammeBill:
    """Compiles a programme once; then any number of draws are priced."""

    def __init__(
        self,
        programme: Programme,
        regressions: Regressions,
        device: str,
        profiles: Sequence[Path] = (),
    ) -> None:
        """Lay the programme out.

        Raises:
            RequestError: where a run lacks what its price needs, naming the run's field.
        """
        self.programme = programme
        self.predictions: dict[str, Prediction] = {}
        self._predicted: dict[int, Prediction] = {}
        self._regressions = regressions
        self._profiles = profiles
        self._quantities: list[Quantity] = [constant(1.0), constant(float("nan"))]
        self._names = ["", ""]
        self._device = device
        assumptions = programme.assumptions
        self._shared_mfu = self._row(_value(assumptions.mfu), "utilisation")
        self._shared_price = self._row(_value(assumptions.price), "price")
        runs = [self._layout(i, run) for i, run in enumerate(programme.runs)]
        order = {run.name: i for i, run in enumerate(programme.runs)}
        bases = [order[run.base] if run.base else -1 for run in programme.runs]
        self._factors = self._index([run.factors for run in runs])
        self._scale = self._column([run.scale for run in runs])
        self._given_in = self._index([[run.given_in] for run in runs])
        self._base = self._index(bases)
        self._depth = max(_depth(i, bases) for i in range(len(bases)))
        self._peak = self._index([run.peak for run in runs])
        self._mfu = self._index([run.mfu for run in runs])
        self._price = self._index([run.price for run in runs])
        self.counted = [programme.counts(run) for run in programme.runs]
        self._counted = self._column([float(counted) for counted in self.counted])
        self._lay_out_reported()
        self._columns = self._lay_out_columns()
        self._check()

    @property
    def columns(self) -> Columns:
        """The uncertain quantities, as the first replicate draws them."""
        return self._columns[0]

    def evaluate(self, points: Tensor, replicate: int = 0) -> Outcome:
        """Price the programme at uniform points ``(dimensions, draws)`` of a replicate."""
        values = self._columns[replicate % len(self._columns)].draw(points)
        first, second, third = self._factors.unbind(1)
        own = values[first].mul_(values[second]).mul_(values[third]).mul_(self._scale)
        bill = kernel.price_runs(
            kernel.Runs(own, self._given_in, self._base, self._depth),
            kernel.Rates(
                peak_flop_per_s=values[self._peak],
                mfu=values[self._mfu],
                usd_per_second=values[self._price] / SECONDS_PER_HOUR,
            ),
        )
        # A run outside the count may have no price; zero times NaN would spoil the sum.
        final = torch.where(self._counted > 0, bill.usd, 0.0).sum(0)
        rnd = (values[self._amounts] * self._weights).sum(0)
        return Outcome(bill, final, rnd)

    def shared_price(self, points: Tensor, replicate: int = 0) -> Tensor:
        """USD per accelerator-hour that all runs share, ``(draws,)``; NaN where there is none."""
        values = self._columns[replicate % len(self._columns)].draw(points)
        return values[self._shared_price]

    def _row(self, quantity: Quantity | None, name: str) -> int:
        """Add a quantity; row 0 is the number one, row 1 the unknown."""
        if quantity is None:
            return 1
        self._quantities.append(quantity)
        self._names.append(name)
        return len(self._quantities) - 1

    def _layout(self, i: int, run: Run) -> _RunLayout:
        given_in, scale = kernel.FLOP, 1.0
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
        elif run.regression is not None:
            draw = self.programme.assumptions.regression_draw
            prediction = self._regressions.predict(run.regression, draw, f"runs[{i}]")
            self.predictions[run.name] = prediction
            self._predicted[len(self._quantities)] = prediction
            sizes = [(prediction.quantities[0], "FLOP")]
        if run.multiplier is not None:
            sizes.append((run.multiplier, "multiplier"))
        rows = [self._row(quantity, f"{run.name}: {what}") for quantity, what in sizes]
        return _RunLayout(
            factors=rows + [0] * (3 - len(rows)),
            scale=scale,
            given_in=given_in,
            peak=self._row(self._peak_of(i, run), f"{run.name}: peak"),
            mfu=self._row(run.mfu, f"{run.name}: utilisation") if run.mfu else self._shared_mfu,
            price=self._row(run.price, f"{run.name}: price") if run.price else self._shared_price,
        )

    def _lay_out_columns(self) -> list[Columns]:
        """Lay the quantities out: once, or for each replicate of the regressions among them."""
        replicates = [len(prediction.quantities) for prediction in self._predicted.values()]
        found = []
        for replicate in range(max(replicates, default=1)):
            quantities = list(self._quantities)
            for row, prediction in self._predicted.items():
                quantities[row] = prediction.quantities[replicate]
            found.append(Columns(quantities, self._names, self._device))
        return found

    def _peak_of(self, i: int, run: Run) -> Quantity | None:
        shared: Assumptions = self.programme.assumptions
        if run.peak_flop_per_s is not None:
            return run.peak_flop_per_s
        says_nothing = run.accelerator is None and run.precision is None
        if says_nothing and shared.peak_flop_per_s is not None:
            return shared.peak_flop_per_s
        name = run.accelerator or shared.accelerator
        if name is None:
            return None
        try:
            part: Accelerator = find_accelerator(name, self._profiles)
            precision = run.precision or shared.precision or part.default_precision
            return constant(part.peak_flop_per_s(precision))
        except RequestError as error:
            raise error.within(f"runs[{i}]") from None

    def _lay_out_reported(self) -> None:
        amounts, weights = [], []
        for item in self.programme.reported:
            if item.counts_as != "rnd_compute":
                continue
            rate = 1.0
            if item.currency != "USD":
                rate = self.programme.currencies[item.currency].per_usd
            for term in item.periods:
                amounts.append(self._row(term.amount, f"{item.item}, {term.period}"))
                weights.append(term.sign / rate)
        self._amounts = self._index(amounts)
        self._weights = self._column(weights)

    def _check(self) -> None:
        """Refuse a counted run without a price, and a denominator that is not positive."""
        halves = torch.full((self.columns.dimensions, 1), 0.5, dtype=torch.float64)
        outcome = self.evaluate(halves.to(self._device))
        for i, (run, usd) in enumerate(
            zip(self.programme.runs, outcome.bill.usd[:, 0].tolist(), strict=True)
        ):
            if self.counted[i] and usd != usd:
                needs = "a price, and for its FLOP a utilisation and a peak or an accelerator"
                raise RequestError(
                    f"runs[{i}]",
                    f"{run.name} cannot be priced; it needs {needs}, its own or shared",
                )
        rnd = float(outcome.rnd_usd)
        if not rnd > 0:
            raise RequestError(
                "reported", f"R&D compute adds up to {rnd:,.0f} USD; allowed: above 0"
            )

    def _index(self, values: object) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self._device)

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self._device)[:, None]


class _RunLayout(NamedTuple):
    factors: list[int]
    scale: float
    given_in: int
    peak: int
    mfu: int
    price: int


def _value(assumed: object) -> Quantity | None:
    value = getattr(assumed, "value", None)
    return value if isinstance(value, Quantity) else None


def _depth(i: int, bases: Sequence[int]) -> int:
    depth = 0
    while bases[i] >= 0:
        i, depth = bases[i], depth + 1
    return depth
