"""What a page is made of."""

from __future__ import annotations

from typing import Any

from computebill.views.charts.marks import bars
from computebill.views.report.document import Report, Section, charted, sections

Results = dict[str, dict[str, Any]]


def test_a_chart_s_table_has_the_fields_that_are_named() -> None:
    rows = [{"name": "a", "value": 1.0, "text": "1 %"}, {"name": "b", "value": 2.0, "text": "2 %"}]
    picture = bars("Parts", "Two of them.", rows, ("share", "datum.value"))
    chart = charted(picture, "Table", ("part", "share"), ("name", "text"))
    assert chart is not None
    assert chart.table.rows == [("a", "1 %"), ("b", "2 %")]
    assert (chart.title, chart.says) == ("Parts", "Two of them.")
    assert charted(None, "Table", ("part",), ("name",)) is None
    # One picture of the whole has the main sections; one without parts is none.
    kept = sections(Section("A", [chart]), Section("B", [chart], is_main=False), Section("C", []))
    report = Report("R", "One.", sections=kept)
    assert [len(report.charts()), len(report.charts(mainly=True)), len(kept)] == [2, 1, 2]


def test_a_report_takes_what_its_result_knows() -> None:
    given = {"name": "mfu", "value": "0.4", "source": "flag"}
    source = {"title": "T", "address": "https://a.example"}
    result = {"assumptions": [given, given], "sources": {"t": source}, "about": {"seed": 1}}
    told = Report("R", "One.").told(result)
    assert told.assumptions == [("mfu", "0.4", "flag")]
    assert told.sources == [source]
    assert told.about == {"seed": 1}
