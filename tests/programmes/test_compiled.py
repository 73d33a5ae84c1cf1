from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.programmes.compiled import CompiledProgramme, Outcome, compile_programme
from computebill.programmes.regressions import Regressions
from computebill.programmes.spec import Programme
from computebill.uncertainty.draws import Settings

Data = dict[str, Any]
Small = Callable[[], Data]

PEAK = 989.4e12  # H100 SXM, dense BF16, NVIDIA


def compiled(data: Data) -> CompiledProgramme:
    programme = validate(Programme, data, "lab.toml")
    return compile_programme(programme, Regressions({}, 0, "cpu"), "cpu")


def refusal(data: Data) -> str:
    with pytest.raises(RequestError) as caught:
        compiled(data)
    return str(caught.value)


def outcome(data: Data, draws: int = 1024) -> Outcome:
    found = compiled(data)
    return found.evaluate(found.columns.points(Settings(), 0, 0, draws))


def constants(data: Data, *runs: Data) -> Data:
    """The programme at a utilisation of 0.4 and 2 USD an hour, with runs of one's own."""
    shared = data["assumptions"]
    shared["mfu"]["value"], shared["price"]["value"] = 0.4, 2.0
    base = {"released": "2024-05", "source": "s"}
    data["runs"] = [{"name": f"run {i}", **base, **run} for i, run in enumerate(runs)]
    data["variants"] = []
    return data


@pytest.mark.parametrize(
    ("size", "flop", "hours", "usd"),
    [
        ({"flop": 1e25}, 1e25, 1e25 / PEAK / 0.4 / 3600, 1e25 / PEAK / 0.4 / 1800),
        ({"params": 70e9, "tokens": 2e12}, 8.4e23, None, None),
        ({"params_active": 10e9, "params": 70e9, "tokens": 2e12}, 1.2e23, None, None),
        ({"count": 512, "days": 21}, 512 * 21 * 86400 * PEAK * 0.4, 258_048, 516_096),
        ({"accelerator_hours": 1000}, 1000 * 3600 * PEAK * 0.4, 1000, 2000),
        ({"cost_usd": 3000}, 1500 * 3600 * PEAK * 0.4, 1500, 3000),
        ({"flop": 1e25, "multiplier": 1.1}, 1.1e25, None, None),
        ({"cost_usd": 3000, "multiplier": 2}, None, 3000, 6000),
        ({"flop": 1e25, "mfu": 0.2, "price": 3}, 1e25, 1e25 / PEAK / 720, 1e25 / PEAK / 240),
        ({"flop": 1e25, "peak_flop_per_s": 1e15}, 1e25, 1e25 / 1e15 / 1440, None),
        ({"flop": 1e25, "precision": "fp8"}, 1e25, 1e25 / (2 * PEAK) / 1440, None),
        ({"flop": 1e25, "accelerator": "a100-80gb"}, 1e25, 1e25 / 312e12 / 1440, None),
    ],
)
def test_a_run_by_hand(
    programme: Small, size: Data, flop: float | None, hours: float | None, usd: float | None
) -> None:
    bill = outcome(constants(programme(), size), 1).bill
    expected = [flop, hours and hours * 3600, usd]
    for found, figure in zip(bill, expected, strict=True):
        if figure is not None:
            assert found.item() == pytest.approx(figure, rel=1e-3)


def test_fractions_follow_their_base_through_a_chain(programme: Small) -> None:
    sizes = (
        {"base": "run 1", "fraction": 0.5},
        {"base": "run 2", "fraction": 0.1},
        {"count": 100, "days": 10},
    )
    flop = outcome(constants(programme(), *sizes), 1).bill.flop[:, 0]
    whole = 100 * 10 * 86400 * PEAK * 0.4
    assert flop.numpy() == pytest.approx([0.05 * whole, 0.1 * whole, whole], rel=1e-3)


def test_shared_assumptions_are_one_draw_for_all_runs(programme: Small) -> None:
    data = programme()
    found = outcome(data).bill
    assert torch.allclose(found.seconds[1], found.seconds[0] * 0.1, rtol=1e-12)
    data["runs"][1]["mfu"] = {"p10": 0.2, "p90": 0.4}
    own = outcome(data).bill
    ratio = own.seconds[1] / own.seconds[0]
    assert ratio.max() / ratio.min() > 2


