"""Tables behind waterfalls and tornadoes."""

from __future__ import annotations

from computebill.uncertainty.distribution import Distribution
from computebill.views.charts import steps as drawn
from computebill.views.charts.steps import SHARE, Part
from computebill.views.report.steps import tornado, waterfall


def test_a_part_without_an_interval_has_an_empty_cell() -> None:
    parts = [Part("a", "final run", Distribution(1.0, 2.0, 4.0, 3.0)), Part("b", "all else", 1.0)]
    chart = waterfall(drawn.waterfall("From a to b", "", parts))
    assert chart is not None
    assert chart.table.rows == [
        ("a", "final run", "$3.00", "$2.00 (1.00–4.00)"),
        ("b", "all else", "$1.00", ""),
    ]
    assert chart.table.title == chart.title == "From a to b"
    assert waterfall(None) is None


def test_a_table_has_all_that_moves_a_result() -> None:
    moved = [{"assumption": f"a{n}", "p5": 0.1, "p50": 0.2, "p95": 0.3} for n in range(15)]
    chart = tornado(drawn.swings("Moved", moved, "share", SHARE), moved, SHARE)
    assert chart is not None
    assert len(chart.table.rows) == 15
    assert chart.table.rows[0] == ("a0", "10.0 %", "30.0 %")
    assert tornado(None, [], SHARE) is None
