"""A run of several stages, as a page tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from computebill.runs.stage_kinds import KINDS
from computebill.views.answers.stages import WRITTEN, answer, of_stage
from computebill.views.charts import stages as drawn
from computebill.views.result import Result, distribution
from computebill.views.text import UNKNOWN, flop_interval, percent_interval

from .document import Chart, Report, Section, Table, charted, parts, sections
from .logs import measured
from .steps import tornado


def report(result: Result) -> Report:
    """Tell one run of several stages."""
    _, unit, _ = drawn.MOVED.get(result.get("swings_of") or "", drawn.MOVED["cloud"])
    moved = tornado(drawn.swings(result), result.get("swings") or [], unit)
    found = sections(
        Section("Measured", parts(measured(result))),
        Section("By stage", parts([_stages(result)])),
        Section("The ledger of FLOP", parts([_shares(result), _ledger(result)])),
        Section("What drives it", parts([moved])),
    )
    return Report.of(answer(result), result, found)


def _stages(result: Result) -> Chart | Table | None:
    rows = [
        (
            each["name"],
            KINDS[each["kind"]].label,
            _cell(each["mfu"], percent_interval),
            *(_cell(of_stage(each, key), write) for _, key, write in WRITTEN),
            each.get("source") or "",
        )
        for each in result["stages"]
    ]
    headings = ("stage", "kind", "MFU", *(label for label, _, _ in WRITTEN), "source")
    table = Table("By stage", headings, rows)
    picture = drawn.stages(result)
    return table if picture is None else Chart(picture, table)


def _cell(given: Mapping[str, Any] | None, write: Any) -> str:
    return UNKNOWN if given is None else str(write(distribution(given)))


def _shares(result: Result) -> Chart | None:
    keys = ("name", "part", "text")
    return charted(drawn.ledger(result), "FLOP by purpose", ("stage", "for", "FLOP"), keys)


def _ledger(result: Result) -> Table:
    """FLOP of every stage with their intervals."""
    rows = []
    for each in (*result["stages"], {**result, "name": "total"}):
        flops = each["flop"]
        cells = [flops[key] for key in ("updates", "forward", "discarded", "recomputed")]
        cells += [flops["restarted"], flops["by_hours"]]
        rows.append((each["name"], *(_cell(cell, flop_interval) for cell in cells)))
    headings = (
        "stage",
        "updates",
        "forward only",
        "of it discarded",
        "recomputed",
        "restarted",
        "by hours",
    )
    return Table("FLOP of every stage", headings, rows)
