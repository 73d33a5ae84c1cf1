from __future__ import annotations

import pytest
from labs import estimated

from computebill.programmes.spend import compare_spend


def test_variants_tell_every_change_with_its_effect() -> None:
    estimate = estimated("minimax-2025")
    base, ours, stated = estimate.variants
    assert (base.name, ours.name, stated.name) == ("as-published", "computebill", "stated-rl")
    assert base.totals.final_share.p50 == estimate.totals.final_share.p50
    shares = [base.totals.final_share.p50] + [s.totals.final_share.p50 for s in ours.steps]
    effects = [step.effect for step in ours.steps]
    assert sum(effects) == pytest.approx(shares[-1] - shares[0], abs=1e-12)
    assert ours.totals.final_share.p50 == shares[-1]


def test_variant_minimax_m2_is_priced_at_its_published_size() -> None:
    estimate = compare_spend("minimax-2025", variant="computebill", samples=4096)
    (run,) = [r for r in estimate.runs if r.run.name == "MiniMax-M2 (pretraining)"]
    assert run.flop.p50 == pytest.approx(6 * 9.8e9 * 29.2e12, rel=1e-12)
    (double,) = [r for r in estimate.runs if r.run.name == "MiniMax-M1-40k (RL phase)"]
    assert not double.counted
    # FP8 of the SXM part peaks at 1978.9 TFLOP/s. The draws that are left out, beyond the spend,
    # are those of low utilisation, so its median moves a little.
    hours = run.flop.p50 / (1978.9e12 * (0.15 * 0.35) ** 0.5) / 3600
    assert run.gpu_hours.p50 == pytest.approx(hours, rel=0.03)


def test_variant_adds_depreciation_to_the_denominator_only() -> None:
    estimate = compare_spend("zai-2025", variant="computebill", samples=4096)
    assert estimate.reported == estimated("zai-2025").reported
    added = estimate.totals.rnd_compute.mean - estimate.reported["rnd_compute_usd"]
    assert added == pytest.approx(((111.2 + 211.2) / 2 + 110.675) * 1e6 / 7.2, rel=0.001)
