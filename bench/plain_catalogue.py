"""The plain way to score a catalogue: the script of an analyst, with pandas.

The derivation of ``computebill score``, for a table whose cells are clean: FLOP as listed, 6 N D,
hardware and time, or a line; hours; costs of the date of training; each with its interval. Written
twice: a function of a row, as published scripts have it (``apply``), and column by column, with
tables of prices that are looked up once for each chip and month.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from functools import cache

import numpy as np
import pandas as pd

from computebill.catalogue.costs import Chip, find_chip
from computebill.catalogue.derive import constants, utilisation_interval
from computebill.costs import method
from computebill.costs.ownership import acquired, price_with_server
from computebill.costs.prices import purchase_price, typical_cloud_price
from computebill.hardware.accelerators import find_accelerator

Z = 1.6448536269514722
HOUR, YEAR = 3600.0, 365.25
ORDERS = method.cost_method().depreciation.orders_per_year
INTERCONNECT = method.cost_method().interconnect.share
FIGURES = ("flop", "gpu_hours", "cost_amortised_usd", "cost_cloud_usd", "energy_mwh")

Figure = tuple[float, float, float]
"""Median, and logarithms to the 5th and the 95th percentile."""
NONE: Figure = (math.nan, math.nan, math.nan)


@cache
def part_of(hardware: str, number: str) -> Chip:
    return find_chip(hardware, number, ())


@cache
def prices_of(chip: str, month: dt.date) -> tuple[float, dt.date | None, float]:
    """Price of a chip with its server's share, the day it was had, and an hour in the cloud."""
    if not chip:
        return math.nan, None, math.nan
    part = find_accelerator(chip)
    bought, had, hour = math.nan, None, math.nan
    with contextlib.suppress(ValueError):
        quote = purchase_price(part, date=month)
        bought, had = price_with_server(part, quote), acquired(part, quote)
    with contextlib.suppress(ValueError):
        hour = typical_cloud_price(part, month).p50
    return bought, had, hour


# A row at a time -------------------------------------------------------------------------------


def flop_of(row: pd.Series, part: Chip, year: float) -> Figure:
    table = constants()
    if row.flop > 0:
        factor = table["confidence"].get(row.confidence.lower(), table["confidence"]["other"])
        return row.flop, math.log(factor), math.log(factor)
    params = row.params_active if row.params_active > 0 else row.params
    tokens = row.tokens * (row.epochs if row.epochs > 0 else 1.0)
    if params * tokens > 0:
        spread = table["product"]["tokens"]
        low, middle, high = (spread[key] * math.log(10) for key in ("low", "middle", "high"))
        return 6 * params * tokens * math.exp(-middle), high - middle, middle - low
    hours = listed_hours(row)
    if hours[0] * part.peak > 0:
        share, below, above = utilisation_of(row)
        wide = math.hypot(hours[1], below), math.hypot(hours[2], above)
        return hours[0] * HOUR * part.peak * share, *wide
    return line_of(row, year)


def line_of(row: pd.Series, year: float) -> Figure:
    lines = constants()["line"]
    known = lines["with_size"]["domains"]
    first = next((d.strip() for d in row.domain.lower().split(",") if d.strip() in known), "")
    for name in ("with_size", "by_date"):
        line = lines[name]
        exponent = line["constant"] + line["per_year"] * year + line["domains"].get(first, math.nan)
        if line["per_size"]:
            exponent += line["per_size"] * math.log10(row.params)
        if math.isfinite(exponent):
            wide = Z * line["sd"] * math.log(10)
            return 10**exponent, wide, wide
    return NONE


def listed_hours(row: pd.Series) -> Figure:
    if row.chip_hours > 0:
        return row.chip_hours, math.log(1.1), math.log(1.1)
    return row.quantity * row.hours, math.log(1.5), math.log(1.5)


def utilisation_of(row: pd.Series) -> Figure:
    if 0.01 < row.mfu <= 1:
        return row.mfu, math.log(1.1), math.log(1.1)
    return utilisation_interval()


