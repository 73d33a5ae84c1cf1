"""A statement of training compute, as a page tells it."""

from __future__ import annotations

from computebill.views import statement_tables as parts
from computebill.views.answers.statement import answer
from computebill.views.charts.statement import totals
from computebill.views.result import Result
from computebill.views.statement_tables import Told

from .document import Chart, Report, Section, Table, sections


def report(result: Result) -> Report:
    """Tell a statement, or a planned run as one."""
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
    return Report.of(answer(result), result, found)


def _tables(*told: Told | None) -> list[Table]:
    return [_table(each) for each in told if each is not None]


def _table(told: Told) -> Table:
    return Table(told.title, told.headings, told.rows, told.left)
