"""A statement of training compute, as a page tells it."""

from __future__ import annotations

from computebill.views import statement_tables as parts
from computebill.views.charts.statement import totals
from computebill.views.result import Result, distribution
from computebill.views.statement_tables import Told
from computebill.views.text import energy_interval, flop_interval

from .document import Chart, Report, Section, Table, figure, sections


def report(result: Result) -> Report:
    """Tell a statement, or a planned run as one."""
    tiles = [
        figure(name, f"{flop_interval(distribution(total['flop']))} FLOP")
        for name, total in result["totals"].items()
        if any(each["applies"] for each in total["thresholds"])
    ]
    energy = distribution(result["energy_mwh"])
    if energy.is_known and energy.p50 > 0:
        tiles.append(figure("electricity", energy_interval(energy)))
    electricity = parts.energy(result)
    table, picture = _table(parts.totals(result)), totals(result)
    found = sections(
        Section("Totals", [table if picture is None else Chart(picture, table)]),
        Section("Before the run", _tables(*parts.planned(result))),
        Section("Line by line", _tables(parts.lines(result), parts.reasons(result))),
        Section("When", _tables(parts.crossing(result))),
        Section("As a modification", _tables(parts.modification(result))),
        Section("Methods", _tables(parts.methods(result))),
        Section(
            "Electricity", _tables(electricity), "" if electricity is None else electricity.note
        ),
        Section("What moves it", _tables(parts.moves(result))),
        Section("What the rules leave open", _tables(parts.left_open(result))),
    )
    title = f"Training compute of {result['model']['name']}"
    answer = parts.answer(result)
    return Report(title, answer, tiles, found, notes=result["notes"]).told(result)


def _tables(*told: Told | None) -> list[Table]:
    return [_table(each) for each in told if each is not None]


def _table(told: Told) -> Table:
    return Table(told.title, told.headings, told.rows, told.left)
