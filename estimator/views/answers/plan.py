"""A search of layouts in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.views.plan_words import LEAST, UNNAMED, chance
from computebill.views.result import Result, distribution
from computebill.views.text import (
    count_interval,
    duration_interval,
    fit_text,
    memory_with_ends,
    money_interval,
    observed_text,
    percent_interval,
    stage_texts,
)

from .answer import Answer, figure

RUNS_ON = {
    "time": "The fastest runs on",
    "cost": "The cheapest runs on",
    "energy": "That of least energy runs on",
}
"""Which of several plans side by side is told in full, by the objective."""

DEGREES = ("tp", "pp", "vpp", "cp", "dp", "ep")


def answer(result: Result) -> Answer:
    """Tell the best layout, and what real runs reached beside its utilisation."""
    best = result["best"]
    days, usd = distribution(best["days"]), distribution(best["cost_usd"])
    laid_out = f"{where(best)}, laid out {described(best)}"
    ways = result.get("alternatives") or ()
    if len(ways) > 1:
        told = f"{_winners(result)}. {RUNS_ON[result['objective']]} {laid_out}"
    else:
        told = f"{LEAST[result['objective']]} is {laid_out}: {duration_interval(days)}"
        told += f" and {money_interval(usd)} rented" if usd.is_known else "; no price is known"
        told += "".join(_in_time(each, result) for each in ways)
    told += _observed(result)
    texts = (
        ("wall-clock time", duration_interval(days)),
        ("seconds a step", count_interval(distribution(best["step_seconds"]))),
        ("utilisation (MFU)", percent_interval(distribution(best["mfu"]))),
        ("cost, rented", money_interval(usd)),
        ("memory, GB", memory_with_ends(best["memory_gb"], best.get("memory_interval_gb"))),
        ("odds that it fits", fit_text(best.get("fit_odds"))),
    )
    title = "The plan" if result["name"] == UNNAMED else result["name"]
    figures = [figure(*each) for each in texts if each[1]]
    return Answer(title, f"{told}.", figures, result.get("notes", ()))


def _winners(result: Result) -> str:
    """Tell which cluster and market is cheapest, which fastest, and which takes least energy."""
    ways = result["alternatives"]
    priced = [each for each in ways if each["cost_usd"] is not None]
    firsts = [("cheapest", min(priced, key=lambda each: each["cost_usd"]["p50"], default=None))]
    firsts.append(("fastest", min(ways, key=lambda each: each["days"]["p50"])))
    if result["objective"] == "energy":
        firsts.append(("of least energy", ways[0]))
    words: dict[str, list[str]] = {}
    for word, way in firsts:
        if way is not None:
            words.setdefault(_way(way, result), []).append(word)
    told = [f"{' and '.join(each)} is {way}" for way, each in words.items()]
    told[0] = told[0].replace(" is ", f" of {len(ways)} is ", 1)
    whole = "; ".join(told)
    return whole[0].upper() + whole[1:]


def _way(one: Mapping[str, Any], result: Result) -> str:
    """Return a cluster and market with what it takes, and the odds by the deadline."""
    told = f"{way_label(one)}: {duration_interval(distribution(one['days']))}"
    if one["cost_usd"] is not None:
        told += f", {money_interval(distribution(one['cost_usd']))}"
    return told + _in_time(one, result)


def _in_time(one: Mapping[str, Any], result: Result) -> str:
    """Return the odds that a plan is done by its deadline; nothing without one."""
    odds = chance(one)
    return f", done by day {result['deadline_days']:g} with odds of {odds}" if odds else ""


def way_label(one: Mapping[str, Any]) -> str:
    """Return the name of a cluster and market."""
    return ", ".join(filter(None, (one["cluster"], one["market"]))) or where(one)


def _observed(result: Result) -> str:
    """Tell the utilisation beside that of real runs; nothing in a result that does not know it."""
    runs = result.get("observed_mfu")
    if not runs:
        return ""
    reached = percent_interval(distribution(result["best"]["mfu"]))
    real = observed_text(runs["p10"], runs["p50"], runs["p90"])
    return f", at a utilisation of {reached}, where {runs['runs']} real runs reached {real}"


def heading(result: Result) -> str:
    """Return the best layout and its days, for a picture that stands alone."""
    best = result["best"]
    took = duration_interval(distribution(best["days"]))
    named = "" if result["name"] == UNNAMED else f"{result['name']}: "
    least = LEAST[result["objective"]]
    return f"{named}{least}: {where(best)}, {described(best)}, {took}"


def where(one: Mapping[str, Any]) -> str:
    """Return how many of which accelerator, in which precision."""
    return f"{one['layout']['accelerators']:,} x {one['accelerator']}, {one['precision']}"


def described(one: Mapping[str, Any]) -> str:
    """Return a layout in one line, what is 1 left out."""
    layout = one["layout"]
    told = [f"{key} {layout[key]}" for key in DEGREES if layout[key] > 1] or ["no parallel degree"]
    told += [f"etp {layout['etp']}"] * (layout["ep"] > 1 and layout["etp"] > 1)
    told += [f"zero {layout['zero']}" + (f" in {layout['shards']}" if layout["shards"] else "")]
    told += [f"micro-batch {layout['micro_batch']}"]
    told += [layout["schedule"]] * (layout["schedule"] != "1f1b")
    told += stage_texts(layout)
    return ", ".join(told)


def rented(one: Mapping[str, Any]) -> str:
    """Return what a layout costs, with its interval; nothing where no price is known."""
    return "" if one["cost_usd"] is None else money_interval(distribution(one["cost_usd"]))
