"""Charts, saved as PNG, SVG or HTML; an HTML file holds its own scripts and needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from computebill.accuracy.validation import Validation
from computebill.base.errors import RequestError, shown
from computebill.base.writing import replacing
from computebill.models.card import ModelCard
from computebill.models.mfu import Utilisation
from computebill.programmes.comparison import SKIPPED
from computebill.programmes.spend import SpendEstimate
from computebill.runs.estimate import COST_WAYS, RunEstimate
from computebill.training.memory import PARTS
from computebill.training.step_time import StepEstimate

from .text import digits, money, percent

ENDINGS = (".png", ".svg", ".html")
FINAL, REST, LINE = "#d1495b", "#c9d2da", "#22313f"
WAY_LABELS = {
    "cloud": "rented",
    "amortised": "hardware used up + energy",
    "upfront": "buying the cluster",
}
WAY_COLOURS = ("#2e86ab", "#d1495b", "#8a9a5b")
PROGRAMME_COLOURS = ("#1b6ca8", "#e08e0b", "#4f7942", "#7b4fa3", "#5a5a5a")
WIDTH = 620


class ScriptSafeEncoder(json.JSONEncoder):
    """JSON that stays inside its HTML script, whatever the names in it: no ``</script>``."""

    def encode(self, o: Any) -> str:
        """Return JSON with every ``<`` escaped."""
        return super().encode(o).replace("<", "\\u003c")


def check_ending(target: Path) -> None:
    """Refuse a file name that is no picture's, before anything is computed.

    Raises:
        RequestError: naming the endings that are allowed.
    """
    if target.suffix.lower() not in ENDINGS:
        raise RequestError("--plot", f"got {shown(str(target))}; allowed: {', '.join(ENDINGS)}")


def save(chart: Any, target: Path) -> None:
    """Write a chart under its final name in one step."""
    check_ending(target)
    form = target.suffix.lower().removeprefix(".")
    with replacing(target) as temporary:
        options: dict[str, Any] = {}
        if form == "html":
            options = {"inline": True, "json_kwds": {"cls": ScriptSafeEncoder}}
        if form == "png":
            options["scale_factor"] = 2
        chart.save(str(temporary), format=form, **options)


def spend_chart(estimates: Sequence[SpendEstimate]) -> Any:
    """Stacked bars of final runs and all else, with the interval; below, the follower's bill."""
    chart = alt.vconcat(_share_bars(estimates), _follower_lines(estimates), spacing=28)
    return styled(chart.resolve_scale(color="independent"))


def _names(estimates: Sequence[SpendEstimate]) -> list[str]:
    """Titles, with the programme's own name where two have the same."""
    titles = [estimate.programme.title for estimate in estimates]
    return [
        title if titles.count(title) == 1 else f"{title} ({estimate.name}, {place})"
        for place, (title, estimate) in enumerate(zip(titles, estimates, strict=True), start=1)
    ]


