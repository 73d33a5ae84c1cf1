"""The constants of the cost method, and the rules that choose among them.

References:
    Cottier et al. (2024), "The rising costs of training frontier AI models", arXiv:2405.21015,
    and the code published with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from computebill.base.constants import number
from computebill.base.specfile import Spec, read_toml, validate
from computebill.kernels.units import JOULES_PER_MWH

if TYPE_CHECKING:
    import numpy as np

FILE = Path(__file__).with_name("method.toml")
DAYS_PER_YEAR = number("costs.method.DAYS_PER_YEAR")
KG_PER_LB = number("costs.method.KG_PER_LB")

Share = Annotated[float, Field(gt=0, lt=1)]
Ratio = Annotated[float, Field(ge=1)]


class Interval(Spec):
    """A range of 90 %."""

    p5: float
    p95: float

    @model_validator(mode="after")
    def _in_order(self) -> Interval:
        if self.p5 >= self.p95:
            raise ValueError(f"p5 must be below p95; got {self.p5} and {self.p95}")
        return self


class Sourced(Spec):
    """Figures and where they come from."""

    source: str = Field(min_length=1)


class ServerOverhead(Sourced):
    """Price of a server over the price of its accelerators."""

    family: dict[str, Ratio]
    other: Ratio


class Depreciation(Sourced):
    """Fall of hardware's value."""

    orders_per_year: PositiveFloat


class Interconnect(Sourced):
    """Share of a cluster's price that is interconnect between servers."""

    share: Share


class Server(Spec):
    """Rated power of one server, W."""

    server: str
    server_watts: PositiveFloat
    chips: PositiveInt
    chip_watts: PositiveFloat

    @property
    def power_ratio(self) -> float:
        """Rated power of the server over that of its accelerators."""
        return self.server_watts / self.chips / self.chip_watts


class GpuServerPower(Sourced):
    """Server to chip power of GPUs, from the servers of each family."""

    family: dict[str, list[Server]]
    other: Ratio


class TpuServerPower(Sourced):
    """Server to chip power of TPUs, by generation."""

    generation: dict[str, Ratio]
    other: Ratio


class ServerPower(Spec):
    """Rated power of a server over that of its accelerators."""

    gpu: GpuServerPower
    tpu: TpuServerPower


class PowerFraction(Sourced):
    """Average share of rated power that training draws."""

    gpu: Share
    tpu: Share


class Pue(Sourced):
    """Power usage effectiveness by operator."""

    hyperscalers: list[str]
    hyperscale: Ratio
    other: Ratio


class Electricity(Sourced):
    """Price of electricity by year."""

    usd_per_kwh: dict[int, PositiveFloat] = Field(min_length=1)


class Carbon(Sourced):
    """Carbon intensity of the grid; ``checked`` where the source itself was read."""

    region: str
    year: int
    lb_per_mwh: PositiveFloat
    checked: bool

    @property
    def kg_per_joule(self) -> float:
        """Intensity in kg of CO2 equivalent per joule."""
        return self.lb_per_mwh * KG_PER_LB / JOULES_PER_MWH


class ObservedMfu(Sourced):
    """Utilisation that runs were seen to reach."""

    runs: PositiveInt
    p10: Share
    p50: Share
    p90: Share


class PredictedMfu(Sourced):
    """Utilisation of a run of an organisation of which nobody saw one.

    Attributes:
        sd: standard deviation of its logarithm, of runs and organisations together.
        mixture: a mixture of experts' over a dense model's, under 6 N D of active parameters.
        mixture_sd: standard deviation of the logarithm of that.
    """

    sd: PositiveFloat
    mixture: Share
    mixture_sd: PositiveFloat


class Mfu(Sourced):
    """Utilisation where none is known: the method's one figure, and what was observed."""

    assumed: Share
    observed: ObservedMfu
    predicted: PredictedMfu


class Dates(Sourced):
    """Delays between a chip's release, a run and its publication."""

    days_to_acquisition: PositiveInt
    days_to_publication: PositiveInt
    training_hours: PositiveFloat


class Multiples(Spec):
    """Ranges as multiples of the central value."""

    price_gpu: Interval
    price_tpu: Interval
    count: Interval
    time: Interval
    compute: Interval
    peak: Interval
    electricity: Interval
    total_gpu: Interval
    total_tpu: Interval


class Values(Spec):
    """Ranges of the figures themselves."""

    mfu: Interval
    server_overhead: Interval
    interconnect_overhead: Interval
    orders_per_year: Interval
    power_fraction_gpu: Interval
    power_fraction_tpu: Interval
    pue_hyperscale: Interval
    pue_other: Interval


class Days(Spec):
    """Ranges in days, added to the central date."""

    acquisition: Interval


class Uncertainty(Sourced):
    """Ranges of 90 % of the method's inputs."""

    multiples: Multiples
    values: Values
    days: Days


class CostMethod(Spec):
    """Every constant of the method, as ``cost_method.toml`` has them."""

    server_overhead: ServerOverhead
    depreciation: Depreciation
    interconnect: Interconnect
    chip_to_server_power: ServerPower
    power_fraction: PowerFraction
    pue: Pue
    electricity: Electricity
    carbon: Carbon
    mfu: Mfu
    dates: Dates
    uncertainty: Uncertainty


