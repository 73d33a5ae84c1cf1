"""Charts of what a device reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from computebill.views.answers.bench import MOVED, best, rate
from computebill.views.bench import CHECKED
from computebill.views.result import Result
from computebill.views.text import count, digits, percent, signed

from .axes import amount, from_nothing, height
from .look import COUNTS, FLOP, INK, MAIN, PALETTE, PERCENT
from .marks import bars, colours, dots, tips, toggled, zoom
from .picture import ROWS, Picture, Rows, shape_of


def reached(result: Result) -> list[dict[str, Any]]:
    """Return what was reached beside the datasheet's figure: the fastest products, and memory."""
    sheet = result["datasheet"] or {}
    found = []
    for each in best(result):
        peak = sheet.get("peak_tflops", {}).get(each["dtype"])
        size = f"{each['m']:,} x {each['k']:,} x {each['n']:,}"
        label = f"{each['dtype']} product, TFLOP/s"
        found.append(_beside(label, size, rate(each), each["tflops"], peak))
    for key, label in MOVED.items():
        if result[key] is not None:
            known = sheet.get("memory_bandwidth_gb_s")
            found.append(_beside(f"{label}, GB/s", "", digits(result[key]), result[key], known))
    return found


def _beside(label: str, size: str, told: str, value: float, peak: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": label,
        "size": size,
        "told": told,
        "peak": "",
        "text": "",
        "value": None,
    }
    if peak is not None:
        share = value / peak
        row |= {"peak": digits(peak), "value": share, "text": percent(share)}
    return row


def shares(result: Result) -> Picture | None:
    """Return the parts of the datasheet's figures that were reached; None without a datasheet."""
    rows = [row for row in reached(result) if row["value"] is not None]
    if not rows:
        return None
    axis = ("share of the datasheet's figure", PERCENT)
    title = "Reached, of the datasheet's figure"
    return bars(title, "The best of each kind.", rows, axis, of="what")


def products(result: Result) -> Picture | None:
    """Return every product that was tried, by its FLOP; None where fewer than two were."""
    given = [each for each in result["matmul"] if "flop" in each]
    if len(given) < 2:
        return None
    rows = [
        {
            "dtype": each["dtype"],
            "flop": each["flop"],
            "value": each["tflops"],
            "size": f"{each['m']:,} x {each['k']:,} x {each['n']:,}",
            "text": f"{rate(each)} TFLOP/s",
            "kind": "chosen" if each["best"] else "tried",
        }
        for each in sorted(given, key=lambda each: (each["dtype"], -each["tflops"]))
    ]
    says = "Every shape that was tried; ringed is what each search chose, as timed once more."
    return Picture("Products, by size", says, _sizes(rows), rows)


def _sizes(rows: Rows) -> dict[str, Any]:
    order = list(dict.fromkeys(str(row["dtype"]) for row in rows))
    chosen, opacity = toggled("dtype")
    ends = from_nothing(row["value"] for row in rows)
    base = alt.Chart(ROWS).encode(
        x=amount("flop", "FLOP of the product", FLOP, is_log=True),
        y=height("value", "TFLOP/s", COUNTS, ends=ends),
        tooltip=tips(size="m x k x n", dtype="dtype", text="reached"),
    )
    points = (
        base.mark_point(filled=True, size=45)
        .encode(color=colours("dtype", order), opacity=opacity)
        .add_params(chosen, zoom())
    )
    rings = base.transform_filter("datum.kind === 'chosen'").mark_point(
        color=INK, size=180, strokeWidth=1.5, filled=False, fillOpacity=0
    )
    return shape_of(alt.layer(points, rings).properties(height=300))


def passes(result: Result) -> Picture | None:
    """Return what attention and blocks reach, forward and backward; None where none was timed."""
    fastest = {each["dtype"]: each["tflops"] for each in best(result)}
    rows = []
    for label, dtype, size, each in _timed(result):
        for way in ("forward", "backward"):
            value, product = each[f"{way}_tflops"], fastest.get(dtype)
            share = "" if product is None else percent(value / product)
            row: dict[str, Any] = {
                "name": label,
                "kind": way,
                "value": value,
                "size": size,
                "share": share,
            }
            text = f"{digits(value)} TFLOP/s"
            row["text"] = f"{text}, {share} of the best product" if share else text
            rows.append({**row, "told": digits(value)})
    if not rows:
        return None
    tooltip = tips(name="of", kind="pass", text="reached")
    shape = dots(rows, "kind", ("TFLOP/s", COUNTS), tooltip, (MAIN, PALETTE[1]))
    says = "What their forward and backward passes reach."
    return Picture("Attention and a transformer block", says, shape, rows)


