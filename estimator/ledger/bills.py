"""Bills of clouds: charges of accelerators in hours and dollars, and everything else in dollars."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from computebill.batches.columns import arrow_column

from . import cells
from .cells import NO_TIME, Words
from .commitments import (
    amortised,
    credits_of,
    is_apart,
    kind_of,
    tells_amortised,
    unused_hours,
)
from .devices import find_device
from .draft import Draft
from .formats import plain
from .rows import Rows
from .schema import IDLE

USED = frozenset(
    {"usage", "discountedusage", "savingsplancoveredusage", "regular", "consumption", ""}
)
"""Kinds of charges whose quantity is time of use; others are dollars alone."""

HOURS = re.compile(r"(\d[\d,]*)?\s*(?:[a-z]+[ \-])*(hours?|hrs?|h|seconds?|secs?|s|minutes?|mins?)")
"""A unit of time, with how many of it are one."""
IN_HOURS = {"h": 1.0, "s": 1 / 3600.0, "m": 1 / 60.0}

TAGS = ("resourcetags_", "resource_tags_", "tags_", "labels_")
"""Beginnings of columns that are a tag each."""

MOST = 1e12
CENT = 0.005
MOST_WHOLE = 0.1
"""Share of costs that may be whole dollars by chance."""


class Sums(NamedTuple):
    """Which of a bill's two costs is to be taken, and why."""

    is_effective: bool
    told: str


def read_bill(rows: Rows) -> Draft:
    """Read charges. Those of no accelerator are dollars alone."""
    draft = rows.draft()
    found, sku = rows.words("device"), rows.words("sku")
    profiles = rows.reading.profiles
    words, each = _parts(found, sku, profiles)
    hours = _hours(rows)
    is_used = rows.words("charge").told(lambda text: kind_of(text) in USED, True).astype(bool)
    is_unused, unused = unused_hours(rows, hours)
    hours = np.where(is_unused, unused, hours)
    is_part = (is_used | is_unused) & ~is_apart(rows) & (words.codes >= 0) & ~np.isnan(hours)
    draft.words["accelerator"] = Words(np.where(is_part, words.codes, -1), words.values)
    draft.words["device"] = found
    draft.numbers["accelerators"] = np.where(is_part, each, 0.0)
    draft.numbers["gpu_hours"] = np.where(is_part, each * hours, 0.0)
    draft.numbers["elapsed_s"] = np.where(is_part, np.abs(hours) * 3600.0, 0.0)
    draft.numbers["usd"] = _dollars(rows, draft)
    draft.words["state"] = Words(np.where(is_unused, 0, -1).astype(np.int32), [IDLE])
    if not rows.has("tags"):
        draft.words["tags"] = _tags(rows)
    draft.reject(draft.moment("start") == NO_TIME, "tells no time of the charge")
    draft.reject(np.isnan(draft.numbers["usd"]), "tells no cost")
    draft.reject(np.abs(draft.numbers["usd"]) > MOST, "its cost is above a trillion")
    draft.remark(draft.numbers["usd"] < 0, "is a negative charge; it is taken off")
    draft.remark(is_part & (hours < 0), "has negative hours; they are taken off")
    draft.remark(_overlapping(draft, is_part), "overlaps another charge of the same resource")
    return draft


def _parts(found: Words, sku: Words, profiles: tuple[Path, ...]) -> tuple[Words, np.ndarray]:
    """Return the accelerator of each charge, and how many one unit of it has."""

    @cache
    def of(text: str) -> tuple[str | None, float]:
        device = find_device(text, profiles)
        return device.profile, device.each

    first, second = found.mapped(lambda text: of(text)[0]), sku.mapped(lambda text: of(text)[0])
    each = found.told(lambda text: of(text)[1], 1.0).astype(float)
    if not second.values:
        return first, each
    values = list(dict.fromkeys([*first.values, *second.values]))
    place = {value: number for number, value in enumerate(values)}
    moved = np.array([*(place[value] for value in second.values), -1], dtype=np.int32)
    is_first = first.codes >= 0
    codes = np.where(is_first, first.codes, moved[second.codes])
    other = sku.told(lambda text: of(text)[1], 1.0).astype(float)
    return Words(codes.astype(np.int32), values), np.where(is_first, each, other)


def _hours(rows: Rows) -> np.ndarray:
    """Return each charge's hours; NaN where it is of no time."""
    unit = rows.words("unit").told(_in_hours, np.nan).astype(float)
    hours: np.ndarray = rows.numbers("quantity") * unit
    if rows.has("quantity_priced"):
        unit = rows.words("unit_priced").told(_in_hours, np.nan).astype(float)
        hours = np.where(np.isnan(hours), rows.numbers("quantity_priced") * unit, hours)
    return hours


