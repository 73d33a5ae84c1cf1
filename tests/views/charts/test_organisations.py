"""Charts of many organisations, of the rest of one, and of all combinations of methods."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from looks import charts, one, rows_of, spec_of
from results import told

from computebill.programmes import regressions
from computebill.views.charts import organisations
from computebill.views.report import reports_of
from computebill.views.result import distribution
from computebill.views.text import percent_interval

SAMPLES = ("--samples", "256", "--json")


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regressions, "RESAMPLES", 2**10)


@cache
def result(name: str, *more: str) -> dict[str, Any]:
    return told("spend", name, *more, *SAMPLES)


def test_the_overview_tells_grade_and_basis_apart() -> None:
    several = [result(name) for name in ("openai-2024", "ai2-olmo-2", "xai-2025", "openai-2026")]
    picture = organisations.overview(several)
    assert picture is not None
    rows = {row["name"]: row for row in picture.rows}
    assert len(rows) == 3  # of a plan without final runs no share is known
    assert (rows["OpenAI, 2024"]["grade"], rows["OpenAI, 2024"]["basis"]) == ("B", "dollars")
    assert (rows["Ai2, OLMo to OLMo 2"]["grade"], rows["xAI, 2025"]["grade"]) == ("A", "C")
    points = picture.shape["layer"][1]["encoding"]
    assert points["shape"]["scale"]["domain"] == ["dollars", "energy"]
    assert points["color"]["scale"]["domain"] == ["A", "B", "C"]
    assert organisations.overview([result("openai-2026")]) is None


def test_pages_of_several_bases_begin_with_the_overview() -> None:
    both = {"programmes": [result("openai-2024"), result("ai2-olmo-2")]}
    (report, *_) = reports_of([("x", both)])
    assert "Final share by organisation and window" in charts(report)
    assert "66.5 % at Ai2" in report.answer


def test_the_opened_bar_adds_up_to_all() -> None:
    picture = organisations.rest(result("openai-2024"))
    assert picture is not None
    names = [row["name"] for row in picture.rows]
    assert names[0] == "final runs"
    assert names[-1] == "unexplained"
    assert picture.rows[-1]["end"] == pytest.approx(1)
    assert picture.rows[-1]["interval"] == percent_interval(
        distribution(result("openai-2024")["exploration"]["unexplained"]["share"])
    )
    kinds = {row["name"]: row["kind"] for row in picture.rows}
    assert kinds["unreleased and failed runs"] == "stated fact"
    assert kinds["pretraining research"] == "drawn from other programmes"
    assert organisations.rest(result("openai-2026")) is None
    assert organisations.rest({}) is None


def test_pages_of_a_programme_open_its_rest() -> None:
    report = one(result("hf-smollm3"))
    found = charts(report)
    rests = found["What everything else went to"].table.rows
    assert any("ablations of pretraining" in cell for row in rests for cell in row)
    assert "276 k h" in report.answer
    runs = rows_of(found["Runs, dearest first"])
    assert runs[0]["short"] == "276 k h"


def test_a_page_tells_what_cannot_be_told() -> None:
    report = one(result("anthropic-2025"))
    assert "cannot be told: none of them has a published size" in report.answer
    assert any(note.startswith("Grade C: ") for note in report.notes)
    nothing = {"programmes": [result("anthropic-2025"), result("openai-2026")]}
    assert reports_of([("x", nothing)])[0].answer == "No share can be told."


def test_combinations_of_methods_are_drawn_by_choice() -> None:
    found = result("openai-2024", "--multiverse")
    picture = organisations.multiverse(found)
    assert picture is not None
    assert picture.rows[0]["name"] == "all combinations"
    assert "what counts as final: released runs only" in [row["name"] for row in picture.rows]
    assert "What the share hangs on" in charts(one(found))
    assert organisations.multiverse(result("openai-2024")) is None
    assert spec_of(charts(one(found))["What the share hangs on"])


def test_a_guess_is_in_no_headline() -> None:
    both = {"programmes": [result("openai-2024"), result("xai-2025")]}
    assert reports_of([("x", both)])[0].answer.endswith("at OpenAI.")
    assert one(result("xai-2025")).answer.startswith("Of grade C, one side being a guess")


def test_many_programmes_are_told_by_their_ends_and_overlaps() -> None:
    names = ("openai-2024", "ai2-olmo-2", "minimax-2024", "minimax-2025", "hf-smollm3")
    (report, *_) = reports_of([("x", {"programmes": [result(name) for name in names]})])
    assert report.answer.startswith("In 5 programmes of 4 organisations, final training runs took")
    assert report.answer.endswith("66.5 % (Ai2, OLMo to OLMo 2) of R&D compute.")
    assert "MiniMax, 2024 and MiniMax, Q4 2024 – Q3 2025 have a part of their spend" in " ".join(
        report.notes
    )
