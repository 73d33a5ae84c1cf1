"""The page of one run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from known import LLAMA_8B
from looks import charts, one, rows_of, table_of
from results import FIT, told

from computebill.views.run import ROWS

Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def whole(results: Results, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of which every figure is known, its programme's too."""
    config = tmp_path_factory.mktemp("run") / "config.json"
    config.write_text(json.dumps(LLAMA_8B))
    share = ("--final-share", "0.1..0.25", "--count", "64", "--tp", "2", "--dp", "32")
    return told("run", "--model", str(config), *FIT, *share, "--samples", "512", "--json")


def test_every_figure_reaches_the_page(whole: dict[str, Any]) -> None:
    cells = dict(table_of(one(whole), "All figures").rows)
    assert list(cells) == [label.strip() for label, *_ in ROWS]


def test_the_programme_is_in_the_answer_and_drawn(whole: dict[str, Any]) -> None:
    report = one(whole)
    assert "; its whole programme costs $" in report.answer
    assert "The whole programme, rented" in [each.label for each in report.figures]
    rows = rows_of(charts(report)["From this run to the whole programme"])
    assert [row["kind"] for row in rows] == ["final run", "all else", "whole"]
    assert rows[1]["end"] == pytest.approx(rows[2]["end"])


def test_without_a_share_nothing_is_said_of_a_programme(results: Results) -> None:
    report = one(results["run"])
    assert "programme" not in report.answer
    assert "From this run to the whole programme" not in charts(report)


def test_an_unnamed_run_is_told_by_its_size(results: Results) -> None:
    told = "7.00 B parameters, 2.00 T tokens: 512 x NVIDIA H100 SXM5 80GB"
    assert one(results["run"]).title == told
    assert one(results["laid-out"]).title.startswith("Mine: 64 x ")


def test_the_tornado_names_what_it_moves(results: Results) -> None:
    run = charts(one(results["run"]))["What moves the result"]
    assert "where the rented cost is $" in run.says
    assert '"title": "rented cost (USD)"' in json.dumps(run.picture.spec())
