from __future__ import annotations

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from computebill.base.errors import RequestError
from computebill.costs.prices import cloud_price, purchase_price, typical_cloud_price
from computebill.hardware.accelerators import find_accelerator, list_accelerators
from computebill.runs.estimate import COST_WAYS, ROWS, RunEstimate, estimate_run
from computebill.uncertainty.distribution import Distribution

Data = dict[str, Any]

SAMPLES = 4096
H100 = 989.4e12  # dense BF16, NVIDIA
PLAIN: Data = {
    "params": "7B",
    "tokens": "2T",
    "accelerator": "h100",
    "count": 1024,
    "mfu": 0.4,
    "price": 2,
}


def estimate(**fields: Any) -> RunEstimate:
    return estimate_run({**PLAIN, **fields}, samples=SAMPLES)


def refusal(data: Data, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        estimate_run(data, **{"samples": 64, **options})
    return str(caught.value)


def quantiles(row: Distribution) -> list[float]:
    return [row.p5, row.p50, row.p95]


def log_normal(low: float, high: float, z: float, top: float = math.inf) -> np.ndarray[Any, Any]:
    source = np.random.default_rng([int(low * 1e6), int(high * 1e6)])
    sigma = math.log(high / low) / (2 * z)
    values = math.sqrt(low * high) * np.exp(sigma * source.standard_normal(10**6))
    return np.where(values <= top, values, source.choice(values[values <= top], 10**6))


def test_a_run_by_hand() -> None:
    rows = estimate(global_batch=1024, sequence_length=4096).rows
    seconds = 6 * 7e9 * 2e12 / (H100 * 0.4)
    expected = {
        "params": 7e9,
        "params_active": 7e9,
        "tokens": 2e12,
        "flop": 8.4e22,
        "mfu": 0.4,
        "gpu_hours": seconds / 3600,
        "days": seconds / 1024 / 86400,
        "tokens_per_second_per_gpu": 2e12 / seconds,
        "step_seconds": seconds / 1024 * (1024 * 4096 / 2e12),
        "cloud": seconds / 3600 * 2,
    }
    for name, value in expected.items():
        assert quantiles(rows[name]) == pytest.approx([value] * 3, rel=1e-9), name
        assert rows[name].mean == pytest.approx(value, rel=1e-9)


def test_only_active_parameters_are_trained_on() -> None:
    rows = estimate(params="671B", params_active="37B", tokens="14.8T").rows
    assert rows["flop"].p50 == pytest.approx(6 * 37e9 * 14.8e12)
    assert rows["params"].p50 == 671e9
    alone = estimate(params=None, params_active="37B").rows
    assert alone["params"].p50 == alone["params_active"].p50 == 37e9


def test_energy_and_carbon_by_plain_numpy() -> None:
    rows = estimate(pue=1.2, usd_per_kwh=0.08, carbon_g_per_kwh=400).rows
    hours = 8.4e22 / (H100 * 0.4) / 3600
    fraction = log_normal(0.56, 1.0, 1.6448536269514722, top=1.0)
    # 700 W a chip, 10.2 kW a server of eight.
    kwh = hours * 0.7 * (10.2 / 8 / 0.7) * 1.2 * np.quantile(fraction, [0.05, 0.5, 0.95])
    assert quantiles(rows["energy_mwh"]) == pytest.approx(kwh / 1e3, rel=5e-3)
    assert quantiles(rows["energy"]) == pytest.approx(kwh * 0.08, rel=5e-3)
    assert quantiles(rows["carbon_t"]) == pytest.approx(kwh * 0.4 / 1e3, rel=5e-3)


def test_the_amortised_cost_by_plain_numpy() -> None:
    rows = estimate(pue=1.2, usd_per_kwh=0.08).rows
    hours = 8.4e22 / (H100 * 0.4) / 3600
    usd = purchase_price(find_accelerator("h100")).usd
    z = 1.6448536269514722
    value, rate = log_normal(usd / 2, usd * 2, z), log_normal(0.10, 0.18, z)
    server = value * rate * math.log(10) / 8766 * hours
    energy = hours * 10.2 / 8 * 1.2 * 0.08 * log_normal(0.56, 1.0, z, top=1.0)
    parts = {
        "chip": server / 1.64,
        "other_server": server * (1 - 1 / 1.64),
        "interconnect": server * 0.19 / 0.81,
        "amortised": server / 0.81 + energy,
        "upfront": 1024 * value / 0.81,
    }
    for name, draws in parts.items():
        expected = np.quantile(draws, [0.05, 0.5, 0.95])
        assert quantiles(rows[name]) == pytest.approx(expected, rel=0.01), name
        assert rows[name].mean == pytest.approx(draws.mean(), rel=0.01)


def test_hardware_owned_for_years_has_lost_value() -> None:
    released = find_accelerator("h100").release_date
    assert released is not None
    bought = purchase_price(find_accelerator("h100"), date=dt.date(2026, 7, 1)).date
    assert bought is not None
    acquired = max(bought, released.value + dt.timedelta(days=90))
    years = (dt.date(2026, 7, 1) - acquired).days / 365.25
    new, old = estimate().rows["chip"].p50, estimate(date="2026-07-01").rows["chip"].p50
    # Without a date it is bought at the latest price, with one at the first.
    first, latest = (
        purchase_price(find_accelerator("h100"), date=date).usd
        for date in (dt.date(2026, 7, 1), None)
    )
    z = 1.6448536269514722
    rate = log_normal(0.10, 0.18, z)
    lost = np.quantile(rate * 10 ** (-rate * years), 0.5) / np.quantile(rate, 0.5)
    assert old / new == pytest.approx(lost * first / latest, rel=0.02)


def test_llama_3_1_405b_is_of_the_published_order() -> None:
    """Cottier et al. 2024: 51.0 million amortised, 896 million up-front."""
    rows = estimate(
        params="405B", tokens="15.6T", count=16384, mfu="0.36..0.43", operator="Meta"
    ).rows
    assert 51.0e6 / 1.5 < rows["amortised"].p50 < 51.0e6 * 1.5
    assert 896e6 / 1.5 < rows["upfront"].p50 < 896e6 * 1.5
    # Meta: 30.84 million H100-hours, 54 days for the most of it.
    assert rows["gpu_hours"].p50 == pytest.approx(30.84e6, rel=0.15)


def test_ranges_multiply_as_plain_monte_carlo_does() -> None:
    rows = estimate(params={"p10": 5e9, "p90": 9e9}, mfu="0.3..0.45", price="1.5..3").rows
    z = 1.2815515655446004
    hours = 6 * log_normal(5e9, 9e9, z) * 2e12 / (H100 * log_normal(0.3, 0.45, z)) / 3600
    usd = hours * log_normal(1.5, 3, z)
    assert quantiles(rows["gpu_hours"]) == pytest.approx(
        np.quantile(hours, [0.05, 0.5, 0.95]), rel=0.01
    )
    assert quantiles(rows["cloud"]) == pytest.approx(np.quantile(usd, [0.05, 0.5, 0.95]), rel=0.01)
    assert rows["cloud"].mean == pytest.approx(usd.mean(), rel=0.01)


@pytest.mark.parametrize("commitment", ["on-demand", "1y", "3y"])
def test_a_providers_price_at_a_date(commitment: Any) -> None:
    day = dt.date(2024, 6, 1)
    run = estimate(price=None, provider="aws", date=day, commitment=commitment)
    quote = cloud_price(find_accelerator("h100"), provider="aws", date=day, commitment=commitment)
    hours = run.rows["gpu_hours"].p50
    assert quantiles(run.rows["cloud"]) == pytest.approx([hours * quote.usd_per_hour] * 3)
    told = next(row for row in run.assumptions if "USD per accelerator-hour" in row.name)
    assert "Amazon" in told.source


def test_without_a_price_what_providers_ask() -> None:
    run = estimate(price=None)
    typical = typical_cloud_price(find_accelerator("h100"))
    usd = run.rows["gpu_hours"].p50 * typical.p50
    assert run.rows["cloud"].p50 == pytest.approx(usd, rel=1e-3)
    assert run.rows["cloud"].p5 < usd * typical.p10 / typical.p50
    assert run.rows["cloud"].p95 > usd * typical.p90 / typical.p50


def test_without_a_utilisation_what_runs_reached() -> None:
    run = estimate(mfu=None)
    assert run.rows["mfu"].p50 == pytest.approx(0.312, rel=1e-3)
    assert 0.1 < run.rows["mfu"].p5 < 0.187
    assert 0.516 < run.rows["mfu"].p95 <= 1
    told = next(row for row in run.assumptions if "MFU" in row.name)
    assert told.source.startswith("observed on 37 runs")


def test_what_was_not_given_is_not_known() -> None:
    run = estimate_run({"flop": 1e24, "accelerator": "h100"}, samples=SAMPLES)
    found = run.to_dict()
    for key in ("days", "step_seconds", "tokens_per_second_per_gpu", "tokens"):
        assert found[key] is None
    assert found["model"] == {"params": None, "params_active": None}
    assert found["cost_ways_usd"]["upfront"] is None
    assert found["gpu_hours"] is not None
    assert set(run.to_frame()["quantity"]) < set(ROWS)


KEYS = {
    *("model", "flop", "mfu", "step_seconds", "tokens_per_second_per_gpu", "days", "gpu_hours"),
    *("cost_usd", "energy_mwh", "memory_gb", "layout", "breakdown_seconds", "samples", "seed"),
}


def test_the_json_contract() -> None:
    found = estimate(global_batch=512, sequence_length=8192, price="1..3").to_dict()
    assert set(found) >= KEYS
    assert set(found["model"]) == {"params", "params_active"}
    assert set(found["flop"]) == {"model", "hardware"}
    for key in ("mfu", "step_seconds", "tokens_per_second_per_gpu", "days", "cost_usd"):
        assert set(found[key]) >= {"p5", "p50", "p95", "mean"}
    assert found["cost_usd"] == found["cost_ways_usd"]["cloud"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_frame_has_the_figures_of_the_json() -> None:
    run = estimate(price="1..3")
    row = run.to_frame().set_index("quantity").loc["cloud"]
    assert [row["p5"], row["p50"], row["p95"], row["mean"]] == [
        *quantiles(run.rows["cloud"]),
        run.rows["cloud"].mean,
    ]


@pytest.mark.parametrize("name", [item.name for item in list_accelerators()])
def test_every_accelerator_can_be_priced(name: str) -> None:
    fields = {key: PLAIN[key] for key in ("params", "tokens", "count")}
    for precision in find_accelerator(name).precisions:
        data = {**fields, "accelerator": name, "precision": precision}
        run = estimate_run(data, samples=64)
        json.dumps(run.to_dict(), allow_nan=False)
        peak = find_accelerator(name).peak_flop_per_s(precision)
        hours = 8.4e22 / peak / run.rows["mfu"].p50 / 3600
        assert run.rows["gpu_hours"].p50 == pytest.approx(hours, rel=0.05)
        for way in COST_WAYS:
            assert not run.rows[way].is_known or 0 < run.rows[way].p5 <= run.rows[way].p95


def test_an_accelerator_without_price_or_power(tmp_path: Path) -> None:
    (tmp_path / "bare.toml").write_text(
        'name = "bare"\ntitle = "Bare"\nvendor = "V"\n'
        'memory_gb = { value = 1, source = "s" }\n'
        'memory_bandwidth_gb_s = { value = 1, source = "s" }\n'
        'peak_tflops = { bf16 = { value = 100, source = "s" } }\n'
        'sources = { s = { title = "S", licence = "facts only" } }\n'
    )
    fields = {**PLAIN, "accelerator": "bare", "price": None}
    found = estimate_run(fields, samples=64, profiles=[tmp_path]).to_dict()
    assert found["cost_ways_usd"] == {"cloud": None, "amortised": None, "upfront": None}
    assert found["energy_mwh"] is None
    assert found["carbon_t"] is None
    assert found["days"]["p50"] == pytest.approx(8.4e22 / 100e12 / 0.4 / 1024 / 86400)
    by_file = estimate_run({**fields, "accelerator": str(tmp_path / "bare.toml")}, samples=64)
    assert by_file.to_dict() == found


def test_the_same_seed_gives_the_same_result() -> None:
    fields = {**PLAIN, "price": "1..3"}
    first = estimate_run(fields, samples=SAMPLES, seed=5).to_dict()
    assert estimate_run(fields, samples=SAMPLES, seed=5).to_dict() == first
    assert estimate_run(fields, samples=SAMPLES, seed=6).to_dict() != first


@pytest.mark.parametrize("other", [{"seed": 1}, {"method": "random"}, {"samples": 20_000}])
def test_other_draws_agree_within_their_error(other: Any) -> None:
    fields = {**PLAIN, "price": "1..3", "mfu": "0.3..0.5"}
    first = estimate_run(fields, **{"samples": SAMPLES})
    second = estimate_run(fields, **{"samples": SAMPLES, **other})
    for name in ("cloud", "amortised", "energy_mwh"):
        a, b = first.rows[name], second.rows[name]
        for i, key in enumerate(("p5", "p50", "p95", "mean")):
            error = math.hypot(a.errors[i], b.errors[i])
            assert abs(getattr(a, key) - getattr(b, key)) < 6 * error, (name, key)


@pytest.mark.parametrize("samples", [1, 2, 100, 300, 511, 512])
@pytest.mark.parametrize("method", ["sobol", "random"])
def test_any_number_of_samples(samples: int, method: Any) -> None:
    found = estimate_run({**PLAIN, "price": "1..3"}, samples=samples, method=method).to_dict()
    json.dumps(found, allow_nan=False)
    assert found["samples"] == samples
    assert (found["cost_usd"]["monte_carlo_error"] is None) == (samples < 512)


@pytest.mark.parametrize("day", ["0001-01-01", "1970-01-01", "2024-02-29", "9999-12-31"])
def test_any_day_has_prices(day: str) -> None:
    rows = estimate(date=day, price=None).rows
    assert rows["cloud"].p50 > 0
    assert rows["amortised"].p50 > 0


@pytest.mark.parametrize(
    "options", [{"samples": 0}, {"seed": -1}, {"method": "x"}, {"device": "x"}]
)
def test_bad_options(options: Data) -> None:
    assert refusal(PLAIN, **options).startswith(next(iter(options)))


def test_operator_chooses_the_power_usage_effectiveness() -> None:
    asked = {"flop": 1e24, "accelerator": "h100", "mfu": 0.4}
    plain = estimate_run(asked, samples=4096).rows["energy_mwh"]
    meta = estimate_run({**asked, "operator": "Meta"}, samples=4096).rows["energy_mwh"]
    # Log-normal ranges of the method: 1.05-1.16 for hyperscalers, 1.12-1.40 for others.
    ratio = math.sqrt(1.05 * 1.16) / math.sqrt(1.12 * 1.40)
    assert meta.p50 / plain.p50 == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize(("accelerator", "factor"), [("h100", 2.0), ("tpu-v4", 4.0)])
def test_the_purchase_price_is_known_within_the_methods_factor(
    accelerator: str, factor: float
) -> None:
    asked = {"flop": 1e24, "accelerator": accelerator, "mfu": 0.4, "count": 64}
    upfront = estimate_run(asked, samples=2**14).rows["upfront"]
    assert upfront.p95 / upfront.p50 == pytest.approx(factor, rel=0.01)
    assert upfront.p50 / upfront.p5 == pytest.approx(factor, rel=0.01)


def test_every_input_is_listed() -> None:
    found = estimate_run({"flop": 1e24, "accelerator": "h100", "count": 8}, samples=16)
    names = {assumption.name for assumption in found.assumptions}
    assert {"server price over its chips'", "years owned at the start"} <= names
    assert all(assumption.source for assumption in found.assumptions)


def test_a_share_of_the_programme_gives_what_the_rest_costs() -> None:
    rows = estimate(price=2.0, mfu=0.4, final_share=0.2).rows
    assert rows["programme"].p50 == pytest.approx(5 * rows["cloud"].p50)
    assert rows["exploration"].p50 == pytest.approx(4 * rows["cloud"].p50)
    spread = estimate(price=2.0, mfu=0.4, final_share="0.1..0.25").rows
    # The quantile of the quotient: a tenth of programmes are beyond a share of a tenth.
    z = 1.6448536269514722 / 1.2815515655446004
    share = math.sqrt(0.1 * 0.25) * math.exp(-z * math.log(math.sqrt(0.25 / 0.1)))
    assert spread["programme"].p95 == pytest.approx(spread["cloud"].p50 / share, rel=5e-3)
    assert not estimate().rows["programme"].is_known
