"""Price lists of one's own: the catalogues of SkyPilot and of gpuhunt, as CSV.

SkyPilot's have a row an instance and region, its price on demand and on the spot market beside each
other, the accelerator by name and number; gpuhunt's have a row for each of the two. Neither has a
day of its own: it is the file's.
"""

from __future__ import annotations

import csv
import datetime as dt
import statistics
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import Quantity, constant, parse_quantity
from computebill.hardware.accelerators import Accelerator, accelerators_named
from computebill.hardware.names import compact

LARGEST_LIST = 256 * 2**20
"""Bytes of a list; SkyPilot's largest has some ten million."""

SKYPILOT = ("AcceleratorName", "AcceleratorCount", "Price", "Region")
GPUHUNT = ("gpu_name", "gpu_count", "price", "location", "spot")
LISTED = ("on-demand", "spot")
"""Commitments that lists have prices of."""

FEW = 3
"""Offers of which a range can be told."""


class Listed(NamedTuple):
    """An offer of a list.

    Attributes:
        accelerator: as the list spells it, with its memory where that is told.
        region: of the data centre.
        instance: name of the server.
        usd: USD an accelerator-hour.
        is_spot: whether it may be taken away.
    """

    accelerator: str
    region: str
    instance: str
    usd: float
    is_spot: bool


@dataclass(frozen=True)
class PriceList:
    """A list of prices.

    Attributes:
        name: of its file.
        provider: whose it is, by its folder (``aws/vms.csv``) or its name (``aws.csv``).
        day: that the file was last changed.
        offers: of accelerators, at a price.
    """

    name: str
    provider: str
    day: dt.date
    offers: tuple[Listed, ...]


@cache
def read_price_list(path: Path) -> PriceList:
    """Read a list of prices.

    Raises:
        RequestError: naming the file: not readable, too large, or neither of the two forms.
    """
    try:
        state = path.stat()
        if state.st_size > LARGEST_LIST:
            raise RequestError(str(path), f"is larger than {LARGEST_LIST // 2**20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            offers = tuple(_offers(table, tuple(table.fieldnames or ()), str(path)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(str(path), f"cannot be read: {reason}") from None
    if not offers:
        raise RequestError(str(path), "has no price of an accelerator")
    provider = path.parent.name if path.stem == "vms" else path.stem
    return PriceList(path.name, provider, dt.date.fromtimestamp(state.st_mtime), offers)


def _offers(table: csv.DictReader[str], columns: tuple[str, ...], name: str) -> Iterator[Listed]:
    if set(SKYPILOT) <= set(columns):
        for row in table:
            yield from _of_skypilot(row)
    elif set(GPUHUNT) <= set(columns):
        for row in table:
            yield from _of_gpuhunt(row)
    else:
        raise RequestError(
            name,
            f"has the columns {', '.join(columns[:6]) or 'of none'}; allowed: SkyPilot's "
            f"({', '.join(SKYPILOT)}) or gpuhunt's ({', '.join(GPUHUNT)})",
        )


def _of_skypilot(row: Mapping[str, str]) -> Iterator[Listed]:
    count = _number(row["AcceleratorCount"])
    if not row["AcceleratorName"] or not count:
        return
    instance = row.get("InstanceType") or ""
    for column, is_spot in (("Price", False), ("SpotPrice", True)):
        usd = _number(row.get(column))
        if usd:
            yield Listed(row["AcceleratorName"], row["Region"], instance, usd / count, is_spot)


def _of_gpuhunt(row: Mapping[str, str]) -> Iterator[Listed]:
    count, usd, memory = (_number(row.get(key)) for key in ("gpu_count", "price", "gpu_memory"))
    if not row["gpu_name"] or not count or not usd:
        return
    name = f"{row['gpu_name']} {memory:g}GB" if memory else row["gpu_name"]
    is_spot = row["spot"].strip().lower() == "true"
    yield Listed(name, row["location"], row.get("instance_name") or "", usd / count, is_spot)


def _number(text: str | None) -> float:
    """Return a number above 0; 0 of what is none."""
    try:
        found = float(text or 0)
    except ValueError:
        return 0.0
    return found if 0 < found < 1e9 else 0.0


def listed_rent(
    path: Path, accelerator: Accelerator, commitment: str, region: str | None
) -> tuple[Quantity, str]:
    """Return the rent [USD an accelerator-hour] by a list, and its source.

    Of several offers the median, from their 10th to their 90th percentile.

    Args:
        path: of the list.
        accelerator: that is rented.
        commitment: on-demand or spot.
        region: whose offers count; all where None.

    Raises:
        RequestError: naming what has no price there, and what has.
    """
    found = read_price_list(path)
    if commitment not in LISTED:
        allowed = f"allowed with prices: {', '.join(LISTED)}"
        raise RequestError("commitment", f"got {shown(commitment)}; {allowed}")
    names = _names_of(accelerator, {each.accelerator for each in found.offers})
    own = [each for each in found.offers if each.accelerator in names]
    if not own:
        listed = ", ".join(sorted({each.accelerator for each in found.offers})[:12])
        raise RequestError(str(path), f"has no price of {accelerator.name}; of: {listed}")
    offers = [each for each in own if each.is_spot == (commitment == "spot")]
    if not offers:
        raise RequestError(str(path), f"has no {commitment} price of {accelerator.name}")
    if region is not None:
        offers = [each for each in offers if compact(each.region) == compact(region)]
    if not offers:
        regions = ", ".join(sorted({each.region for each in own})[:12])
        raise RequestError("region", f"got {shown(region)}; {path} has {regions}")
    where = "" if region is None else f", {region}"
    source = (
        f"{found.name} of {found.provider}, {found.day}{where}: {commitment}, "
        f"{len(offers)} offer{'s' * (len(offers) != 1)}"
    )
    return _spread([each.usd for each in offers]), source


def _names_of(accelerator: Accelerator, listed: Collection[str]) -> set[str]:
    """Return the names of a list that mean an accelerator; of several the ones that say most.

    ``A100-80GB`` may be two of them and ``A100`` four: the former is meant.
    """
    meanings = {name: [each.name for each in accelerators_named(name)] for name in listed}
    own = {name: len(found) for name, found in meanings.items() if accelerator.name in found}
    return {name for name, count in own.items() if count == min(own.values())}


def _spread(usd: list[float]) -> Quantity:
    """Return offers as a quantity: one price, or from the 10th to the 90th percentile."""
    middle = statistics.median(usd)
    if len(usd) < FEW:
        return constant(middle)
    tenths = statistics.quantiles(usd, n=10, method="inclusive")
    low, high = tenths[0], tenths[-1]
    if not low < middle < high:
        return constant(middle) if low == high else parse_quantity({"p10": low, "p90": high})
    return parse_quantity({"p10": low, "p50": middle, "p90": high})