def hours_of(row: pd.Series, part: Chip, flop: Figure) -> Figure:
    listed = listed_hours(row)
    if listed[0] > 0:
        return listed
    share, below, above = utilisation_of(row)
    wide = math.hypot(flop[1], above), math.hypot(flop[2], below)
    return flop[0] / (part.peak * share) / HOUR, *wide


def score_row(row: pd.Series) -> pd.Series:
    part = part_of(row.hardware, row.format)
    year = (row.date - pd.Timestamp(2020, 1, 1)).days / YEAR
    flop = flop_of(row, part, year)
    hours = hours_of(row, part, flop)
    start = method.training_start(row.date.date(), row.hours if 0 < row.hours < 17520 else None)
    bought, had, hour = prices_of(part.name, start.replace(day=1))
    years = max(0.0, (start - had).days / YEAR) if had else 0.0
    seconds = hours[0] * HOUR
    server = bought * 10 ** (-ORDERS * years) * ORDERS * math.log(10) * seconds / (YEAR * 86400)
    hardware = server / (1 - INTERCONNECT)
    joules = seconds * part.watt * part.ratio * part.fraction * method.pue(row.organization or None)
    energy = joules / 3.6e6 * method.usd_per_kwh(row.date.date())
    spread = math.log(part.spread)
    figures = [
        flop,
        hours,
        (hardware + energy, math.hypot(hours[1], spread), math.hypot(hours[2], spread)),
        (hours[0] * hour, math.hypot(hours[1], math.log(2)), math.hypot(hours[2], math.log(2))),
        (joules / 3.6e9, math.hypot(hours[1], math.log(1.4)), math.hypot(hours[2], math.log(1.4))),
    ]
    return pd.Series(
        {
            f"{name}_{key}": value
            for name, (middle, below, above) in zip(FIGURES, figures, strict=True)
            for key, value in (
                ("p5", middle * math.exp(-below)),
                ("p50", middle),
                ("p95", middle * math.exp(above)),
            )
        }
    )


def by_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The usual way."""
    return frame.join(frame.apply(score_row, axis=1))


# Column by column ------------------------------------------------------------------------------


def by_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The careful way."""
    rows = frame.copy()
    table, ln10 = constants(), math.log(10)
    parts = [part_of(*each) for each in zip(rows["hardware"], rows["format"], strict=True)]
    for name in ("name", "peak", "watt", "ratio", "fraction", "spread"):
        rows[name] = [getattr(part, name) for part in parts]
    year = (rows["date"] - pd.Timestamp(2020, 1, 1)).dt.days / YEAR
    factor = rows["confidence"].str.lower().map(table["confidence"])
    factor = pd.to_numeric(factor, errors="coerce").fillna(table["confidence"]["other"])
    listed = np.log(factor.astype(float))
    seen = utilisation_interval()
    told = rows["mfu"].between(0.01, 1, inclusive="right")
    share = rows["mfu"].where(told, seen[0])
    share_low, share_high = (pd.Series(np.where(told, math.log(1.1), s)) for s in seen[1:])
    has_hours = rows["chip_hours"] > 0
    hours = rows["chip_hours"].where(has_hours, rows["quantity"] * rows["hours"])
    hours_wide = pd.Series(np.where(has_hours, math.log(1.1), math.log(1.5)))
    params = rows["params_active"].where(rows["params_active"] > 0, rows["params"])
    spread = {key: table["product"]["tokens"][key] * ln10 for key in ("low", "middle", "high")}
    product = 6 * params * rows["tokens"] * rows["epochs"].fillna(1.0) * np.exp(-spread["middle"])
    low, high = (
        pd.Series(wide, index=rows.index)
        for wide in (spread["high"] - spread["middle"], spread["middle"] - spread["low"])
    )
    ways = [
        (rows["flop"], listed, listed),
        (product, low, high),
        (
            hours * HOUR * rows["peak"] * share,
            np.hypot(hours_wide, share_low),
            np.hypot(hours_wide, share_high),
        ),
    ]
    known = table["line"]["with_size"]["domains"]
    first = rows["domain"].map(
        lambda text: next((d.strip() for d in text.lower().split(",") if d.strip() in known), "")
    )
    for name in ("with_size", "by_date"):
        line = table["line"][name]
        exponent = line["constant"] + line["per_year"] * year + first.map(line["domains"])
        if line["per_size"]:
            exponent = exponent + line["per_size"] * np.log10(rows["params"])
        wide = pd.Series(Z * line["sd"] * ln10, index=rows.index)
        ways.append((10**exponent, wide, wide))
    flop, flop_low, flop_high = ways[0]
    for middle, below, above in ways[1:]:
        missing = flop.isna()
        flop_low, flop_high = flop_low.mask(missing, below), flop_high.mask(missing, above)
        flop = flop.mask(missing, middle)
    missing = hours.isna()
    hours_low = hours_wide.mask(missing, np.hypot(flop_low, share_high))
    hours_high = hours_wide.mask(missing, np.hypot(flop_high, share_low))
    hours = hours.mask(missing, flop / (rows["peak"] * share) / HOUR)
    wide = (flop_low, flop_high), (hours_low, hours_high)
    return pd.concat([frame, priced(rows, flop, wide[0], hours, wide[1])], axis=1)


