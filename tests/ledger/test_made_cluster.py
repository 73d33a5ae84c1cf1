"""A made cluster, whose work is known, is recovered from its accounts and its bill."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_cluster import Cluster, make_cluster
from minutes import takes_minutes

from computebill.ledger import Ledger, read_ledger

LEAST = 0.95
ROUNDING = 1e-6


def recovered(made: Cluster, found: Ledger) -> bool:
    """Whether the final runs' true shares lie within their intervals.

    Where none of the unknown jobs was one, an end is the truth itself, but for what floats and the
    bill's six digits round.
    """
    true = made.final_usd / made.usd, made.final_usd / made.research_usd
    told = found.final_share, found.final_share_of_research
    return all(
        each.p5 * (1 - ROUNDING) <= share <= each.p95 * (1 + ROUNDING)
        for share, each in zip(true, told, strict=True)
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_was_run_is_recovered_from_accounts_and_bill(tmp_path: Path, seed: int) -> None:
    made = make_cluster(tmp_path, seed)
    found = read_ledger([made.sacct, made.bill], made.rules)
    hours = {name: each.gpu_hours for name, each in found.parts["kind"].items()}
    nameless = sum(made.hours.values()) - sum(made.named.values())
    assert {**hours, "idle": 0.0} == pytest.approx(
        {**made.named, "unknown": nameless, "idle": 0.0}, rel=1e-9
    )
    assert found.total.cost_usd.p50 == pytest.approx(made.usd, rel=1e-9)
    assert recovered(made, found)
    # The interval says something: it is as wide as what is not known.
    width = found.final_share.p95 - found.final_share.p5
    assert width == pytest.approx(nameless / found.total.gpu_hours, rel=1e-6)
    assert found.reasons.total() == found.rows_rejected == made.rejected
    runs = {row["name"]: row["jobs"] for _, row in found.runs.iterrows()}
    assert {name: runs[name] for name in made.runs} == dict(made.runs)


def share_recovered(folder: Path, seeds: range) -> float:
    """Return the share of seeds whose clusters are recovered."""
    hits = 0
    for seed in seeds:
        made = make_cluster(folder, seed)
        hits += recovered(made, read_ledger([made.sacct, made.bill], made.rules))
    return hits / len(seeds)


@takes_minutes("a hundred clusters are made and read")
def test_at_least_95_of_100_clusters_are_recovered(tmp_path: Path) -> None:
    assert share_recovered(tmp_path, range(100)) >= LEAST
