"""Charts of predictions against measured steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import altair as alt

from computebill.views.result import Result
from computebill.views.text import digits, percent, signed

from .axes import amount, height
from .look import COUNTS, INK, MAIN, PALETTE, PERCENT, REST
from .marks import colours, dots, tips, toggled, zoom
from .picture import ROWS, Picture, shape_of

MOST_GROUPS = 20
OTHERS = "others"

GROUPS = {"by_lab": "lab", "by_source": "source", "by_accelerator": "accelerator"}
"""What rows are told by: the key of a result, and what it is called."""


def points(result: Result) -> Picture | None:
    """Return each step's predicted time against the measured one; None where none is kept."""
    given = result.get("points") or []
    if not given:
        return None
    order = [name for name, _ in Counter(str(each["gpu"]) for each in given).most_common()]
    if len(order) > len(PALETTE):  # each colour once
        order = [*order[: len(PALETTE) - 1], OTHERS]
    rows = []
    for each in given:
        text = digits(each["predicted_seconds"])
        if each["p5_seconds"] is not None:
            text += f" ({digits(each['p5_seconds'])}–{digits(each['p95_seconds'])})"
        rows.append(
            {
                **each,
                "text": text,
                "seconds": digits(each["measured_seconds"]),
                "off": signed(each["predicted_seconds"] / each["measured_seconds"] - 1),
                "on": f"{each['gpus']:,.0f} x {each['gpu']}",
                "part": each["gpu"] if each["gpu"] in order else OTHERS,
            }
        )
    band = _band(given)
    says = "On the line a prediction is right"
    says += "; the band is the 5th to 95th percentile" if band else ""
    return Picture(
        "Predicted against measured time of a step",
        f"{says}. Both axes are logarithmic.",
        _scatter(order, bool(band)),
        rows,
        {"band": band},
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


def _scatter(order: list[str], has_band: bool) -> dict[str, Any]:
    chosen, opacity = toggled("part")
    marks = (
        alt.Chart(ROWS)
        .mark_circle(size=30)
        .encode(
            x=amount("measured_seconds", "measured, s a step", COUNTS, is_log=True),
            y=height("predicted_seconds", "predicted, s a step", COUNTS, is_log=True),
            color=colours("part", order),
            opacity=opacity,
            tooltip=tips(
                model="model",
                source="source",
                on="on",
                seconds="measured, s",
                text="predicted, s",
                off="off",
            ),
        )
        .add_params(chosen, zoom())
    )
    layers = [marks]
    if has_band:
        base = alt.Chart(alt.NamedData("band")).encode(x="x:Q")
        area = base.mark_area(color=REST, opacity=0.28).encode(y="low:Q", y2="high:Q")
        layers = [area, marks, base.mark_line(color=INK, strokeWidth=1.5).encode(y="line:Q")]
    return shape_of(alt.layer(*layers).properties(height=480))


def groups(result: Mapping[str, Any], key: str, title: str) -> Picture:
    """Return the median error of each group, beside that of a formula of one line.

    Args:
        result: of ``validate``, or what it tells of fits that left something out.
        key: one of ``GROUPS``.
        title: heading.
    """
    found, rows = result[key], []
    for name, each in list(found.items())[:MOST_GROUPS]:
        for what, value in (
            ("step model", each["median_ape"]),
            ("one line: FLOP / (peak x utilisation)", each["baseline_median_ape"]),
        ):
            if value is not None:
                text, count = percent(value), f"{each['rows']:,}"
                rows.append(
                    {"name": name, "what": what, "value": value, "text": text, "rows": count}
                )
    more = f"; the {MOST_GROUPS} largest of {len(found)}" if len(found) > MOST_GROUPS else ""
    unit = result.get("unit")  # what was left out together, where something was
    others = "other rows" if unit in (None, "row") else f"rows of other {unit}s"
    says = (
        "Median error of a step's time beside that of a formula of one line, whose "
        f"utilisation is that of the accelerator's {others}{more}."
    )
    tooltip = tips(name=GROUPS[key], what="by", text="median error", rows="rows")
    axis = ("median error of a step's time", PERCENT)
    return Picture(title, says, dots(rows, "what", axis, tooltip, (MAIN, REST)), rows)
