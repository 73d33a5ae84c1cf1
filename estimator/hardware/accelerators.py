"""Accelerator profiles: what a part can do, what it costs, and where each figure comes from."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from computebill.base.constants import number, whole
from computebill.base.errors import RequestError, shown
from computebill.base.specfile import (
    Spec,
    is_folder,
    parse_toml,
    read_text,
    read_toml,
    validate,
    within,
)

from .fitted import Fitted
from .names import KnownName, meant_by, resolve_name

PROFILES_VARIABLE = "COMPUTEBILL_PROFILES"
"""Environment variable: directories of further profiles, separated as in PATH."""

SCALED = {"mxfp8": "fp8", "nvfp4": "fp4", "fp8-rowwise": "fp8", "fp8-blockwise": "fp8"}
"""Formats with scales, by the bits that they are made of."""

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
        domain_size: number of chips that they connect.
    """

    kind: str = ""
    bandwidth_gb_s: Figure | None = None
    domain_size: Figure | None = None


class AcrossLinks(Spec):
    """The network between domains.

    Attributes:
        kind: name of the network.
        bandwidth_gb_s: bandwidth of one chip [GB/s a direction].
    """

    kind: str = ""
    bandwidth_gb_s: Figure | None = None


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
        chip_watt: design power of the chip [W].
        server_watt_per_chip: its share of a whole server's power [W].
    """

    chip_watt: Figure | None = None
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


class Accelerator(Spec):
    """One accelerator: figures of one chip, each with its source.

    Attributes:
        name: name by which commands take it.
        title: name as its vendor has it.
        vendor: its maker.
        form_factor: form of the part: SXM, PCIe, OAM, …
        aliases: other names in use.
        announced: true where it cannot be bought yet.
        release_date: day it became available.
        notes: what a reader should know of it.
        memory_gb: memory [GB].
        memory_bandwidth_gb_s: bandwidth of memory, of the datasheet [GB/s].
        measured_memory_bandwidth_gb_s: bandwidth of memory that was measured [GB/s].
        price_usd: range of the prices to own one [USD].
        peak_tflops: dense peak rates by format.
        known_as: name by which its generation is looked up, where it is not its own: that of the
            shipped profile of the same part, or one that no generation has.
        multiprocessors: number of multiprocessors, or compute units.
        links: links between chips.
        power: rated power.
        sources: sources of the figures, by the key that they cite.
        measured: what was measured on it.
        prices: every price on record.
        efficiency: what the step model reaches on it, where that was fitted to measurements of the
            part itself.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str
    vendor: str
    form_factor: str = ""
    aliases: tuple[str, ...] = ()
    announced: bool = False
    release_date: ReleaseDate | None = None
    notes: str = ""
    memory_gb: Figure
    memory_bandwidth_gb_s: Figure
    measured_memory_bandwidth_gb_s: Figure | None = None
    price_usd: PriceBand | None = None
    peak_tflops: Peaks
    known_as: str = ""
    multiprocessors: Figure | None = None
    links: Links = Links()
    power: Power = Power()
    sources: dict[str, Source]
    measured: Measured = Measured()
    prices: Prices = Prices()
    efficiency: Fitted | None = None

    @model_validator(mode="after")
    def _sources_exist(self) -> Accelerator:
        for path, cited in self.cited():
            if cited.source not in self.sources:
                has = ", ".join(sorted(self.sources)) or "none"
                raise ValueError(f"{path}.source: {shown(cited.source)} is not in [sources]: {has}")
        if not self.precisions:
            raise ValueError("peak_tflops has no figure")
        return self

    def cited(self) -> Iterator[tuple[str, Cited]]:
        """Yield every cited entry with its path in the file."""
        return _cited_in(self, "")

    def is_checked(self, cited: Cited) -> bool:
        """Whether both the entry and its source were compared with another source."""
        return cited.checked and self.sources[cited.source].checked

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions with a known peak."""
        return tuple(name for name in Peaks.model_fields if getattr(self.peak_tflops, name))

    @property
    def default_precision(self) -> str:
        """The first of bf16, fp16, tf32 and fp32 that this part has."""
        order = ("bf16", "fp16", "tf32", "fp32", *self.precisions)
        return next(name for name in order if name in self.precisions)

    def peak(self, precision: str) -> Figure:
        """Return the dense peak, TFLOP/s, with its source; of scaled formats, that of their bits.

        Raises:
            RequestError: where this part has no such precision; none stands in for another.
        """
        name = SCALED.get(precision, precision)
        if name not in self.precisions:
            allowed = ", ".join(self.precisions)
            raise RequestError(
                "precision", f"{self.name} has no {shown(precision)} peak; it has: {allowed}"
            )
        figure: Figure = getattr(self.peak_tflops, name)
        return figure

    def peak_flop_per_s(self, precision: str) -> float:
        """Return the dense peak rate, FLOP/s; see ``peak``."""
        return self.peak(precision).value * 1e12

    def measured_flop_per_s(self, precision: str) -> float | None:
        """Return the best measured matrix product from a framework, FLOP/s, or None."""
        rates = [
            row.tflops * 1e12
            for row in self.measured.matmul
            if row.dtype == precision and not row.vendor_kit
        ]
        return max(rates, default=None)


def _cited_in(value: object, path: str) -> Iterator[tuple[str, Cited]]:
    if isinstance(value, Cited):
        yield path, value
    elif isinstance(value, Spec):
        for key in type(value).model_fields:
            yield from _cited_in(getattr(value, key), f"{path}.{key}" if path else key)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _cited_in(item, f"{path}[{index}]")


def load_accelerator(path: Path) -> Accelerator:
    """Read one profile.

    Raises:
        RequestError: where the file cannot be read, a field is wrong, a source is missing, or
            the file is not named after its profile.
    """
    accelerator = validate(Accelerator, read_toml(path), str(path))
    if accelerator.name != path.stem:
        raise RequestError(
            str(path), f"name: got {shown(accelerator.name)}; must be the file's, {path.stem!r}"
        )
    return accelerator


def list_accelerators(profiles: Sequence[Path] = ()) -> list[Accelerator]:
    """Return every known accelerator, in order of name.

    Args:
        profiles: directories of further profiles. They go before those of the environment
            variable COMPUTEBILL_PROFILES, and these before the shipped ones of the same name.

    Raises:
        RequestError: where a directory does not exist or one of its profiles is wrong.
    """
    files = _profile_files(profiles)
    return [_load(files[name]) for name in sorted(files)]


def find_accelerator(name: str, profiles: Sequence[Path] = ()) -> Accelerator:
    """Return the accelerator that ``name`` means.

    Args:
        name: a profile's file (with a path separator, or ending in ``.toml``) or any name in
            use: ``h100-sxm``, ``NVIDIA H100 80GB HBM3``, ``Trillium``.
        profiles: directories of further profiles, as for :func:`list_accelerators`.

    Raises:
        RequestError: where nothing, or more than one accelerator, goes by that name.
    """
    if name.endswith(".toml") or os.sep in name or (os.altsep and os.altsep in name):
        return _load_named_file(name)
    files = _profile_files(profiles)
    stem = "-".join(name.lower().split())
    if stem in files:
        return _load(files[stem])
    known = [_names_in(files[stem]) for stem in sorted(files)]
    return _load(files[resolve_name(name, known)])


def accelerators_named(name: str, profiles: Sequence[Path] = ()) -> list[Accelerator]:
    """Return all accelerators that a name may mean; never a file's, as cells are only data."""
    files = _profile_files(profiles)
    stem = "-".join(name.lower().split())
    if stem in files:
        return [_load(files[stem])]
    known = [_names_in(files[stem]) for stem in sorted(files)]
    return [_load(files[item.name]) for item in meant_by(name, known)]


