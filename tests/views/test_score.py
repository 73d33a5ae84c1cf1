"""A scored catalogue on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from looks import line_with, printed

import computebill as cb
from computebill.catalogue import Score
from computebill.views import score as view

EXAMPLE = Path(__file__).parents[2] / "examples" / "models.csv"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Score:
    return cb.score_files([str(EXAMPLE)], tmp_path_factory.mktemp("score") / "out.csv")


def test_rows_ways_and_the_largest(found: Score) -> None:
    text = printed(view.full(found, "out.csv"))
    assert f"{found.rows_in:,} rows" in text
    assert f"{found.rows_scored:,}" in line_with("cored", text)
    assert "out.csv" in text
    first = found.summary.largest.iloc[0]
    assert first["model"].split()[0] in text.partition("The largest runs")[2]
    for name, count in found.ways["flop"].items():
        assert f"{count:,}" in line_with(f" {name}  ", text)


def test_organisations_stand_the_costliest_first(found: Score) -> None:
    text = printed(view.full(found)).partition("By organisation")[2]
    names = list(found.summary.costliest(view.MOST_ORGANISATIONS).index)
    places = [text.index(f" {name.split()[0]}") for name in names]
    assert places == sorted(places)
