"""A priced run, as a page tells it."""

from __future__ import annotations

from dataclasses import replace

from computebill.views.answers.run import answer, figures_of, heading
from computebill.views.charts import run as drawn
from computebill.views.result import Result, distribution
from computebill.views.text import money_interval

from .document import Chart, Report, Section, Table, charted, parts, sections
from .logs import measured
from .steps import tornado, waterfall


def report(result: Result) -> Report:
    """Tell one run."""
    costs = [_costs(result), waterfall(drawn.programme(result)), _table(figures_of(result))]
    _, unit, _ = drawn.MOVED.get(result.get("swings_of") or "", drawn.MOVED["cloud"])
    moved = tornado(drawn.swings(result), result.get("swings") or [], unit)
    keys = ("name", "text")
    speed = [
        charted(drawn.scaling(result), "Utilisation", ("GPUs", "MFU"), ("count", "text")),
        charted(drawn.breakdown(result), "A step's time", ("part", "time"), keys),
    ]
    memory = charted(drawn.memory(result), "Memory", ("part", "GB"), keys)
    found = sections(
        Section("Measured", parts(measured(result))),
        Section("What it costs", parts(costs)),
        Section("What drives it", parts([moved])),
        Section("Speed", parts(speed)),
        Section("Memory of the fullest GPU", parts([memory])),
    )
    undrawn = "no cost is known, and no step; give a price"
    told = Report.of(answer(result), result, found, undrawn=undrawn)
    return replace(told, heading=heading(result))


def _table(figures: list[tuple[str, str]]) -> Table:
    return Table("All figures", ("figure", "median (5th–95th percentile)"), figures)


def _costs(result: Result) -> Chart | None:
    picture = drawn.costs(result)
    if picture is None:
        return None
    cells = [(row["name"], row["text"]) for row in picture.rows]
    for part, given in result["amortised_parts_usd"].items():
        if given:
            label = f"of the hardware used up: {part.replace('_', ' ')}"
            cells.append((label, money_interval(distribution(given))))
    return Chart(picture, Table("Cost by way", ("way", "median (5th–95th)"), cells))
