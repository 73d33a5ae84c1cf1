"""What a device reaches, as a page tells it."""

from __future__ import annotations

from collections import Counter

from computebill.views.bench import CHECKED, CONVENTIONS
from computebill.views.charts import bench as drawn
from computebill.views.result import Result
from computebill.views.text import count, digits, percent, signed

from .document import Chart, Figure, Report, Section, Table, charted, parts, sections


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


def _bandwidth(result: Result) -> float | None:
    rates = [result[key] for key in drawn.MOVED if result[key] is not None]
    return max(rates, default=None)


def _peak(result: Result, dtype: str) -> float | None:
    known = result["datasheet"]
    value: float | None = known["peak_tflops"].get(dtype) if known else None
    return value


def _answer(result: Result, name: str) -> str:
    told = []
    best, moved = drawn.best(result), _bandwidth(result)
    if best:
        most = max(best, key=lambda each: each["tflops"])
        peak = _peak(result, most["dtype"])
        of = f", {percent(most['tflops'] / peak)} of its datasheet's peak" if peak else ""
        told.append(f"{drawn.rate(most)} TFLOP/s in {most['dtype']} products{of}")
    if moved is not None:
        told.append(f"{digits(moved)} GB/s of memory")
    answer = f"{name} reaches {' and '.join(told)}" if told else f"{name}: 0 rates were measured"
    if result["check_mape"] is not None:
        answer += f"; steps that nothing was fitted to, {len(result['check'])} of them, were "
        answer += f"predicted {percent(result['check_mape'])} off"
    return f"{answer}."


def _figures(result: Result) -> list[Figure]:
    found = []
    for each in drawn.best(result):
        value, _, interval = drawn.rate(each).partition(" (")
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
    found = drawn.reached(result)
    if not found:
        return None
    keys = ("name", "size", "told", "peak", "text")
    headings = ("what", "at", "reached (5th–95th)", "datasheet", "share")
    cells = [tuple(row[key] for key in keys) for row in found]
    picture = drawn.shares(result)
    if picture is None:
        return Table("Reached", headings[:3], [cell[:3] for cell in cells], ("at",))
    return Chart(picture, Table("Reached, beside the datasheet", headings, cells, ("at",)))


def _products(result: Result) -> Chart | None:
    headings, keys = (
        ("m x k x n", "dtype", "reached (5th–95th)", ""),
        ("size", "dtype", "text", "kind"),
    )
    return charted(drawn.products(result), "Products", headings, keys, ("dtype", ""))


def _passes(result: Result) -> Chart | None:
    headings, keys = (
        ("what", "at", "pass", "TFLOP/s", "of the best product"),
        ("name", "size", "kind", "told", "share"),
    )
    return charted(drawn.passes(result), "Attention and blocks", headings, keys, ("at", "pass"))


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
    headings, keys = ("operation", "of", "time", "bus"), ("operation", "size", "time", "text")
    return charted(drawn.collectives(result), "Collectives", headings, keys, ("of",))


def _checks(result: Result) -> Chart | None:
    headings = ("decoder", "parameters", "measured (5th–95th)", "predicted", "off", "as shipped")
    keys = ("name", "params", "text", "told", "off", "shipped")
    return charted(drawn.checks(result), CHECKED, headings, keys)


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
