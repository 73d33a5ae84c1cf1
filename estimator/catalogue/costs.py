"""What rows cost: used up with energy, up front, in the cloud; prices of the date of training.

Equations and constants: Cottier et al. 2024, arXiv:2405.21015, as `computebill run`'s.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from computebill.base.constants import number
from computebill.base.errors import RequestError, shown
from computebill.costs import method
from computebill.costs.ownership import acquired, price_with_server
from computebill.costs.prices import purchase_price, typical_cloud_price
from computebill.hardware.accelerators import (
    Accelerator,
    accelerator_like,
    accelerators_named,
    find_accelerator,
)
from computebill.kernels import cost
from computebill.kernels.units import JOULES_PER_KWH, JOULES_PER_MWH, SECONDS_PER_HOUR

from .cells import Texts
from .derive import Figure, figure, scaled

# base/constants.toml has what these are.
LONGEST_RUN = number("catalogue.costs.LONGEST_RUN")
POWER_SPREAD = number("catalogue.costs.POWER_SPREAD")
CLOUD_SPREAD = number("catalogue.costs.CLOUD_SPREAD")

_MONTHS = np.datetime64("1900-01", "M")
"""The first that is counted."""


class Chip(NamedTuple):
    """An accelerator as rows use it; NaN where a figure is not known.

    Attributes:
        name: name of its profile; empty where there is none.
        peak: dense peak at 16 bits, or at what it has [FLOP/s].
        watt: rated power of a chip [W].
        ratio: rated power of a server over its chips'.
        fraction: average share of that power that training draws.
        overhead: price of a server over its chips'.
        spread: 95th percentile over the median of its price.
        note: what a reader should know of the choice.
    """

    name: str
    peak: float
    watt: float
    ratio: float
    fraction: float
    overhead: float
    spread: float
    note: str = ""


UNKNOWN = Chip("", math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)


@dataclass
class Chips:
    """Accelerators of rows.

    Attributes:
        codes: place of each row's accelerator among the different ones; ``(rows,)``.
        different: accelerators.
    """

    codes: np.ndarray
    different: Sequence[Chip]

    def figures(self, name: str) -> np.ndarray:
        """Return a figure of every row's accelerator."""
        figures = [float(getattr(part, name)) for part in self.different]
        return np.asarray(np.array(figures)[self.codes])

    def texts(self, name: str) -> Texts:
        """Return a text of every row's accelerator."""
        return Texts(self.codes, [getattr(part, name) for part in self.different])


def find_chips(hardware: Texts, number: Texts, profiles: tuple[Path, ...]) -> Chips:
    """Return the accelerators of rows.

    Args:
        hardware: names.
        number: numerical formats.
        profiles: folders of profiles of one's own.
    """
    codes, pairs = different_pairs(hardware.codes, number.codes)
    found = [
        find_chip(hardware.values[name], number.values[form], profiles) for name, form in pairs
    ]
    return Chips(codes, found)


