"""What a device reaches, as a page tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from computebill.uncertainty.distribution import Distribution
from computebill.views.bench import CHECKED, CONVENTIONS
from computebill.views.text import count, count_interval, digits, percent

from . import drawing
from .document import Chart, Figure, Report, Result, Section, Table, parts, sections, signed

MOVED = {"copy_gb_s": "memory copy", "triad_gb_s": "memory triad", "read_gb_s": "memory read"}


def report(result: Result) -> Report:
    """Tell what was reached, how steps ran and what it changes."""
    device = result["device"]
    name = "this machine" if device is None else device["name"]
    found = sections(
        Section("Reached", parts([_reached(result), _products(result)])),
        Section("Attention, blocks and steps", parts([_passes(result), _steps(result)])),
        Section("Collectives", parts([_collectives(result)])),
        Section("Predictions", parts([_checks(result), _changes(result)])),
        Section("Not measured", parts([_skipped(result)])),
    )
    return Report(
        f"{name}, measured {result['date']}",
        _answer(result, name),
        _figures(result),
        found,
        notes=_notes(result),
    ).told(result)


def _best(result: Result) -> list[Mapping[str, Any]]:
    return [each for each in result["matmul"] if each["best"]]


def _bandwidth(result: Result) -> float | None:
    rates = [result[key] for key in MOVED if result[key] is not None]
    return max(rates, default=None)


def _peak(result: Result, dtype: str) -> float | None:
    known = result["datasheet"]
    value: float | None = known["peak_tflops"].get(dtype) if known else None
    return value


def _answer(result: Result, name: str) -> str:
    told = []
    best, moved = _best(result), _bandwidth(result)
    if best:
        most = max(best, key=lambda each: each["tflops"])
        peak = _peak(result, most["dtype"])
        of = f", {percent(most['tflops'] / peak)} of its datasheet's peak" if peak else ""
        told.append(f"{_rate(most)} TFLOP/s in {most['dtype']} products{of}")
    if moved is not None:
        told.append(f"{digits(moved)} GB/s of memory")
    answer = f"{name} reaches {' and '.join(told)}" if told else f"{name}: 0 rates were measured"
    if result["check_mape"] is not None:
        answer += f"; steps that nothing was fitted to, {len(result['check'])} of them, were "
        answer += f"predicted {percent(result['check_mape'])} off"
    return f"{answer}."


def _rate(product: Mapping[str, Any]) -> str:
    """Write a rate with its interval; results of before have none."""
    middle = product["tflops"]
    low, high = (product.get(f"{end}_tflops", middle) for end in ("p5", "p95"))
    return count_interval(Distribution(low, middle, high, middle))


def _figures(result: Result) -> list[Figure]:
    found = []
    for each in _best(result):
        value, _, interval = _rate(each).partition(" (")
        found.append(Figure(f"{each['dtype']}, TFLOP/s", value, interval.rstrip(")")))
    moved, launches = _bandwidth(result), result["host"]["launches_per_s"]
    if moved is not None:
        found.append(Figure("memory, GB/s", digits(moved)))
    if launches is not None:
        found.append(Figure("launches a second", count(launches)))
    if result["check_mape"] is not None:
        found.append(Figure("mean error of predicted steps", percent(result["check_mape"])))
    return found


def _notes(result: Result) -> list[str]:
    ended = ["Stopped before its end."] if result["interrupted"] else []
    return [*ended, *(f"{each[:1].upper()}{each[1:]}." for each in result["remarks"])]


def _reached(result: Result) -> Chart | Table | None:
    rows, cells = [], []
    for each in _best(result):
        peak = _peak(result, each["dtype"])
        label = f"{each['dtype']} product, TFLOP/s"
        size = f"{each['m']:,} x {each['k']:,} x {each['n']:,}"
        cells.append(_beside(label, size, _rate(each), each["tflops"], peak))
        rows += _share(label, each["tflops"], peak)
    sheet = result["datasheet"]["memory_bandwidth_gb_s"] if result["datasheet"] else None
    for key, label in MOVED.items():
        if result[key] is not None:
            label = f"{label}, GB/s"
            cells.append(_beside(label, "", digits(result[key]), result[key], sheet))
            rows += _share(label, result[key], sheet)
    if not cells:
        return None
    headings = ("what", "at", "reached (5th–95th)", "datasheet", "share")
    if not rows:
        return Table("Reached", headings[:3], [cell[:3] for cell in cells], ("at",))
    table = Table("Reached, beside the datasheet", headings, cells, ("at",))
    picture = drawing.bars(rows, "share of the datasheet's figure", drawing.PERCENT, of="what")
    return Chart("Reached, of the datasheet's figure", "The best of each kind.", picture, table)


def _beside(
    label: str, size: str, text: str, value: float, peak: float | None
) -> tuple[str, str, str, str, str]:
    known = ("", "") if peak is None else (digits(peak), percent(value / peak))
    return label, size, text, *known


def _share(label: str, value: float, peak: float | None) -> list[dict[str, Any]]:
    if peak is None:
        return []
    return [{"name": label, "value": value / peak, "text": percent(value / peak)}]


def _products(result: Result) -> Chart | None:
    given = [each for each in result["matmul"] if "flop" in each]
    if len(given) < 2:
        return None
    rows = [
        {
            "dtype": each["dtype"],
            "flop": each["flop"],
            "value": each["tflops"],
            "size": f"{each['m']:,} x {each['k']:,} x {each['n']:,}",
            "text": f"{_rate(each)} TFLOP/s",
            "kind": "chosen" if each["best"] else "tried",
        }
        for each in sorted(given, key=lambda each: (each["dtype"], -each["tflops"]))
    ]
    cells = [(row["size"], row["dtype"], row["text"], row["kind"]) for row in rows]
    headings = ("m x k x n", "dtype", "reached (5th–95th)", "")
    return Chart(
        "Products, by size",
        "Every shape that was tried; ringed is what each search chose, as timed once more.",
        _sizes(rows),
        Table("Products", headings, cells, ("dtype", "")),
    )


def _sizes(rows: drawing.Rows) -> Any:
    order = list(dict.fromkeys(str(row["dtype"]) for row in rows))
    chosen, opacity = drawing.toggled("dtype")
    reached = drawing.from_nothing(row["value"] for row in rows)
    base = alt.Chart(drawing.data(rows)).encode(
        x=drawing.amount("flop", "FLOP of the product", drawing.FLOP, is_log=True),
        y=drawing.height("value", "TFLOP/s", drawing.COUNTS, ends=reached),
        tooltip=drawing.tips(size="m x k x n", dtype="dtype", text="reached"),
    )
    points = (
        base.mark_point(filled=True, size=45)
        .encode(color=drawing.colours("dtype", order), opacity=opacity)
        .add_params(chosen, drawing.zoom())
    )
    rings = base.transform_filter("datum.kind === 'chosen'").mark_point(
        color=drawing.INK, size=180, strokeWidth=1.5, filled=False, fillOpacity=0
    )
    return alt.layer(points, rings).properties(height=300)


def _passes(result: Result) -> Chart | None:
    best = {each["dtype"]: each["tflops"] for each in _best(result)}
    rows, cells = [], []
    for label, dtype, size, each in _timed(result):
        product = best.get(dtype)
        for way in ("forward", "backward"):
            value = each[f"{way}_tflops"]
            share = "" if product is None else percent(value / product)
            told = f"{digits(value)} TFLOP/s"
            text = f"{told}, {share} of the best product" if share else told
            rows.append({"name": label, "kind": way, "value": value, "text": text})
            cells.append((label, size, way, digits(value), share))
    if not rows:
        return None
    headings = ("what", "at", "pass", "TFLOP/s", "of the best product")
    return Chart(
        "Attention and a transformer block",
        "What their forward and backward passes reach.",
        drawing.dots(
            rows,
            "kind",
            "TFLOP/s",
            drawing.COUNTS,
            drawing.tips(name="of", kind="pass", text="reached"),
            (drawing.MAIN, drawing.PALETTE[1]),
        ),
        Table("Attention and blocks", headings, cells, ("at", "pass")),
    )


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


def _steps(result: Result) -> Table | None:
    cells = []
    for each in (*result["step"], *result["compiled_step"]):
        low, high = digits(each["p5_seconds"] * 1e3), digits(each["p95_seconds"] * 1e3)
        mfu = [percent(each["mfu"][name]) if each["mfu"] else "" for name in CONVENTIONS]
        cells.append(
            (
                each["model"] + (", compiled" if each["compiled"] else ""),
                each["policy"],
                count(each["params"]),
                f"{digits(each['seconds'] * 1e3)} ({low}–{high})",
                f"{each['tokens_per_s']:,.0f}",
                *mfu,
            )
        )
    shares = tuple(f"MFU: {name}" for name in CONVENTIONS)
    headings = ("decoder", "dtype", "parameters", "ms (5th–95th)", "tokens/s", *shares)
    title = "Training steps of small decoders (width x blocks, sequences x tokens)"
    return Table(title, headings, cells, ("dtype",)) if cells else None


def _collectives(result: Result) -> Chart | None:
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
    order = list(dict.fromkeys(row["operation"] for row in rows))
    chosen, opacity = drawing.toggled("operation")
    reached = drawing.from_nothing(row["value"] for row in rows)
    picture = (
        alt.Chart(drawing.data(rows))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=drawing.amount("bytes", "bytes", drawing.COUNTS, is_log=True),
            y=drawing.height("value", "bus bandwidth, GB/s", drawing.COUNTS, ends=reached),
            color=drawing.colours("operation", order),
            opacity=opacity,
            tooltip=drawing.tips(operation="operation", size="of", text="bus", time="time"),
        )
        .add_params(chosen, drawing.zoom())
        .properties(height=260)
    )
    cells = [(row["operation"], row["size"], row["time"], row["text"]) for row in rows]
    headings = ("operation", "of", "time", "bus")
    ranks = f"{given[0]['ranks']} ranks, {given[0]['backend']}."
    table = Table("Collectives", headings, cells, ("of",))
    return Chart("Bus bandwidth of collectives", ranks, picture, table)


def _checks(result: Result) -> Chart | None:
    given = result["check"]
    if not given:
        return None
    rows, cells = [], []
    for each in given:
        measured = Distribution(
            each["p5_seconds"], each["seconds"], each["p95_seconds"], each["seconds"]
        )
        text = f"{digits(measured.p50 * 1e3)} ({digits(measured.p5 * 1e3)}"
        text += f"–{digits(measured.p95 * 1e3)}) ms"
        predicted = f"{digits(each['predicted_seconds'] * 1e3)} ms"
        shipped = f"{digits(each['shipped_predicted_seconds'] * 1e3)} ms"
        rows.append(
            {
                "name": each["model"],
                "measured": each["seconds"] * 1e3,
                "low": each["p5_seconds"] * 1e3,
                "high": each["p95_seconds"] * 1e3,
                "predicted": each["predicted_seconds"] * 1e3,
                "text": text,
                "told": predicted,
                "off": signed(each["error"]),
            }
        )
        off, params = signed(each["error"]), count(each["params"])
        cells.append((each["model"], params, text, predicted, off, shipped))
    headings = ("decoder", "parameters", "measured (5th–95th)", "predicted", "off", "as shipped")
    says = "On the line a prediction is right; lines are the 5th to 95th percentile of the repeats."
    return Chart(CHECKED, says, _scatter(rows), Table(CHECKED, headings, cells))


def _scatter(rows: Sequence[Mapping[str, Any]]) -> Any:
    values = [row[key] for row in rows for key in ("measured", "predicted")]
    labels = drawing.COUNTS
    x = drawing.amount("measured", "measured, ms a step", labels, is_log=True)
    y = drawing.height("predicted", "predicted, ms a step", labels, is_log=True)
    tooltip = drawing.tips(name="decoder", text="measured", told="predicted", off="off")
    base = alt.Chart(drawing.data(rows)).encode(y=y, tooltip=tooltip)
    lines = base.mark_rule(color=drawing.MAIN, opacity=0.5).encode(
        x=drawing.amount("low", "measured, ms a step", labels, is_log=True), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=70, color=drawing.MAIN, opacity=1).encode(x=x)
    ends = [{"x": end, "y": end} for end in (min(values), max(values))]
    even = (
        alt.Chart(drawing.data(ends))
        .mark_line(color=drawing.INK, strokeWidth=1.5)
        .encode(x="x:Q", y="y:Q")
    )
    return alt.layer(even, lines, points.add_params(drawing.zoom())).properties(height=380)


def _changes(result: Result) -> Table | None:
    cells = [
        (
            each["what"],
            "–" if each["datasheet"] is None else digits(each["datasheet"]),
            digits(each["measured"]),
            "–" if each["datasheet"] is None else signed(each["measured"] / each["datasheet"] - 1),
        )
        for each in result["estimates"]
    ]
    headings = ("run", "from the datasheet", "as measured", "change")
    title = "What it changes: seconds of a step, as estimated"
    return Table(title, headings, cells) if cells else None


def _skipped(result: Result) -> Table | None:
    reasons = Counter((each["what"], each["why"]) for each in result["skipped"])
    headings = ("what", "why")
    return Table("Not measured", headings, list(reasons), ("why",)) if reasons else None
