"""What the page shows of an answer: sentences, figures, pictures, a table; all texts made here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from computebill.base.errors import RequestError
from computebill.costs.prices import typical_cloud_price
from computebill.programmes.totals import Totals
from computebill.runs.estimate import RunEstimate
from computebill.uncertainty.distribution import Distribution
from computebill.uncertainty.sensitivity import Swing
from computebill.views.charts import run, spend
from computebill.views.charts.picture import Picture
from computebill.views.charts.skins import on_page, still
from computebill.views.text import (
    beyond_spend,
    bounded,
    count,
    count_interval,
    energy,
    energy_interval,
    flop,
    flop_interval,
    money,
    money_interval,
    monte_carlo,
    percent,
    percent_interval,
)

from .what_if import SpendAnswer

MOST_RUNS = 10
YEAR = dt.timedelta(days=365)


class Unit(NamedTuple):
    """How figures of a unit read, alone and with their interval."""

    one: Callable[[float], str]
    interval: Callable[[Distribution], str]


USD = Unit(money, money_interval)
FRACTION = Unit(percent, percent_interval)
COUNT = Unit(count, count_interval)
FLOP = Unit(flop, flop_interval)
ENERGY = Unit(energy, energy_interval)

Row = tuple[str, Distribution, Unit]


def spend_shown(answer: SpendAnswer, published: Totals) -> dict[str, Any]:
    """Tell a programme's shares and sums.

    Args:
        answer: with what was moved.
        published: the totals before anything was.
    """
    totals = answer.totals
    share: Row = ("Share of final runs", totals.final_share, FRACTION)
    sums: list[Row] = [
        ("Final runs", totals.final_runs, USD),
        ("Experiments and all else", totals.exploration, USD),
        ("R&D compute", totals.rnd_compute, USD),
    ]
    ordered = sorted(answer.runs, key=lambda each: (not each[1], -_median(each[2])))
    runs: list[Row] = [
        (each.name if is_counted else f"{each.name} (not counted)", cost, USD)
        for each, is_counted, cost in ordered
    ]
    result = answer.to_dict()
    pictures = [spend.shares([result]), spend.swings(result), spend.runs(result, MOST_RUNS)]
    groups = [
        group("Sums", [share, *sums]),
        group("Runs", runs),
        _swing_group("Share of final runs, one assumption moved", answer.swings, FRACTION),
    ]
    moved = "" if totals is published else ", moved by hand"
    return {
        "title": f"{answer.loaded.programme.title}{moved}",
        "headline": _spend_headline(answer),
        "notes": _spend_notes(answer, published),
        "figures": [figure(*row) for row in (share, *sums)],
        "charts": drawn(pictures),
        "table": [group for group in groups if group["rows"]],
    }


def _median(cost: Distribution) -> float:
    return cost.p50 if cost.is_known else 0.0


def _spend_headline(answer: SpendAnswer) -> str:
    totals, who = answer.totals, answer.loaded.programme.title
    took = f"Final training runs took {percent_interval(totals.final_share)} of R&D compute at"
    rest = totals.exploration
    if rest.p50 < 0:
        return f"{took} {who}: more than all of it, so the assumptions cannot hold together."
    return f"{took} {who}; {money_interval(rest)} went to experiments and all else."


def _spend_notes(answer: SpendAnswer, published: Totals) -> list[str]:
    totals, programme = answer.totals, answer.loaded.programme
    told = beyond_spend(totals.excess, programme.assumptions.within_spend)
    notes = [] if told is None else [told]
    if totals is not published:
        notes.append(f"Before anything was moved: {percent_interval(published.final_share)}.")
    notes.append(_precision(answer.chosen.samples, totals.final_share, "the share"))
    return notes


def _precision(samples: int, value: Distribution, what: str) -> str:
    error = monte_carlo(value)
    of_it = " of it" if error.endswith("%") else ""  # of a share too: no percentage points
    return f"{samples:,} draws; Monte Carlo error of {what}: {error}{of_it}."


COSTS = (
    ("Rented", "cloud"),
    ("Hardware used up + energy", "amortised"),
    ("Buying the cluster", "upfront"),
    ("The whole programme", "programme"),
    ("of it experiments and all else", "exploration"),
)
OTHERS = (
    ("Training FLOP", "flop", FLOP),
    ("Utilisation (MFU)", "mfu", FRACTION),
    ("GPU-hours", "gpu_hours", COUNT),
    ("Days", "days", COUNT),
    ("Energy", "energy_mwh", ENERGY),
)
UNITS_OF_SWINGS = {"cloud": USD, "amortised": USD, "gpu_hours": COUNT}


def run_shown(estimate: RunEstimate) -> dict[str, Any]:
    """Tell what a run takes and costs."""
    rows = estimate.rows
    costs: list[Row] = [(label, rows[key], USD) for label, key in COSTS]
    others: list[Row] = [(label, rows[key], unit) for label, key, unit in OTHERS]
    unit = UNITS_OF_SWINGS.get(estimate.swings_of or "", USD)
    what = "GPU-hours" if unit is COUNT else "cost"
    result = estimate.to_dict()
    pictures = [run.costs(result), run.programme(result), run.swings(result)]
    groups = [
        group("Size and time", others),
        group("Cost", costs),
        _swing_group(f"{what}, one assumption moved".capitalize(), estimate.swings, unit),
    ]
    main = rows[estimate.swings_of or "gpu_hours"]
    return {
        "title": _run_title(estimate),
        "headline": _run_headline(rows),
        "notes": [_precision(estimate.settings.samples, main, f"the {what}")],
        "figures": [figure(*row) for row in (others[2], others[3], costs[0], costs[3])],
        "charts": drawn(pictures),
        "table": [group for group in groups if group["rows"]],
        "assumed": _assumed(estimate),
    }


def _run_title(estimate: RunEstimate) -> str:
    spec = estimate.spec
    params, tokens = spec.params or spec.params_active, spec.tokens
    size = [
        f"{each.text} {what}" for each, what in ((params, "parameters"), (tokens, "tokens")) if each
    ]
    return ", ".join([*size, str(spec.accelerator)])


def _run_headline(rows: Mapping[str, Distribution]) -> str:
    days, hours = rows["days"], f"{count_interval(rows['gpu_hours'])} GPU-hours"
    takes = f"{count_interval(days)} days, {hours}" if days.is_known else hours
    cost = rows["cloud"]
    if not cost.is_known:
        return f"The run takes {takes}; no rental price of the accelerator is known: type one."
    return f"The run takes {takes} and {money_interval(cost)} of rented accelerators."


def _assumed(estimate: RunEstimate) -> dict[str, str]:
    """Return what stands in for fields that are not given, with its source."""
    by_name = {each.name: each for each in estimate.assumptions}
    found = {}
    for field, name in (("mfu", "utilisation (MFU)"), ("price", "USD per accelerator-hour")):
        each = by_name.get(name)
        if getattr(estimate.spec, field) is None and each is not None:
            # The whole source is in the report.
            source = each.source.partition(": ")[0].partition("; ")[0]
            found[field] = f"Not given: {each.value}, {source}"
            if each.value == "not known":
                found[field] = "No rental price of this accelerator is known; type one."
    prices = _far_prices(estimate)
    if prices:
        found["date"] = prices
    return found


def _far_prices(estimate: RunEstimate) -> str:
    """Tell where other prices than those of the year before a day serve, as it has too few."""
    spec = estimate.spec
    if spec.date is None or spec.price is not None:
        return ""
    try:
        used = typical_cloud_price(estimate.accelerator, spec.date)
    except RequestError:  # there are none at all, which is told beside the price
        return ""
    if used.last_date <= spec.date and spec.date - used.first_date < YEAR:
        return ""
    return (
        "The year before this day has prices of fewer than three providers on record; those "
        f"nearest to it serve, of {used.first_date} to {used.last_date}."
    )


def figure(label: str, value: Distribution, unit: Unit, bound: str | None = None) -> dict[str, str]:
    """Tell a figure, its interval, and which way it is bounded."""
    if not value.is_known:
        return {"label": label, "value": "not known", "interval": ""}
    one, _, interval = unit.interval(value).partition(" (")
    return {"label": label, "value": bounded(one, bound), "interval": interval.rstrip(")")}


def drawn(pictures: Sequence[Picture | None]) -> list[dict[str, Any]]:
    """Return charts as the page draws them; nothing in them is moved but by sliders."""
    return [
        {
            "title": each.title,
            "says": each.says,
            "label": each.label,
            "spec": still(on_page(each)),
        }
        for each in pictures
        if each is not None
    ]


def group(title: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Return a part of the table: what is known of some rows."""
    cells = [
        [name, *(unit.one(each) for each in (value.p5, value.p50, value.p95))]
        for name, value, unit in rows
        if value.is_known
    ]
    return {"title": title, "rows": cells}


def _swing_group(title: str, swings: Sequence[Swing], unit: Unit) -> dict[str, Any]:
    cells = [
        [each.assumption, *(unit.one(end) for end in (each.p5, each.p50, each.p95))]
        for each in swings
    ]
    return {"title": title, "rows": cells}
