"""What ships of the rest: multipliers from their observations, priors from their parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from computebill.base.quantity import P90
from computebill.programmes.comparison import compare_totals
from computebill.programmes.loading import shipped_programmes
from computebill.programmes.rest import (
    known_of_rest,
    multiplier,
    prior_by_kind,
    prior_of_share,
    prior_told,
)
from computebill.programmes.stated import KINDS, STAGES


def test_development_of_pretraining_is_what_six_programmes_measured() -> None:
    found = multiplier("pretraining", "")
    median, sigma, _ = found.value.parameters
    assert found.observations == 6
    # Worked out by hand from 4.1, 2.8, 1.7, 1.0, 0.6 and 0.5: 1.3, p10 to p90 0.45 to 3.9.
    assert median == pytest.approx(1.3, rel=0.05)
    assert median * math.exp(-P90 * sigma) == pytest.approx(0.45, rel=0.05)
    assert median * math.exp(P90 * sigma) == pytest.approx(3.9, rel=0.05)


@pytest.mark.parametrize(
    ("name", "variant"), [("meta-opt", "as-stated"), ("hf-smollm3", "as-stated"),
                          ("ai2-olmo-2", "as-stated"), ("bigscience-bloom", "emissions")]
)  # fmt: skip
def test_observations_are_the_rest_over_final_runs(name: str, variant: str) -> None:
    (ratio,) = [each.ratio for each in known_of_rest().multipliers if each.programme == name]
    share = compare_totals(name, variant=variant, samples=64).totals.final_share.p50
    assert ratio == pytest.approx((1 - share) / share, abs=0.05)


def test_a_programme_does_not_explain_itself() -> None:
    assert multiplier("pretraining", "meta-opt").observations == 5
    assert "meta-opt" not in multiplier("pretraining", "meta-opt").rests_on
    for each in known_of_rest().multipliers:
        assert each.programme in shipped_programmes()
        assert each.stage in STAGES
        assert each.source in known_of_rest().sources


def test_one_observation_is_a_judgement_and_says_so() -> None:
    found = multiplier("post-training", "")
    assert found.observations == 1
    assert "judgement" in found.rests_on
    assert found.value.median == 10


@pytest.mark.parametrize("year", [2022, 2024, 2026])
def test_priors_are_the_parts_of_a_dirichlet_distribution(year: int) -> None:
    means = next(each.means for each in known_of_rest().prior.years if year <= each.until)
    assert sum(means.values()) == pytest.approx(1)
    assert set(means) == set(KINDS)
    alpha = np.array([8 * means[kind] for kind in KINDS])
    draws = stats.dirichlet(alpha).rvs(20_000, random_state=1)
    for kind, column in zip(KINDS, draws.T, strict=True):
        low, middle, high = prior_by_kind(year)[kind]
        assert np.quantile(column, (0.05, 0.5, 0.95)) == pytest.approx(
            (low, middle, high), abs=0.015
        )


def test_priors_of_the_final_share() -> None:
    assert prior_of_share("open") == pytest.approx((0.15, 0.42, 0.76), abs=0.01)
    assert prior_of_share("commercial") == pytest.approx((0.05, 0.14, 0.35), abs=0.01)
    assert prior_of_share("frontier") == pytest.approx((0.02, 0.07, 0.21), abs=0.01)
    told = prior_told(2024, None)
    assert told["is_evidence"] is False
    assert told["final_share"] is None
