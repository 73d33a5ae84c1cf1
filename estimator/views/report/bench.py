"""What a device reaches, as a page tells it."""

from __future__ import annotations

from collections import Counter

from computebill.views.answers.bench import answer
from computebill.views.bench import CHECKED, CONVENTIONS
from computebill.views.charts import bench as drawn
from computebill.views.result import Result
from computebill.views.text import count, digits, percent, signed

from .document import Chart, Report, Section, Table, charted, parts, sections


def report(result: Result) -> Report:
    """Tell what was reached, how steps ran and what it changes."""
    found = sections(
        Section("Reached", parts([_reached(result), _products(result)])),
        Section("Attention, blocks and steps", parts([_passes(result), _steps(result)])),
        Section("Collectives", parts([_collectives(result)])),
        Section("Predictions", parts([_checks(result), _changes(result)])),
        Section("Not measured", parts([_skipped(result)])),
    )
    return Report.of(answer(result), result, found)


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
