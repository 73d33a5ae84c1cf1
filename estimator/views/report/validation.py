"""Predictions against measured steps, as a page tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import altair as alt

from computebill.views.text import UNKNOWN, digits, percent

from . import drawing
from .document import Chart, Figure, Report, Result, Section, Table, parts, sections, signed

MOST_GROUPS = 20
OTHERS = "others"


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
    found = sections(
        Section("Predicted against measured", parts([_points(result)])),
        Section(
            "By kind",
            parts(
                [
                    _groups(result, "by_source", "Error by source"),
                    _groups(result, "by_accelerator", "Error by accelerator"),
                ]
            ),
        ),
        Section("Left out", parts([_skipped(result)])),
    )
    return Report("Predictions against measured steps", f"{answer}.", figures, found).told(result)


def _points(result: Result) -> Chart | None:
    given = result.get("points") or []
    if not given:
        return None
    rows, cells = [], []
    for each in given:
        text = digits(each["predicted_seconds"])
        if each["p5_seconds"] is not None:
            text += f" ({digits(each['p5_seconds'])}–{digits(each['p95_seconds'])})"
        off = each["predicted_seconds"] / each["measured_seconds"] - 1
        gpus, measured = f"{each['gpus']:,.0f} x {each['gpu']}", digits(each["measured_seconds"])
        rows.append({**each, "text": text, "seconds": measured, "off": signed(off), "on": gpus})
        cells.append((each["model"], each["source"], gpus, measured, text, signed(off)))
    says = "On the line a prediction is right"
    says += "; the band is the 5th to 95th percentile" if _band(given) else ""
    return Chart(
        "Predicted against measured time of a step",
        f"{says}. Both axes are logarithmic.",
        _scatter(rows, _band(given)),
        Table(
            "Steps",
            ("model", "source", "on", "measured, s", "predicted, s (5th–95th)", "off"),
            cells,
            ("source", "on"),
        ),
    )


def _band(given: list[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Return the commonest interval along the line, in seconds; empty without intervals."""
    ratios = Counter(
        (
            round(each["p5_seconds"] / each["predicted_seconds"], 6),
            round(each["p95_seconds"] / each["predicted_seconds"], 6),
        )
        for each in given
        if each["p5_seconds"] is not None
    )
    ends = [each["measured_seconds"] for each in given]
    if not ratios:
        return []
    (low, high), _ = ratios.most_common(1)[0]
    # What is measured lies at low to high times the prediction: the prediction at 1 / those.
    return [{"x": x, "line": x, "low": x / high, "high": x / low} for x in (min(ends), max(ends))]


def _scatter(rows: drawing.Rows, band: drawing.Rows) -> Any:
    common = Counter(str(row["gpu"]) for row in rows).most_common()
    order = [name for name, _ in common]
    if len(order) > len(drawing.PALETTE):  # each colour once
        order = [*order[: len(drawing.PALETTE) - 1], OTHERS]
    rows = [{**row, "part": row["gpu"] if row["gpu"] in order else OTHERS} for row in rows]
    chosen, opacity = drawing.toggled("part")
    x = drawing.amount("measured_seconds", "measured, s a step", drawing.COUNTS, is_log=True)
    y = drawing.height("predicted_seconds", "predicted, s a step", drawing.COUNTS, is_log=True)
    points = (
        alt.Chart(drawing.data(rows))
        .mark_circle(size=30)
        .encode(
            x=x,
            y=y,
            color=drawing.colours("part", order),
            opacity=opacity,
            tooltip=drawing.tips(
                model="model",
                source="source",
                on="on",
                seconds="measured, s",
                text="predicted, s",
                off="off",
            ),
        )
        .add_params(chosen, drawing.zoom())
    )
    layers = [points]
    if band:
        base = alt.Chart(drawing.data(band)).encode(x="x:Q")
        layers.insert(
            0, base.mark_area(color=drawing.REST, opacity=0.28).encode(y="low:Q", y2="high:Q")
        )
        layers.append(base.mark_line(color=drawing.INK, strokeWidth=1.5).encode(y="line:Q"))
    return alt.layer(*layers).properties(height=480)


def _groups(result: Result, key: str, title: str) -> Chart:
    groups = result[key]
    rows = []
    for name, each in list(groups.items())[:MOST_GROUPS]:
        for what, value in (
            ("step model", each["median_ape"]),
            ("one line: FLOP / (peak x utilisation)", each["baseline_median_ape"]),
        ):
            if value is None:
                continue
            rows.append(
                {
                    "name": name,
                    "what": what,
                    "value": value,
                    "text": percent(value),
                    "rows": f"{each['rows']:,}",
                }
            )
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
        for name, each in groups.items()
    ]
    more = f"; the {MOST_GROUPS} largest of {len(groups)}" if len(groups) > MOST_GROUPS else ""
    headings = (key.removeprefix("by_"), "rows", "median", "mean", "bias", "one line", "in 90 %")
    return Chart(
        title,
        f"Median error of a step's time beside that of a formula of one line, whose "
        f"utilisation is that of the accelerator's other rows{more}.",
        drawing.dots(
            rows,
            "what",
            "median error of a step's time",
            drawing.PERCENT,
            drawing.tips(name=key.removeprefix("by_"), what="by", text="median error", rows="rows"),
            (drawing.MAIN, drawing.REST),
        ),
        Table(title, headings, cells),
    )


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else percent(value)


def _skipped(result: Result) -> Table | None:
    reasons = Counter(each["reason"] for each in result["skipped"])
    cells = [(reason, f"{count:,}") for reason, count in reasons.most_common()]
    title = f"{len(result['skipped']):,} rows could not be predicted"
    return Table(title, ("reason", "rows"), cells) if cells else None
