"""What jobs' hours cost, what energy and FLOP they took, and the final run's share, in draws."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from computebill.base.assumptions import GIVEN, Assumption, gathered
from computebill.base.errors import RequestError
from computebill.base.quantity import Quantity, number_text, parse_quantity
from computebill.costs.hour import METHOD, Pricing, hour_inputs
from computebill.costs.method import cost_method
from computebill.hardware.accelerators import find_accelerator
from computebill.kernels.run import Hour, price_time
from computebill.kernels.units import JOULES_PER_MWH, SECONDS_PER_HOUR
from computebill.uncertainty.distribution import Distribution
from computebill.uncertainty.draws import Columns, Settings, bundle

from .cube import NO_MONTH, OTHERS, Cells
from .figures import DRAWS, LEAST_HOURS, Figure, distributions
from .result import NOT_KNOWN, Amount
from .rules import Rules
from .schema import FINAL, IDLE, UNKNOWN

LEAST_POWER = 0.3
"""Share of a chip's power below which recorded energy cannot be an accelerator's at work."""

NONE_UNTIL, ALL_FROM = 0.1, 0.9
"""Ranks of draws up to which none of the unknown hours are a final run's, and from which all."""

OUTSIDE_RESEARCH = ("inference", IDLE)


@dataclass(frozen=True)
class Prices:
    """What a user says of dollars, power and utilisation.

    Attributes:
        price: rent or contract [USD an accelerator-hour], of every accelerator.
        is_owned: whether hardware is owned: the part of it that is used up, and electricity.
        provider: whose list price.
        date: day of list prices; None for that of each job's month.
        accelerator: what jobs ran on whose record names none; empty where that is not known.
        profiles: folders of accelerator profiles of one's own.
        seed: of the draws.
    """

    price: Quantity | None = None
    is_owned: bool = False
    provider: str | None = None
    date: dt.date | None = None
    accelerator: str = ""
    profiles: tuple[Path, ...] = ()
    seed: int = 0


@dataclass
class Drawn:
    """Figures of an accelerator-hour by accelerator and month, in draws; NaN where not known.

    Attributes:
        usd: price [USD].
        mwh: energy [MWh].
        flop: model FLOP.
        pue: power usage effectiveness.
        assumptions: where they are from.
    """

    usd: np.ndarray
    mwh: np.ndarray
    flop: np.ndarray
    pue: np.ndarray
    assumptions: list[Assumption] = field(default_factory=list)


def draw_hours(
    keys: Sequence[tuple[str, str]], prices: Prices, rules: Rules, billed: Collection[str] = ()
) -> Drawn:
    """Return the figures of an hour of each accelerator in each month.

    Args:
        keys: accelerator and month; the accelerator may be unknown.
        prices: what a user says.
        rules: prices of a contract, utilisation, PUE.
        billed: accelerators all of whose hours are billed: nothing rests on their price.
    """
    usd, mwh, flop = (np.full((len(keys), DRAWS), np.nan) for _ in range(3))
    found = Drawn(usd, mwh, flop, np.ones(DRAWS))
    utilisation, source = _utilisation(rules)
    mfu = _draws([utilisation], prices.seed)[0]
    names = sorted({name for name, _ in keys} - {UNKNOWN})
    for place, name in enumerate(names):
        at = {number: key[1] for number, key in enumerate(keys) if key[0] == name}
        own = replace(prices, seed=prices.seed + 1 + place)
        told = _draw_one(found, name, at, own, rules)
        found.assumptions += [] if name in billed else told
        part = find_accelerator(name, prices.profiles)
        peak = part.peak_flop_per_s(part.default_precision)
        found.flop[list(at)] = peak * SECONDS_PER_HOUR * mfu
    if names:
        found.assumptions.append(Assumption("utilisation of hours", utilisation.text, source))
    return found


