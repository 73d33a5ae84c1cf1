"""Final runs against reported spend, in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from computebill.uncertainty.distribution import Distribution
from computebill.views.result import Result, amount_of, basis_of, distribution
from computebill.views.text import (
    amount,
    amount_interval,
    beyond_spend,
    bounded,
    percent,
    percent_interval,
)

from .answer import Answer, Figure, figure

AMOUNTS = ("final_runs", "exploration", "rnd_compute")
MOST_TOLD = 4
"""Programmes that a headline tells one by one."""
SEVERAL = "Final training runs against R&D compute"


def answer(result: Result) -> Answer:
    """Tell one programme's share."""
    final, rest, whole = (amount_of(result, name) for name in AMOUNTS)
    basis, share = basis_of(result).name, share_text(result)
    reported = float(result["reported"].get(f"rnd_compute_{basis_of(result).key}", whole.p50))
    bounds = result.get("bounds") or {}
    told_final, told_rest, told_whole = (
        bounded(text, bounds.get(name))
        for name, text in zip(
            AMOUNTS,
            (amount_interval(final, basis), amount_interval(rest, basis), amount(reported, basis)),
            strict=True,
        )
    )
    figures = (
        figure("final share of R&D compute", share),
        figure("final runs", told_final),
        figure("experiments and all else", told_rest),
        Figure("R&D compute, as reported", told_whole),
        *([Figure("grade", result["grade"])] if "grade" in result else []),
    )
    title = f"{result['title']}, {result['variant']}"
    return Answer(title, _sentence(result, final, rest, whole), figures, notes(result))


def share_text(result: Result) -> str:
    """Write a programme's share with its interval, and whether it is a bound only."""
    return bounded(percent_interval(distribution(result["final_share"])), result.get("bound"))


def _sentence(result: Result, final: Distribution, rest: Distribution, whole: Distribution) -> str:
    """Tell a programme's share in one sentence."""
    basis, who = basis_of(result).name, result["organisation"]
    if not final.is_known:
        return (
            f"What final training runs took of {who}'s R&D compute, {amount(whole.p50, basis)}, "
            "cannot be told: none of them has a published size."
        )
    told = (
        f"Final training runs took {share_text(result)} of {who}'s R&D compute: "
        f"{amount_interval(final, basis)} of {amount(whole.p50, basis)}"
    )
    if result.get("grade") == "C":
        told = f"Of grade C, one side being a guess or no R&D compute: {told}"
    # No rest is left where they took more than all.
    if rest.p50 < 0:
        return f"{told}, which is more than all of it, so the assumptions cannot hold together."
    return f"{told}; the rest, {amount_interval(rest, basis)}, went to experiments and all else."


def notes(result: Result) -> list[str]:
    """Return what undoes a programme's figures, in sentences."""
    told = beyond_spend(result["probability_final_exceeds_rnd"])
    found = [] if told is None else [told]
    if result.get("grade") == "C":
        found += [f"Grade C: {reason}." for reason in result["grade_reasons"]]
    return found


def comparison(result: Result) -> Answer:
    """Tell several programmes side by side; of each, what its result alone would say.

    Args:
        result: results of ``spend`` under ``programmes``.
    """
    several = told_apart(result["programmes"])
    known = [each for each in several if each["final_share"] is not None]
    if not known:
        return Answer(SEVERAL, "No share can be told.")
    figures = [figure(each["title"], share_text(each)) for each in known]
    told = [f"{each['organisation']}: {note}" for each in several for note in notes(each)]
    return Answer(SEVERAL, headline(known), figures, [*told, *_overlaps(several)])


def headline(known: Sequence[Result]) -> str:
    """Tell the shares of several programmes in one sentence; none of grade C beside better ones.

    Args:
        known: programmes told apart, whose share is known.
    """
    sure = [each for each in known if each.get("grade") != "C"] or known
    ordered = sorted(sure, key=lambda each: float(each["final_share"]["p50"]))
    if len(ordered) > MOST_TOLD:
        low, high = (
            f"{percent(each['final_share']['p50'])} ({each['title']})"
            for each in (ordered[0], ordered[-1])
        )
        owners = len({each["owner"] for each in ordered})
        return (
            f"In {len(ordered)} programmes of {owners} organisations, final training "
            f"runs took from {low} to {high} of R&D compute."
        )
    told = [f"{share_text(each)} at {each['organisation']}" for each in ordered]
    listed = " and ".join(part for part in (", ".join(told[:-1]), told[-1]) if part)
    if all(each["final_share"]["p50"] < 0.5 for each in ordered):
        return f"Final training runs are a minority of R&D compute: {listed}."
    return f"Of R&D compute, final training runs took {listed}."


def _overlaps(results: Sequence[Result]) -> list[str]:
    """Tell which windows of one organisation have days in common."""
    found = []
    for i, one in enumerate(results):
        for other in results[:i]:
            is_same = (one["owner"], one.get("basis")) == (other["owner"], other.get("basis"))
            ours, theirs = one["window"], other["window"]
            meets = ours["start"] <= theirs["end"] and theirs["start"] <= ours["end"]
            if is_same and meets and one["programme"] != other["programme"]:
                found.append(
                    f"{other['title']} and {one['title']} have a part of their spend in common: "
                    "they are no independent observations."
                )
    return found


def told_apart(results: Sequence[Result]) -> list[Result]:
    """Return results with names of their own.

    Of one organisation twice that is the title, of one title twice its variant, then a number.
    """
    found: list[Result] = []
    owners = Counter(each["organisation"] for each in results)
    titles = Counter(each["title"] for each in results)
    seen: Counter[str] = Counter()
    for each in results:
        title, owner = each["title"], each["organisation"]
        if titles[title] > 1:
            title, owner = (f"{name}, {each['variant']}" for name in (title, owner))
            seen[title] += 1
            number = f" ({seen[title]})" if seen[title] > 1 else ""
            title, owner = title + number, owner + number
        elif owners[owner] > 1:
            owner = title
        apart = {"title": title, "organisation": owner, "owner": each["organisation"]}
        found.append({**each, **apart})
    return found