def different_pairs(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return where each row's pair is among the different ones, and those.

    Args:
        one: whole numbers, zero or more; ``(rows,)``.
        other: codes of the other column.
    """
    wide = int(other.max(initial=0)) + 1
    codes, keys = pd.factorize(one.astype(np.int64) * wide + other)
    return codes, [divmod(int(key), wide) for key in keys]


@lru_cache(maxsize=4096)
def find_chip(text: str, number: str, profiles: tuple[Path, ...]) -> Chip:
    """Return the accelerator of a cell; of several the first that is known.

    Where a name may mean several chips, the module with the least memory is taken.

    Args:
        text: one name, or several with commas between.
        number: numerical format; FP8 and NVFP4 have peaks of their own.
        profiles: folders of profiles of one's own.
    """
    for name in (each.strip() for each in text.split(",")):
        # ``GB300 (Blackwell Ultra)`` says the same twice.
        plain = re.sub(r"\(.*?\)", "", name).strip()
        found = accelerators_named(name, profiles) or accelerators_named(plain, profiles)
        if name and found:
            usual = min(found, key=lambda each: ("sxm" not in each.name, each.memory_gb.value))
            names = f"may be one of {len(found)} accelerators, taken as {usual.name}"
            notes = [names] if len(found) > 1 else []
            notes += [f"several, priced as {usual.name}"] if "," in text else []
            told = "; ".join(f"hardware: {note}" for note in notes)
            return _chip(usual, number)._replace(note=told)
    return UNKNOWN._replace(note=_not_known(text, profiles)) if text else UNKNOWN


def _not_known(text: str, profiles: tuple[Path, ...]) -> str:
    """Say that a cell names no accelerator, and the nearest name."""
    nearest = accelerator_like(text, profiles)
    told = f", nearest: {nearest}" if nearest else ""
    return f"hardware: {shown(text)} is not a known accelerator{told}"


def _chip(found: Accelerator, number: str) -> Chip:
    precision = number.lower() if number.lower() in ("fp8", "nvfp4") else found.default_precision
    try:
        peak = found.peak_flop_per_s(precision)
    except RequestError:
        peak = found.peak_flop_per_s(found.default_precision)
    return Chip(
        found.name,
        peak,
        found.power.chip_watt.value if found.power.chip_watt else math.nan,
        method.chip_to_server_power(found.title, found.vendor),
        method.power_fraction(found.vendor),
        method.server_overhead(found.title, found.vendor),
        method.price_spread(found.vendor).p95,
    )


class Prices(NamedTuple):
    """Prices of an accelerator in a month.

    Attributes:
        bought: price of a chip with its share of the server [USD].
        acquired: day it was had [days since 1970].
        hour: price of an hour in the cloud [USD].
    """

    bought: float
    acquired: float
    hour: float


@lru_cache(maxsize=65536)
def _prices(name: str, start: dt.date, profiles: tuple[Path, ...]) -> Prices:
    bought = day = hour = math.nan
    if name:
        part = find_accelerator(name, profiles)
        with contextlib.suppress(RequestError):
            quote = purchase_price(part, date=start)
            bought, had = price_with_server(part, quote), acquired(part, quote)
            day = math.nan if had is None else float((had - dt.date(1970, 1, 1)).days)
        with contextlib.suppress(RequestError):
            hour = typical_cloud_price(part, start).p50
    return Prices(bought, day, hour)


class Costs(NamedTuple):
    """Costs of every row three ways [USD], and their energy [MWh].

    Attributes:
        amortised: hardware that a row uses up, and its electricity [USD].
        upfront: its accelerators, bought new [USD].
        cloud: rent of its accelerators [USD].
        energy_mwh: electricity [MWh].
    """

    amortised: Figure
    upfront: Figure
    cloud: Figure
    energy_mwh: Figure


class Priced(NamedTuple):
    """What costs are made of, besides hours; ``(rows,)`` each.

    Attributes:
        chips: figures of the accelerators by name, as `Chip` has them.
        bought: price of a chip with its share of the server [USD].
        years: time that it was owned when training began [years].
        hour: price of an hour in the cloud [USD].
        pue: power usage effectiveness.
        usd_per_kwh: price of electricity [USD/kWh].
    """

    chips: dict[str, Tensor]
    bought: Tensor
    years: Tensor
    hour: Tensor
    pue: Tensor
    usd_per_kwh: Tensor


def price(
    chips: Chips,
    organization: Texts,
    published: np.ndarray,
    hours: np.ndarray,
    profiles: tuple[Path, ...],
    device: torch.device,
) -> Priced:
    """Look up what each row's accelerator cost when it trained; once a month and accelerator.

    Args:
        chips: accelerators of the rows.
        organization: who trained.
        published: days; where there is none, today's prices.
        hours: durations of the runs [h]; NaN where they are not known.
        profiles: folders of profiles of one's own.
        device: device of the columns.
    """
    starts = _starts(published, hours)
    months = (starts.astype("datetime64[M]") - _MONTHS).astype(np.int64)
    codes, pairs = different_pairs(chips.codes, months)
    found = [_prices(chips.different[part].name, _day_of(month), profiles) for part, month in pairs]
    table = np.array(found, dtype=float).reshape(-1, len(Prices._fields))[codes]
    # Electricity goes by the year of publication, where there is one.
    told = np.where(np.isnat(published), starts, published).astype("datetime64[Y]")
    of_year, years = pd.factorize(told)
    kwh = np.array([method.usd_per_kwh(each.astype("datetime64[D]").item()) for each in years])

    def column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    names = ("watt", "ratio", "fraction", "overhead", "spread")
    owned = (starts.astype(float) - table[:, 1]) / method.DAYS_PER_YEAR
    return Priced(
        {name: column(chips.figures(name)) for name in names},
        bought=column(table[:, 0]),
        # Without a day of release it is bought for the run.
        years=column(np.maximum(np.nan_to_num(owned, nan=0.0), 0.0)),
        hour=column(table[:, 2]),
        pue=column(organization.told(lambda text: method.pue(text or None))),
        usd_per_kwh=column(kwh[of_year]),
    )


def _starts(published: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Return the day each row's training began; today where it is not told."""
    with np.errstate(invalid="ignore"):
        known = np.where((hours > 0) & (hours < LONGEST_RUN), hours, np.nan)
    starts = method.training_starts(published, known)
    today = np.datetime64(dt.date.today(), "D")
    return np.where(np.isnat(starts), today, starts)


def _day_of(month: int) -> dt.date:
    return dt.date(1900 + month // 12, 1 + month % 12, 1)


def derive_costs(hours: Figure, quantity: Tensor, priced: Priced) -> Costs:
    """Price GPU-hours on each row's accelerator at the date of training.

    Args:
        hours: GPU-hours.
        quantity: accelerators; NaN where they are not told.
        priced: what they cost.
    """
    table = method.cost_method()
    seconds = hours.median * SECONDS_PER_HOUR
    orders, share = (
        seconds.new_tensor(each)
        for each in (table.depreciation.orders_per_year, table.interconnect.share)
    )
    chips = priced.chips
    value = cost.depreciated_value(priced.bought, priced.years, orders)
    hardware = cost.amortised_hardware(value, seconds, chips["overhead"], orders, share)
    joules = cost.energy_joules(
        seconds, chips["watt"], chips["ratio"], chips["fraction"], priced.pue
    )
    energy = cost.energy_usd(joules, priced.usd_per_kwh / JOULES_PER_KWH)
    rented = cost.cloud(seconds, priced.hour / SECONDS_PER_HOUR)
    wide = torch.log(chips["spread"])
    power, cloud = (torch.full_like(wide, math.log(each)) for each in (POWER_SPREAD, CLOUD_SPREAD))
    return Costs(
        scaled(hours, (hardware.total + energy) / hours.median, wide, wide),
        figure(cost.upfront(quantity, priced.bought, share), wide, wide),
        scaled(hours, rented / hours.median, cloud, cloud),
        scaled(hours, joules / JOULES_PER_MWH / hours.median, power, power),
    )
