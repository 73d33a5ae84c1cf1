"""Stages on a terminal."""

from __future__ import annotations

from looks import line_with, printed

import computebill as cb
from computebill.views import stages as view

RUN = {
    "name": "[red]mine",
    "params": "8B",
    "stage": [
        {"name": "pre", "tokens": "1T", "accelerator": "h100", "count": 64, "mfu": 0.4, "price": 2},
        {"name": "reward model", "kind": "reward", "tokens": "1B"},
        {"name": "made", "kind": "generate", "requests": 1000, "answer_length": 500, "kept": 250},
    ],
}


def test_the_ledger_has_what_there_is_and_leaves_out_what_is_nowhere() -> None:
    told = printed(view.full(cb.estimate_stages(RUN, samples=64)), width=200)
    assert "[red]mine: median" in told
    heading = line_with("updates", told)
    for part in ("own samples", "discarded"):
        assert part in heading
    for part in ("reference", "teacher", "restarted", "recomputed", "by hours"):
        assert part not in heading
    ledger = told[told.index("FLOP, by what they are for") :]
    assert line_with("made", ledger).split()[1:] == ["0", "2.00e15", "6.00e15"]
    assert line_with("total", ledger).split()[1:] == ["4.80e22", "2.00e15", "6.00e15"]
    # One stage's hours are known, so the total's are not, and a note says of which they lack.
    assert "No total of GPU-hours: not known of reward model, made." in told
    assert "$" in line_with("pre  ", told)


def test_one_stage_has_no_total_and_its_assumptions_no_prefix() -> None:
    one = {**RUN, "name": "x", "stage": RUN["stage"][:1]}  # type: ignore[index]
    told = printed(view.full(cb.estimate_stages(one, samples=64)), width=200)
    assert " total " not in told[: told.index("What went in")]
    assert "pre: " not in told


def test_what_a_service_sells_is_told_as_sold() -> None:
    sold = {"params": "8B", "price_per_token": 0.5, "stage": [{"kind": "sft", "tokens": "1B"}]}
    told = printed(view.full(cb.estimate_stages(sold, samples=64)), width=200)
    assert "cost, sold by the token" in told
    assert "$500" in told
    assert "GPU-hours" not in told
