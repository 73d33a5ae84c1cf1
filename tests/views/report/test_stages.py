"""A page of stages."""

from __future__ import annotations

from typing import Any

from computebill.views.report import reports_of
from computebill.views.report.document import Chart

Results = dict[str, dict[str, Any]]


def test_the_page_has_every_stage_the_ledger_and_what_drives_it(results: Results) -> None:
    (report,) = reports_of([("x.json", results["stages"])])
    assert report.answer.startswith("The 3 stages take ")
    assert [section.title for section in report.sections] == [
        "By stage", "The ledger of FLOP", "What drives it",
    ]  # fmt: skip
    stages, shares = (report.sections[place].parts[0] for place in (0, 1))
    assert isinstance(stages, Chart)
    assert isinstance(shares, Chart)
    assert [row[1] for row in stages.table.rows] == [
        "pretraining", "preference tuning", "reinforcement learning",
    ]  # fmt: skip
    ledger = report.sections[1].parts[1]
    assert not isinstance(ledger, Chart)
    assert [row[0] for row in ledger.rows] == ["pretrain", "preference", "rl", "total"]
