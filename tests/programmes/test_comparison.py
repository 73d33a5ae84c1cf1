from __future__ import annotations

from pathlib import Path

import pytest
from labs import NAMES, ONE_RUN, estimated

from computebill.base.errors import RequestError
from computebill.programmes.comparison import SKIPPED, compare_totals
from computebill.programmes.spend import compare_spend
from computebill.programmes.totals import TOTALS


@pytest.mark.parametrize("name", NAMES.values())
def test_followers_bill_runs_from_all_to_the_final_runs(name: str) -> None:
    estimate = estimated(name)
    totals = estimate.totals
    assert SKIPPED[0] == 0.0
    assert SKIPPED[-1] == 1.0
    assert estimate.follower[0].p50 == pytest.approx(totals.rnd_compute.p50)
    assert estimate.follower[-1].p50 == pytest.approx(totals.final_runs.p50)
    # With a fixed denominator the bill is linear in the final runs, so in its quantiles.
    half = estimate.follower[SKIPPED.index(0.5)]
    middle = (totals.rnd_compute.p50 + totals.final_runs.p95) / 2
    assert half.p95 == pytest.approx(middle, rel=1e-9)


@pytest.mark.parametrize("variant", ["as-published", "computebill"])
def test_totals_alone_are_those_of_the_whole_estimate(variant: str) -> None:
    few = {"variant": variant, "samples": 4096, "seed": 5}
    whole, brief = (each("zai-2025", **few) for each in (compare_spend, compare_totals))
    for name in TOTALS:
        one, other = (getattr(each.totals, name) for each in (brief, whole))
        assert (one.p5, one.p50, one.p95) == (other.p5, other.p50, other.p95)
    assert brief.totals.excess == whole.totals.excess
    # The mean is a sum, whose order is that of the rows beside it.
    for one, other in zip(brief.follower, whole.follower, strict=True):
        assert (one.p5, one.p50, one.p95) == (other.p5, other.p50, other.p95)
        assert one.mean == pytest.approx(other.mean, rel=1e-12)
    assert (brief.name, brief.variant) == (whole.name, whole.variant)
    assert brief.programme == whole.programme
    assert brief.settings == whole.settings


def test_bills_that_nobody_reads_are_left_out_and_change_nothing() -> None:
    whole = compare_totals("zai-2025", samples=4096)
    brief = compare_totals("zai-2025", samples=4096, skipped=(0.5,))
    half = whole.follower[SKIPPED.index(0.5)]
    assert [(each.p5, each.p50, each.p95) for each in brief.follower] == [
        (half.p5, half.p50, half.p95)
    ]
    assert brief.totals.final_share.p50 == whole.totals.final_share.p50


def test_draws_are_told_as_they_are_done() -> None:
    done: list[int] = []
    compare_totals("openai-2024", samples=10_000, progress=done.append)
    assert sum(done) == 10_000
    assert len(done) > 1


def test_a_variant_that_is_none_is_refused() -> None:
    with pytest.raises(RequestError, match="variant: got 'other'; allowed: as-published"):
        compare_totals("zai-2025", variant="other")


def test_scenarios_are_not_looked_at(tmp_path: Path) -> None:
    """A comparison shows none; the programme alone refuses what is wrong with them."""
    file = tmp_path / "lab.toml"
    scenario = (
        '[[scenarios]]\nname = "s"\nsource = "us"\ndescription = "d"\nsweep = "nosuch.toml"\n'
    )
    file.write_text(ONE_RUN + scenario)
    assert compare_totals(file, samples=256).totals.excess == 0
    with pytest.raises(RequestError, match=r"scenarios\[0\]\.sweep"):
        compare_spend(file, samples=256)