def _utilisation(rules: Rules) -> tuple[Quantity, str]:
    if rules.utilisation is not None:
        return rules.utilisation, GIVEN
    seen = cost_method().mfu.observed
    given = {"p10": seen.p10, "p50": seen.p50, "p90": seen.p90}
    return parse_quantity(given, upper=1.0), f"runs of {seen.runs} models: {seen.source}"


def _draws(quantities: Sequence[Quantity], seed: int) -> np.ndarray:
    """Return draws of quantities, ``(quantities, DRAWS)``; those that share a name together."""
    columns = Columns(quantities, [str(place) for place in range(len(quantities))], "cpu")
    points = columns.points(Settings(DRAWS, seed), 0, 0, DRAWS)
    return np.asarray(columns.draw(points).numpy())


def _draw_one(
    found: Drawn, name: str, at: Mapping[int, str], prices: Prices, rules: Rules
) -> list[Assumption]:
    """Draw an accelerator's hours in its months: a price is as wrong in one as in another.

    Returns what the price rests on.

    Args:
        found: figures that are set.
        name: of the accelerator.
        at: month by the place of its figures.
        prices: what a user says, and the seed.
        rules: prices of a contract, PUE.
    """
    places, months = list(at), list(at.values())
    part = find_accelerator(name, prices.profiles)
    price = rules.prices.get(name, prices.price)
    told: list[dict[str, Quantity]] = []
    sources = []
    for month in months:
        pricing = Pricing(
            price=price, provider=prices.provider, date=prices.date or _day(month), pue=rules.pue
        )
        inputs = gathered(hour_inputs(pricing, part))
        told.append({key: replace(each, shared=key) for key, each in inputs.quantities.items()})
        sources.append(_source(inputs.assumptions, prices, price))
    keys = list(Hour._fields)
    drawn = _draws([each[key] for each in told for key in keys], prices.seed)
    table = torch.from_numpy(drawn).reshape(len(months), len(keys), DRAWS)
    hour = bundle(Hour, {key: table[:, place] for place, key in enumerate(keys)})
    bill = price_time(torch.tensor(SECONDS_PER_HOUR, dtype=torch.float64), hour)
    # Two sequences that are scrambled otherwise still go up and down together, point by point.
    order = np.random.default_rng(prices.seed).permutation(DRAWS)
    found.usd[places] = (bill.amortised if prices.is_owned else bill.cloud).numpy()[:, order]
    found.mwh[places] = bill.energy_mwh.numpy()[:, order]
    found.pue = hour.pue[0].numpy()[order]
    first, last = sources[0], sources[-1]
    what = f"USD an hour of {name}"
    later = [Assumption(f"{what}, {months[-1]}", *last)] if last != first else []
    return [Assumption(what, *first), *later]


def _source(
    assumptions: Sequence[Assumption], prices: Prices, price: Quantity | None
) -> tuple[str, str]:
    if prices.is_owned:
        return "hardware used up + electricity", METHOD
    rent = next(each for each in assumptions if each.name == "USD per accelerator-hour")
    return rent.value, rent.source


def _day(month: str) -> dt.date | None:
    return None if month == NO_MONTH else dt.date.fromisoformat(f"{month}-15")


def _with_accelerator(cells: Cells, name: str) -> Cells:
    """Return cells whose hours are of an accelerator where none is known."""
    texts = list(dict.fromkeys([*cells.texts["accelerator"], UNKNOWN, name]))
    codes = cells.codes["accelerator"]
    is_open = (codes == texts.index(UNKNOWN)) & (cells.sum_of("gpu_hours") != 0)
    return replace(
        cells,
        texts={**cells.texts, "accelerator": texts},
        codes={**cells.codes, "accelerator": np.where(is_open, texts.index(name), codes)},
    )


