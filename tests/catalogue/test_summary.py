"""Sums, rows of the most FLOP and trends, against pandas and SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known import LLAMA_ROW
from scipy.stats import linregress

import computebill as cb
from computebill.catalogue.summary import trend


def test_the_summary_adds_up_years_and_organisations_over_batches(tmp_path: Path) -> None:
    rows = [
        LLAMA_ROW
        | {"Model": f"m{i}", "Organization": f"o{i % 3}", "Training compute (FLOP)": f"{i}e22"}
        for i in range(1, 31)
    ]
    frame = pd.DataFrame(rows, dtype="string")
    frame.loc[0, "Organization"] = "o1,o2"
    path = tmp_path / "x.csv"
    frame.to_csv(path, index=False)
    at_once = cb.score_catalogue(frame).summary
    assert at_once.largest["model"].tolist()[:2] == ["m30", "m29"]
    assert at_once.by_year.loc[2024, "rows"] == 30
    assert at_once.by_year.loc[2024, "flop"] == pytest.approx(sum(range(1, 31)) * 1e22)
    assert set(at_once.by_organization.index) == {"o0", "o1", "o2", "several"}
    folder = tmp_path / "parts"
    cb.score_files([path], folder, rows=7)
    again = cb.score_files([path], folder, rows=7, resume=True).summary
    pd.testing.assert_frame_equal(again.by_organization, at_once.by_organization)
    assert again.largest["model"].tolist() == at_once.largest["model"].tolist()


def test_a_sum_of_unknown_costs_is_unknown(tmp_path: Path) -> None:
    bare = {"Training compute (FLOP)": "1e22", "Model": "bare", "Organization": "o1"}
    rows = [
        LLAMA_ROW | {"Organization": "o0"},
        bare | {"Publication date": "2015-03-01"},
        bare | {"Publication date": "2024-03-01"},
    ]
    path = tmp_path / "x.csv"
    pd.DataFrame(rows, dtype="string").to_csv(path, index=False)
    at_once = cb.score_files([path], tmp_path / "x.parquet").summary
    by_year = at_once.to_dict()["by_year"]
    assert [row["year"] for row in by_year] == [2015, 2024]
    assert by_year[0]["cost_amortised_usd"] is None
    assert [row["rows_with_cost"] for row in by_year] == [0, 1]
    assert by_year[1]["cost_amortised_usd"] > 1e6
    assert [row["cost_amortised_usd"] is None for row in at_once.to_dict()["by_organization"]] == [
        False,
        True,
    ]
    # A batch of unknowns takes nothing from the others.
    for resume in (False, True):
        parts = cb.score_files([path], tmp_path / "parts", rows=1, resume=resume).summary
        pd.testing.assert_frame_equal(parts.by_year, at_once.by_year)
        pd.testing.assert_frame_equal(
            parts.by_organization.sort_index(), at_once.by_organization.sort_index()
        )


def test_a_trend_is_the_line_that_rows_lie_on() -> None:
    dates = pd.date_range("2020-01-01", periods=20, freq="90D")
    flop = 1e22 * 10 ** (0.5 * (dates - dates[0]).days.to_numpy() / 365.25)
    rows = pd.DataFrame({"Publication date": dates, "FLOP": flop})
    found = trend(cb.score_catalogue(rows).summary, "flop")
    assert found["middle"].iloc[[0, -1]].tolist() == pytest.approx([1e22, flop[-1]], rel=1e-6)
    assert found["low"].tolist() == pytest.approx(found["high"].tolist(), rel=1e-4)
    assert trend(cb.score_catalogue(rows.head(4)).summary, "flop").empty


def test_a_trend_is_of_all_rows_and_of_none_that_are_a_trend_themselves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = rng.integers(0, 2000, size=6000)
    flop = 10 ** (20 + days / 700 + rng.normal(0, 1, len(days)))
    dates = pd.Timestamp("2019-01-01") + pd.to_timedelta(days, unit="D")
    rows = pd.DataFrame({"Publication date": dates, "FLOP": flop, "Domain": "Language"})
    lines = rows.assign(FLOP=np.nan)
    source, folder = tmp_path / "x.parquet", tmp_path / "parts"
    pd.concat([rows, lines]).to_parquet(source)
    summary = cb.score_files([source], folder, rows=900).summary
    assert len(summary.largest) == 2000
    fit = linregress(days, np.log10(flop))
    found = trend(summary, "flop")
    ends = fit.intercept + fit.slope * np.array([days.min(), days.max()])
    assert np.log10(found["middle"].to_numpy()[[0, -1]]) == pytest.approx(ends, abs=1e-6)
    inside = np.mean(np.abs(np.log10(flop) - fit.intercept - fit.slope * days) < 1.645)
    width = np.log10(found["high"] / found["middle"]).iloc[0]
    assert width == pytest.approx(1.645, rel=0.03)
    assert inside == pytest.approx(0.9, abs=0.02)