def _timed(result: Result) -> list[tuple[str, str, str, Mapping[str, Any]]]:
    found = []
    for each in result["attention"]:
        size = (
            f"{each['batch']} x {each['sequence']:,}, {each['heads']} heads of {each['head_dim']}"
        )
        label = f"{each['backend']} attention, {each['dtype']}, {each['sequence']:,} tokens"
        found.append((label, each["dtype"], size, each))
    for each in result["block"]:
        compiled = "compiled block" if each["compiled"] else "block"
        size = f"{each['batch']} x {each['sequence']:,}, width {each['hidden']:,}"
        dtype = "bf16" if each["policy"] == "autocast" else each["policy"]
        found.append((f"{compiled}, {each['policy']}, width {each['hidden']:,}", dtype, size, each))
    return found


def collectives(result: Result) -> Picture | None:
    """Return the bus bandwidth of each collective by its size; None where none was timed."""
    given = result["collectives"]
    if not given:
        return None
    rows = [
        {
            "operation": each["operation"],
            "bytes": each["bytes"],
            "value": each["bus_gb_s"],
            "size": f"{each['bytes']:,} bytes",
            "text": f"{digits(each['bus_gb_s'])} GB/s",
            "time": f"{digits(each['seconds'] * 1e6)} µs",
        }
        for each in given
    ]
    says = f"{given[0]['ranks']} ranks, {given[0]['backend']}."
    return Picture("Bus bandwidth of collectives", says, _buses(rows), rows)


def _buses(rows: Rows) -> dict[str, Any]:
    order = list(dict.fromkeys(row["operation"] for row in rows))
    chosen, opacity = toggled("operation")
    ends = from_nothing(row["value"] for row in rows)
    return shape_of(
        alt.Chart(ROWS)
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=amount("bytes", "bytes", COUNTS, is_log=True),
            y=height("value", "bus bandwidth, GB/s", COUNTS, ends=ends),
            color=colours("operation", order),
            opacity=opacity,
            tooltip=tips(operation="operation", size="of", text="bus", time="time"),
        )
        .add_params(chosen, zoom())
        .properties(height=260)
    )


def checks(result: Result) -> Picture | None:
    """Return steps that nothing was fitted to against their predictions; None where none ran."""
    rows = []
    for each in result["check"]:
        low, middle, high = (each[f"{end}seconds"] * 1e3 for end in ("p5_", "", "p95_"))
        rows.append(
            {
                "name": each["model"],
                "params": count(each["params"]),
                "measured": middle,
                "low": low,
                "high": high,
                "predicted": each["predicted_seconds"] * 1e3,
                "text": f"{digits(middle)} ({digits(low)}–{digits(high)}) ms",
                "told": f"{digits(each['predicted_seconds'] * 1e3)} ms",
                "shipped": f"{digits(each['shipped_predicted_seconds'] * 1e3)} ms",
                "off": signed(each["error"]),
            }
        )
    if not rows:
        return None
    says = "On the line a prediction is right; lines are the 5th to 95th percentile of the repeats."
    values = [row[key] for row in rows for key in ("measured", "predicted")]
    even = [{"x": end, "y": end} for end in (min(values), max(values))]
    return Picture(CHECKED, says, _scatter(), rows, {"even": even})


def _scatter() -> dict[str, Any]:
    x = amount("measured", "measured, ms a step", COUNTS, is_log=True)
    y = height("predicted", "predicted, ms a step", COUNTS, is_log=True)
    tooltip = tips(name="decoder", text="measured", told="predicted", off="off")
    base = alt.Chart(ROWS).encode(y=y, tooltip=tooltip)
    lines = base.mark_rule(color=MAIN, opacity=0.5).encode(
        x=amount("low", "measured, ms a step", COUNTS, is_log=True), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=70, color=MAIN, opacity=1).encode(x=x)
    even = (
        alt.Chart(alt.NamedData("even"))
        .mark_line(color=INK, strokeWidth=1.5)
        .encode(x="x:Q", y="y:Q")
    )
    layers = alt.layer(even, lines, points.add_params(zoom()))
    return shape_of(layers.properties(height=380))
