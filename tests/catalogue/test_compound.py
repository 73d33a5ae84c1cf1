"""Cells that tell two fields, as people and public lists write them."""

from __future__ import annotations

import math

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import computebill as cb
from computebill.base.quantity import parse_number
from computebill.catalogue.compound import part, read_chips, read_size, read_time


@pytest.mark.parametrize(
    ("text", "total", "active"),
    [
        ("671B (37B active)", 671e9, 37e9),  # DeepSeek-V3's card
        ("1T total, 32B active", 1e12, 32e9),  # Kimi K2's
        ("37B active / 671B total", 671e9, 37e9),
        ("235B-A22B", 235e9, 22e9),  # Qwen3's name
        ("46.7 billion (12.9 billion activated)", 46.7e9, 12.9e9),
        ("8x7B", 56e9, 14e9),
        ("8 × 22B", 176e9, 44e9),
    ],
)
def test_all_and_active_parameters(text: str, total: float, active: float) -> None:
    told = read_size(text)
    assert told is not None
    assert parse_number(told.text) == total
    assert told.other == active


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ("A100 x 64", "A100", 64),
        ("384 x A100 80GB", "A100 80GB", 384),
        ("992 A100", "A100", 992),
        ("A100-40G x16", "A100-40G", 16),
        ("TPUv5e x 4096", "TPUv5e", 4096),
        ("16,384x NVIDIA H100", "NVIDIA H100", 16384),
        ("NVIDIA H800 ×2048", "NVIDIA H800", 2048),
    ],
)
def test_a_chip_and_how_many(text: str, name: str, count: int) -> None:
    told = read_chips(text)
    assert told is not None
    assert (told.text, told.other) == (name, count)


@pytest.mark.parametrize("text", ["7 days", "168 h", "1 week", "168 hours"])
def test_times_in_other_units(text: str) -> None:
    told = read_time(text)
    assert told is not None
    assert float(told.text) == 168


@pytest.mark.parametrize("text", ["NVIDIA H100 SXM5 80GB", "TPU v4", "GeForce RTX 4090", "B200"])
def test_names_with_numbers_are_names(text: str) -> None:
    assert read_chips(text) is None


@given(st.text(max_size=30))
def test_any_text_is_read_or_left(text: str) -> None:
    for read in (read_size, read_chips, read_time):
        told = read(text)
        assert told is None or math.isnan(told.other) or told.other > 0


@given(st.lists(st.sampled_from(["8x7B", "70B", "", None, "7B (1B active)"]), max_size=20))
def test_plain_cells_stay_what_they_are(cells: list[str | None]) -> None:
    found = part(pa.array(cells, pa.string()), read_size)
    for cell, kept, other in zip(cells, found.column.to_pylist(), found.others, strict=True):
        is_parted = cell in ("8x7B", "7B (1B active)")
        assert (kept == cell) != is_parted
        assert math.isnan(other) != is_parted


def test_a_row_is_scored_from_what_its_cells_tell() -> None:
    rows = [
        {"Model": "A", "Params": "671B (37B active)", "Training tokens": "14.8T"},
        {"Model": "B", "Training hardware": "64 x A100 80GB SXM", "Training time": "7 days"},
        {
            "Model": "C",
            "Training hardware": "64 x A100 80GB SXM",
            "Hardware quantity": "32",
            "Training time": "168",
        },
    ]
    found = cb.score_catalogue(pd.DataFrame(rows, dtype="string"))
    assert found.scored is not None
    one, two, three = (found.scored.iloc[n] for n in range(3))
    assert one["flop_p50"] == pytest.approx(6 * 37e9 * 14.8e12)
    assert two["gpu_hours_p50"] == 64 * 168
    assert "read as 168 hours" in two["notes"]
    # The column of the number goes before the cell's, and that is said.
    assert three["gpu_hours_p50"] == 32 * 168
    assert "its quantity is not used" in three["notes"]
