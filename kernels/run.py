"""What a run takes, from its totals: accelerator time, days, dollars, energy, carbon.

A run's figures are bundles of columns that broadcast against each other: what it computes
(:class:`Training`), what its accelerators reach (:class:`Cluster`), what interrupts it
(:class:`Interruptions`), and what an hour of an accelerator costs (:class:`Hour`). What nobody
knows is NaN, and what hangs on it is NaN.

References:
    Cottier, Rahman, Fattorini, Maslej, Besiroglu, Owen (2024), "The rising costs of training
    frontier AI models", arXiv:2405.21015: the costs, formula by formula in :mod:`.cost`.
    Daly (2006), "A higher order estimate of the optimum checkpoint interval for restart dumps":
    the share of the time that trains, in :mod:`.goodput`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import cost, goodput, units
from .flop import training_flop


class Training(NamedTuple):
    """What a run computes.

    Attributes:
        params: parameters of the model.
        params_active: parameters that one token meets.
        tokens: tokens trained on.
        flop: model FLOP of the run, where they were given; NaN where they follow from the rest.
        flop_per_token: model FLOP of one token, as counted; NaN where 6 N D stands for them.
        hardware_flop_per_token: FLOP of one token, with what is computed again.
        tokens_per_step: tokens of an optimizer step.
    """

    params: Tensor
    params_active: Tensor
    tokens: Tensor
    flop: Tensor
    flop_per_token: Tensor
    hardware_flop_per_token: Tensor
    tokens_per_step: Tensor

    @property
    def model_flop(self) -> Tensor:
        """Model FLOP of the run: given, counted, or 6 N D."""
        counted = self.flop_per_token * self.tokens
        rule = training_flop(self.params_active, self.tokens)
        derived = torch.where(counted.isnan(), rule, counted)
        return torch.where(self.flop.isnan(), derived, self.flop)


class Cluster(NamedTuple):
    """What a run's accelerators reach.

    Attributes:
        accelerators: how many.
        peak_flop_per_s: dense peak of one [FLOP/s].
        mfu: model FLOP utilisation, share of that peak.
    """

    accelerators: Tensor
    peak_flop_per_s: Tensor
    mfu: Tensor


class Interruptions(NamedTuple):
    """What takes time from training.

    Attributes:
        goodput: share of the time that trains, where it was given; NaN where it follows.
        failures_per_second: of one accelerator [1/s].
        checkpoint_seconds: that training stands still for a checkpoint [s].
        restart_seconds: from a failure until training goes on [s].
    """

    goodput: Tensor
    failures_per_second: Tensor
    checkpoint_seconds: Tensor
    restart_seconds: Tensor

    def training_share(self, count: Tensor) -> Tensor:
        """Share of the time that trains on so many accelerators.

        Daly's at the best interval between checkpoints; all of it where nobody says what fails.
        """
        between = 1.0 / (self.failures_per_second * count)
        interval = goodput.best_interval(between, self.checkpoint_seconds)
        share = goodput.training_share(
            between, self.checkpoint_seconds, self.restart_seconds, interval
        )
        share = torch.where(share.isnan(), 1.0, share)
        return torch.where(self.goodput.isnan(), share, self.goodput)


class Hour(NamedTuple):
    """What decides the cost of an accelerator's time, rented or owned.

    Attributes:
        usd_per_second: rent of one accelerator [USD/s].
        orders_per_year: depreciation [orders of magnitude a year].
        interconnect_share: share of a cluster's price that is its network between servers.
        server_overhead: price of a server over that of its accelerators.
        chip_usd: price of one accelerator with its share of the server [USD].
        years_owned: from acquisition to the start [years].
        chip_watt: rated power of one accelerator [W].
        chip_to_server: rated power of a server over that of its accelerators.
        power_fraction: average share of the rated power that is drawn.
        pue: power usage effectiveness of the data centre.
        usd_per_joule: price of electricity [USD/J].
        kg_per_joule: greenhouse gases of electricity [kg CO2e/J].
    """

    usd_per_second: Tensor
    orders_per_year: Tensor
    interconnect_share: Tensor
    server_overhead: Tensor
    chip_usd: Tensor
    years_owned: Tensor
    chip_watt: Tensor
    chip_to_server: Tensor
    power_fraction: Tensor
    pue: Tensor
    usd_per_joule: Tensor
    kg_per_joule: Tensor


class TimeBill(NamedTuple):
    """What some accelerator time costs.

    Attributes:
        gpu_hours: accelerator-hours [h].
        cloud: renting them [USD].
        amortised: the hardware they use up, and their electricity [USD].
        chip: of that, the accelerators [USD].
        other_server: of that, the rest of the servers [USD].
        interconnect: of that, the network between servers [USD].
        energy: of that, the electricity [USD].
        energy_mwh: electricity [MWh].
        carbon_t: greenhouse gases of it [t CO2e].
    """

    gpu_hours: Tensor
    cloud: Tensor
    amortised: Tensor
    chip: Tensor
    other_server: Tensor
    interconnect: Tensor
    energy: Tensor
    energy_mwh: Tensor
    carbon_t: Tensor


class RunBill(NamedTuple):
    """What a run takes; the money of its time as in :class:`TimeBill`.

    Attributes:
        flop: model FLOP [FLOP].
        flop_hardware: FLOP with what is computed again [FLOP].
        goodput: share of the time that trains.
        days: from start to end [d].
        tokens_per_second_per_gpu: while it trains [1/s].
        step_seconds: of an optimizer step [s].
        upfront: the whole cluster, bought new [USD].
        time: what its accelerator time costs.
    """

    flop: Tensor
    flop_hardware: Tensor
    goodput: Tensor
    days: Tensor
    tokens_per_second_per_gpu: Tensor
    step_seconds: Tensor
    upfront: Tensor
    time: TimeBill


def price_time(seconds: Tensor, hour: Hour) -> TimeBill:
    """Cost of accelerator time, by every way of counting.

    Args:
        seconds: accelerator time, summed over the accelerators [s]; any shape.
        hour: what an accelerator's time costs; broadcasts with it.

    Returns:
        Columns of the broadcast shape.

    References:
        Cottier et al. (2024), arXiv:2405.21015: cloud, and amortised hardware and energy.
    """
    value = cost.depreciated_value(hour.chip_usd, hour.years_owned, hour.orders_per_year)
    parts = cost.amortised_hardware(
        value, seconds, hour.server_overhead, hour.orders_per_year, hour.interconnect_share
    )
    joules = cost.energy_joules(
        seconds, hour.chip_watt, hour.chip_to_server, hour.power_fraction, hour.pue
    )
    energy = cost.energy_usd(joules, hour.usd_per_joule)
    return TimeBill(
        gpu_hours=seconds / units.SECONDS_PER_HOUR,
        cloud=cost.cloud(seconds, hour.usd_per_second),
        amortised=parts.total + energy,
        chip=parts.chip,
        other_server=parts.other_server,
        interconnect=parts.interconnect,
        energy=energy,
        energy_mwh=joules / units.JOULES_PER_MWH,
        carbon_t=cost.carbon_kg(joules, hour.kg_per_joule) / 1e3,
    )


def price_run(
    training: Training, cluster: Cluster, interruptions: Interruptions, hour: Hour
) -> RunBill:
    """Time and cost of a run.

    ``accelerator time = FLOP / (peak x MFU x share of the time that trains)``

    Args:
        training: what it computes; any shape.
        cluster: what computes it; all broadcast.
        interruptions: what takes time from it.
        hour: what an accelerator's time costs.

    Returns:
        Columns of the broadcast shape; NaN where what they hang on is not known.
    """
    flop, tokens = training.model_flop, training.tokens
    busy = cost.accelerator_seconds(flop, cluster.peak_flop_per_s, cluster.mfu)
    share = interruptions.training_share(cluster.accelerators)
    seconds = busy / share
    return RunBill(
        flop=flop,
        flop_hardware=training.hardware_flop_per_token * tokens,
        goodput=share,
        days=seconds / cluster.accelerators / units.SECONDS_PER_DAY,
        tokens_per_second_per_gpu=tokens / busy,
        step_seconds=busy / cluster.accelerators * training.tokens_per_step / tokens,
        upfront=cost.upfront(cluster.accelerators, hour.chip_usd, hour.interconnect_share),
        time=price_time(seconds, hour),
    )
