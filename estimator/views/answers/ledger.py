"""What records tell of a lab's accelerators, in a sentence."""

from __future__ import annotations

from datetime import datetime

from computebill.views.result import Result, distribution
from computebill.views.text import (
    count,
    energy_interval,
    flop_interval,
    money_interval,
    percent,
    percent_interval,
)

from .answer import Answer, Figure, figure

TITLE = "What really ran"
MOST_UNKNOWN = 0.05
"""Share of hours of unknown kind above which a reader is told."""


def answer(result: Result) -> Answer:
    """Tell the hours and the final runs' share of them."""
    hours, usd = float(result["gpu_hours"]), distribution(result["cost_usd"])
    figures = [Figure("accelerator-hours", count(hours))]
    figures += [figure("cost", money_interval(usd))] * usd.is_known
    if (share := _share(result)) is not None:
        of = "dollars" if result["final_share_of"] == "cost" else "hours"
        figures.insert(0, figure(f"final runs, of the {of}", share))
    without = distribution(result["final_share_of_research"])
    if share is not None and without.is_known:
        told = "without inference and idle accelerators"
        figures.insert(1, figure(told, percent_interval(without)))
    energy, flop = distribution(result["energy_mwh"]), distribution(result["flop"])
    figures += [figure("energy", energy_interval(energy))] * energy.is_known
    figures += [figure("model FLOP", flop_interval(flop))] * flop.is_known
    return Answer(TITLE, _sentence(result, share), figures, _notes(result))


def _share(result: Result) -> str | None:
    """Return the final runs' share; None where no job is known to be of one."""
    share = distribution(result["final_share"])
    has_final = result["by_kind"].get("final run", {}).get("gpu_hours", 0.0) > 0
    return percent_interval(share) if share.is_known and has_final else None


def _sentence(result: Result, share: str | None) -> str:
    when = ""
    if result["period"] is not None:
        start, end = (datetime.fromisoformat(result["period"][key]) for key in ("start", "end"))
        when = f" from {start:%Y-%m-%d} to {end:%Y-%m-%d}"
    used = f"{count(float(result['gpu_hours']))} accelerator-hours"
    if share is None:
        return f"The records tell of {used}{when}; no rule says which of them were final runs."
    of = "dollars" if result["final_share_of"] == "cost" else "hours"
    return f"Final runs took {share} of the {of}; in all, {used} ran{when}."


def _notes(result: Result) -> list[str]:
    found = []
    hours = float(result["gpu_hours"])
    unknown = result["by_kind"].get("unknown", {}).get("gpu_hours", 0.0)
    if hours > 0 and unknown / hours > MOST_UNKNOWN:
        told = f"{percent(unknown / hours)} of the hours are of no known kind"
        found.append(f"{told}: they may be all final runs, or none, which the interval covers.")
    rejected = result["rows_rejected"]
    if rejected:
        of = f"of {result['rows_in']:,} rows"
        found.append(f"{rejected:,} {of} could not be used; the table of reasons has why.")
    for each in result["unread_files"]:
        found.append(f"{each['file']} was not read to its end: {each['reason']}.")
    return found
