"""A later budget, split, in a sentence."""

from __future__ import annotations

from computebill.programmes.bases import BASES
from computebill.views.result import Result, distribution
from computebill.views.text import amount_interval, beyond_spend, bounded, percent_interval

from .answer import Answer, figure


def answer(result: Result) -> Answer:
    """Tell what final runs would take of a later budget."""
    basis = next(each for each in BASES.values() if f"budget_{each.key}" in result)
    bounds = result.get("bounds") or {}
    budget, final, rest = (
        bounded(
            amount_interval(distribution(result[f"{name}_{basis.key}"]), basis.name),
            bounds.get("rnd_compute" if name == "budget" else name),
        )
        for name in ("budget", "final_runs", "exploration")
    )
    share = bounded(percent_interval(distribution(result["final_share"])), result.get("bound"))
    years = result["years"]
    later = f"{years} year{'s' * (years > 1)} later"
    growth = "" if result["growth"] is None else f", at a growth of {result['growth']} a year"
    sentence = (
        f"{later.capitalize()}{growth}, final runs of {result['programme']} would take {share} of "
        f"R&D compute: {final} of {budget}; the rest, {rest}, would be experiments and all else."
    )
    figures = (
        figure("R&D compute", budget),
        figure("final runs", final),
        figure("experiments and all else", rest),
        figure("final share of R&D compute", share),
    )
    excess = beyond_spend(result["left_out"], is_left_out=True)
    title = f"{result['programme']}, {later}"
    return Answer(title, sentence, figures, [] if excess is None else [excess])