def _share_bars(estimates: Sequence[SpendEstimate]) -> Any:
    parts, intervals = [], []
    names = _names(estimates)
    for title, estimate in zip(names, estimates, strict=True):
        share = estimate.totals.final_share
        final, rnd = estimate.totals.final_runs_usd.p50, estimate.totals.rnd_compute_usd.p50
        shown_share = min(share.p50, 1.0)
        for order, part, value in (
            (0, "final runs", shown_share),
            (1, "experiments and all else", 1 - shown_share),
        ):
            parts.append({"programme": title, "part": part, "share": value, "order": order})
        intervals.append(
            {
                "programme": title,
                "p5": min(share.p5, 1.0),
                "p50": shown_share,
                "p95": min(share.p95, 1.0),
                "text": f"{percent(share.p50)} ({percent(share.p5)} – {percent(share.p95)}), "
                f"{money(final)} of {money(rnd)}",
            }
        )
    y = alt.Y("programme:N", sort=names, title=None, axis=alt.Axis(labelLimit=240))
    x = alt.X(
        "share:Q",
        title="share of R&D compute; line: 5th to 95th percentile",
        axis=alt.Axis(format="%"),
        scale=alt.Scale(domain=[0, 1]),
    )
    colour = alt.Color(
        "part:N",
        scale=alt.Scale(domain=["final runs", "experiments and all else"], range=[FINAL, REST]),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    bars = (
        alt.Chart(pd.DataFrame(parts))
        .mark_bar(height=26)
        .encode(y=y, x=x, color=colour, order="order:Q", tooltip=["programme", "part", "share"])
    )
    base = alt.Chart(pd.DataFrame(intervals)).encode(y=y)
    rules = base.mark_rule(color=LINE, strokeWidth=2).encode(x="p5:Q", x2="p95:Q", tooltip="text")
    dots = base.mark_point(color=LINE, filled=True, size=45).encode(x="p50:Q", tooltip="text")
    labels = base.mark_text(align="right", dx=-6, dy=-22, color=LINE).encode(
        x=alt.datum(1.0), text="text:N"
    )
    title = "Final training runs and the rest of R&D compute"
    return alt.layer(bars, rules, dots, labels).properties(
        width=WIDTH, height=alt.Step(64), title=title
    )


def _follower_lines(estimates: Sequence[SpendEstimate]) -> Any:
    rows = []
    names = _names(estimates)
    for name, estimate in zip(names, estimates, strict=True):
        for skipped, bill in zip(SKIPPED, estimate.follower, strict=True):
            share = estimate.bill_share(skipped)
            rows.append(
                {
                    "programme": name,
                    "skipped": skipped,
                    "bill": share["p50"],
                    "low": share["p5"],
                    "high": share["p95"],
                    "text": money(bill.p50),
                }
            )
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("skipped:Q", title="part of the exploration skipped", axis=alt.Axis(format="%")),
        color=alt.Color(
            "programme:N",
            sort=names,
            scale=alt.Scale(domain=names, range=list(PROGRAMME_COLOURS)),
            legend=alt.Legend(title=None, orient="bottom", symbolOpacity=1),
        ),
    )
    y = alt.Y("bill:Q", title="bill, share of the leader's", axis=alt.Axis(format="%"))
    lines = base.mark_line(strokeWidth=2.5).encode(y=y, tooltip=["programme", "skipped", "text"])
    bands = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q"), y2="high:Q")
    title = "The follower's bill: final runs + (1 − k) × everything else"
    return alt.layer(lines, bands).properties(width=WIDTH, height=220, title=title)


def run_chart(estimate: RunEstimate) -> Any:
    """How probable each cost is, and its median and interval, one colour a way of counting."""
    ways = [way for way in COST_WAYS if way in estimate.densities]
    if not ways:
        raise RequestError("--plot", "no cost is known, or too many samples to keep; give a price")
    labels = [WAY_LABELS[way] for way in ways]
    colour = alt.Color(
        "way:N", scale=alt.Scale(domain=labels, range=list(WAY_COLOURS[: len(labels)])), legend=None
    )
    parts = [_cost_intervals(estimate, ways, colour)]
    if any(len(estimate.densities[way].probability) > 1 for way in ways):
        parts.insert(0, _cost_curves(estimate, ways, colour))
    name = "The run" if estimate.spec.name == "run" else estimate.spec.name
    title = f"{name}: cost, median and 5th to 95th percentile"
    costs = alt.vconcat(*parts, title=title, spacing=0).resolve_scale(x="shared")
    if estimate.model is None or estimate.model.step is None:
        return styled(costs)
    step = estimate.model.step
    charts = [costs, _spent(step), _scaling_line(estimate.model.scaling(estimate.rows["mfu"].p50))]
    return styled(alt.vconcat(*charts).resolve_scale(color="independent"))


