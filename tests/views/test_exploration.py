"""Tables of the rest and of those who follow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from looks import line_with, printed

from computebill.programmes.exploration import Exploration
from computebill.programmes.spend import compare_spend
from computebill.uncertainty.distribution import Distribution
from computebill.views.exploration import exploration, followers_by_kind, kept_told, prior_text

NOTHING = Distribution(*[float("nan")] * 4)


@pytest.fixture(scope="module")
def found() -> Exploration:
    return compare_spend("openai-2024", samples=512).exploration


def test_each_kind_has_its_share_and_prior(found: Exploration) -> None:
    told = printed(exploration(found))
    orion = line_with("unreleased and failed runs  ", told)
    assert "10.0 %" in orion
    assert "$500 M" in orion
    assert "none" in line_with("synthetic data  ", told)
    assert "prior, not evidence" in told
    assert "unreleased and failed runs: stated: one large run of Orion" in told
    (left,) = [row for row in told.splitlines() if row.strip().startswith("unexplained")]
    assert "%" in left


def test_draws_left_out_are_told(found: Exploration) -> None:
    assert "of the draws the kinds would take more than was reported" in kept_told(found)
    assert kept_told(replace(found, kept=1.0)).startswith("In every draw")
    assert kept_told(replace(found, kept=0.0, unexplained=NOTHING)).startswith("In no draw")


def test_followers_have_a_bill_and_a_description(found: Exploration) -> None:
    told = printed(followers_by_kind(found))
    assert "$" in line_with("insider  ", told)
    assert "distiller with an API: Tunes an open model" in told
    assert not list(followers_by_kind(replace(found, followers=())))


def test_a_prior_reads_as_a_share() -> None:
    assert prior_text({"p5": 0.131, "p50": 0.37, "p95": 0.66}) == "37 % (13–66)"
