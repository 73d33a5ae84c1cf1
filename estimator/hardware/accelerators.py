"""Accelerator profiles: what a part can do, what it costs, and where each figure comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

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
)

from .figures import (
    Cited,
    Figure,
    Generation,
    Links,
    Measured,
    Peaks,
    Power,
    PriceBand,
    Prices,
    ReleaseDate,
    Source,
)
from .fitted import Fitted
from .names import KnownName, compact, meant_by, resolve_name

PROFILES_VARIABLE = "COMPUTEBILL_PROFILES"
"""Environment variable: directories of further profiles, separated as in PATH."""

SCALED = {"mxfp8": "fp8", "nvfp4": "fp4", "fp8-rowwise": "fp8", "fp8-blockwise": "fp8"}
"""Formats with scales, by the bits that they are made of."""


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
        generation: generation of its chip; without one, nothing is known of its efficiencies.
        multiprocessors: number of multiprocessors, compute units, or other units that work off
            the tiles of a matrix product.
        node_size: chips of a node, that share its network [chips].
        unknown: paths of figures that were looked for and not found (``multiprocessors``,
            ``links.inside.bandwidth_gb_s``).
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
    generation: Generation | None = None
    multiprocessors: Figure | None = None
    node_size: Figure | None = None
    unknown: tuple[str, ...] = ()
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

    @model_validator(mode="after")
    def _unknown_is_absent(self) -> Accelerator:
        for path in self.unknown:
            value: object = self
            for key in path.split("."):
                if not isinstance(value, Spec) or key not in type(value).model_fields:
                    raise ValueError(f"unknown: {shown(path)} is no figure's path")
                value = getattr(value, key)
            if value is not None:
                raise ValueError(f"unknown: {shown(path)} has a figure")
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
        """Return the measured matrix product from a framework that is to be used, FLOP/s, or None.

        It is the first of its dtype.
        """
        rows = (row for row in self.measured.matmul if row.dtype == precision)
        return next((row.tflops * 1e12 for row in rows if not row.vendor_kit), None)


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


def accelerator_like(text: str, profiles: Sequence[Path] = ()) -> str:
    """Return the short name that a text is spelled most like; empty where it is like none.

    Of short names alone, and so soon found: a catalogue has thousands of texts.
    """
    names = {compact(stem): stem for stem in sorted(_profile_files(profiles))}
    likest = get_close_matches(compact(text)[:60], names, 1)
    return names[likest[0]] if likest else ""


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


def peak_precision(accelerator: Accelerator, precision: str) -> str:
    """Return the precision whose peak a training precision has; of 16 bits, what the part has."""
    if precision in ("bf16", "fp16") and precision not in accelerator.precisions:
        return accelerator.default_precision
    return precision


def peak_flop_per_s(accelerator: Accelerator, precision: str) -> float:
    """Return the dense peak of a training precision [FLOP/s]; see ``peak_precision``."""
    return accelerator.peak_flop_per_s(peak_precision(accelerator, precision))


def domain_size(accelerator: Accelerator) -> int:
    """Return how many accelerators fast links connect."""
    size = accelerator.links.inside.domain_size
    return int(size.value) if size else DOMAIN_SIZE