def _spent(step: StepEstimate) -> Any:
    """What a step's time is spent on, as one bar."""
    frame = pd.DataFrame(
        [
            {"part": name, "seconds": value, "order": order}
            for order, (name, value) in enumerate(step.breakdown.items())
            if value > 0
        ]
    )
    return (
        alt.Chart(frame, title=f"A step as predicted: {digits(step.seconds)} s")
        .mark_bar(height=34)
        .encode(
            x=alt.X("seconds:Q", title="seconds"),
            color=alt.Color("part:N", title=None, sort=list(step.breakdown)).scale(
                scheme="tableau20"
            ),
            order="order:Q",
            tooltip=["part", alt.Tooltip("seconds:Q", format=".3g")],
        )
        .properties(width=WIDTH)
    )


def _scaling_line(rows: list[dict[str, float]]) -> Any:
    """Utilisation of the same step on more and on fewer accelerators, with its interval."""
    base = alt.Chart(
        pd.DataFrame(rows), title="Utilisation against the number of GPUs, same global batch"
    ).encode(x=alt.X("gpus:Q", title="GPUs").scale(type="log"))
    band = base.mark_area(color=REST, opacity=0.6).encode(
        y=alt.Y("p5:Q", title="MFU").axis(format="%"), y2="p95:Q"
    )
    line = base.mark_line(color=WAY_COLOURS[0], point=True).encode(
        y="p50:Q", tooltip=["gpus", alt.Tooltip("p50:Q", format=".1%", title="MFU")]
    )
    return (band + line).properties(width=WIDTH, height=200)


def _cost_curves(estimate: RunEstimate, ways: Sequence[str], colour: Any) -> Any:
    rows = []
    for way in ways:
        density = estimate.densities[way]
        highest = max(density.probability)
        cells = zip(density.edges, density.edges[1:], density.probability, strict=False)
        for low, high, probability in cells:
            middle = (low * high) ** 0.5
            rows.append({"way": WAY_LABELS[way], "usd": middle, "density": probability / highest})
    return (
        alt.Chart(pd.DataFrame(rows))
        .mark_area(opacity=0.35, interpolate="monotone")
        .encode(
            x=_dollars("usd:Q", axis=None),
            y=alt.Y("density:Q", title=None, axis=None),
            color=colour,
        )
        .properties(width=WIDTH, height=170)
    )


