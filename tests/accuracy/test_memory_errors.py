"""How far predicted memory is off, and the spread that left-out labs tell."""

from __future__ import annotations

import math

import pytest
import torch

from computebill.accuracy.measured import read_measured
from computebill.accuracy.memory_errors import MemoryErrors, memory_errors
from computebill.training.memory_odds import fit_odds, shipped_spread


def errors(logs: list[float], labs: str) -> MemoryErrors:
    """Rows with such errors, each of the lab that its letter names."""
    return MemoryErrors(
        rows=tuple(range(len(logs))),
        labs=tuple(labs),
        sources=tuple(labs),
        logs=torch.tensor(logs, dtype=torch.float64),
    )


def test_rows_have_two_thirds_of_the_vote_and_labs_a_third() -> None:
    # Of one lab's fifty rows and one of another: 2/3 x 50/51 + 1/3 x 1/2 = 0.82, less than 0.9.
    found = errors([0.0] * 50 + [0.5], "a" * 50 + "b").spread()
    assert found is not None
    assert found.centre == 0.0
    assert found.spread == pytest.approx(0.5 / 1.6448536, rel=1e-6)
    # Of three labs, the odd one has 2/3 x 1/101 + 1/3 x 1/3 = 0.12; of four, 0.09.
    several = errors([0.0] * 102 + [0.5], "a" * 50 + "b" * 50 + "cde").spread()
    assert several is not None
    assert several.spread < 0.1


def test_the_spread_of_a_normal_distribution_is_its_own() -> None:
    # Every lab has the same quantiles of it.
    normal = torch.distributions.Normal(0.05, 0.2)
    shares = (torch.arange(500, dtype=torch.float64) + 0.5) / 500
    rows = normal.icdf(shares).repeat(4)
    found = errors(rows.tolist(), "".join(lab * 500 for lab in "abcd")).spread()
    assert found is not None
    assert found.centre == pytest.approx(0.05, abs=2e-3)
    assert found.spread == pytest.approx(0.2, rel=0.02)


def test_a_lab_is_judged_by_the_others() -> None:
    # The others agree within a few per cent; the last, far off, would have widened their interval.
    found = errors([0.0, 0.02, -0.02, 0.01, 1.0], "abcde")
    inside = found.inside(found.labs)
    assert inside is not None
    assert inside.tolist() == [True, True, True, True, False]
    assert errors([0.1, 0.2], "aa").inside(("a", "a")) is None


@pytest.fixture(scope="module")
def shipped() -> MemoryErrors:
    return memory_errors()


def test_the_shipped_spread_is_what_the_shipped_table_tells(shipped: MemoryErrors) -> None:
    found, known = shipped.spread(), shipped_spread()
    assert found is not None
    assert (found.rows, found.labs) == (known.rows, known.labs)
    assert found.centre == pytest.approx(known.centre, abs=1e-5)
    assert found.spread == pytest.approx(known.spread, abs=1e-5)


def test_labs_left_out_lie_in_the_interval_of_the_others(shipped: MemoryErrors) -> None:
    told = shipped.to_dict(shipped_spread(), "lab")
    assert 0.85 <= told["coverage_90_left_out"] <= 0.95
    inside = shipped.inside(shipped.labs)
    assert inside is not None
    assert told["coverage_90_left_out"] == pytest.approx(float(inside.double().mean()))
    sources = told["by_source"].values()
    assert sum(each["rows"] for each in sources) == told["rows"] == len(shipped.rows)


def test_odds_are_right_as_often_as_they_say(shipped: MemoryErrors) -> None:
    # Rooms of which the prediction takes so large a share are large enough in as many runs as the
    # odds say, one vote a lab.
    for share in (0.6, 0.8, 1.0, 1.2):
        fits = (shipped.logs <= -math.log(share)).double()
        labs = torch.tensor(
            [
                float(fits[torch.tensor([each == lab for each in shipped.labs])].mean())
                for lab in dict.fromkeys(shipped.labs)
            ]
        )
        assert float(labs.mean()) == pytest.approx(fit_odds(share, 1.0), abs=0.15)


def test_memory_is_near_what_was_measured(shipped: MemoryErrors) -> None:
    told = shipped.to_dict(shipped_spread(), None)
    assert told["rows"] == 362
    assert told["median_ape"] <= 0.06
    assert told["within_15"] >= 0.78
    assert abs(told["bias"]) <= 0.02
    # What a source counts is known of these, and what its software holds.
    near = {"simumax_b200": 0.03, "bloom_prequel": 0.03, "qwen_ft": 0.06, "nanotron_best": 0.08}
    for source, bar in near.items():
        assert told["by_source"][source]["median_ape"] <= bar


def test_rows_without_a_speed_count_and_those_without_a_micro_batch_do_not(
    shipped: MemoryErrors,
) -> None:
    reasons = {each.reason for each in shipped.skipped}
    assert "not stated: micro_batch" in reasons
    timed = {row.row for row in read_measured()[0]}
    assert set(shipped.rows) - timed
