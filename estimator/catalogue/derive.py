"""FLOP and GPU-hours of every row, by the best way its cells allow, each with its interval.

Figures are log-normal on each side of their median: a factor times a factor is one again, so that
no row has to be drawn.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from importlib import resources
from statistics import NormalDist, fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor

from computebill.base.constants import number, pair, table
from computebill.base.quantity import parse_quantity
from computebill.costs.method import cost_method
from computebill.kernels.cost import accelerator_seconds
from computebill.kernels.flop import training_flop
from computebill.kernels.units import SECONDS_PER_HOUR

from .cells import LARGEST, Texts

Z = NormalDist().inv_cdf(0.95)
LANGUAGE = "language"
# base/constants.toml has what these are.
CIRCULAR = pair("catalogue.derive.CIRCULAR")
LEAST_MFU = number("catalogue.derive.LEAST_MFU")
FACTORS = table("catalogue.derive.FACTORS")

MIXTURE = 0.77
"""Active over all parameters below which a model is a mixture of experts."""

EXACT = 1e-4
"""Relative difference of two utilisations below which they are one."""

LISTED_HOURS, PRODUCT_HOURS, LISTED_MFU = (
    math.log(FACTORS[each]) for each in ("listed_hours", "product_hours", "listed_mfu")
)
"""Natural logarithms of the 95th percentile over the median of what a catalogue tells."""

WAYS = (
    "",
    "listed",
    "6 N D",
    "hardware x time",
    "line by date and size",
    "line by date",
    "quantity x time",
    "FLOP / (peak x MFU)",
)
"""Ways in which a figure is found; the first, where it is not."""

SIZES = ("params", "params_active", "tokens", "epochs", "flop", "finetune_flop")
"""Numbers of a catalogue that FLOP come from, and below those that hours come from."""

TIMES = ("quantity", "hours", "chip_hours", "mfu")


class Figure(NamedTuple):
    """A column with its intervals.

    Attributes:
        median: median; NaN where it is not known; ``(rows,)``, as the others.
        below: logarithm of the median over the 5th percentile.
        above: logarithm of the 95th percentile over the median.
        way: how it was found, its place in ``WAYS``.
    """

    median: Tensor
    below: Tensor
    above: Tensor
    way: Tensor

    @property
    def p5(self) -> Tensor:
        """5th percentile."""
        return self.median * torch.exp(-self.below)

    @property
    def p95(self) -> Tensor:
        """95th percentile."""
        return self.median * torch.exp(self.above)

    def or_else(self, other: Figure) -> Figure:
        """Return this where it is known, else the other."""
        here = torch.isfinite(self.median)
        return Figure(
            *(torch.where(here, own, theirs) for own, theirs in zip(self, other, strict=True))
        )


def figure(median: Tensor, below: Tensor | float, above: Tensor | float, way: str = "") -> Figure:
    """Return a column that was found one way; what is beyond belief is not known."""
    median = torch.where(median <= LARGEST, median, torch.nan)

    def column(value: Tensor | float) -> Tensor:
        return torch.as_tensor(value, dtype=median.dtype, device=median.device).expand_as(median)

    ways = torch.isfinite(median).to(torch.int8) * WAYS.index(way)
    return Figure(median, column(below), column(above), ways)


def scaled(one: Figure, factor: Tensor, below: Tensor, above: Tensor) -> Figure:
    """Return a figure times an independent factor with an interval of its own."""
    return Figure(
        one.median * factor,
        torch.hypot(one.below, below),
        torch.hypot(one.above, above),
        one.way,
    )


@lru_cache(maxsize=1)
def constants() -> Mapping[str, Any]:
    """Return the constants that ship."""
    text = resources.files(__package__).joinpath("derivation.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def utilisation_interval(seen: Mapping[str, float] | None = None) -> tuple[float, float, float]:
    """Return the median of observed utilisations, and logarithms to the 5th and 95th percentile.

    Args:
        seen: p10, p50 and p90 of them; None for those that ship, as far apart as those of
            organisations are that had no part in them.
    """
    if seen is None:
        method = cost_method().mfu
        return method.observed.p50, Z * method.predicted.sd, Z * method.predicted.sd
    quantity = parse_quantity(seen, upper=1.0)
    middle, below, above = quantity.parameters
    return middle, below * Z, above * Z


@dataclass
class Inputs:
    """What rows tell, as numbers; each ``(rows,)``, NaN where it is not told.

    Attributes:
        numbers: fields of the catalogue by name, ``SIZES`` and ``TIMES``.
        year: time of publication [years since the beginning of 2020].
        peak: FLOP/s of the row's accelerator.
        confidence: factor within which listed FLOP lie.
        language: whether the domain is language.
        shifts: shifts of the lines through FLOP by date, for the domain, by the line's name.
        in_tokens: whether sizes of data are tokens.
        observed: what `utilisation_interval` gives, for rows that tell no utilisation.
    """

    numbers: Mapping[str, Tensor]
    year: Tensor
    peak: Tensor
    confidence: Tensor
    language: Tensor
    shifts: Mapping[str, Tensor]
    in_tokens: bool = False
    observed: tuple[float, float, float] = field(default_factory=utilisation_interval)

    def __getitem__(self, name: str) -> Tensor:
        return self.numbers[name]

    @cached_property
    def told_hours(self) -> Figure:
        """GPU-hours as listed, or the quantity times the hours."""
        listed = figure(self["chip_hours"], LISTED_HOURS, LISTED_HOURS, "listed")
        product = self["quantity"] * self["hours"]
        return listed.or_else(figure(product, PRODUCT_HOURS, PRODUCT_HOURS, "quantity x time"))

    @cached_property
    def utilisation(self) -> Figure:
        """Utilisation of every row: as listed, else as it was observed on runs."""
        mfu = self["mfu"]
        listed = torch.where((mfu > LEAST_MFU) & (mfu <= 1), mfu, torch.nan)
        middle, below, above = self.observed
        seen = figure(torch.full_like(listed, middle), below, above)
        told = cost_method().mfu.predicted
        is_mixture = self["params_active"] < MIXTURE * self["params"]
        slower = torch.where(is_mixture, told.mixture, 1.0)
        unsure = is_mixture.to(slower) * Z * told.mixture_sd
        return figure(listed, LISTED_MFU, LISTED_MFU).or_else(scaled(seen, slower, unsure, unsure))


def confidence_factors(told: Texts) -> Any:
    """Return the factor within which listed FLOP lie, by the words of a catalogue."""
    table = constants()["confidence"]
    return told.told(lambda text: float(table.get(text.lower(), table["other"])))


def is_language(domain: Texts) -> Any:
    """Whether language is among a row's domains."""
    return domain.told(lambda text: LANGUAGE in domains_of(text))