def _cost_intervals(estimate: RunEstimate, ways: Sequence[str], colour: Any) -> Any:
    rows = []
    for way in ways:
        row = estimate.rows[way]
        text = f"{money(row.p50)} ({money(row.p5)} – {money(row.p95)})"
        rows.append(
            {"way": WAY_LABELS[way], "p5": row.p5, "p50": row.p50, "p95": row.p95, "text": text}
        )
    labels = [row["way"] for row in rows]
    y = alt.Y("way:N", sort=labels, title=None, axis=alt.Axis(labelLimit=220))  # type: ignore[arg-type]
    base = alt.Chart(pd.DataFrame(rows)).encode(y=y, color=colour)
    axis = alt.Axis(format="$.3~s", labelExpr="replace(datum.label, 'G', 'B')", title="USD")
    rules = base.mark_rule(strokeWidth=3).encode(x=_dollars("p5:Q", axis=axis), x2="p95:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="p50:Q", tooltip="text")
    texts = base.mark_text(dy=-13).encode(x="p50:Q", text="text:N")
    return alt.layer(rules, dots, texts).properties(width=WIDTH, height=alt.Step(48))


def _dollars(field: str, axis: Any) -> Any:
    return alt.X(field, scale=alt.Scale(type="log", nice=False), axis=axis, title="USD")


def styled(chart: Any) -> Any:
    """Give a chart the look that all of them have."""
    return (
        chart.configure_view(stroke=None)
        .configure_axis(
            grid=True, gridOpacity=0.3, domain=False, labelFontSize=12, titleFontSize=12
        )
        .configure_title(anchor="start", fontSize=15)
        .configure_legend(labelFontSize=12, labelLimit=300)
        .configure_text(fontSize=12)
    )


def model_chart(card: ModelCard) -> Any:
    """FLOP per token by operator, and memory under each layout in its parts."""
    total = float(card.flop.forward + card.flop.backward)
    flop = pd.DataFrame(
        [
            {"operator": name.replace("_", " "), "share": float(forward + backward) / total}
            for name, (forward, backward) in card.flop.by_operator.items()
        ]
    )
    parts = PARTS[:-1]
    memory = pd.DataFrame(
        [
            {
                "layout": f"{use.name}: {digits(use.total)} GB",
                "part": part,
                "gb": getattr(use, part),
                "order": order,
            }
            for use in card.memory
            for order, part in enumerate(parts)
        ],
        columns=["layout", "part", "gb", "order"],
    )
    limit = card.accelerator.memory_gb.value
    shares = (
        alt.Chart(flop, title=f"{card.architecture.model_type}: FLOP per token by operator")
        .mark_bar(color=WAY_COLOURS[0])
        .encode(
            x=alt.X("share:Q", title="share of forward and backward").axis(format="%"),
            y=alt.Y("operator:N", title=None, sort=None),
            tooltip=["operator", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width=WIDTH)
    )
    bars = (
        alt.Chart(memory, title=f"Memory of one GPU at {card.sequence:,} tokens")
        .mark_bar(clip=True)
        .encode(
            # Of what is far too large, the beginning is enough.
            x=alt.X("gb:Q", title=f"GB; the line is {card.accelerator.title}").scale(
                domain=[0, min(4 * limit, max((use.total for use in card.memory), default=limit))]
            ),
            y=alt.Y("layout:N", title=None, sort=None).axis(labelLimit=320),
            color=alt.Color("part:N", title=None, sort=list(parts)).scale(range=PROGRAMME_COLOURS),
            order="order:Q",
            tooltip=["layout", "part", alt.Tooltip("gb:Q", format=".3g")],
        )
        .properties(width=WIDTH)
    )
    rule = (
        alt.Chart(pd.DataFrame({"gb": [limit]})).mark_rule(color=FINAL, strokeDash=[5, 4])
    ).encode(x="gb:Q")
    return styled(alt.vconcat(shares, bars + rule).resolve_scale(color="independent"))


def mfu_chart(found: Utilisation) -> Any:
    """Utilisation under each convention."""
    rows = [{"convention": name, "share": share} for name, share in found.mfu.items() if share]
    if found.hfu is not None:
        rows.append({"convention": "hfu", "share": found.hfu})
    return styled(
        alt.Chart(pd.DataFrame(rows), title=f"Utilisation of {found.accelerator.title}")
        .mark_bar(color=WAY_COLOURS[0])
        .encode(
            x=alt.X("share:Q", title="share of the peak").axis(format="%"),
            y=alt.Y("convention:N", title=None, sort=None),
            tooltip=["convention", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width=WIDTH)
    )


def validation_chart(found: Validation) -> Any:
    """Predicted against measured time of a step, by accelerator, with a band of 20 %."""
    frame = found.to_frame()
    low, high = (float(getattr(frame["measured_seconds"], end)()) for end in ("min", "max"))
    band = pd.DataFrame(
        {
            "measured_seconds": [low, high],
            "low": [low * 0.8, high * 0.8],
            "high": [low * 1.2, high * 1.2],
        }
    )
    scale = alt.Scale(type="log")
    area = (
        alt.Chart(band)
        .mark_area(color=REST, opacity=0.6)
        .encode(
            x=alt.X("measured_seconds:Q", scale=scale, title="measured, s a step"),
            y=alt.Y("low:Q", scale=scale, title="predicted, s a step"),
            y2="high:Q",
        )
    )
    points = (
        alt.Chart(frame, title="Predicted against measured; the band is 20 %")
        .mark_circle(size=22, opacity=0.65)
        .encode(
            x=alt.X("measured_seconds:Q", scale=scale),
            y=alt.Y("predicted_seconds:Q", scale=scale),
            color=alt.Color("gpu:N", title=None),
            tooltip=["source", "model", "gpu", alt.Tooltip("error:Q", format="+.1%")],
        )
    )
    return styled((area + points).properties(width=WIDTH, height=WIDTH))
