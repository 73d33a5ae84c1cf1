"""Charts of a priced run."""

from __future__ import annotations

from typing import Any

import altair as alt

from computebill.training.memory import PARTS
from computebill.training.memory_odds import verdict
from computebill.views.result import Result, distribution
from computebill.views.text import (
    digits,
    fit_text,
    memory_with_ends,
    mended,
    money_interval,
    percent,
    percent_interval,
)

from . import steps
from .axes import amount, height
from .look import COUNTS, DOLLARS, INK, MAIN, PERCENT
from .marks import bars, ends, intervals, tips, zoom
from .picture import ROWS, Picture, shape_of
from .steps import Part, Unit, waterfall

WAYS = {
    "cloud": "rented",
    "amortised": "hardware used up + energy",
    "upfront": "buying the hardware",
}
MOVED: dict[str, tuple[str, Unit, str]] = {
    "cloud": ("rented cost", steps.USD, " (USD)"),
    "amortised": ("cost of hardware used up and energy", steps.USD, " (USD)"),
    "gpu_hours": ("GPU-hours", steps.COUNT, ""),
}


def costs(result: Result) -> Picture | None:
    """Return the cost by each way of counting; None where no price is known."""
    rows = []
    for way, label in WAYS.items():
        if result["cost_ways_usd"].get(way):
            usd = distribution(result["cost_ways_usd"][way])
            text = money_interval(usd)
            rows.append({"name": label, "text": text, "short": text, **ends(usd)})
    if not rows:
        return None
    says = "Median and 5th to 95th percentile, on a logarithmic axis."
    title = "Cost, by the way it is counted"
    return intervals(title, says, rows, ("USD", DOLLARS), is_log=True, of="way")


def programme(result: Result) -> Picture | None:
    """Return the run and all else that its programme costs; None where its share is not given."""
    given = [
        ("this run, rented", "final run", result["cost_ways_usd"].get("cloud")),
        ("experiments and all else", "all else", result.get("exploration_usd")),
        ("the whole programme", "whole", result.get("programme_usd")),
    ]
    if not all(usd for _, _, usd in given):
        return None
    found = [Part(name, kind, distribution(usd)) for name, kind, usd in given]
    says = "What the run is of its programme is assumed, not known. "
    return waterfall("From this run to the whole programme", says, found)


def swings(result: Result) -> Picture | None:
    """Return how far each assumption moves the cost, or the GPU-hours without a price."""
    of, unit, ending = MOVED.get(result.get("swings_of") or "", MOVED["cloud"])
    found = result.get("swings") or []
    return steps.swings("What moves the result", found, of, unit, of + ending)


def scaling(result: Result) -> Picture | None:
    """Return the utilisation on more and on fewer GPUs; None where no layout is known."""
    given = result.get("scaling") or []
    if len(given) < 2:
        return None
    now = (result["layout"] or {}).get("accelerators")
    rows = [
        {
            **each,
            "text": percent_interval(distribution({**each, "mean": each["p50"]})),
            "count": f"{each['gpus']:,.0f}",
            "what": "this run" if each["gpus"] == now else "another number of GPUs",
        }
        for each in given
    ]
    return Picture(
        "Utilisation against the number of GPUs",
        "The same global batch on more and on fewer GPUs; the band is the 5th to 95th percentile "
        "of the step model's error, the ringed point this run.",
        _scaling_line(),
        rows,
    )


def _scaling_line() -> dict[str, Any]:
    base = alt.Chart(ROWS).encode(
        x=amount("gpus", "GPUs", COUNTS, is_log=True),
        tooltip=tips(count="GPUs", text="MFU", what="it is"),
    )
    band = base.mark_area(color=MAIN, opacity=0.18).encode(
        y=height("p5", "MFU", PERCENT), y2="p95:Q"
    )
    line = base.mark_line(color=MAIN, strokeWidth=2.5).encode(y="p50:Q")
    points = base.mark_point(color=MAIN, filled=True, opacity=1, size=50).encode(y="p50:Q")
    ring = (
        base.transform_filter("datum.what === 'this run'")
        .mark_point(color=INK, size=220, strokeWidth=2, filled=False, fillOpacity=0)
        .encode(y="p50:Q")
    )
    whole = alt.layer(band, line, points, ring).add_params(zoom())
    return shape_of(whole.properties(height=260))


def breakdown(result: Result) -> Picture | None:
    """Return what a predicted step's time is spent on; None where none was predicted."""
    given = {key: value for key, value in (result["breakdown_seconds"] or {}).items() if value > 0}
    if not given:
        return None
    whole = sum(given.values())
    rows = [
        {"name": name, "value": value, "text": f"{digits(value)} s, {percent(value / whole)}"}
        for name, value in given.items()
    ]
    says = f"As predicted, {digits(whole)} s in all; a utilisation given in its place is not in it."
    return bars("What a step's time is spent on", says, rows, ("seconds", COUNTS))


def _fits(result: Result, limit: float) -> str:
    """Whether the fullest GPU's memory fits; with odds where the result tells them."""
    total, odds = result["memory_gb"]["total"], result.get("fit_odds")
    if odds is None:
        return f"The whole {'fits' if total <= limit else 'does not fit'} in {limit:g} GB."
    whole = memory_with_ends(total, result["memory_interval_gb"])
    told = f"The whole, {whole} GB, {verdict(odds)} in {limit:g} GB (odds {fit_text(odds)})."
    change = result["would_fit"]
    return f"{told} With {mended(change)}." if change else told


def memory(result: Result) -> Picture | None:
    """Return the fullest GPU's memory in its parts; None where no layout is known."""
    given = result["memory_gb"]
    if not given:
        return None
    rows = [
        {"name": part, "value": given[part], "text": f"{digits(given[part])} GB"} for part in PARTS
    ]
    limit = result.get("accelerator_memory_gb")
    says = "Weights, gradients, optimizer states, activations and what else a GPU holds."
    if limit:
        says += f" {_fits(result, limit)}"
    return bars("Memory in its parts", says, rows, ("GB", COUNTS))