def _load_named_file(name: str) -> Accelerator:
    try:
        return load_accelerator(Path(name))
    except RequestError:
        raise
    except (OSError, ValueError) as error:  # a null byte, a name too long for a path
        raise RequestError("accelerator", f"{shown(name)} is not a file: {error}") from None


def _profile_files(profiles: Sequence[Path]) -> dict[str, Path]:
    """Map name to file; of two directories the one nearer to the user wins."""
    from_environment = os.environ.get(PROFILES_VARIABLE, "").split(os.pathsep)
    folders = [Path(folder) for folder in reversed(from_environment) if folder]
    folders += reversed(profiles)
    files = dict(_shipped_files())
    for folder in folders:
        if not is_folder(folder):
            raise RequestError("profiles", f"{shown(str(folder), 300)} is not a directory")
        files |= {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return files


@cache
def _shipped_files() -> dict[str, Path]:
    folder = Path(str(resources.files("computebill.hardware_profiles")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _load(path: Path) -> Accelerator:
    return _load_shipped(path) if _is_shipped(path) else load_accelerator(path)


def _names_in(path: Path) -> KnownName:
    return _shipped_names(path) if _is_shipped(path) else _known_name(load_accelerator(path))


def _is_shipped(path: Path) -> bool:
    return _shipped_files().get(path.stem) == path


# Shipped files do not change while a process runs; a user's may.
_load_shipped = cache(load_accelerator)


@cache
def _shipped_names(path: Path) -> KnownName:
    """What a shipped profile is called, from the lines before its first table: soon read."""
    text = read_text(path)
    head = parse_toml(text[: text.find("\n[") + 1], str(path))
    memory = float(head["memory_gb"]["value"])
    aliases = tuple(head.get("aliases", ()))
    return KnownName(head["name"], head["title"], head.get("form_factor", ""), memory, aliases)


def _known_name(item: Accelerator) -> KnownName:
    return KnownName(item.name, item.title, item.form_factor, item.memory_gb.value, item.aliases)


# base/constants.toml has what these are, and where from.
LINK_BYTES_PER_S = number("hardware.accelerators.LINK_BYTES_PER_S")
DOMAIN_SIZE = whole("hardware.accelerators.DOMAIN_SIZE")


def peak_flop_per_s(accelerator: Accelerator, precision: str) -> float:
    """Return the dense peak of a training precision; of 16 bits, of whichever the part has."""
    if precision in ("bf16", "fp16") and precision not in accelerator.precisions:
        return accelerator.peak_flop_per_s(accelerator.default_precision)
    return accelerator.peak_flop_per_s(precision)


def domain_size(accelerator: Accelerator) -> int:
    """Return how many accelerators fast links connect."""
    size = accelerator.links.inside.domain_size
    return int(size.value) if size else DOMAIN_SIZE