@cache
def cost_method() -> CostMethod:
    """Return the shipped constants, read once."""
    return validate(CostMethod, read_toml(FILE), str(FILE))


def server_overhead(title: str, vendor: str) -> float:
    """Return the price of a server over the price of the accelerators in it.

    Args:
        title: name of the accelerator, such as ``NVIDIA H100 SXM5 80GB``.
        vendor: its maker, such as ``NVIDIA``.
    """
    table = cost_method().server_overhead
    family = None if is_tpu(vendor) else _named_in(title, table.family)
    return table.other if family is None else table.family[family]


def chip_to_server_power(title: str, vendor: str) -> float:
    """Return the rated power of a server over that of the accelerators in it.

    Args:
        title: name of the accelerator, such as ``Google TPU v3``.
        vendor: its maker, such as ``Google``.
    """
    table = cost_method().chip_to_server_power
    if is_tpu(vendor):
        generation = _named_in(title, table.tpu.generation)
        return table.tpu.other if generation is None else table.tpu.generation[generation]
    family = _named_in(title, table.gpu.family)
    if family is None:
        return table.gpu.other
    servers = table.gpu.family[family]
    return math.fsum(server.power_ratio for server in servers) / len(servers)


def power_fraction(vendor: str) -> float:
    """Return the average share of rated power that training draws; Google's chips are TPUs."""
    table = cost_method().power_fraction
    return table.tpu if is_tpu(vendor) else table.gpu


def price_spread(vendor: str) -> Interval:
    """Return the range of a purchase price, as multiples of it."""
    multiples = cost_method().uncertainty.multiples
    return multiples.price_tpu if is_tpu(vendor) else multiples.price_gpu


def pue(organisation: str | None) -> float:
    """Return the power usage effectiveness of who runs the data centre.

    Args:
        organisation: one or more names, separated by commas; one hyperscaler among them is
            enough. ``None`` where it is unknown.
    """
    table = cost_method().pue
    return table.hyperscale if is_hyperscale(organisation) else table.other


def usd_per_kwh(published: date) -> float:
    """Return the US industrial price of electricity in the year a model was published.

    The method goes by the year of publication, not by that of training. Outside the years
    listed the nearest of them stands.
    """
    prices = cost_method().electricity.usd_per_kwh
    return prices[min(prices, key=lambda year: abs(year - published.year))]


def training_start(
    publication: date, hours: float | None = None, acquired: date | None = None
) -> date:
    """Return the day training started: publication less the run and the time to publish.

    Args:
        publication: day the model was published.
        hours: length of the run, of which whole hours count; the median of known runs if
            ``None``.
        acquired: day the hardware was acquired, before which training cannot have started. The
            method applies this to GPUs, not to TPUs.
    """
    import numpy as np

    known = math.nan if hours is None else hours
    start: date = training_starts(np.datetime64(publication, "D"), np.array(known)).item()
    return start if acquired is None else max(start, acquired)


def training_starts(publication: np.ndarray | np.datetime64, hours: np.ndarray) -> np.ndarray:
    """Return the days training started, of many models: see `training_start`.

    Args:
        publication: days; NaT where there is none, and then there is no start either.
        hours: durations of the runs [h]; NaN where they are not known.
    """
    import numpy as np

    dates = cost_method().dates
    run = np.floor(np.where(np.isnan(hours), dates.training_hours, hours))
    end = publication.astype("datetime64[h]") - np.timedelta64(24 * dates.days_to_publication, "h")
    return np.asarray((end - run.astype("timedelta64[h]")).astype("datetime64[D]"))


def acquisition_date(price_date: date, release_date: date, vendor: str) -> date:
    """Return the day hardware could be bought in volume: TPUs at release, others later.

    Args:
        price_date: day of the price.
        release_date: day the accelerator was released.
        vendor: its maker.
    """
    if is_tpu(vendor):
        return release_date
    delay = timedelta(days=cost_method().dates.days_to_acquisition)
    return max(price_date, release_date + delay)


def years_between(a: date, b: date) -> float:
    """Return the years from ``a`` to ``b``, negative where ``b`` is earlier."""
    return (b - a).days / DAYS_PER_YEAR


def is_tpu(vendor: str) -> bool:
    """Whether a maker's accelerators are TPUs, which the method treats apart from GPUs."""
    return vendor.strip().lower() == "google"


def is_hyperscale(organisation: str | None) -> bool:
    """Whether one of the hyperscalers is among the names, separated by commas."""
    if organisation is None:
        return False
    return _named_in(organisation, cost_method().pue.hyperscalers, whole=True) is not None


def _named_in(text: str, names: Iterable[str], whole: bool = False) -> str | None:
    """Return the first of the names that starts a word of the text, or is one, if ``whole``.

    ``V100`` is in ``Tesla V100S``, but ``A100`` is not in ``RTX A1000``.
    """
    ending = r"(?![0-9A-Za-z])" if whole else r"(?!\d)"
    for name in names:
        if re.search(rf"(?<![0-9A-Za-z]){re.escape(name)}{ending}", text, re.IGNORECASE):
            return name
    return None
