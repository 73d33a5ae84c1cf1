"""Ways of following: what is skipped by kind, and what a teacher's tokens cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.programmes.bases import DOLLARS, HOURS
from computebill.programmes.followers import (
    PARTS,
    Follower,
    FollowerRows,
    parts_of,
    read_followers,
)
from computebill.programmes.spend import compare_spend
from computebill.uncertainty.draws import Settings

Data = dict[str, Any]


def bill(skips: Data, teacher: Data | None = None) -> float:
    """The bill of one who follows a leader with a unit of each part."""
    data = {"name": "f", "description": "d", "skips": skips, "teacher": teacher}
    given = {key: value for key, value in data.items() if value is not None}
    rows = FollowerRows([validate(Follower, given, "f")], DOLLARS, "cpu")
    parts = torch.ones(len(PARTS), 1, dtype=torch.float64)
    return float(rows.bills(parts, Settings(samples=1), 0)[0, 0])


def test_what_is_not_named_is_not_skipped() -> None:
    assert bill({}) == len(PARTS)
    assert bill({"unexplained": 1}) == len(PARTS) - 1
    assert bill({"evaluation": 0.25, "final runs": 0.5}) == len(PARTS) - 0.75
    assert bill(dict.fromkeys(PARTS, 1)) == 0


def test_a_distiller_pays_for_the_teachers_tokens() -> None:
    assert bill(dict.fromkeys(PARTS, 1), {"tokens": 3e6, "usd_per_million": 2}) == 6


def test_tokens_are_bought_in_dollars_only() -> None:
    shipped = read_followers()
    assert len(FollowerRows(shipped, DOLLARS, "cpu").followers) == 3
    assert [each.teacher for each in FollowerRows(shipped, HOURS, "cpu").followers] == [None, None]


def test_parts_stand_where_they_are_looked_for() -> None:
    one = torch.ones(2, dtype=torch.float64)
    found = parts_of(
        3 * one, ["evaluation", "synthetic data"], torch.stack([one, 2 * one]), 5 * one
    )
    named = dict(zip(PARTS, found[:, 0].tolist(), strict=True))
    assert named["final runs"] == 3
    assert named["evaluation"] == 1
    assert named["synthetic data"] == 2
    assert named["unexplained"] == 5
    assert sum(named.values()) == 11


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"skips": {"luck": 0.5}}, "skips.luck: is no part; allowed: final runs, pretraining"),
        ({"skips": {"evaluation": 1.5}}, "skips.evaluation: got 1.5; allowed: 0 to 1"),
        ({"skips": {"evaluation": {"low": 0.5, "high": 0.2}}}, "skips.evaluation: low: got 0.5"),
        ({"teacher": {"tokens": 0, "usd_per_million": 1}}, "teacher.tokens: got 0"),
        ({"extra": 1}, "extra is not a known key"),
    ],
)
def test_ways_that_cannot_be(change: Data, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        validate(Follower, {"name": "f", "description": "d", "skips": {}, **change}, "f")
    assert problem in str(caught.value)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[followers]]\nname = "me"\ndescription = "d"\nskips = { unexplained = 0.5 }\n'
    )
    (found,) = read_followers(path)
    assert found.name == "me"
    path.write_text("followers = []")
    with pytest.raises(RequestError, match=r"mine\.toml: followers: got \[\]"):
        read_followers(path)


def test_bills_lie_between_nothing_and_the_leaders(programme: Callable[[], Data]) -> None:
    found = compare_spend(programme(), samples=2048)
    bills = {each.follower.name: each for each in found.exploration.followers}
    assert set(bills) == {"replicator with a paper", "distiller with an API", "insider"}
    for each in bills.values():
        assert 0 < each.share.p5 < each.share.p50 < each.share.p95 < 1.01
    told = found.to_dict()["follower_by_kind"]
    assert all(row["is_a_judgement"] for row in told)
    assert told[1]["teacher"]["tokens"] == "1B–100B (p10–p90)"
    # Who trains the final runs pays at least for these.
    assert bills["insider"].bill.p5 > found.totals.final_runs.p5


def test_without_final_runs_there_is_nothing_to_follow() -> None:
    assert compare_spend("anthropic-2025", samples=64).exploration.followers == ()