class Priced:
    """Cells with their dollars, energy and FLOP in draws.

    Attributes:
        cells: as they are priced.
        assumptions: what that rests on.
        unpriced: accelerator-hours of no known price.
        share_basis: ``cost`` or ``hours``.
    """

    def __init__(self, cells: Cells, prices: Prices, rules: Rules, billed: pd.DataFrame) -> None:
        if prices.accelerator:
            own = find_accelerator(prices.accelerator, prices.profiles).name
            cells = _with_accelerator(cells, own)
        self.cells = cells
        parts, months = (cells.texts[name] for name in ("accelerator", "month"))
        part, month = (cells.codes[name].astype(np.int64) for name in ("accelerator", "month"))
        self._place, pairs = pd.factorize(part * max(1, len(months)) + month)
        self._keys = [
            (parts[pair // len(months)], months[pair % len(months)]) for pair in pairs.tolist()
        ]
        self._open = cells.sum_of("gpu_hours") - cells.sum_of("usd_hours")
        self._drawn = draw_hours(self._keys, prices, rules, self._paid())
        self.assumptions = list(self._drawn.assumptions)
        self._take_billed(billed)
        self._is_recorded = self._recorded()
        self._tell_idle()
        is_lacking = np.isnan(self._drawn.usd).any(axis=1)[self._place] if len(cells) else []
        self.unpriced = float(np.abs(self._open[is_lacking]).sum()) if len(cells) else 0.0
        hours = float(cells.sum_of("gpu_hours").sum())
        self.is_priced = self.unpriced <= 1e-9 * max(1.0, hours)
        self.share_basis = "cost" if self.is_priced and len(cells) else "hours"

    def _paid(self) -> set[str]:
        """Return the accelerators all of whose hours are billed."""
        sums = np.bincount(self._place, np.abs(self._open), minlength=len(self._keys))
        unpaid = {name for (name, _), hours in zip(self._keys, sums, strict=True) if hours > 1e-6}
        return {name for name, _ in self._keys} - unpaid

    def _take_billed(self, billed: pd.DataFrame) -> None:
        """Price hours as the bill of the same machines does."""
        for key, price in billed["price"].to_dict().items():
            if key in self._keys:
                name, month = key
                self._drawn.usd[self._keys.index(key)] = price
                text, source = number_text(price, 4), "the bill of the same machines"
                self.assumptions.append(Assumption(f"USD an hour of {name}, {month}", text, source))

    def _recorded(self) -> np.ndarray:
        """Return which keys' recorded energy is taken: what is too little leaves out the chips."""
        cells, mwh = self.cells, self._drawn.mwh
        found = np.ones(len(self._keys), dtype=bool)
        joules, hours = (
            np.bincount(self._place, cells.sum_of(name), minlength=len(self._keys))
            for name in ("energy_j", "energy_hours")
        )
        by_part: dict[str, list[int]] = {}
        for place, (name, _) in enumerate(self._keys):
            by_part.setdefault(name, []).append(place)
        for name, at in by_part.items():
            if hours[at].sum() <= 0 or np.isnan(mwh[at[0]]).any():
                continue
            watt = joules[at].sum() / hours[at].sum() / SECONDS_PER_HOUR
            usual = float(np.median(mwh[at[0]] / self._drawn.pue)) * JOULES_PER_MWH
            if watt < LEAST_POWER * usual / SECONDS_PER_HOUR:
                found[at] = False
                told = f"{watt:.0f} W recorded for one: too little for it; modelled instead"
                self.assumptions.append(Assumption(f"energy of {name}", told, METHOD))
        return found

    @cached_property
    def _figures(self) -> dict[str, Figure]:
        part = pd.factorize(np.array([name for name, _ in self._keys], dtype=object))[0]
        names = ("usd", "mwh", "flop")
        return {name: Figure(getattr(self._drawn, name), part) for name in names}

    def _tell_idle(self) -> None:
        """Say what energy idle accelerators are taken to draw, where there are such."""
        left = self.cells.sum_of("gpu_hours") - self.cells.sum_of("energy_hours")
        if np.abs(left[self._kinds == IDLE]).sum() > LEAST_HOURS:
            how = "no profile tells what idle ones draw, which is less"
            self.assumptions.append(Assumption("energy of idle accelerators", "as at work", how))

    def _amounts(
        self, group: np.ndarray, number: int, names: Sequence[str] = ("usd", "mwh", "flop")
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return hours of groups of cells that a figure prices, and what is told besides.

        Args:
            group: of each cell, -1 for none.
            number: of groups.
            names: of the figures: dollars, MWh, FLOP.

        Returns:
            Of each ``(groups, keys)``, and ``(groups, 1)`` or ``(groups, draws)``.
        """
        cells, keys = self.cells, len(self._keys)
        chosen = np.flatnonzero(group >= 0)
        place = group[chosen] * keys + self._place[chosen]

        def by_key(values: np.ndarray) -> np.ndarray:
            sums = np.bincount(place, values[chosen], minlength=number * keys)
            return sums.reshape(number, keys)

        def whole(name: str) -> np.ndarray:
            values = cells.sum_of(name)[chosen]
            return np.bincount(group[chosen], values, minlength=number)[:, None]

        # Runs that tell FLOP and no hours took dollars and energy that nobody tells.
        is_bare = (whole("flop") > 0) & (whole("gpu_hours") == 0) & (whole("usd") == 0)
        found = {}
        if "usd" in names:
            found["usd"] = by_key(self._open), np.where(is_bare, np.nan, whole("usd"))
        if "mwh" in names:
            hours = by_key(cells.sum_of("gpu_hours"))
            recorded = by_key(cells.sum_of("energy_j")) * self._is_recorded
            covered = by_key(cells.sum_of("energy_hours")) * self._is_recorded
            told = recorded.sum(axis=1)[:, None] / JOULES_PER_MWH * self._drawn.pue
            found["mwh"] = hours - covered, np.where(is_bare, np.nan, told)
        if "flop" in names:
            found["flop"] = by_key(self._untold), whole("flop")
        return found

    @cached_property
    def _untold(self) -> np.ndarray:
        """Return the hours whose FLOP nobody tells; idle accelerators compute nothing."""
        hours = self.cells.sum_of("gpu_hours") - self.cells.sum_of("flop_hours")
        return np.where(self._kinds == IDLE, 0.0, hours)

    @cached_property
    def _kinds(self) -> np.ndarray:
        """Return the kind of each cell."""
        kinds = np.array([*self.cells.texts["kind"], ""], dtype=object)
        return np.asarray(kinds[self.cells.codes["kind"]])

    def amount(self) -> Amount:
        """Return the sums of all cells."""
        return self._told(np.zeros(len(self.cells), dtype=np.int64), 1)[0]

    def _told(self, group: np.ndarray, number: int) -> list[Amount]:
        """Return the sums of groups of cells."""
        jobs, hours = (
            np.bincount(group, self.cells.sum_of(name), minlength=number)
            for name in ("jobs", "gpu_hours")
        )
        parts = self._amounts(group, number)
        sums = [self._figures[name].sums(*each) for name, each in parts.items()]
        return [
            Amount(float(jobs[place]), float(hours[place]), *each)
            for place, each in enumerate(zip(*sums, strict=True))
        ]

    def by(self, name: str, most: int | None = None) -> dict[str, Amount]:
        """Return the sums by what cells are of, the most hours first; months in their order."""
        texts, codes = self.cells.texts[name], self.cells.codes[name]
        held = sorted(np.unique(codes).tolist(), key=texts.__getitem__)
        if name != "month":
            sums = [
                np.bincount(codes, self.cells.sum_of(each), minlength=len(texts))[held]
                for each in ("jobs", "usd", "gpu_hours")
            ]
            held = [held[place] for place in np.lexsort([-each for each in sums]).tolist()]
        names = [texts[code] for code in held]
        place = np.zeros(len(texts), dtype=np.int64)
        place[held] = np.arange(len(held))
        group = place[codes]
        kept = len(names) if most is None else min(most, len(names))
        if kept < len(names):
            names[kept:] = [OTHERS]
            group = np.minimum(group, kept)
        amounts = self._told(group, len(names))
        return dict(zip(names, amounts, strict=True))

    def final_share(self, *, of_research: bool) -> Distribution:
        """Return the share that final runs took.

        What is unknown may be no final run, or all of it: up to a tenth of the draws none of it
        is, from nine tenths on all of it, and at the median it divides as the known does; what ran
        was not idle.

        Args:
            of_research: whether inference and idle accelerators are left out.
        """
        kinds = self._kinds
        has = self.cells.sum_of("gpu_hours") != 0
        if of_research:
            has &= ~np.isin(kinds, OUTSIDE_RESEARCH)
        chosen = [has & (kinds == kind) for kind in (FINAL, UNKNOWN, IDLE)]
        parts = [rows.astype(np.int64) for rows in (*chosen, has)]
        if self.share_basis == "cost":
            usd = self._figures["usd"]
            final, unknown, idle, every = (
                usd.times(*self._amounts(rows - 1, 1, ["usd"])["usd"])[0] for rows in parts
            )
        else:
            hours = self.cells.sum_of("gpu_hours")
            final, unknown, idle, every = (np.full(DRAWS, hours[rows > 0].sum()) for rows in parts)
        if not (every > 0).all():
            return NOT_KNOWN
        known = np.maximum(every - unknown - idle, 0.0)
        known = np.where(known > LEAST_HOURS * every, known, 0.0)
        middle = np.where(known > 0, final / np.where(known > 0, known, 1.0), 0.5)
        rank = np.random.default_rng(0).permutation((np.arange(DRAWS) + 0.5) / DRAWS)
        ends = (NONE_UNTIL, 0.5, ALL_FROM)
        low = np.interp(rank, ends, (0.0, 1.0, 1.0))
        high = np.interp(rank, ends, (0.0, 0.0, 1.0))
        taken = middle * low + (1 - middle) * high
        return distributions(((final + taken * unknown) / every)[None])[0]

    def frame(self) -> pd.DataFrame:
        """Return a row a cell: its sums, and medians of its dollars, energy and FLOP.

        Those are NaN where they are not known.
        """
        usd, mwh, flop = (
            each.medians[self._place] if len(self.cells) else np.zeros(0)
            for each in self._figures.values()
        )
        cells = self.cells
        hours = cells.sum_of("gpu_hours")
        recorded = self._is_recorded[self._place] if len(cells) else np.zeros(0)
        rest = hours - cells.sum_of("energy_hours") * recorded
        pue = float(np.median(self._drawn.pue))
        energy = cells.sum_of("energy_j") * recorded / JOULES_PER_MWH * pue
        return cells.frame().assign(
            cost_usd=cells.sum_of("usd") + _product(self._open, usd),
            energy_mwh=energy + _product(rest, mwh),
            flop_all=cells.sum_of("flop") + _product(self._untold, flop),
        )

    def price_of(self, accelerator: str | None, month: str) -> float:
        """Return the median price of an hour [USD]; NaN where none is known."""
        return self._usual_prices.get((accelerator or UNKNOWN, month), math.nan)

    @cached_property
    def _usual_prices(self) -> dict[tuple[str, str], float]:
        return dict(zip(self._keys, self._figures["usd"].medians.tolist(), strict=True))


def _product(hours: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Return hours times an hour's figure; nothing where there are no hours."""
    return np.where(np.abs(hours) < 1e-12, 0.0, hours * each)


def check_prices(prices: Prices) -> None:
    """Check what a user says of prices.

    Raises:
        RequestError: naming the flag: no such accelerator, or two prices at once.
    """
    if prices.accelerator:
        try:
            find_accelerator(prices.accelerator, prices.profiles)
        except RequestError as error:
            raise RequestError("--accelerator", error.problem) from None
    if prices.is_owned and (prices.price is not None or prices.provider is not None):
        raise RequestError("--owned", "is given with --price or --provider; allowed: one of them")
