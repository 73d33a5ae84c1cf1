from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torch import Tensor

from computebill.kernels import cost, units

CASES = pd.read_csv(Path(__file__).parents[1] / "data" / "amortised_cost_cases.csv", comment="#")
RATE = 0.14
SHARE = 0.19


def tensor(value: object, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.as_tensor(value, dtype=dtype)


def column(name: str) -> Tensor:
    return tensor(CASES[name].to_numpy(copy=True))


def hardware_of_cases() -> cost.AmortisedHardware:
    return cost.amortised_hardware(
        column("server_value_per_chip_at_start_usd"),
        column("chip_hours") * units.SECONDS_PER_HOUR,
        column("server_cost_overhead"),
        tensor(RATE),
        tensor(SHARE),
    )


def energy_cost_of_cases() -> Tensor:
    joules = cost.energy_joules(
        column("chip_hours") * units.SECONDS_PER_HOUR,
        column("tdp_w"),
        column("chip_to_server_power"),
        column("power_fraction"),
        column("pue"),
    )
    return cost.energy_usd(joules, column("usd_per_kwh") / units.JOULES_PER_KWH)


def close(found: Tensor, expected: Tensor, rtol: float = 1e-9) -> None:
    torch.testing.assert_close(found, expected, rtol=rtol, atol=0.0)


# The published cases ------------------------------------------------------------------------


def test_there_are_36_cases() -> None:
    assert len(CASES) == 36
    assert not CASES.drop(columns=["flop", "peak_flop_per_s"]).isna().to_numpy().any()


def test_hours_of_the_cases_that_give_flop() -> None:
    rows = torch.as_tensor(CASES["flop"].notna().to_numpy(copy=True))
    assert rows.sum() == 17
    flop, peak = column("flop")[rows], column("peak_flop_per_s")[rows]
    seconds = cost.accelerator_seconds(flop, peak, tensor(0.375))
    close(seconds / units.SECONDS_PER_HOUR, column("chip_hours")[rows], rtol=1e-14)


@pytest.mark.parametrize("part", ["chip", "other_server", "interconnect"])
def test_hardware_of_every_case(part: str) -> None:
    close(getattr(hardware_of_cases(), part), column(f"{part}_cost"))


def test_energy_of_every_case() -> None:
    close(energy_cost_of_cases(), column("energy_cost"))


def test_total_of_every_case() -> None:
    close(hardware_of_cases().total + energy_cost_of_cases(), column("total_nominal_usd"))


def years_of_cases() -> Tensor:
    start, acquired = (pd.to_datetime(CASES[name]) for name in ("training_start", "acquired"))
    return tensor(((start - acquired).dt.days / 365.25).to_numpy(copy=True))


FAMILIES = {
    # Price of one accelerator with its share of the server: a DGX price over its accelerators,
    # or a single price times the overhead. None: the price itself is not published.
    "TITAN X": 999.0 * 1.64,
    "K80": 5000.0 * 1.64,
    "P100": 129000.0 / 8,
    "V100": 149000.0 / 8,
    "A100": 199000.0 / 8,
    "H100": None,
    "TPU v1": 5463.0 * 1.64,
    "TPU v3": 5276.0 * 1.64,
    "TPU v4": 5167.0 * 1.64,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_value_at_start_is_one_price_depreciated(family: str) -> None:
    rows = torch.as_tensor(CASES["hardware"].str.contains(family).to_numpy(copy=True))
    values, years = column("server_value_per_chip_at_start_usd")[rows], years_of_cases()[rows]
    known = FAMILIES[family]
    price = values[0] * 10 ** (RATE * years[0]) if known is None else tensor(known)
    close(cost.depreciated_value(price, years, tensor(RATE)), values)


def test_every_case_belongs_to_one_family() -> None:
    for title in CASES["hardware"]:
        assert sum(family in title for family in FAMILIES) == 1


# The published totals -----------------------------------------------------------------------

# Producer price index of data processing and hosting, Bureau of Labor Statistics series
# PCU518210518210, by month: the totals below were published in dollars of January 2024.
PRICE_INDEX = {
    "2020-05": 113.400,
    "2022-04": 117.091,
    "2023-03": 117.766,
    "2023-12": 119.029,
    "2024-01": 119.403,
    "2024-07": 119.863,
}
H100_SERVER_PRICE = 44489.88
"""What the five H100 cases have in common before depreciation."""
PUBLISHED = {
    # Count, accelerator-hours, price, years to the start of training, server overhead; TDP,
    # chip to server power, power fraction, PUE, USD per kWh; month; amortised and up-front
    # totals in million USD. Hours of PaLM: 1200 h on 6144 and 336 h on 3072 TPUs,
    # arXiv:2204.02311.
    "GPT-3": (
        (10000, 355.2 * 10000, 18625.0, (date(2018, 6, 25), date(2019, 10, 1)), 1.69),
        (300.0, (10000 / 16 + 1500 / 4) / 600, 0.75, 1.25, 0.0667),
        ("2020-05", 2.2, 242.0),
    ),
    "PaLM 540B": (
        (6144, 1200 * 6144 + 336 * 3072, 8473.88, (date(2021, 5, 20), date(2021, 12, 1)), 1.64),
        (170.0, 1.56, 0.43, 1.1, 0.0832),
        ("2022-04", 2.9, 65.5),
    ),
    "GPT-4": (
        (25000, 2280 * 25000, 24875.0, (date(2020, 8, 12), date(2022, 5, 12)), 1.66),
        (400.0, 6500 / 8 / 400, 0.75, 1.25, 0.0806),
        ("2023-03", 40.7, 778.0),
    ),
    "Gemini 1.0 Ultra": (
        (57000, 132e6, 8473.88, (date(2021, 5, 20), date(2023, 5, 10)), 1.64),
        (170.0, 1.56, 0.43, 1.1, 0.0806),
        ("2023-12", 28.3, 598.0),
    ),
    "Llama 3.1 405B": (
        (16384, 2142 * 16384, H100_SERVER_PRICE, (date(2022, 12, 19), date(2024, 2, 24)), 1.64),
        (700.0, 10200 / 8 / 700, 0.75, 1.1, 0.0771),
        ("2024-07", 51.0, 896.0),
    ),
}


def as_published(millions: float, slack: float = 0.0) -> object:
    """Equal to half a unit of the last digit a total was published with."""
    return pytest.approx(millions, abs=(0.5 if millions >= 100 else 0.05) + slack)


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_amortised_totals(model: str) -> None:
    (_, hours, price, (bought, start), overhead), power, (month, millions, _) = PUBLISHED[model]
    years = (start - bought).days / 365.25
    value = cost.depreciated_value(tensor(price), tensor(years), tensor(RATE))
    seconds = tensor(hours * units.SECONDS_PER_HOUR)
    hardware = cost.amortised_hardware(
        value, seconds, tensor(overhead), tensor(RATE), tensor(SHARE)
    )
    *watts, usd_per_kwh = power
    joules = cost.energy_joules(seconds, *(tensor(figure) for figure in watts))
    energy = cost.energy_usd(joules, tensor(usd_per_kwh / units.JOULES_PER_KWH))
    inflation = PRICE_INDEX["2024-01"] / PRICE_INDEX[month]
    total = (hardware.total + energy).item() * inflation / 1e6
    # Llama 3.1 comes to 51.06: its inputs are read from another place than its total.
    assert total == as_published(millions, slack=0.05 if model == "Llama 3.1 405B" else 0.0)


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_upfront_totals(model: str) -> None:
    (count, _, price, *_), _, (month, _, millions) = PUBLISHED[model]
    inflation = PRICE_INDEX["2024-01"] / PRICE_INDEX[month]
    total = cost.upfront(tensor(count), tensor(price), tensor(SHARE)).item() * inflation / 1e6
    assert total == as_published(millions)


# Each equation by hand ----------------------------------------------------------------------


def test_accelerator_seconds() -> None:
    # Llama 3.1 405B: 3.8e25 FLOP at 40 % of 989.4 TFLOP/s.
    seconds = cost.accelerator_seconds(tensor(3.8e25), tensor(989.4e12), tensor(0.4))
    assert seconds.item() / units.SECONDS_PER_HOUR == pytest.approx(26.672e6, rel=1e-4)


def test_energy_of_one_kilowatt_hour() -> None:
    one = tensor(1.0)
    joules = cost.energy_joules(tensor(3600.0), tensor(1000.0), one, one, one)
    assert joules.item() == units.JOULES_PER_KWH
    assert cost.energy_usd(joules, tensor(0.08 / units.JOULES_PER_KWH)).item() == pytest.approx(
        0.08
    )
    assert cost.carbon_kg(joules, tensor(0.35 / units.JOULES_PER_KWH)).item() == pytest.approx(0.35)


def test_cloud() -> None:
    # 2.788 million H800-hours at 2 USD: 5.576 million, DeepSeek-V3, arXiv:2412.19437, Table 1.
    usd = cost.cloud(tensor(2.788e6 * 3600), tensor(2.0 / units.SECONDS_PER_HOUR))
    assert usd.item() == pytest.approx(5.576e6)


def test_upfront_without_interconnect_is_the_price() -> None:
    assert cost.upfront(tensor(8.0), tensor(24875.0), tensor(0.0)).item() == 199000.0


def test_interconnect_has_its_share_of_the_total() -> None:
    hardware = hardware_of_cases()
    close(hardware.interconnect / hardware.total, tensor(SHARE).expand(36), rtol=1e-14)


# Depreciation and its integral --------------------------------------------------------------


def test_value_halves_in_log10_2_over_the_rate() -> None:
    half_life = math.log10(2) / RATE
    value = cost.depreciated_value(tensor(30000.0), tensor(half_life), tensor(RATE))
    assert value.item() == pytest.approx(15000.0, rel=1e-14)


def test_negative_rate_appreciates() -> None:
    value = cost.depreciated_value(tensor(1.70), tensor(5 / 12), tensor(-0.3375))
    assert value.item() == pytest.approx(2.35, rel=1e-3)


@settings(deadline=None)
@given(
    price=st.floats(1.0, 1e6),
    first=st.floats(0.0, 10.0),
    second=st.floats(0.0, 10.0),
    rate=st.floats(0.01, 0.5),
)
def test_depreciating_twice_is_depreciating_once(
    price: float, first: float, second: float, rate: float
) -> None:
    once = cost.depreciated_value(tensor(price), tensor(first + second), tensor(rate))
    halfway = cost.depreciated_value(tensor(price), tensor(first), tensor(rate))
    close(cost.depreciated_value(halfway, tensor(second), tensor(rate)), once, rtol=1e-12)


@settings(deadline=None)
@given(days=st.floats(0.1, 365.0), rate=st.floats(0.05, 0.3), price=st.floats(1e3, 1e5))
def test_amortised_hardware_is_the_integral_of_depreciation(
    days: float, rate: float, price: float
) -> None:
    """The method charges the fall in value at its initial rate, so a little too much.

    With x = rate ln(10) t, the fall over t years is price (1 - exp(-x)), and the method's
    figure price x: more by a factor of x / (1 - exp(-x)), between 1 + x/2 and
    1 + x/2 + x^2/12.
    """
    years = days / 365.25
    fall, _ = quad(lambda t: price * rate * math.log(10) * 10 ** (-rate * t), 0.0, years)
    kept = cost.depreciated_value(tensor(price), tensor(years), tensor(rate)).item()
    assert fall == pytest.approx(price - kept, rel=1e-6)
    seconds = tensor(years * units.SECONDS_PER_YEAR)
    hardware = cost.amortised_hardware(
        tensor(price), seconds, tensor(1.6), tensor(rate), tensor(0.0)
    )
    x = rate * math.log(10) * years
    excess = hardware.total.item() / fall - 1
    assert x / 2 * (1 - 1e-6) <= excess <= x / 2 + x**2 / 12 * (1 + 1e-6) + 1e-9


# Properties ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    value=st.floats(1.0, 1e6),
    hours=st.floats(1e-3, 1e9),
    factor=st.floats(1e-3, 1e3),
    overhead=st.floats(1.1, 3.0),
    share=st.floats(0.0, 0.9),
)
def test_hardware_is_linear_in_hours(
    value: float, hours: float, factor: float, overhead: float, share: float
) -> None:
    def at(amount: float) -> Tensor:
        seconds = tensor(amount * units.SECONDS_PER_HOUR)
        rest = (tensor(overhead), tensor(RATE), tensor(share))
        return torch.stack(cost.amortised_hardware(tensor(value), seconds, *rest))

    torch.testing.assert_close(at(hours * factor), at(hours) * factor, rtol=1e-11, atol=1e-12)


@settings(deadline=None)
@given(hours=st.floats(1e-3, 1e9), factor=st.floats(1e-3, 1e3))
def test_energy_and_rent_are_linear_in_hours(hours: float, factor: float) -> None:
    def at(amount: float) -> Tensor:
        seconds = tensor(amount * units.SECONDS_PER_HOUR)
        power = (tensor(700.0), tensor(1.8), tensor(0.75), tensor(1.25))
        rent = cost.cloud(seconds, tensor(2.0 / 3600))
        return torch.stack([cost.energy_joules(seconds, *power), rent])

    close(at(hours * factor), at(hours) * factor, rtol=1e-12)


Kernel = Callable[..., Tensor | cost.AmortisedHardware]

KERNELS: dict[str, tuple[Kernel, tuple[float, ...]]] = {
    "accelerator_seconds": (cost.accelerator_seconds, (7.0, 3.0, 0.4)),
    "depreciated_value": (cost.depreciated_value, (3.0, 1.5, 0.14)),
    "amortised_hardware": (cost.amortised_hardware, (3.0, 4e7, 1.66, 0.14, 0.19)),
    "energy_joules": (cost.energy_joules, (5.0, 0.7, 1.8, 0.75, 1.25)),
    "energy_usd": (cost.energy_usd, (5.0, 0.02)),
    "upfront": (cost.upfront, (5.0, 3.0, 0.19)),
    "cloud": (cost.cloud, (5.0, 2.0)),
    "carbon_kg": (cost.carbon_kg, (5.0, 0.3)),
}


def outputs(result: Tensor | cost.AmortisedHardware) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


@pytest.mark.parametrize("name", KERNELS)
def test_gradients(name: str) -> None:
    kernel, values = KERNELS[name]
    arguments = [tensor([value, 1.3 * value]).requires_grad_() for value in values]
    # Numerical differences need inputs of order one: seconds are given in units of a year.
    if name == "amortised_hardware":
        arguments[1] = tensor([0.8, 1.1]).requires_grad_()
        year = units.SECONDS_PER_YEAR
        assert torch.autograd.gradcheck(lambda v, s, *a: kernel(v, s * year, *a), arguments)
    else:
        assert torch.autograd.gradcheck(kernel, arguments)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", KERNELS)
def test_dtype_is_kept(name: str, dtype: torch.dtype) -> None:
    kernel, values = KERNELS[name]
    found = outputs(kernel(*(tensor([value], dtype) for value in values)))
    expected = outputs(kernel(*(tensor([value]) for value in values)))
    for part, exact in zip(found, expected, strict=True):
        assert part.dtype == dtype
        torch.testing.assert_close(part.double(), exact, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("position", [0, -1])
def test_arguments_broadcast(name: str, position: int) -> None:
    kernel, values = KERNELS[name]
    arguments = [tensor(value) for value in values]
    arguments[position] = arguments[position] * tensor([1.0, 1.1, 1.2])
    arguments[0] = arguments[0] * tensor([[1.0], [2.0]])
    full = torch.broadcast_tensors(*arguments)  # type: ignore[no-untyped-call]
    for part, expected in zip(outputs(kernel(*arguments)), outputs(kernel(*full)), strict=True):
        assert part.shape == (2, 3)
        close(part, expected, rtol=1e-14)


def test_parts_of_the_hardware_have_one_shape() -> None:
    overhead, share = tensor([1.5, 1.6, 1.7]), tensor([[0.1], [0.2]])
    parts = cost.amortised_hardware(tensor(3e4), tensor(4e7), overhead, tensor(RATE), share)
    assert [part.shape for part in parts] == [(2, 3)] * 3
    assert parts.total.shape == (2, 3)


@pytest.mark.cuda
def test_devices_agree() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for kernel, values in KERNELS.values():
        found = outputs(kernel(*(tensor(value).cuda() for value in values)))
        for part, expected in zip(found, outputs(kernel(*map(tensor, values))), strict=True):
            assert part.is_cuda
            close(part.cpu(), expected)
