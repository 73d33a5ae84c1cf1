"""A statement of training compute in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from computebill.views.result import Result, distribution
from computebill.views.text import energy_interval, fit_text, flop_interval

from .answer import Answer, figure


def answer(result: Result) -> Answer:
    """Tell the totals that rules hold to a threshold, and which side of it they are on."""
    told = list(_held(result)) or [_total(result, next(iter(result["totals"])))]
    figures = [
        figure(name, f"{flop_interval(distribution(total['flop']))} FLOP")
        for name, total in result["totals"].items()
        if any(each["applies"] for each in total["thresholds"])
    ]
    energy = distribution(result["energy_mwh"])
    if energy.is_known and energy.p50 > 0:
        figures.append(figure("electricity", energy_interval(energy)))
    sentence = f"{result['name']}: {'; '.join(told)}. {_caution(result)}"
    title = f"Training compute of {result['model']['name']}"
    return Answer(title, sentence, figures, result["notes"])


def _caution(result: Result) -> str:
    """Tell what goes with the totals wherever they go alone."""
    apart = [
        each["name"]
        for each in result["stages"]
        if abs(each["methods"]["apart"] or 0.0) > result["margin"]
    ]
    told = f"The two methods differ by more than the margin in {', '.join(apart)}. "
    told = told if apart else ""
    return f"{told}Arithmetic, not legal advice."


def _total(result: Result, name: str) -> str:
    total = result["totals"][name]
    least = "at least " if total["is_lower_bound"] else ""
    second = {each["name"] for each in result["rules"] if each["is_second_hand"]}
    read = " (read second-hand)" if name in second else ""
    return f"{least}{total['two_figures']} FLOP by {name}{read}"


def _held(result: Result) -> Iterator[str]:
    """Yield each total with the threshold that it is held to."""
    for name, total in result["totals"].items():
        for each in total["thresholds"]:
            if each["applies"]:
                value = f"{each['value']:.0e}".replace("+", "")
                yield f"{_total(result, name)}, {_side(each['odds'])} {value}"


def _side(odds: float) -> str:
    if odds in (0.0, 1.0):
        return "above" if odds else "not above"
    return f"with odds of {fit_text(odds)} above"
