from __future__ import annotations

from typing import Any

import pytest
from sweeping import HOURS, PLAIN, grid, priced

import computebill as cb
from computebill.sweep.estimate import count_experiments


def test_totals_are_the_sums_of_experiments_one_by_one() -> None:
    sizes, lengths = ["100M", "400M", "1B"], [5, 20]
    whole = priced(grid(sizes, lengths))
    alone = [
        priced({**PLAIN, "params": size, "tokens_per_param": length})
        for size in sizes
        for length in lengths
    ]
    assert whole.experiments == 12
    assert whole.rows["flop"].p50 == pytest.approx(2 * sum(one.rows["flop"].p50 for one in alone))
    hours = 2 * sum(one.rows["gpu_hours"].p50 for one in alone)
    assert whole.rows["gpu_hours"].p50 == pytest.approx(hours, rel=1e-6)


def test_idle_time_is_reserved_time() -> None:
    busy, idle = priced(HOURS), priced(HOURS | {"idle": 0.5})
    assert idle.rows["gpu_hours"].p50 == pytest.approx(2 * busy.rows["gpu_hours"].p50)


def test_rows_of_all_groups_have_the_same_columns() -> None:
    seen: list[dict[str, Any]] = []
    priced(grid(["1B", "2B"], [20]), HOURS | {"name": "hours"}, sink=seen.append)
    assert [list(each) for each in seen] == [list(seen[0])] * 2
    assert seen[0]["params"].tolist() == [1e9, 2e9]
    assert seen[1]["gpu_hours_to_the_end"].tolist() == [100.0]
    counted = count_experiments(cb.load_sweep({"groups": [grid(["1B", "2B"], [20])]}))
    assert counted == (4, 2)
