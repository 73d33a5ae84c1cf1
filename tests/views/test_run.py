"""A run on a terminal."""

from __future__ import annotations

from looks import line_with, printed

from computebill.runs.estimate import estimate_run
from computebill.views import run as run_view

PLAIN = {"params": "7B", "tokens": "2T", "accelerator": "h100", "mfu": 0.4, "price": 2}


def test_a_run_leaves_out_what_is_not_known() -> None:
    full = printed(run_view.full(estimate_run({**PLAIN, "count": 8}, samples=64)))
    less = printed(run_view.full(estimate_run(PLAIN, samples=64)))
    assert "Wall-clock time" in full
    assert "Wall-clock time" not in less
    # The title stands behind what is to be known first.
    assert "8 x NVIDIA H100 SXM5 80GB" in map(str.strip, full.splitlines())
    assert "NVIDIA H100 SXM5 80GB" in map(str.strip, less.splitlines())


def test_every_assumption_stands_with_its_source() -> None:
    estimate = estimate_run({**PLAIN, "name": "[red]mine"}, samples=64)
    found = printed(run_view.full(estimate), width=300)
    assert "[red]mine: NVIDIA H100" in found
    for assumption in estimate.assumptions:
        assert assumption.source in line_with(assumption.name, found)
