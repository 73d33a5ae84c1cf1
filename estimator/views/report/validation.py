"""Predictions against measured steps, as a page tells them."""

from __future__ import annotations

from collections import Counter

from computebill.views.charts import validation as drawn
from computebill.views.result import Result
from computebill.views.text import UNKNOWN, percent, signed

from .document import Chart, Figure, Report, Section, Table, charted, parts, sections


def report(result: Result) -> Report:
    """Tell how far predictions are off."""
    covered = result["coverage_90"]
    answer = (
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
    if covered is not None:
        answer += f"; {percent(covered)} of them lie in the 90 % interval"
        figures.append(Figure("in the 90 % interval", percent(covered)))
    if result.get("left_out"):
        figures.append(
            Figure("median error, source left out", percent(result["left_out"]["median_ape"]))
        )
    headings = ("model", "source", "on", "measured, s", "predicted, s (5th–95th)", "off")
    keys = ("model", "source", "on", "seconds", "text", "off")
    points = charted(drawn.points(result), "Steps", headings, keys, ("source", "on"))
    found = sections(
        Section("Predicted against measured", parts([points])),
        Section(
            "By kind",
            parts(
                [
                    _groups(result, "by_source", "Error by source"),
                    _groups(result, "by_accelerator", "Error by accelerator"),
                ]
            ),
            is_main=False,
        ),
        Section("Left out", parts([_skipped(result)])),
    )
    return Report("Predictions against measured steps", f"{answer}.", figures, found).told(result)


def _groups(result: Result, key: str, title: str) -> Chart:
    cells = [
        (
            name,
            f"{each['rows']:,}",
            percent(each["median_ape"]),
            percent(each["mape"]),
            signed(each["bias"]),
            _percent(each["baseline_median_ape"]),
            "" if each["coverage_90"] is None else percent(each["coverage_90"]),
        )
        for name, each in result[key].items()
    ]
    headings = (key.removeprefix("by_"), "rows", "median", "mean", "bias", "one line", "in 90 %")
    return Chart(drawn.groups(result, key, title), Table(title, headings, cells))


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else percent(value)


def _skipped(result: Result) -> Table | None:
    reasons = Counter(each["reason"] for each in result["skipped"])
    cells = [(reason, f"{count:,}") for reason, count in reasons.most_common()]
    title = f"{len(result['skipped']):,} rows could not be predicted"
    return Table(title, ("reason", "rows"), cells) if cells else None
