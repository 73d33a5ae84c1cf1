from __future__ import annotations

from typing import Any

import pytest
import torch
from sweeping import FEW, HOURS, RUNS, grid, priced

import computebill as cb


def test_stops_and_failures_scale_the_mean() -> None:
    plain = priced(RUNS | {"repeats": 100})
    half = priced(RUNS | {"repeats": 100, "stop": {"fraction": 0.5}})
    assert half.rows["gpu_hours"].p50 == pytest.approx(plain.rows["gpu_hours"].p50 / 2)
    failing = priced(RUNS | {"repeats": 100, "mfu": 0.4, "failures": {"rate": 0.2, "restarted": 1}})
    certain = priced(RUNS | {"repeats": 100, "mfu": 0.4})
    # One in five is begun again, after half its length on average.
    ratio = failing.rows["gpu_hours"].mean / certain.rows["gpu_hours"].mean
    assert ratio == pytest.approx(1.1, rel=2e-3)
    assert failing.rows["gpu_hours"].p95 > 1.02 * failing.rows["gpu_hours"].p5


def test_the_final_run_shares_the_price_of_an_hour() -> None:
    found = priced(HOURS, final={"gpu_hours": 300, "accelerator": "h100"}, price="1..4")
    assert found.share is not None
    assert found.share.p5 == pytest.approx(0.25)
    assert found.share.p95 == pytest.approx(0.25)
    described = priced(
        HOURS, final={"params": "7B", "tokens": "1T", "accelerator": "h100", "mfu": 0.4}
    )
    flop = 6 * 7e9 * 1e12
    assert described.final is not None
    assert described.final["gpu_hours"].p50 == pytest.approx(flop / (0.4 * 989.4e12 * 3600))
    assert priced(HOURS).share is None


def test_each_accelerator_has_its_price() -> None:
    groups = [HOURS, HOURS | {"name": "two", "accelerator": "a100-sxm-80gb"}]
    found = priced(*groups, price={"h100": 3, "a100-sxm-80gb": 1})
    usd = [group.rows["cloud"].p50 for group in found.groups]
    assert usd == pytest.approx([300, 100])


@pytest.mark.parametrize(
    ("final", "problem"),
    [
        ({"gpu_hours": -1}, "final: gpu_hours: got -1"),
        ({"gpu_hours": 1, "tokens": 5}, "final: tokens: is of no use beside gpu_hours"),
        ({"params": 1e9}, "final: run: give params (or params_active, or model) and tokens"),
    ],
)
def test_final_runs_that_cannot_be(final: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError) as caught:
        priced(HOURS, final=final)
    assert problem in str(caught.value)


def test_the_same_seed_gives_the_same_draws() -> None:
    group = RUNS | {"repeats": 9, "failures": {"rate": 0.3}}
    one, other = (priced(group).rows["gpu_hours"] for _ in range(2))
    assert one == other


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_prices_the_same() -> None:
    spec = {"groups": [grid(["100M", "1B"], [20]) | {"failures": {"rate": 0.1}}], "price": "1..3"}
    one, other = (cb.price_sweep(spec, device=each, **FEW) for each in ("cpu", "cuda"))
    assert other.rows["cloud"].p50 == pytest.approx(one.rows["cloud"].p50, rel=1e-9)


def test_what_predicted_experiments_take_in_silence_is_listed() -> None:
    told = {each.name: (each.value, each.source) for each in priced(RUNS).assumptions}
    assert told["software generation"][1].startswith("assumed")
    assert told["global batch"][1].startswith("assumed where none is given")
    value, source = told["h100-sxm: links inside a domain"]
    assert value == "450 GB/s"
    assert source.startswith("h100-sxm: ")
    named = {each.name: each.source for each in priced(RUNS, software="compiled").assumptions}
    assert named["software generation"] == "given"
    hours = {each.name for each in priced(HOURS).assumptions}
    assert not hours & {"software generation", "global batch", "h100-sxm: links inside a domain"}
