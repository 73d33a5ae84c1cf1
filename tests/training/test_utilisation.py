from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from computebill.hardware.accelerators import find_accelerator
from computebill.planning.search import plan
from computebill.training.choice_grid import Grid
from computebill.training.choices import Space
from computebill.training.efficiency import read_profile
from computebill.training.shapes import architecture_of, shape_of
from computebill.training.software import read_software
from computebill.training.utilisation import Utilisation, bilinear, practice

SEQUENCE = 4096
PEAK = 989.4e12
"""FLOP/s of an H100 SXM in bf16, dense: NVIDIA's datasheet, 1,979 with sparsity."""


def utilisation() -> Utilisation:
    return Utilisation(
        find_accelerator("h100-sxm"), "bf16", SEQUENCE, read_software("modern"), read_profile()
    )


@pytest.fixture(scope="module")
def shared() -> Utilisation:
    """Return one that remembers what it has computed."""
    return utilisation()


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def reached(of: Utilisation, params: float, batch: float, count: int) -> float:
    return float(of.of_sizes(column(params), column(batch), count)[0])


@given(
    st.integers(2, 5), st.integers(2, 5), st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1)
)
def test_between_points_of_a_table_both_ways_are_straight(
    rows: int, columns: int, seed: int, down: float, along: float
) -> None:
    table = np.random.default_rng(seed).normal(size=(rows, columns))
    row, left = down * (rows - 1), along * (columns - 1)
    oracle = RegularGridInterpolator((np.arange(rows), np.arange(columns)), table)
    found = bilinear(torch.from_numpy(table), column(row), column(left))
    assert float(found[0]) == pytest.approx(float(oracle((row, left))), abs=1e-9)


def test_a_point_of_a_table_does_not_need_its_neighbours() -> None:
    table = torch.tensor([[1.0, math.nan], [2.0, 3.0]], dtype=torch.float64)
    found = bilinear(table, column(0, 1, 0.5, 1, 0), column(0, 1, 0, 0.5, 0.5))
    assert found[:4].tolist() == [1.0, 3.0, 1.5, 2.5]
    assert math.isnan(float(found[4]))


@pytest.mark.parametrize(
    ("params", "count", "batch"), [(1e8, 8, 64), (1e9, 16, 256), (8e9, 64, 512), (7e10, 512, 1024)]
)
def test_one_size_reaches_what_a_plan_finds(
    shared: Utilisation, tmp_path: Path, params: float, count: int, batch: int
) -> None:
    shape = shape_of(params)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(shape.config()))
    found = plan(
        {
            "model": str(path),
            "tokens": 1e12,
            "accelerator": "h100-sxm",
            "precision": "bf16",
            "count": count,
            "global_batch": batch,
            "sequence_length": SEQUENCE,
            "memory_margin": 0.05,
            "fit_odds": 0.5,  # sweeps keep the margin alone
            "pp": [stages for stages in (1, 2, 4, 8, 16) if shape.depth % stages == 0],
            "vpp": [1],
            "cp": [1],
        }
    )
    counted = architecture_of(shape)[1]
    flop_per_s = 6 * counted * batch * SEQUENCE / found.best.step_seconds
    peak = find_accelerator("h100-sxm").peak_flop_per_s("bf16")
    assert peak == pytest.approx(PEAK, rel=1e-3)
    assert reached(shared, params, batch, count) == pytest.approx(
        flop_per_s / (peak * count), rel=1e-9
    )
    architecture, active = architecture_of(shape)
    alone = shared.of_model(architecture, active, column(batch), count)
    assert float(alone[0]) == pytest.approx(flop_per_s / (peak * count), rel=1e-9)


@settings(max_examples=20)
@given(st.floats(0, 3), st.sampled_from([1e8, 1e9, 8e9]))
def test_between_batches_lies_what_is_between(
    shared: Utilisation, power: float, params: float
) -> None:
    low, high = (
        reached(shared, params, 16 * 2.0**each, 16)
        for each in (math.floor(power), math.ceil(power))
    )
    found = reached(shared, params, 16 * 2.0**power, 16)
    assert min(low, high) * (1 - 1e-9) <= found <= max(low, high) * (1 + 1e-9)