def test_a_run_refers_to_the_draw_of_its_base(programme: Small) -> None:
    data = programme()
    data["runs"][0]["flop"] = {"p10": 1e25, "p90": 3e25}
    flop = outcome(data).bill.flop
    assert torch.allclose(flop[1], flop[0] * 0.1, rtol=1e-12)
    assert flop[0].max() / flop[0].min() > 3


def test_runs_outside_the_window_add_nothing(programme: Small) -> None:
    data = constants(programme(), {"flop": 1e25}, {"flop": 3e25, "released": "2023"})
    found = outcome(data, 1)
    assert found.final.item() == found.bill.usd[0].item()
    data["runs"][1] |= {"released": "2024", "counted": False}
    assert outcome(data, 1).final.item() == found.final.item()


def test_reported_spend_is_converted_and_added_up(programme: Small) -> None:
    data = constants(programme(), {"cost_usd": 50e6})
    item = data["reported"][0]
    item["currency"] = "RMB"
    item["periods"] = [
        {"period": "2024-H2", "amount": 720e6},
        {"period": "2024-9M", "amount": 1080e6},
        {"period": "2024-Q3", "amount": 360e6, "sign": -1},
    ]
    data["reported"].append(
        {**item, "item": "more", "currency": "USD", "periods": [{"period": 2024, "amount": 1e6}]}
    )
    data["reported"].append({**data["reported"][1], "item": "other", "counts_as": "revenue"})
    found = outcome(data, 1)
    assert found.rnd.item() == pytest.approx(201e6)
    assert found.share.item() == pytest.approx(50 / 201)


def test_the_whole_programme_by_plain_numpy(programme: Small) -> None:
    source = np.random.default_rng(3)
    z = 1.2815515655446004

    def log_normal(low: float, high: float) -> np.ndarray[Any, Any]:
        sigma = np.log(high / low) / (2 * z)
        return np.sqrt(low * high) * np.exp(sigma * source.standard_normal(10**6))

    mfu, price = log_normal(0.2, 0.4), log_normal(1.5, 3)
    share = 1.1e25 / (PEAK * mfu) / 3600 * price / 1e9
    found = outcome(programme(), 2**16).share.numpy()
    probabilities = [0.05, 0.5, 0.95]
    assert np.quantile(found, probabilities) == pytest.approx(
        np.quantile(share, probabilities), rel=5e-3
    )


def test_a_counted_run_without_a_price_is_refused(programme: Small) -> None:
    data = programme()
    for key in ("price", "mfu", "accelerator"):
        less = programme()
        del less["assumptions"][key]
        told = refusal(less)
        assert "runs[0]: A cannot be priced" in told
        assert told.endswith(f"its own or shared; missing: assumptions.{key}")
    data["runs"][0]["accelerator"] = "h1000"
    assert "runs[0]: accelerator: 'h1000' is not a known accelerator" in refusal(data)
    data["runs"][0] |= {"accelerator": "a100-80gb", "precision": "fp8"}
    assert "runs[0]: precision: a100-sxm-80gb has no 'fp8' peak" in refusal(data)


def test_a_run_that_does_not_count_needs_no_price(programme: Small) -> None:
    data = constants(programme(), {"cost_usd": 1e6}, {"flop": 1e25, "released": "2020"})
    for key in ("price", "mfu", "accelerator"):
        del data["assumptions"][key]
    assert outcome(data, 1).final.item() == 1e6


@pytest.mark.parametrize("amount", [0, {"low": 0, "high": 1}])
def test_a_denominator_of_nothing_is_refused(programme: Small, amount: object) -> None:
    data = programme()
    item = data["reported"][0]
    item["periods"] = [
        {"period": 2024, "amount": amount},
        {"period": 2023, "amount": 2},
        {"period": 2023, "amount": 3, "sign": -1},
    ]
    assert "reported: R&D compute adds up to" in refusal(data)