def is_known_domain(domain: Texts) -> Any:
    """Whether any of a row's domains is one that catalogues have."""
    known = constants()["domains"]["known"]
    return domain.told(lambda text: any(each in known for each in domains_of(text)))


@lru_cache(maxsize=4096)
def domains_of(text: str) -> tuple[str, ...]:
    """Return the domains in a cell, language by one name."""
    parts = [part.strip() for part in re.split(r"[,;/|]", text.lower())]
    words = constants()["domains"]["language"]
    return tuple(LANGUAGE if LANGUAGE in part or part in words else part for part in parts)


def line_shifts(domain: Texts) -> dict[str, Any]:
    """Return the shift of each line, the mean of a row's domains that there is one for."""
    lines = constants()["line"]

    def shift(name: str, text: str) -> float:
        known = lines[name]["domains"]
        own = [known[each] for each in domains_of(text) if each in known]
        return fmean(own) if own else math.nan

    return {name: domain.told(partial(shift, name)) for name in lines}


def derive_flop(rows: Inputs) -> Figure:
    """Training FLOP: listed; 6 N D; hardware and time; or a line by date, domain and size."""
    found = _listed(rows)
    for way in (_product(rows), _from_hours(rows), *_lines(rows)):
        found = found.or_else(way)
    return found


def _listed(rows: Inputs) -> Figure:
    wide = torch.log(rows.confidence)
    return figure(rows["flop"], wide, wide, "listed")


def _product(rows: Inputs) -> Figure:
    """6 N D; of what is no language, the size of the data is seldom one of tokens."""
    active = rows["params_active"]
    params = torch.where(torch.isfinite(active), active, rows["params"])
    median = training_flop(params, rows["tokens"] * torch.nan_to_num(rows["epochs"], nan=1.0))
    low, middle, high = (_exponent(rows, key) for key in ("low", "middle", "high"))
    # What 6 N D is over listed FLOP: too high a product means fewer FLOP.
    return figure(median * torch.exp(-middle), high - middle, middle - low, "6 N D")


def _exponent(rows: Inputs, key: str) -> Tensor:
    tables, name = constants()["product"], "tokens" if rows.in_tokens else "language"
    own, other = (rows.peak.new_tensor(tables[each][key]) for each in (name, "other"))
    if rows.in_tokens:
        return own * math.log(10)
    return torch.where(rows.language, own, other) * math.log(10)


def _from_hours(rows: Inputs) -> Figure:
    hours, reached = rows.told_hours, rows.utilisation
    found = scaled(hours, SECONDS_PER_HOUR * rows.peak * reached.median, *reached[1:3])
    return figure(found.median, found.below, found.above, "hardware x time")


def _lines(rows: Inputs) -> Sequence[Figure]:
    found = []
    for name, way in (("with_size", "line by date and size"), ("by_date", "line by date")):
        table = constants()["line"][name]
        exponent = table["constant"] + table["per_year"] * rows.year + rows.shifts[name]
        if table["per_size"]:
            exponent = exponent + table["per_size"] * torch.log10(rows["params"])
        wide = Z * table["sd"] * math.log(10)
        found.append(figure(10.0**exponent, wide, wide, way))
    return found


def derive_hours(rows: Inputs, flop: Figure) -> Figure:
    """GPU-hours: listed; quantity x time; or FLOP over what the accelerator reaches.

    A tune's FLOP may count its base, which its hardware never ran: its own FLOP go before those.
    """
    reached = rows.utilisation
    tuned = rows["finetune_flop"]
    own = torch.where(torch.isfinite(tuned), tuned, flop.median)
    seconds = accelerator_seconds(own, rows.peak, reached.median)
    by_flop = figure(
        seconds / SECONDS_PER_HOUR,
        torch.hypot(flop.below, reached.above),
        torch.hypot(flop.above, reached.below),
        "FLOP / (peak x MFU)",
    )
    return rows.told_hours.or_else(by_flop)


def is_circular(rows: Inputs) -> Tensor:
    """Whether listed FLOP are just what an assumed utilisation makes of the hours."""
    implied = rows["flop"] / (rows.peak * rows.told_hours.median * SECONDS_PER_HOUR)
    near = [(implied / share - 1).abs() < EXACT for share in CIRCULAR]
    return torch.stack(near).any(dim=0)
