from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from labs import ONE_RUN

from computebill.base.errors import RequestError
from computebill.programmes.spend import compare_spend
from computebill.uncertainty import distribution


def test_draws_beyond_the_spend_can_be_left_out() -> None:
    chunks: list[dict[str, torch.Tensor]] = []
    estimate = compare_spend(
        "minimax-2025", variant="computebill", samples=20_000, sink=chunks.append
    )
    share = torch.cat([chunk["final_share"] for chunk in chunks])
    assert share.max() <= 1
    assert estimate.totals.excess == pytest.approx(1 - len(share) / 20_000, abs=1e-12)
    assert 0.05 < estimate.totals.excess < 0.2
    assert estimate.totals.final_share.p95 == pytest.approx(share.quantile(0.95).item(), rel=1e-9)
    assert estimate.totals.final_share.mean == pytest.approx(share.mean().item(), rel=1e-9)


def test_a_spend_that_no_draw_fits_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "dear.toml"
    text = ONE_RUN.replace("peak_flop_per_s", "within_spend = true\npeak_flop_per_s")
    file.write_text(text.replace("flop = 1e25", "flop = 1e30"))
    with pytest.raises(RequestError, match=r"within_spend: .* in 0 of 4096 draws"):
        compare_spend(file, samples=4096)


def test_share_is_the_quantile_of_the_ratio() -> None:
    """Against NumPy on the draws themselves, where the denominator varies too."""
    chunks: list[dict[str, torch.Tensor]] = []
    estimate = compare_spend("zai-2025", variant="computebill", samples=20_000, sink=chunks.append)
    draws = {key: torch.cat([chunk[key] for chunk in chunks]).numpy() for key in chunks[0]}
    ratio = pd.Series(draws["final_runs_usd"] / draws["rnd_compute_usd"])
    share = estimate.totals.final_share
    for key, probability in (("p5", 0.05), ("p50", 0.5), ("p95", 0.95)):
        assert getattr(share, key) == pytest.approx(ratio.quantile(probability), rel=1e-12)
    assert share.mean == pytest.approx(ratio.mean(), rel=1e-12)
    runs = sum(draws[f"cost_usd {run.run.name}"] for run in estimate.runs if run.counted)
    assert runs == pytest.approx(draws["final_runs_usd"], rel=1e-12)


def test_counted_quantiles_stand_in_for_sorted_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(ONE_RUN)
    exact = compare_spend(file, samples=30_000)
    monkeypatch.setattr(distribution, "MOST_KEPT", 2**16)
    counted = compare_spend(file, samples=30_000)
    assert counted.joint is None
    for key in ("p5", "p50", "p95", "mean"):
        for part in ("final_runs", "final_share", "exploration"):
            left, right = (getattr(getattr(e.totals, part), key) for e in (exact, counted))
            assert left == pytest.approx(right, rel=5e-4)
    for left, right in zip(exact.runs, counted.runs, strict=True):
        assert left.cost_usd.p50 == pytest.approx(right.cost_usd.p50, rel=5e-4)


def test_a_denominator_that_may_be_negative_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    more = "{ period = 2023, amount = 1e8 }"
    less = "{ period = 2023, amount = { low = 1e7, high = 2e9 }, sign = -1 }"
    file.write_text(ONE_RUN.replace("amount = 1e9 }", f"amount = 1e9 }}, {more}, {less}"))
    with pytest.raises(RequestError, match="reported: R&D compute is zero or negative in some"):
        compare_spend(file, samples=4096)


def test_excess_is_the_share_of_draws_that_cost_more_than_all(tmp_path: Path) -> None:
    file = tmp_path / "close.toml"
    file.write_text(ONE_RUN.replace("flop = 1e25", "flop = 4e26"))
    chunks: list[dict[str, torch.Tensor]] = []
    found = compare_spend(file, samples=20_000, sink=chunks.append).totals
    share = torch.cat([chunk["final_share"] for chunk in chunks])
    assert len(share) == 20_000  # none is left out unless the file asks for it
    assert 0.05 < found.excess < 0.95
    assert found.excess == pytest.approx(float((share > 1).double().mean()), abs=1e-12)
