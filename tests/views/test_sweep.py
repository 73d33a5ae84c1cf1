"""A research programme on a terminal."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from looks import line_with, printed
from results import SWEEP

import computebill as cb
from computebill.sweep.estimate import SweepEstimate
from computebill.sweep.spec import sweep_data
from computebill.views import sweep as view
from computebill.views.text import money, percent


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SweepEstimate:
    path = tmp_path_factory.mktemp("sweep") / "s.toml"
    path.write_text(SWEEP)
    return cb.price_sweep(sweep_data(path), samples=256, budget="1M")


def test_groups_and_the_final_run(found: SweepEstimate) -> None:
    text = printed(view.full(found))
    assert line_with("How many", text).split()[-2:] == ["7", "1"]
    for group in found.groups:
        line = line_with(f" {group.group.name} ", text)
        assert f" {group.experiments:,.0f} " in line
        assert money(group.rows["cloud"].p50).removeprefix("$").split()[0] in line


def test_the_cluster_and_the_budget(found: SweepEstimate) -> None:
    text = printed(view.full(found))
    assert found.schedule is not None
    assert "On 64 GPUs, largest first" in text
    assert percent(found.schedule.idle_share) in line_with("Idle until then", text)
    assert "What $1.00 M pays for" in text


def test_sizes_are_told_as_people_write_them(found: SweepEstimate) -> None:
    size = found.sizes[0]
    assert view.size_name(replace(size, low=1e8, high=2e8)) == "100 M–200 M"
    assert view.size_name(replace(size, low=1e11, high=math.inf)) == "100 B and more"
    assert view.size_name(replace(size, low=math.nan, high=math.nan)) == "not known"


def test_what_ships_is_listed() -> None:
    shipped = [(name, cb.load_sweep(name)) for name in cb.shipped_sweeps()]
    text = printed(view.presets(shipped), width=200)
    for name, spec in shipped:
        assert spec.name.split()[0] in line_with(f" {name} ", text)