def test_small_runs_on_many_accelerators_reach_less(shared: Utilisation) -> None:
    few, many = (reached(shared, 1e9, 256, count) for count in (8, 256))
    assert 0 < many < few < 1


def test_what_does_not_fit_reaches_nothing(shared: Utilisation) -> None:
    assert math.isnan(reached(shared, 4e11, 8, 1))
    assert not math.isnan(reached(shared, 1e9, 8, 1))
    both = shared.of_sizes(column(1e9, 4e11), column(8, 8), 1)
    assert both.isnan().tolist() == [False, True]


@pytest.mark.parametrize("params", [1e9, 8e9, 7e10])
def test_more_accelerators_than_can_share_a_sequence_reach_nothing(
    shared: Utilisation, params: float
) -> None:
    # At most eight tensor parallel ranks times sixteen stages share one: 2,048 take sixteen.
    assert math.isnan(reached(shared, params, 16, 4096))
    assert not math.isnan(reached(shared, params, 16, 512))


def test_many_sizes_reach_about_what_each_does_alone(shared: Utilisation) -> None:
    sizes = torch.logspace(8, 10, 60, dtype=torch.float64)
    batch = torch.full_like(sizes, 128.0)
    together = shared.of_sizes(sizes, batch, 16).numpy()
    alone = np.array([reached(shared, size, 128.0, 16) for size in sizes.tolist()])
    # Depths that fewer stages divide, and the number of heads, make single sizes jump.
    off = abs(together / alone - 1)
    assert np.median(off) < 0.05
    assert off.max() < 0.25
    # Nodes are the same whatever is asked for: each alone among others is what it is with these.
    fewer = shared.of_sizes(sizes[:55], batch[:55], 16).numpy()
    assert fewer == pytest.approx(together[:55], rel=1e-12)


@pytest.mark.parametrize("exponent", [8.1, 8.83])
def test_the_least_of_many_sizes_is_known_where_the_largest_does_not_fit(
    shared: Utilisation, exponent: float
) -> None:
    sizes = torch.logspace(exponent, 11.6, 50, dtype=torch.float64)
    found = shared.of_sizes(sizes, torch.full_like(sizes, 8.0), 8)
    assert found.isnan().tolist()[-1]
    assert float(found[0]) == pytest.approx(reached(shared, float(sizes[0]), 8.0, 8), rel=0.15)


def test_a_model_is_known_by_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counting(Grid):
        def __init__(self, space: Space, *given: Any) -> None:
            made.append(space.case.architecture)
            super().__init__(space, *given)

    monkeypatch.setattr("computebill.training.utilisation.Grid", Counting)
    of, batch = utilisation(), column(512)
    small, large = architecture_of(shape_of(1e9)), architecture_of(shape_of(8e9))
    first = [float(of.of_model(each, active, batch, 64)[0]) for each, active in (small, large)]
    # Read again, from a file of another name, say.
    again = [
        float(of.of_model(replace(each), active, batch, 64)[0]) for each, active in (small, large)
    ]
    assert again == first
    assert first[0] != first[1]
    assert made == [small[0], large[0]]


def test_only_rows_that_are_asked_for_are_known(shared: Utilisation) -> None:
    sizes, batch = column(1e9, 8e9, 1e9), column(64, 128, 256)
    whole = shared.of_sizes(sizes, batch, 16)
    some = utilisation().of_sizes(sizes, batch, 16, torch.tensor([True, False, True]))
    assert some.isnan().tolist() == [False, True, False]
    assert some[[0, 2]].tolist() == whole[[0, 2]].tolist()


def test_people_take_longer_than_the_fastest_layout() -> None:
    for of in ("training", "rl"):
        used = practice(of)
        assert used.low < used.middle < used.high
        assert used.middle >= 1
