from __future__ import annotations

from collections.abc import Callable

import numpy as np
import ours
import plain
import pytest
from timing import Compare, best_seconds

from computebill.programmes import regressions
from computebill.programmes.spend import compare_spend

PROGRAMMES = ("minimax-2025", "zai-2025")
"""OpenAI's published interval adds end-points: there the plain way has nothing to sample."""
RESAMPLES = 20_000
TIMED = 1_000
DRAWS = 50_000


def plain_regressions(name: str, resamples: int, seed: int) -> plain.Ranges:
    rng = np.random.default_rng(seed)
    found = {}
    for question in plain.questions(name):
        flop = plain.predict(question, plain.resample(question, resamples, rng))
        low, high = np.percentile(flop, (5, 95))
        found[question.run] = (float(low), float(high))
    return found


def plain_monte_carlo(name: str, ranges: plain.Ranges) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return plain.monte_carlo(plain.programme(name), ranges, rng, DRAWS).percentiles()


def our_analysis() -> dict[str, np.ndarray]:
    """From the programme files to the percentiles of each total."""
    found = {}
    for name in PROGRAMMES:
        final = ours.monte_carlo(ours.compiled(name), DRAWS)[-2]
        found[name] = np.array([final.p5, final.p50, final.p95])
    return found


def test_published_analysis(
    compare: Compare,
    note: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    timed = RESAMPLES if request.config.getoption("--full-baseline") else TIMED
    ranges = {name: plain_regressions(name, timed, seed=0) for name in PROGRAMMES}
    with monkeypatch.context() as patch:
        patch.setattr(regressions, "RESAMPLES", RESAMPLES)
        found = our_analysis()
        for name in PROGRAMMES:
            # The plain bounds of a regression carry the noise of their resamples, some percent.
            expected = plain_monte_carlo(name, ranges[name])["final"]
            np.testing.assert_allclose(found[name], expected, rtol=0.05)

        # Seconds of the two parts add up; only the regressions are scaled.
        scale = RESAMPLES / timed
        sampling = best_seconds(
            lambda: [plain_monte_carlo(name, ranges[name]) for name in PROGRAMMES], 5
        )
        fitting = scale * best_seconds(
            lambda: [plain_regressions(name, timed, seed=1) for name in PROGRAMMES], 1
        )
        note(f"plain: regressions {fitting:.4g} s, Monte Carlo {sampling:.4g} s")
        ratio = compare(
            f"published analysis of {' and '.join(PROGRAMMES)}: 8 regressions x {RESAMPLES:,}, "
            f"{DRAWS:,} draws each (plain regressions timed on {timed:,})",
            lambda: None,
            our_analysis,
            plus_seconds=fitting + sampling,
        )
    assert not ratio < 100

    def estimate_both() -> None:
        regressions._resample.cache_clear()  # as in a process of its own
        for name in PROGRAMMES:
            compare_spend(name)

    whole = best_seconds(estimate_both, 3)
    note(
        f"compare_spend of both, with all it adds (131,072 resamples and draws, variants, "
        f"sensitivity, follower's bill): {whole:.4g} s, {(fitting + sampling) / whole:.4g} times "
        f"faster than the plain analysis"
    )
