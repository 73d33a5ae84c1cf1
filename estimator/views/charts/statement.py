"""Chart of a statement: totals under each rule set, beside the thresholds."""

from __future__ import annotations

from computebill.views.result import Result, distribution
from computebill.views.text import flop, flop_interval

from .look import FLOP
from .marks import ends, intervals
from .picture import Picture


def totals(result: Result) -> Picture | None:
    """Return what each rule set counts, and what it is held to; None where nothing counts."""
    rows = []
    for name, total in result["totals"].items():
        value = distribution(total["flop"])
        if value.p50 > 0:
            short = total["two_figures"]
            rows.append({"name": name, "text": flop_interval(value), "short": short, **ends(value)})
    if not rows:
        return None
    for each in next(iter(result["totals"].values()))["thresholds"]:
        value = distribution(each["value"])
        name, text = f"threshold: {each['name']}", flop(each["value"])
        rows.append({"name": name, "text": text, "short": text, **ends(value)})
    says = "Median and 5th to 95th percentile, on a logarithmic axis; below, what they are held to."
    axis = ("training compute (FLOP)", FLOP)
    return intervals("Totals and thresholds", says, rows, axis, is_log=True, of="rule set")
