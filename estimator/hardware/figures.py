"""Figures of a part as its profile holds them: each with its source."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import model_validator

from computebill.base.specfile import Spec, within

Precision = Literal["fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8"]


SMALLEST_FIGURE, LARGEST_FIGURE = 1e-9, 1e15
"""Bounds of a profile's figures in their own units, so that products of several stay finite."""

Magnitude = Annotated[float, within(SMALLEST_FIGURE, LARGEST_FIGURE)]


class Source(Spec):
    """A source of figures.

    Attributes:
        title: title of the datasheet, paper or page.
        address: its address.
        licence: licence of the facts that were taken.
        checked: false where nobody compared it with another source.
        note: what a reader should know of it.
    """

    title: str
    address: str = ""
    licence: str
    checked: bool = True
    note: str = ""


class Cited(Spec):
    """Anything with a source.

    Attributes:
        source: key of the profile's ``sources``.
        checked: false where nobody compared it with another source.
        note: what a reader should know of it.
    """

    source: str
    checked: bool = True
    note: str = ""


class Figure(Cited):
    """One number with its source.

    Attributes:
        value: the number, in the unit that its field's name tells.
    """

    value: Magnitude


class ReleaseDate(Cited):
    """The day a part became available, or was announced where its notes say so.

    Attributes:
        value: the day.
    """

    value: dt.date


GenerationName = Literal[
    "tesla",
    "fermi",
    "kepler",
    "maxwell",
    "pascal",
    "volta",
    "turing",
    "ampere",
    "ada",
    "hopper",
    "blackwell",
    "blackwell-ultra",
    "rubin",
    "cdna2",
    "cdna3",
    "cdna4",
    "cdna5",
    "tpu-v1",
    "tpu-v2",
    "tpu-v3",
    "tpu-v4",
    "tpu-v5",
    "tpu-v6",
    "tpu-v7",
    "gaudi",
    "ascend",
    "trainium",
    "apple",
    "cpu",
]
"""Generations of chips by the names that profiles give them; generations.py says which
efficiencies each has."""


class Generation(Cited):
    """The generation of a chip: its architecture, by its vendor's word.

    Attributes:
        value: its name.
    """

    value: GenerationName


class PriceBand(Cited):
    """Range of the prices seen.

    Attributes:
        low: lowest price [USD].
        high: highest price [USD].
    """

    low: Magnitude
    high: Magnitude

    @model_validator(mode="after")
    def _in_order(self) -> PriceBand:
        if self.low > self.high:
            raise ValueError(f"low ({self.low:g}) is above high ({self.high:g})")
        return self


class Peaks(Spec):
    """Dense peak rates by format, never with sparsity.

    Attributes:
        fp64: peak of 64-bit products [TFLOP/s].
        fp32: peak of 32-bit products [TFLOP/s].
        tf32: peak of products of 19 bits in 32 [TFLOP/s].
        fp16: peak of 16-bit products [TFLOP/s].
        bf16: peak of 16-bit products of wide range [TFLOP/s].
        fp8: peak of 8-bit products [TFLOP/s].
        fp4: peak of 4-bit products [TFLOP/s].
        int8: peak of 8-bit products of whole numbers [TOP/s].
    """

    fp64: Figure | None = None
    fp32: Figure | None = None
    tf32: Figure | None = None
    fp16: Figure | None = None
    bf16: Figure | None = None
    fp8: Figure | None = None
    fp4: Figure | None = None
    int8: Figure | None = None


class InsideLinks(Spec):
    """Links inside the scale-up domain.

    Attributes:
        kind: name of the link.
        bandwidth_gb_s: bandwidth of one chip [GB/s a direction].
        latency_us: time of a hop [us].
        domain_size: number of chips that they connect.
    """

    kind: str = ""
    bandwidth_gb_s: Figure | None = None
    latency_us: Figure | None = None
    domain_size: Figure | None = None


class AcrossLinks(Spec):
    """The network between domains.

    Attributes:
        kind: name of the network.
        bandwidth_gb_s: bandwidth of one chip [GB/s a direction].
        latency_us: time of a hop [us].
    """

    kind: str = ""
    bandwidth_gb_s: Figure | None = None
    latency_us: Figure | None = None


class Links(Spec):
    """Links between chips.

    Attributes:
        inside: links inside the scale-up domain.
        across: network between domains.
    """

    inside: InsideLinks = InsideLinks()
    across: AcrossLinks = AcrossLinks()


class Power(Spec):
    """Rated power.

    Attributes:
        chip_watt: design power of the chip, which is the highest limit that it takes [W].
        peak_watt: power at which its peaks are reached, where the chip takes less [W].
        server_watt_per_chip: its share of a whole server's power [W].
    """

    chip_watt: Figure | None = None
    peak_watt: Figure | None = None
    server_watt_per_chip: Figure | None = None


class MatrixProduct(Cited):
    """A measured matrix product.

    Attributes:
        dtype: format of its operands.
        tflops: speed reached [TFLOP/s].
        shape: sizes of the product.
        software: libraries that it was measured with.
        vendor_kit: whether a kernel was used that frameworks lack.
    """

    dtype: Precision
    tflops: Magnitude
    shape: str = ""
    software: str = ""
    vendor_kit: bool = False


class Measured(Spec):
    """What was measured.

    Attributes:
        matmul: matrix products; the first of a dtype is the one to use.
    """

    matmul: tuple[MatrixProduct, ...] = ()


class Price(Cited):
    """What purchase and cloud prices share.

    Attributes:
        date: day of the price.
        kind: what the price is of: a list price, a quote, an index.
        variant: set where the price is of a sibling of this part (``16 GB``).
        form_factor_stated: false where the seller names the family only.
        doubtful: kept for the record, used by no estimate; ``note`` says why.
        page: address of the price list itself, where ``source`` is a collection.
    """

    date: dt.date
    kind: str
    variant: str = ""
    form_factor_stated: bool = True
    doubtful: bool = False
    page: str = ""


class PurchasePrice(Price):
    """A purchase price of one chip.

    Attributes:
        low_usd: lowest price [USD].
        high_usd: highest price [USD].
    """

    low_usd: Magnitude
    high_usd: Magnitude


class CloudPrice(Price):
    """A rental price of one chip.

    Attributes:
        provider: who rents it.
        region: region of the data centre.
        instance: name of the server.
        on_demand_usd: price without commitment [USD/h].
        committed_1y_usd: price with a commitment of a year [USD/h].
        committed_3y_usd: price with a commitment of three years [USD/h].
        spot_usd: price of a chip that may be taken away [USD/h].
        capacity_block_usd: price of a chip reserved for some days [USD/h].
    """

    provider: str
    region: str = ""
    instance: str = ""
    on_demand_usd: Magnitude | None = None
    committed_1y_usd: Magnitude | None = None
    committed_3y_usd: Magnitude | None = None
    spot_usd: Magnitude | None = None
    capacity_block_usd: Magnitude | None = None


class Prices(Spec):
    """Every price on record, oldest first.

    Attributes:
        purchase: prices to own.
        cloud: prices to rent.
    """

    purchase: tuple[PurchasePrice, ...] = ()
    cloud: tuple[CloudPrice, ...] = ()
