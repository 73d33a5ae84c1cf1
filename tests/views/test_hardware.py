"""Accelerators on a terminal."""

from __future__ import annotations

import pytest
from looks import line_with, printed

import computebill as cb
from computebill.views import hardware as view

H100 = cb.find_accelerator("h100-sxm")


def test_a_row_has_the_figures_of_its_profile() -> None:
    (row,) = view.summary_rows([H100])
    assert row["name"] == "h100-sxm"
    assert row["memory_gb"] == H100.memory_gb.value
    assert row["bf16_tflops"] == H100.peak("bf16").value
    assert row["usd_per_hour_p10"] <= row["usd_per_hour"] <= row["usd_per_hour_p90"]
    text = printed([view.summary_table([row])], width=200)
    assert f"{row['usd_per_hour']:.2f}" in line_with("h100-sxm", text)


def test_every_figure_stands_with_its_source() -> None:
    text = printed(view.profile_view(H100), width=400)
    for row in view.figure_rows(H100):
        line = line_with(f" {row.name} ", text)
        assert row.value in line
        assert row.source in line


@pytest.mark.parametrize("is_all", [False, True])
def test_the_last_prices_or_all(is_all: bool) -> None:
    text = printed(view.profile_view(H100, all_prices=is_all), width=300)
    days = {str(price.date) for price in H100.prices.cloud}
    shown = {day for day in days if day in text}
    assert max(days) in shown
    assert (shown == days) == is_all
