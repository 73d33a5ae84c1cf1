"""Charts of a log: utilisation over its steps."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import altair as alt

from computebill.views.result import Result
from computebill.views.text import percent

from .axes import amount, height
from .look import COUNTS, PERCENT
from .marks import SHAPES, colours, tips, toggled, zoom
from .picture import ROWS, Picture, shape_of


def over_time(result: Result) -> Picture | None:
    """Return utilisation over the steps of a log, a line a convention; None where none is known."""
    log = result.get("log")
    if not log:
        return None
    rows = [
        {
            "step": (point["first_step"] + point["last_step"]) / 2,
            "value": share,
            "convention": name,
            "part": f"{name} {point['part']}",
            "steps": f"{point['first_step']:,}–{point['last_step']:,}",
            "text": percent(share),
        }
        for point in log["over_time"]
        for name, share in point["mfu"].items()
        if share is not None
    ]
    if not rows:
        return None
    names = tuple(dict.fromkeys(str(row["convention"]) for row in rows))
    says = (
        f"Of the steps of {log['file']} that count; the first {log['left_out_steps']:,} after each "
        "start are left out, and a line ends where the run was started again."
    )
    return Picture("Utilisation over the steps", says, _lines(names), rows)


@lru_cache(SHAPES)
def _lines(names: tuple[str, ...]) -> dict[str, Any]:
    chosen, opacity = toggled("convention")
    base = alt.Chart(ROWS).encode(
        x=amount("step", "step", COUNTS, zero=False),
        y=height("value", "MFU", PERCENT),
        color=colours("convention", names),
        opacity=opacity,
        detail="part:N",
        tooltip=tips(steps="steps", convention="convention", text="MFU"),
    )
    lines, points = base.mark_line(strokeWidth=2), base.mark_point(filled=True, size=22)
    whole = alt.layer(lines, points).add_params(chosen, zoom())
    return shape_of(whole.properties(height=260))
