"""A run's bill by hand, in plain Python's numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from computebill.kernels.run import Cluster, Hour, Interruptions, Training, price_run, price_time

UNKNOWN = math.nan
HOUR = {
    "usd_per_second": 2.0 / 3600,
    "orders_per_year": 0.14,
    "interconnect_share": 0.2,
    "server_overhead": 1.6,
    "chip_usd": 40_000.0,
    "years_owned": 0.5,
    "chip_watt": 700.0,
    "chip_to_server": 1.5,
    "power_fraction": 0.8,
    "pue": 1.25,
    "usd_per_joule": 0.1 / 3.6e6,
    "kg_per_joule": 0.4 / 3.6e6,
}


def column(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def hour(**changes: float) -> Hour:
    return Hour(**{key: column(value) for key, value in {**HOUR, **changes}.items()})


def training(**changes: float) -> Training:
    given = {
        "params": 70e9,
        "params_active": 70e9,
        "tokens": 1e12,
        "flop": UNKNOWN,
        "flop_per_token": UNKNOWN,
        "hardware_flop_per_token": 5e11,
        "tokens_per_step": 4e6,
        **changes,
    }
    return Training(**{key: column(value) for key, value in given.items()})


def interruptions(**changes: float) -> Interruptions:
    given = {
        "goodput": UNKNOWN,
        "failures_per_second": UNKNOWN,
        "checkpoint_seconds": UNKNOWN,
        "restart_seconds": UNKNOWN,
        **changes,
    }
    return Interruptions(**{key: column(value) for key, value in given.items()})


CLUSTER = Cluster(column(1024), column(1e15), column(0.4))


def test_a_run_by_hand() -> None:
    found = price_run(training(), CLUSTER, interruptions(goodput=0.9), hour())
    busy = 6 * 70e9 * 1e12 / (1e15 * 0.4)
    assert found.flop.item() == pytest.approx(4.2e23)
    assert found.flop_hardware.item() == pytest.approx(5e23)
    assert found.goodput.item() == 0.9
    assert found.days.item() == pytest.approx(busy / 0.9 / 1024 / 86_400)
    assert found.time.gpu_hours.item() == pytest.approx(busy / 0.9 / 3600)
    # While it trains: what is lost to failures makes neither a step nor a token slower.
    assert found.tokens_per_second_per_gpu.item() == pytest.approx(1e12 / busy)
    assert found.step_seconds.item() == pytest.approx(busy / 1024 / (1e12 / 4e6))
    # 1,024 chips, a fifth of the cluster's price the network.
    assert found.upfront.item() == pytest.approx(1024 * 40_000 / 0.8)


def test_flop_that_are_known_better_go_first() -> None:
    def flop(**known: float) -> float:
        return price_run(training(**known), CLUSTER, interruptions(), hour()).flop.item()

    assert flop() == pytest.approx(6 * 70e9 * 1e12)
    assert flop(flop_per_token=4.5e11) == pytest.approx(4.5e23)
    assert flop(flop_per_token=4.5e11, flop=1e24) == 1e24


def test_time_by_hand() -> None:
    found = price_time(column(3600 * 1000), hour())
    assert found.cloud.item() == pytest.approx(2000)
    # 700 W x 1.5 x 0.8 x 1.25 = 1.05 kW for a thousand hours.
    assert found.energy_mwh.item() == pytest.approx(1.05)
    assert found.energy.item() == pytest.approx(105)
    assert found.carbon_t.item() == pytest.approx(0.42)
    value = 40_000 * 10 ** (-0.14 * 0.5)
    server = value * 0.14 * math.log(10) * 1000 / (365.25 * 24)
    assert found.chip.item() == pytest.approx(server / 1.6, rel=1e-3)
    assert found.other_server.item() == pytest.approx(server * 0.6 / 1.6, rel=1e-3)
    assert found.interconnect.item() == pytest.approx(server * 0.25, rel=1e-3)
    parts = found.chip + found.other_server + found.interconnect + found.energy
    assert found.amortised.item() == pytest.approx(parts.item())


def test_more_accelerators_fail_more_often() -> None:
    # Once in 50,000 hours each: on 1,024 about every two days, on 16,384 every three hours.
    failing = interruptions(
        failures_per_second=1 / (50_000 * 3600), checkpoint_seconds=60.0, restart_seconds=600.0
    )
    few, many = (failing.training_share(column(count)).item() for count in (1024, 16_384))
    # Young's first order: half an interval and the checkpoints, sqrt(2 d / M), and the restart.
    for count, share in ((1024, few), (16_384, many)):
        apart = 50_000 * 3600 / count
        assert share == pytest.approx(1 - math.sqrt(2 * 60 / apart) - 600 / apart, abs=0.02)
    assert many < few < 1
    assert interruptions().training_share(column(16_384)).item() == 1.0


def test_what_nobody_knows_stays_unknown() -> None:
    cluster = CLUSTER._replace(accelerators=column(UNKNOWN))
    found = price_run(training(), cluster, interruptions(goodput=0.9), hour(usd_per_second=UNKNOWN))
    assert math.isnan(found.days.item())
    assert math.isnan(found.time.cloud.item())
    assert found.time.gpu_hours.item() == pytest.approx(4.2e23 / 4e14 / 0.9 / 3600)
    assert found.time.energy.item() > 0
