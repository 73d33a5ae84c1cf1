"""How far predictions are off, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.views.result import Result
from computebill.views.text import UNKNOWN, percent, signed

from .answer import Answer, Figure


def answer(result: Result) -> Answer:
    """Tell the errors of the profile, and of fits that had no part in the rows."""
    left_out = result.get("left_out")
    told = (
        f"The step model is {percent(result['median_ape'])} off in the median row and "
        f"at least {percent(result['p90_ape'])} in the worst tenth, over {result['rows']:,} "
        "measured steps"
    )
    figures = [
        Figure("median error", percent(result["median_ape"])),
        Figure("mean error", percent(result["mape"])),
        Figure("bias", signed(result["bias"])),
        Figure("one line: FLOP / (peak x utilisation)", _percent(result["baseline_median_ape"])),
    ]
    if left_out:
        unit = left_out.get("unit", "source")
        told += f"; {percent(left_out['median_ape'])} where fits left out the row's {unit}"
        figures += _judged(left_out, unit)
    elif result["coverage_90"] is not None:
        told += f"; {percent(result['coverage_90'])} of them lie in the 90 % interval"
        figures.append(Figure("in the 90 % interval", percent(result["coverage_90"])))
    sentence = f"{told}."
    if result.get("verdict"):
        sentence = f"{verdict_told(result['verdict'])} {sentence}"
    return Answer("Predictions against measured steps", sentence, figures)


def verdict_told(verdict: Mapping[str, Any]) -> str:
    """Return in one line whether efficiencies are worth using, and how far off they and others are.

    Args:
        verdict: of the JSON form.
    """
    unit = verdict["left_out"]
    named = [
        ("with these efficiencies", verdict["fitted_median_ape"]),
        (f"{unit} left out", verdict["left_out_median_ape"]),
        ("shipped", verdict["shipped_median_ape"]),
        ("one line", verdict["baseline_median_ape"]),
    ]
    errors = ", ".join(f"{error:.1%} {name}" for name, error in named if error is not None)
    why = verdict["why"]
    return f"{why[0].upper()}{why[1:]}. Median error of a step's time: {errors}."


def _judged(left_out: Mapping[str, Any], unit: str) -> list[Figure]:
    """Figures of fits that left something out, named so."""
    found = [
        Figure(f"median error, {unit} left out", percent(left_out["median_ape"])),
        Figure(f"mean error, {unit} left out", percent(left_out["mape"])),
    ]
    if left_out.get("median_of_labs") is not None:
        text = percent(left_out["median_of_labs"])
        found.append(Figure(f"median of labs' medians, {unit} left out", text))
    if left_out["coverage_90"] is not None:
        text = percent(left_out["coverage_90"])
        found.append(Figure(f"in the 90 % interval, {unit} left out", text))
    return found


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else percent(value)
