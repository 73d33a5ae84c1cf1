"""Every combination of methods: by hand where each only multiplies, and what does not combine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.hardware.accelerators import find_accelerator
from computebill.programmes import multiverse as module
from computebill.programmes.loading import load_programme, shipped_programmes
from computebill.programmes.multiverse import (
    Axis,
    Multiverse,
    Option,
    accelerator_of,
    methods,
    multiverse,
)

Data = dict[str, Any]


@pytest.fixture
def data(programme: Callable[[], Data]) -> Data:
    """One run with nothing uncertain: 10 % of the spend in every draw."""
    found = programme()
    found["runs"] = [{"name": "A", "released": "2024-05", "cost_usd": 1e8, "source": "s"}]
    del found["variants"]
    return found


def variant(name: str, **change: Any) -> Data:
    made = {"name": "c", "why": "w", "source": "s", **change}
    return {"name": name, "description": "d", "changes": [made]}


def medians(found: Multiverse, axis: str) -> list[float]:
    (one,) = [each for each in found.axes if each.name == axis]
    return [row[1] for row in one.shares]


def test_what_scales_the_spend_is_combined_by_hand(data: Data) -> None:
    found = multiverse(load_programme(data))
    # Its windows are one, so that no lag is its own; earlier spend is less by 42 to 47 % a year.
    growth = 1.445
    lags, spare = (1.0, growth**-0.5, growth**-0.375), (1.0, 0.8)
    expected = sorted(0.1 / (lag * free) for lag in lags for free in spare)
    assert sorted(found.shares) == pytest.approx(expected, rel=2e-3)
    (lag,) = [axis for axis in found.axes if axis.name == "lag of release behind spend"]
    drawn = "drawn, from none to three quarters"
    assert lag.options == ("as in the file", "two quarters", drawn)
    assert {axis.name for axis in found.axes} == {"spare capacity", lag.name}
    # Only two choices, and no more of one with the other in the logarithm: parts of one whole.
    assert sum(axis.share_of_variance for axis in found.axes) == pytest.approx(1)


def test_a_file_with_a_lag_of_its_own_has_made_that_choice(data: Data) -> None:
    data["assumptions"]["lag"] = {"value": {"low": 0, "high": 9}, "growth": 2, "source": "s"}
    found = multiverse(load_programme(data))
    assert [axis.name for axis in found.axes] == ["spare capacity"]


def test_changes_of_one_thing_exclude_each_other(data: Data) -> None:
    runs = [[{"name": "A", "cost_usd": usd}] for usd in (5e7, 2e8)]
    line = {"item": "R&D compute", "periods": [{"period": "2024", "amount": 2e9}]}
    data["variants"] = [
        variant("half", runs=runs[0]),
        variant("twice", runs=runs[1]),
        variant("more", reported=[line]),
    ]
    found = multiverse(load_programme(data))
    assert len(found.shares) == 6 * 3 * 2
    # Of 18 combinations with each: three runs on two lines at six scales.
    assert len(medians(found, "the file's A")) == 3
    first = [share for share, row in zip(found.shares, found.choices, strict=True) if not any(row)]
    assert first == [pytest.approx(0.1)]


def test_large_runs_that_were_never_released_may_count(data: Data) -> None:
    data["runs"].append({"name": "Z", "released": False, "cost_usd": 3e8, "source": "s"})
    stated = {"name": "Y", "kind": "unreleased and failed runs", "amount": 1e8, "source": "s"}
    data["exploration"] = [stated]
    found = multiverse(load_programme(data))
    few, many = medians(found, "what counts as final")
    assert many / few == pytest.approx(5)


def test_precision_is_twice_the_peak(data: Data) -> None:
    part = find_accelerator("h100-sxm")
    run = {"name": "A", "released": "2024-05", "flop": 1e25, "source": "s"}
    data["runs"] = [run]
    found = multiverse(load_programme(data))
    whole, half = medians(found, "precision")
    ratio = part.peak_flop_per_s("fp8") / part.peak_flop_per_s("bf16")
    assert whole / half == pytest.approx(ratio, rel=0.1)


def test_what_cannot_be_priced_is_left_out_and_told() -> None:
    found = multiverse(load_programme("zai-fy2025"))
    assert found.impossible > 0  # an Ascend 910B has no FP8
    assert "H20 at 1.03 USD an hour" in found.axes[0].options
    assert all(math.isfinite(share) and share > 0 for share in found.shares)
    told = found.to_dict()
    assert told["specifications"] == len(told["rows"]) == len(found.shares)
    assert told["lowest"] <= told["median_share"]["p5"] < told["median_share"]["p95"]


def test_the_base_is_among_them() -> None:
    found = multiverse(load_programme("openai-2024"))
    first = [share for share, row in zip(found.shares, found.choices, strict=True) if not any(row)]
    assert first == [pytest.approx(0.097, rel=0.05)]


def test_own_hardware_is_not_added_twice() -> None:
    (axis,) = [each for each in methods().axes if each.name == "own hardware"]
    has_its_own = {"zai-2022", "zai-2024", "zai-2025"}
    for name in shipped_programmes():
        programme = load_programme(name).programme
        if programme.organisation == "Z.ai":
            assert axis.is_for(programme) == (name not in has_its_own), name
        elif programme.organisation != "MiniMax":
            assert not axis.is_for(programme)


def test_an_accelerator_is_known_by_its_name_or_its_peak() -> None:
    known = {name: accelerator_of(load_programme(name).programme) for name in shipped_programmes()}
    assert known["minimax-fy2025"] == "h800-sxm"
    assert known["anthropic-2024"] == "h100-sxm"
    assert known["zai-2023"] is None


def test_every_option_but_the_first_has_its_source() -> None:
    for axis in methods().axes:
        assert axis.options[0].source is None
        for option in axis.options[1:]:
            assert option.source in methods().sources, option.label


def test_axes_that_move_least_go_where_there_is_no_room(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    data["runs"].append({"name": "B", "released": "2024-06", "cost_usd": 5e6, "source": "s"})
    data["variants"] = [
        variant("small", runs=[{"name": "B", "cost_usd": 1e7}]),
        variant("large", runs=[{"name": "A", "cost_usd": 3e8}]),
    ]
    monkeypatch.setattr(module, "MOST", 3)
    found = multiverse(load_programme(data))
    assert "the file's A" in [axis.name for axis in found.axes]
    assert "the file's B" in found.left_out


def test_a_share_that_cannot_be_told() -> None:
    with pytest.raises(RequestError, match="--multiverse: the share of openai-2026 cannot be told"):
        multiverse(load_programme("openai-2026"))


def test_an_axis_needs_two_options() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Axis(name="one", options=(Option(label="only"),))
