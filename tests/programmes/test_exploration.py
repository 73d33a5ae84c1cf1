"""The rest by kind: parts add up in every draw, facts go before draws, nothing is cut off."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.programmes.comparison import ask
from computebill.programmes.exploration import (
    ROUNDING,
    Exploration,
    Splitter,
    _drawn,
    _stated,
    rows_by_kind,
    split_rest,
)
from computebill.programmes.followers import read_followers
from computebill.programmes.loading import load_programme, shipped_programmes
from computebill.uncertainty.draws import Settings

Data = dict[str, Any]
DRAWS = Settings(samples=2048)


@pytest.fixture
def data(programme: Callable[[], Data]) -> Data:
    found = programme()
    del found["variants"]
    found["runs"][1]["stage"] = "post-training"
    return found


def split(data: Data | str, draws: Settings = DRAWS) -> Exploration:
    name = data if isinstance(data, str) else "lab"
    asked = ask(data, "as-published", draws, ())
    loaded = asked.loaded._replace(name=name)
    return split_rest(asked.compiled, loaded, draws, (), read_followers())


def kinds(found: Exploration) -> dict[str, Any]:
    return {each.kind: each for each in found.kinds}


def assert_adds_up(programme: Data | str) -> None:
    """Final runs, kinds and what is unexplained are R&D compute in each draw that is kept."""
    chosen = DRAWS._replace(samples=512)
    compiled = ask(programme, "as-published", chosen, ()).compiled
    stated = [*_stated(compiled, None, chosen, ())]
    sources = [*stated, *_drawn(compiled, "lab", stated)]
    ((replicate, points),) = list(compiled.columns.chunks(chosen))[:1]
    outcome = compiled.evaluate(points, replicate)
    parts = Splitter(compiled, sources).split(outcome, chosen, 0)
    final = outcome.final.nan_to_num(0.0)
    by_kind = rows_by_kind(sources, parts.kinds).sum(0)
    whole = (final + by_kind + parts.unexplained)[parts.fits]
    rnd = outcome.rnd.expand_as(final)[parts.fits]
    assert torch.allclose(whole, rnd, rtol=2 * ROUNDING)
    assert bool((parts.unexplained[parts.fits] >= 0).all())
    left_out = ~parts.fits
    assert bool(((final + by_kind)[left_out] > outcome.rnd.expand_as(final)[left_out]).all())


@pytest.mark.parametrize("name", shipped_programmes())
def test_parts_of_what_ships_add_up_in_every_draw(name: str) -> None:
    assert_adds_up(name)


amounts = st.floats(1e6, 2e9)
parts = st.one_of(
    st.fixed_dictionaries({"amount": amounts}),
    st.fixed_dictionaries({"share_of_total": st.floats(0.01, 1.0)}),
    st.fixed_dictionaries({"share_of_rest": st.floats(0.01, 1.0)}),
    st.fixed_dictionaries({"run": st.just("A"), "ratio": st.floats(0.01, 20.0)}),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spend=st.floats(2e7, 1e10),
    chosen=st.dictionaries(
        st.sampled_from(["pretraining research", "evaluation", "synthetic data"]), parts
    ),
)
def test_parts_of_any_programme_add_up_in_every_draw(
    data: Data, spend: float, chosen: dict[str, Data]
) -> None:
    data["reported"][0]["periods"] = [{"period": "2024", "amount": {"p5": spend, "p95": 2 * spend}}]
    data["exploration"] = [
        {"name": kind, "kind": kind, "source": "s", **size} for kind, size in chosen.items()
    ]
    assert_adds_up(data)


def test_development_follows_the_stages_of_the_final_runs(data: Data) -> None:
    found = split(data)
    # The run costs about 3 % of a billion, so hardly any draw is left out.
    assert found.kept > 0.98
    by_kind = kinds(found)
    assert set(by_kind) == {"pretraining research", "post-training development", "evaluation"}
    final = found.final_share.p50
    research = by_kind["pretraining research"].share.p50
    assert research == pytest.approx(1.34 * final / 1.1, rel=0.1)
    development = by_kind["post-training development"].share.p50
    assert development == pytest.approx(10 * final * 0.1 / 1.1, rel=0.1)
    assert not by_kind["evaluation"].is_stated


def test_a_fact_goes_before_a_draw(data: Data) -> None:
    fact = {"name": "ladders", "kind": "pretraining research", "amount": 3e8, "source": "s"}
    data["exploration"] = [{**fact, "holds": ["evaluation"]}]
    by_kind = kinds(split(data))
    assert set(by_kind) == {"pretraining research", "post-training development"}
    assert by_kind["pretraining research"].is_stated
    assert by_kind["pretraining research"].share.p5 == pytest.approx(0.3)
    assert by_kind["pretraining research"].rests_on == "stated: ladders (A source)"


def test_a_run_that_was_never_released_is_a_part_of_the_rest(data: Data) -> None:
    data["runs"].append({"name": "Z", "released": False, "cost_usd": 2e8, "source": "s"})
    found = kinds(split(data))["unreleased and failed runs"]
    assert found.amount.p50 == pytest.approx(2e8)
    assert "Z, never released" in found.rests_on


def test_people_and_dollars_a_day(data: Data) -> None:
    part = {"name": "agents", "kind": "research inference", "source": "s"}
    data["exploration"] = [{**part, "people": 100, "usd_per_day": 600, "days": 250}]
    assert kinds(split(data))["research inference"].amount.p50 == pytest.approx(15e6)
    data["exploration"][0]["cost_share"] = 0.5
    assert kinds(split(data))["research inference"].amount.p50 == pytest.approx(7.5e6)


def test_generation_is_priced_by_a_sweep(data: Data) -> None:
    group = {"name": "g", "kind": "generate", "params": 7e9, "tokens": 1e12, "count": 64}
    group |= {"input_tokens": 1000, "output_tokens": 1000}
    part = {"name": "rephrased", "kind": "synthetic data", "source": "s"}
    data["exploration"] = [{**part, "sweep": {"name": "g", "groups": [group]}}]
    found = kinds(split(data))["synthetic data"].amount
    data["exploration"][0]["sweep"] = {"name": "g", "groups": [{**group, "tokens": 4e12}]}
    assert kinds(split(data))["synthetic data"].amount.p50 == pytest.approx(4 * found.p50, rel=0.1)
    # 0.5 to 2 T tokens of generators of 2 to 10 B parameters: 0.1 to 1 M USD, by hand.
    assert 0.05e6 < found.p50 < 1e6
    data["exploration"][0]["sweep"] = "nosuch"
    with pytest.raises(RequestError, match=r"exploration\[0\]"):
        split(data)


def test_what_was_measured_by_kind_leaves_nothing_unexplained() -> None:
    found = split("hf-smollm3")
    assert found.kept == 1
    assert found.unexplained.p95 == pytest.approx(0, abs=1e-3)
    by_kind = kinds(found)
    assert by_kind["pretraining research"].amount.p50 == 69_120 + 46_080
    assert by_kind["unreleased and failed runs"].share.p50 == pytest.approx(46_080 / 437_760)
    assert by_kind["pretraining research"].observations == 2


def test_olmo_3_is_split_as_its_paper_has_it() -> None:
    found = split("ai2-olmo-3")
    assert kinds(found)["post-training development"].amount.p50 == 1.2e6
    assert found.unexplained_share.p50 < 0.001


def test_draws_that_do_not_fit_are_left_out_and_told(data: Data) -> None:
    data["reported"][0]["periods"][0]["amount"] = 60e6
    found = split(data)
    assert 0.05 < found.kept < 0.8
    assert found.unexplained.p5 >= 0
    free = ask(data, "as-published", DRAWS, ()).compiled.at_medians().share
    # Draws with cheap final runs leave room for their development: conditioning favours them.
    assert found.final_share.p50 < float(free)
    assert found.to_dict()["left_out"] == pytest.approx(1 - found.kept)


def test_where_nothing_fits_only_facts_are_told(data: Data) -> None:
    # Final runs of 5.34 million: development of several times as much cannot fit.
    data["reported"][0]["periods"][0]["amount"] = 5.5e6
    data["runs"][1] |= {"fraction": 0.9}
    fact = {"name": "ladders", "kind": "pretraining research", "amount": 1e5, "source": "s"}
    data["exploration"] = [fact]
    data["assumptions"]["mfu"]["value"] = data["assumptions"]["price"]["value"] = 0.999
    found = split(data)
    assert set(kinds(found)) == {"pretraining research"}
    assert found.kept == 1
    assert found.unexplained.p50 == pytest.approx(5.5e6 - 1e5 - 5.335e6, rel=0.05)


def test_json_has_the_agreed_keys() -> None:
    found = split("ai2-olmo-3").to_dict()
    assert set(found["kinds"][0]) >= {"kind", "rests_on", "hours", "share"}
    assert set(found["unexplained"]) == {"hours", "share"}
    assert {row["kind"] for row in found["prior"]["share_of_rest"]} > {"synthetic data"}
    dollars = split("openai-2024").to_dict()
    orion = next(row for row in dollars["kinds"] if row["kind"] == "unreleased and failed runs")
    assert orion["usd"]["p50"] == 500e6
    assert math.isclose(orion["share"]["p50"], 0.1)


def test_a_share_that_is_not_known_leaves_all_that_is_not_stated() -> None:
    found = split("openai-2026")
    assert not found.final_share.is_known
    inference = kinds(found)["research inference"]
    # 1,000 to 3,000 researchers: 2 to 7 % of the plan, worked out by hand.
    assert 0.02 < inference.share.p5 < inference.share.p95 < 0.07
    whole = found.unexplained.mean + sum(each.amount.mean for each in found.kinds)
    assert whole == pytest.approx(19e9, rel=1e-6)


def test_variants_are_told_in_their_own_unit() -> None:
    loaded = load_programme("ai2-olmo-3")
    asked = ask(loaded, "energy", DRAWS, ())
    found = split_rest(asked.compiled, loaded, DRAWS)
    assert found.basis.key == "mwh"
    assert "post-training development" not in kinds(found)
