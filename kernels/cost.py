"""The cost of a run: amortised hardware and energy, hardware up front, cloud rental, carbon.

Arguments broadcast against each other. Units are SI (seconds, watts, joules) and US dollars,
except that depreciation counts in years, as the rate it takes is quoted per year.

References:
    Cottier, Rahman, Fattorini, Maslej, Besiroglu, Owen (2024), "The rising costs of training
    frontier AI models", arXiv:2405.21015: the amortised hardware and energy approach, the
    hardware acquisition cost and the cloud approach.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .units import SECONDS_PER_YEAR


class AmortisedHardware(NamedTuple):
    """What a run uses up of the hardware it runs on, in USD; the fields have one shape."""

    chip: Tensor
    other_server: Tensor
    interconnect: Tensor

    @property
    def total(self) -> Tensor:
        """Sum of the parts, in USD."""
        return self.chip + self.other_server + self.interconnect


def accelerator_seconds(flop: Tensor, peak_flop_per_s: Tensor, mfu: Tensor) -> Tensor:
    """Accelerator time that a number of FLOP takes.

    ``seconds = flop / (peak_flop_per_s * mfu)``

    Args:
        flop: model FLOP of the run; any shape.
        peak_flop_per_s: dense peak of one accelerator, FLOP/s.
        mfu: model FLOP utilisation, a fraction of that peak.

    Returns:
        Accelerator-seconds, summed over the accelerators; the broadcast shape.

    References:
        Cottier et al. (2024), arXiv:2405.21015, training chip-hours from compute.
    """
    return flop / (peak_flop_per_s * mfu)


def depreciated_value(price_usd: Tensor, years: Tensor, orders_per_year: Tensor) -> Tensor:
    """Value of hardware some years after it was bought.

    ``value = price * 10 ** (-orders_per_year * years)``

    Args:
        price_usd: price at acquisition, USD; any shape.
        years: time since acquisition, years.
        orders_per_year: depreciation, orders of magnitude a year; a negative rate appreciates.

    Returns:
        Value, USD; the broadcast shape.

    References:
        Cottier et al. (2024), arXiv:2405.21015, value at the start of training.
    """
    return price_usd * 10.0 ** (-orders_per_year * years)


def amortised_hardware(
    value_at_start_usd: Tensor,
    accelerator_seconds: Tensor,
    server_overhead: Tensor,
    orders_per_year: Tensor,
    interconnect_share: Tensor,
) -> AmortisedHardware:
    """Share of the hardware's value that a run uses up.

    ``server = value * orders_per_year * ln(10) * accelerator_seconds / year``
    ``chip = server / server_overhead``, ``other_server = server - chip``
    ``interconnect = server * interconnect_share / (1 - interconnect_share)``

    The value falls at the rate it has at the start of training; the exact fall over a run of
    ``t`` years is smaller, by about ``orders_per_year * ln(10) * t / 2`` of it.

    Args:
        value_at_start_usd: value of one accelerator with its share of the server when training
            starts, USD; any shape.
        accelerator_seconds: time, summed over the accelerators, s.
        server_overhead: price of a server over the price of the accelerators in it, above 1.
        orders_per_year: depreciation, orders of magnitude a year.
        interconnect_share: share of the cluster's price that is interconnect between servers,
            0 to below 1.

    Returns:
        Cost of the accelerators, of the rest of the servers and of the interconnect, USD; each
        of the broadcast shape.

    References:
        Cottier et al. (2024), arXiv:2405.21015, amortised hardware capital cost.
    """
    rate_per_second = orders_per_year * (math.log(10.0) / SECONDS_PER_YEAR)
    server = value_at_start_usd * rate_per_second * accelerator_seconds
    chip = server / server_overhead
    interconnect = server * interconnect_share / (1.0 - interconnect_share)
    parts = (chip, server - chip, interconnect)
    return AmortisedHardware(*torch.broadcast_tensors(*parts))  # type: ignore[no-untyped-call]


def energy_joules(
    accelerator_seconds: Tensor,
    tdp_w: Tensor,
    chip_to_server_power: Tensor,
    power_fraction: Tensor,
    pue: Tensor,
) -> Tensor:
    """Energy a data centre draws for a run.

    ``joules = tdp * chip_to_server_power * power_fraction * pue * accelerator_seconds``

    Args:
        accelerator_seconds: time, summed over the accelerators, s; any shape.
        tdp_w: rated power of one accelerator, W.
        chip_to_server_power: rated power of a server over that of the accelerators in it.
        power_fraction: average share of the server's rated power that training draws.
        pue: power usage effectiveness of the data centre, at least 1.

    Returns:
        Energy, J; the broadcast shape.

    References:
        Cottier et al. (2024), arXiv:2405.21015, energy cost.
    """
    return tdp_w * chip_to_server_power * power_fraction * pue * accelerator_seconds


def energy_usd(joules: Tensor, usd_per_joule: Tensor) -> Tensor:
    """Price of energy.

    ``usd = joules * usd_per_joule``

    Args:
        joules: energy, J; any shape.
        usd_per_joule: price, USD/J: the price of a kWh over ``JOULES_PER_KWH``.

    Returns:
        Cost, USD; the broadcast shape.

    References:
        Cottier et al. (2024), arXiv:2405.21015, energy cost.
    """
    return joules * usd_per_joule


def upfront(count: Tensor, price_usd: Tensor, interconnect_share: Tensor) -> Tensor:
    """Price of the whole cluster, bought new.

    ``usd = count * price / (1 - interconnect_share)``

    Args:
        count: number of accelerators; any shape.
        price_usd: price of one accelerator with its share of the server, USD.
        interconnect_share: share of the cluster's price that is interconnect between servers,
            0 to below 1.

    Returns:
        Cost, USD; the broadcast shape.

    References:
        Cottier et al. (2024), arXiv:2405.21015, hardware acquisition cost.
    """
    return count * price_usd / (1.0 - interconnect_share)


def cloud(accelerator_seconds: Tensor, usd_per_accelerator_second: Tensor) -> Tensor:
    """Price of renting the accelerators for the run.

    ``usd = accelerator_seconds * usd_per_accelerator_second``

    Args:
        accelerator_seconds: time, summed over the accelerators, s; any shape.
        usd_per_accelerator_second: rent, USD/s: the price of an hour over ``SECONDS_PER_HOUR``.

    Returns:
        Cost, USD; the broadcast shape.

    References:
        Cottier et al. (2024), arXiv:2405.21015, cloud approach.
    """
    return accelerator_seconds * usd_per_accelerator_second


def carbon_kg(joules: Tensor, kg_per_joule: Tensor) -> Tensor:
    """Greenhouse gases emitted where a run's electricity is generated.

    ``kg = joules * kg_per_joule``

    Args:
        joules: energy, J; any shape.
        kg_per_joule: intensity of the grid, kg of CO2 equivalent per J: the intensity per kWh
            over ``JOULES_PER_KWH``.

    Returns:
        Emissions, kg of CO2 equivalent; the broadcast shape.

    References:
        Patterson et al. (2021), "Carbon emissions and large neural network training",
        arXiv:2104.10350.
    """
    return joules * kg_per_joule
