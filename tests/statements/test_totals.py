from __future__ import annotations

import pytest

from computebill.regulation.rules import rule_sets
from computebill.statements.lines import Line
from computebill.statements.totals import READINGS, Total, held_to, membership
from computebill.uncertainty.distribution import Distribution

LINES = [
    Line("run", "updates", "pretraining"),
    Line("run", "recomputed", "activation_recomputation"),
    Line("rl", "samples", "rl_rollouts"),
    Line("base", "training", "base_model", is_lineage=True),
]


def test_lines_are_in_the_totals_that_the_rules_say() -> None:
    found = membership(rule_sets(["eu-updates", "eu-cumulative"]), LINES)
    told = {row: found.inside[place].tolist() for place, row in enumerate(found.rows)}
    assert told == {
        ("eu-updates", "counted"): [1, 0, 0, 0],
        ("eu-updates", "with_silent"): [1, 1, 1, 1],
        ("eu-updates", "with_need_not"): [1, 0, 0, 0],
        ("eu-cumulative", "counted"): [1, 0, 1, 1],
        ("eu-cumulative", "with_silent"): [1, 0, 1, 1],
        ("eu-cumulative", "with_need_not"): [1, 1, 1, 1],
    }
    assert len(found.different) == 3  # each sum is worked out once
    for rule_set, reading in found.rows:
        row = found.different[found.row(rule_set, reading)]
        assert row.tolist() == told[rule_set, reading]


@pytest.mark.parametrize(
    ("median", "within"), [(7.6e24, False), (7.7e24, True), (1.42e25, True), (1.44e25, False)]
)
def test_a_report_within_the_margin_of_a_threshold_is_marked(median: float, within: bool) -> None:
    # 7.7e24 plus 30 % is 1.001e25.
    flop = Distribution(median, median, median, median)
    (rules,) = rule_sets(["eu-cumulative"])
    held = {each.mark.value: each for each in held_to(flop, [1.0, 0.5, 0.0], rules)}
    assert held[1e25].within_margin is within
    assert [each.applies for each in held.values()] == [False, True, False]
    total = Total(flop, tuple(held.values()), rules.rounding)
    assert total.margin_used == 0.0


def test_readings_only_add_to_what_counts() -> None:
    for kept in READINGS.values():
        assert "counts" in kept
        assert "does_not_count" not in kept