def _in_hours(unit: str) -> float:
    found = HOURS.fullmatch(unit.strip().lower())
    if not found:
        return np.nan
    return float((found[1] or "1").replace(",", "")) * IN_HOURS[found[2][0]]


def _dollars(rows: Rows, draft: Draft) -> np.ndarray:
    """Return what each charge costs [USD], and refuse other currencies."""
    billed = rows.numbers("usd")
    usd = billed + credits_of(rows)
    if rows.has("usd_effective") and rows.reading.is_effective:
        effective = rows.numbers("usd_effective")
        usd = np.where(np.isnan(effective), billed, effective)
    elif rows.reading.form.bill.amortised and rows.reading.is_effective:
        usd, lacks = amortised(rows, billed)
        draft.remark(lacks, "is of a commitment, and tells no amortised cost; it is as billed")
    rates = {"USD": 1.0, **rows.reading.rates}
    currency = rows.words("currency")
    for text in currency.values:
        if text.upper() not in rates:
            rows_of = currency.codes == currency.values.index(text)
            draft.reject(rows_of, f"is in {text[:12]}; rules tell its rate: rates.{text[:12]}")
    factor = currency.told(lambda text: rates.get(text.upper(), np.nan), 1.0).astype(float)
    return np.asarray(usd * factor)


def cost_of(rows: Rows, asked: str) -> Sums:
    """Return which cost of a bill is taken: the amortised one, unless it is a rounded one.

    Args:
        rows: the first of a file.
        asked: ``auto``, ``billed`` or ``effective``.
    """
    form = rows.reading.form
    is_own = not rows.has("usd_effective") and tells_amortised(rows)
    if not rows.has("usd_effective") and not is_own:
        return Sums(False, _told_as_billed(rows))
    if asked != "auto":
        return Sums(asked == "effective", "as asked")
    if is_own:
        return Sums(True, f"amortised cost, as {form.title.partition(',')[0]} adds it up")
    billed, effective = rows.numbers("usd"), rows.numbers("usd_effective")
    both = np.isfinite(billed) & np.isfinite(effective) & (np.abs(billed) > CENT)
    # A cost of a fraction whose amortised one is whole: commitments do not make many such.
    odd = both & (billed != np.round(billed))
    is_whole = effective[odd] == np.round(effective[odd])
    if len(is_whole) and is_whole.mean() > MOST_WHOLE:
        return Sums(False, "as billed: the effective cost is rounded to whole dollars")
    return Sums(True, "effective cost, commitments amortised")


def _told_as_billed(rows: Rows) -> str:
    """Return what is to be known of a bill that has one cost."""
    form = rows.reading.form
    if form.bill.amortised:
        return "as billed: the file has no column of amortised costs"
    if form.bill.unused:
        kinds = {kind_of(text) for text in rows.words("charge").values}
        if kinds & set(form.bill.unused):
            return "as the file has it: amortised, with what was not used"
        if "purchase" in kinds:
            return "as the file has it: actual, with what was bought ahead"
    if "credits" in form.fields:
        has_credits = rows.has("credits")
        return "as billed, credits taken off" if has_credits else "as billed; it tells no credits"
    return "as billed"


def _tags(rows: Rows) -> Words:
    """Return tags that have a column each, as ``key=value``."""
    parts = []
    for heading in rows.table.column_names:
        name = plain(heading)
        if name.startswith(TAGS):
            texts = cells.read_words(rows.table[heading]).column().cast(pa.string())
            parts.append(pc.binary_join_element_wise(f"{heading}=", texts, ""))
    if not parts:
        return cells.no_words(rows.count)
    return cells.read_words(arrow_column(cells.joined(parts, ";")))


def _overlapping(draft: Draft, is_part: np.ndarray) -> np.ndarray:
    """Return accelerators' charges of a resource that begin before the one before has ended."""
    found = np.zeros(draft.rows, dtype=bool)
    hosts, devices = draft.text("host").codes, draft.text("device").codes
    start, end = draft.moment("start"), draft.moment("end")
    rows = np.flatnonzero(is_part & (hosts >= 0) & (end != NO_TIME) & (draft.number("usd") > 0))
    if len(rows) < 2:
        return found
    order = rows[np.lexsort((start[rows], devices[rows], hosts[rows]))]
    same = (hosts[order][1:] == hosts[order][:-1]) & (devices[order][1:] == devices[order][:-1])
    frame = pd.Series(end[order]).groupby(np.cumsum(np.append(True, ~same))).cummax().to_numpy()
    found[order[1:]] = same & (start[order][1:] < frame[:-1])
    return found