def priced(
    rows: pd.DataFrame,
    flop: pd.Series,
    flop_wide: tuple[pd.Series, pd.Series],
    hours: pd.Series,
    hours_wide: tuple[pd.Series, pd.Series],
) -> pd.DataFrame:
    dates = method.cost_method().dates
    run = rows["hours"].where(rows["hours"] < 17520, dates.training_hours).apply(np.floor)
    end = rows["date"] - pd.Timedelta(days=dates.days_to_publication)
    start = (end - pd.to_timedelta(run, unit="h")).dt.floor("D")
    months = start.dt.to_period("M").dt.to_timestamp()
    pairs = pd.DataFrame({"name": rows["name"], "month": months})
    unique = pairs.drop_duplicates()
    found = [prices_of(chip, month.date()) for chip, month in unique.itertuples(index=False)]
    unique = unique.assign(
        bought=[each[0] for each in found],
        had=pd.to_datetime([each[1] for each in found]),
        hour=[each[2] for each in found],
    )
    price = pairs.merge(unique, on=["name", "month"], how="left")
    years = ((start - price["had"]).dt.days / YEAR).clip(lower=0).fillna(0.0)
    seconds = hours * HOUR
    server = price["bought"] * 10 ** (-ORDERS * years) * ORDERS * math.log(10) * seconds
    pue = rows["organization"].map(lambda text: method.pue(text or None))
    joules = seconds * rows["watt"] * rows["ratio"] * rows["fraction"] * pue
    kwh = rows["date"].dt.year.map(
        {year: method.usd_per_kwh(dt.date(year, 1, 1)) for year in rows["date"].dt.year.unique()}
    )
    amortised = server / (YEAR * 86400) / (1 - INTERCONNECT) + joules / 3.6e6 * kwh
    spread = np.log(rows["spread"])

    def wide(by: pd.Series | float) -> tuple[pd.Series, pd.Series]:
        return np.hypot(hours_wide[0], by), np.hypot(hours_wide[1], by)

    figures = [
        (flop, flop_wide),
        (hours, hours_wide),
        (amortised, wide(spread)),
        (hours * price["hour"], wide(math.log(2))),
        (joules / 3.6e9, wide(math.log(1.4))),
    ]
    columns = {}
    for name, (middle, (below, above)) in zip(FIGURES, figures, strict=True):
        columns[f"{name}_p5"] = middle * np.exp(-below)
        columns[f"{name}_p50"] = middle
        columns[f"{name}_p95"] = middle * np.exp(above)
    return pd.DataFrame(columns)
