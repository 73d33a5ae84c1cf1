from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import computebill as cb
from computebill.programmes.loading import PUBLISHED

LAB: dict[str, Any] = {
    "organisation": "Lab",
    "title": "Lab",
    "window": {"first": "2025", "last": "2025"},
    "sources": {"own": {"title": "Own"}},
    "assumptions": {
        "accelerator": "h100",
        "price": {"value": 2, "source": "own"},
    },
    "reported": [
        {
            "item": "Compute",
            "counts_as": "rnd_compute",
            "currency": "USD",
            "source": "own",
            "periods": [{"period": "2025", "amount": 1e6}],
        }
    ],
    "runs": [{"name": "run", "released": "2025", "accelerator_hours": 1e5, "source": "own"}],
}
SWEEP = {"groups": [{"name": "tries", "gpu_hours": 50, "repeats": 1000}]}


def scenario(**fields: Any) -> dict[str, Any]:
    usual = {"name": "tries", "description": "A scenario.", "source": "own", "sweep": SWEEP}
    return {**LAB, "scenarios": [{**usual, **fields}]}


def test_a_scenario_is_priced_as_the_programme_and_set_against_the_rest() -> None:
    (found,) = cb.compare_spend(scenario(), samples=1024).scenarios
    assert found.experiments == 1000
    assert found.gpu_hours.p50 == pytest.approx(50_000)
    assert found.cost_usd.p50 == pytest.approx(100_000)
    # A million, less 200,000 of the run.
    assert found.explained.p50 == pytest.approx(100 / 800)
    assert found.to_dict()["is_a_scenario"] is True


def test_the_price_is_drawn_once_for_runs_and_scenarios() -> None:
    spec = scenario()
    spec["assumptions"] = {
        "accelerator": "h100",
        "price": {"value": {"low": 1, "high": 3}, "source": "own"},
    }
    (found,) = cb.compare_spend(spec, samples=4096).scenarios
    # Dear hours make the runs dearer too, and leave less to explain.
    low = 50_000 * 1.1 / (1e6 - 1e5 * 1.1)
    high = 50_000 * 2.9 / (1e6 - 1e5 * 2.9)
    assert found.explained.p5 == pytest.approx(low, rel=0.01)
    assert found.explained.p95 == pytest.approx(high, rel=0.01)


def test_a_scenario_may_be_a_file_beside_the_programme(tmp_path: Path) -> None:
    (tmp_path / "tries.toml").write_text('[[groups]]\nname = "tries"\ngpu_hours = 5\n')
    (tmp_path / "lab.toml").write_text(
        'organisation = "Lab"\ntitle = "Lab"\n[window]\nfirst = "2025"\nlast = "2025"\n'
        '[sources.own]\ntitle = "Own"\n[assumptions]\naccelerator = "h100"\n'
        'price = { value = 2, source = "own" }\n[[reported]]\nitem = "C"\n'
        'counts_as = "rnd_compute"\ncurrency = "USD"\nsource = "own"\n'
        'periods = [{ period = "2025", amount = 1e6 }]\n'
        '[[runs]]\nname = "r"\nreleased = "2025"\naccelerator_hours = 1e5\nsource = "own"\n'
        '[[scenarios]]\nname = "s"\ndescription = "d"\nsource = "own"\nsweep = "tries.toml"\n'
    )
    (found,) = cb.compare_spend(tmp_path / "lab.toml", samples=64).scenarios
    assert found.gpu_hours.p50 == pytest.approx(5)
    (preset,) = cb.compare_spend(scenario(sweep="smollm3"), samples=64).scenarios
    assert preset.gpu_hours.p50 == pytest.approx(161_280, rel=0.01)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"sweep": {"groups": []}}, "scenarios[0].sweep: tries: groups"),
        ({"sweep": {"groups": [{"name": "x"}]}}, "give a size"),
        ({"sweep": "missing.toml"}, "scenarios[0].sweep: missing.toml: cannot be read"),
        ({"source": "other"}, "scenarios[0].source: got 'other'"),
    ],
)
def test_scenarios_that_cannot_be(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        cb.compare_spend(scenario(**fields), samples=64)
    assert problem in str(caught.value)


def test_the_shipped_programmes_have_scenarios_that_explain_a_part() -> None:
    for name in PUBLISHED:
        found = cb.compare_spend(name, samples=4096)
        assert found.scenarios
        for each in found.scenarios:
            assert "A scenario, not a fact" in each.scenario.description
            assert 0 < each.explained.p5 < each.explained.p50 < 1
