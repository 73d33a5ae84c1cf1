"""A research programme in a sentence."""

from __future__ import annotations

from computebill.views.result import Result, distribution
from computebill.views.text import count_interval, flop_interval, money_interval, percent_interval

from .answer import Answer, Figure, figure


def answer(result: Result) -> Answer:
    """Tell what all experiments take, and their share of the whole."""
    hours, usd = distribution(result["gpu_hours"]), distribution(result["cost_usd"])
    told = f"The {result['experiments']:,} experiments take {count_interval(hours)} GPU-hours"
    told += f" and cost {money_interval(usd)} rented" if usd.is_known else ""
    figures = [
        Figure("experiments", f"{result['experiments']:,}"),
        figure("GPU-hours", count_interval(hours)),
    ]
    flop = distribution(result["flop"])
    figures += [figure("training FLOP", flop_interval(flop))] * flop.is_known
    figures += [figure("cost, rented", money_interval(usd))] * usd.is_known
    if result["share_of_programme"]:
        share = percent_interval(distribution(result["share_of_programme"]))
        of = "cost" if result["share_basis"] == "cost_usd" else "GPU-hours"
        told += f": {share} of the programme's {of}, final run included"
        figures.append(figure(f"share of the programme's {of}", share))
    notes = [result["description"]] if result.get("description") else []
    return Answer(result["name"], f"{told}.", figures, notes)
