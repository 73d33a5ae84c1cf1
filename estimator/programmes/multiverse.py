"""The share under every sensible combination of methods: what the conclusion hangs on.

A specification table (Simonsohn, Simmons & Nelson 2020; Steegen et al. 2016): each axis is a choice
that could reasonably have been made otherwise, each combination a median share.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.base.specfile import Name, SourceNote, Spec, parse_toml, validate
from computebill.uncertainty.draws import Settings

from .compiled import CompiledProgramme, compile_programme
from .loading import LoadedProgramme
from .regressions import Regressions
from .spec import NEVER, SIZE_KEYS, Change, Lag, Programme
from .variants import apply_change

FILE = "methods.toml"
DRAWS = 2**11
"""Draws of a combination: its median is known to about 2 %."""
NOISE = 0.01
"""What a median moves by where other points are drawn, as a part of it: less is no effect."""
MOST = 600
"""Combinations that are drawn; those that only scale the spend are free."""
BY_METHOD = "by-method"
"""Source of assumptions that a method replaces."""
H800, H800_PEAK = "h800-sxm", 9.894e14
"""The accelerator that a peak without a name stands for, and its dense BF16 peak [FLOP/s]."""
PARTS = ("p5", "p50", "p95")
AS_IN_FILE = "as in the file"


class Option(Spec):
    """One way of an axis.

    Attributes:
        label: in words.
        source: key of the source.
        note: what a reader should know of it.
        assumptions: of the programme that are replaced.
        accelerator: of all runs, in place of theirs.
        precision: of all runs, in place of theirs.
        is_unreleased_counted: whether runs that were never released count as final.
        spend: number that R&D compute is multiplied by.
        lag: of releases behind spend, in place of the file's.
        changes: of the programme's own file, applied in their order.
    """

    label: Name
    source: str | None = None
    note: str | None = None
    assumptions: dict[str, Any] = Field(default_factory=dict)
    accelerator: str | None = None
    precision: str | None = None
    is_unreleased_counted: bool = False
    spend: Annotated[float, Field(gt=0)] = 1.0
    lag: Lag | None = None
    changes: tuple[Change, ...] = ()


class Axis(Spec):
    """A choice of method.

    Attributes:
        name: name of it.
        organisations: those that it is a choice for; all where not given.
        accelerators: those of a programme that it is a choice for; all where not given.
        unless_reported: word in the names of reported lines, the file's own or a variant's, with
            which the file makes the choice itself.
        options: ways, the file's own first.
    """

    name: Name
    organisations: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    unless_reported: str | None = None
    options: Annotated[tuple[Option, ...], Field(min_length=2)]

    @property
    def only_scales(self) -> bool:
        """Whether its options do nothing but multiply R&D compute, in each draw."""
        return not any(
            each.assumptions
            or each.accelerator
            or each.precision
            or each.is_unreleased_counted
            or each.changes
            for each in self.options
        )

    def is_for(self, programme: Programme) -> bool:
        """Whether it is a choice for a programme that the file does not make itself."""
        if programme.assumptions.lag is not None and any(each.lag for each in self.options):
            return False
        if self.organisations and programme.organisation not in self.organisations:
            return False
        if self.accelerators and accelerator_of(programme) not in self.accelerators:
            return False
        if self.unless_reported is None:
            return True
        changes = (change for variant in programme.variants for change in variant.changes)
        lines = [item.item for item in programme.reported]
        lines += [str(line.get("item")) for change in changes for line in change.reported]
        return not any(self.unless_reported in line for line in lines)


def accelerator_of(programme: Programme) -> str | None:
    """Return the accelerator that runs share: by its name, or by its peak."""
    assumed = programme.assumptions
    if assumed.accelerator is not None or assumed.peak_flop_per_s is None:
        return assumed.accelerator
    is_known = math.isclose(assumed.peak_flop_per_s.median, H800_PEAK, rel_tol=0.01)
    return H800 if is_known else None


class Methods(Spec):
    """The file of methods.

    Attributes:
        sources: by key.
        axes: choices.
    """

    sources: dict[str, SourceNote]
    axes: tuple[Axis, ...]


@cache
def methods() -> Methods:
    """Return what ships."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return validate(Methods, parse_toml(text, FILE), FILE)


@dataclass(frozen=True)
class AxisFound:
    """What a choice does.

    Attributes:
        name: of the axis.
        options: labels.
        shares: 5th, 50th and 95th percentile of the medians of all combinations with each option.
        share_of_variance: part of the variance of the logarithm of all medians.
    """

    name: str
    options: tuple[str, ...]
    shares: tuple[tuple[float, float, float], ...]
    share_of_variance: float


@dataclass(frozen=True)
class Multiverse:
    """Median shares of all combinations.

    Attributes:
        axes: choices, the one that moves most first.
        choices: option of each axis by its place, one row a combination.
        shares: median share of each combination.
        left_out: axes that move nothing, or that there was no room for.
        impossible: combinations that cannot be priced.
        beyond: combinations whose median final runs exceed R&D compute.
    """

    axes: tuple[AxisFound, ...]
    choices: tuple[tuple[int, ...], ...]
    shares: tuple[float, ...]
    left_out: tuple[str, ...]
    impossible: int
    beyond: int

    def quantiles(self) -> tuple[float, float, float]:
        """Return the 5th, 50th and 95th percentile of the medians."""
        return _quantiles(torch.tensor(self.shares, dtype=torch.float64))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "specifications": len(self.shares),
            "median_share": dict(zip(PARTS, self.quantiles(), strict=True)),
            "lowest": min(self.shares),
            "highest": max(self.shares),
            "impossible": self.impossible,
            "beyond_spend": self.beyond,
            "left_out": list(self.left_out),
            "axes": [
                {
                    "axis": each.name,
                    "share_of_variance": each.share_of_variance,
                    "options": [
                        {"option": label, "median_share": dict(zip(PARTS, row, strict=True))}
                        for label, row in zip(each.options, each.shares, strict=True)
                    ],
                }
                for each in self.axes
            ],
            "rows": [
                {"choices": list(row), "median_share": share}
                for row, share in zip(self.choices, self.shares, strict=True)
            ],
        }


def _quantiles(values: Tensor) -> tuple[float, float, float]:
    at = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    low, middle, high = values.quantile(at).tolist()
    return low, middle, high


def multiverse(
    loaded: LoadedProgramme, seed: int = 0, device: str = "cpu", profiles: Sequence[Path] = ()
) -> Multiverse:
    """Price a programme under every combination of methods and of its own file's variants.

    Args:
        loaded: the programme's file.
        seed: of the draws, the same for every combination.
        device: that it is priced on.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: where its share cannot be told, or nothing about it can be chosen.
    """
    pricer = _Pricer(loaded, Settings(DRAWS, seed, device), profiles)
    first = _median(pricer.shares(()))
    if first is None:
        raise RequestError("--multiverse", f"the share of {loaded.name} cannot be told")
    given = [axis for axis in methods().axes if axis.is_for(loaded.programme)]
    scaling = _scaling(given, pricer)
    drawn = [axis for axis in given if not axis.only_scales]
    moving = _moving([*drawn, *_own_axes(loaded.programme)], pricer, first)
    kept = _fitting(moving)
    scaled = [axis for axis, _ in scaling]
    names = {axis.name for axis in (*kept, *scaled)}
    left_out = [axis.name for axis in (*given, *moving) if axis.name not in names]
    choices, shares, impossible = _priced(kept, scaling, pricer)
    return Multiverse(
        axes=_ranked([*kept, *scaled], choices, shares),
        choices=tuple(choices),
        shares=tuple(shares),
        left_out=tuple(dict.fromkeys(left_out)),
        impossible=impossible,
        beyond=sum(share > 1 for share in shares),
    )


class _Pricer:
    """Median shares of a programme with options applied to its file's data."""

    def __init__(self, loaded: LoadedProgramme, chosen: Settings, profiles: Sequence[Path]) -> None:
        self._loaded = loaded
        self._chosen = chosen
        self._profiles = profiles
        self._regressions = Regressions(loaded.regression_models(), chosen.seed, chosen.device)

    def shares(self, options: Sequence[Option]) -> Tensor | None:
        """Return the share in each draw; None where the options do not go together."""
        try:
            compiled = self._compiled(options)
        except RequestError:
            return None
        return self._drawn(compiled, lambda values: compiled.price(values).share)

    def scale(self, option: Option) -> Tensor:
        """Return what an option multiplies R&D compute by in each draw, the rest as in the file."""
        if option.lag is None:
            return torch.tensor([option.spend], dtype=torch.float64)
        compiled = self._compiled((option,))
        return self._drawn(compiled, compiled.moved_by)

    def _compiled(self, options: Sequence[Option]) -> CompiledProgramme:
        data: dict[str, Any] = {
            key: value for key, value in self._loaded.data.items() if key not in _NOT_PRICED
        }
        for option in options:
            data = _applied(data, option)
        programme = validate(Programme, data, self._loaded.name)
        return compile_programme(programme, self._regressions, self._chosen.device, self._profiles)

    def _drawn(self, compiled: CompiledProgramme, of: Callable[[Tensor], Tensor]) -> Tensor:
        drawn = [
            of(compiled.draw(points, replicate)).expand(points.shape[1])
            for replicate, points in compiled.columns.chunks(self._chosen)
        ]
        return torch.cat(drawn).cpu()


def _median(shares: Tensor | None) -> float | None:
    """Return the median share, None where it is not known."""
    median = math.nan if shares is None else float(shares.median())
    return median if math.isfinite(median) else None


def _scaling(given: Sequence[Axis], pricer: _Pricer) -> list[tuple[Axis, list[Tensor]]]:
    """Return the axes that only scale R&D compute, and by what, without options that do nothing."""
    found = []
    for axis in given:
        if axis.only_scales:
            scales = [(option, pricer.scale(option)) for option in axis.options]
            kept = [scales[0], *(each for each in scales[1:] if bool((each[1] != 1).any()))]
            options = tuple(option for option, _ in kept)
            found.append((axis.model_copy(update={"options": options}), [each for _, each in kept]))
    return [(axis, scales) for axis, scales in found if len(scales) > 1]


_NOT_PRICED = ("variants", "scenarios", "grade")


def _applied(data: Mapping[str, Any], option: Option) -> dict[str, Any]:
    """Return a programme's data under an option."""
    found = dict(data)
    for change in option.changes:
        found = apply_change(found, change.model_dump(), SIZE_KEYS, option.label)
    if option.assumptions:
        found["sources"] = {**found["sources"], BY_METHOD: {"title": option.label}}
        cited = {
            key: {**value, "source": BY_METHOD} if isinstance(value, dict) else value
            for key, value in option.assumptions.items()
        }
        found["assumptions"] = {**found.get("assumptions", {}), **cited}
    if option.lag is not None:
        lag = {"value": option.lag.value, "growth": option.lag.growth}
        found["sources"] = {**found["sources"], BY_METHOD: {"title": option.label}}
        found["assumptions"] = {
            **found.get("assumptions", {}),
            "lag": {**lag, "source": BY_METHOD},
        }
    if option.accelerator is not None:
        found = _moved(found, "accelerator", option.accelerator)
    if option.precision is not None:
        found = _moved(found, "precision", option.precision)
    if option.is_unreleased_counted:
        found = _released(found)
    return found


def _moved(data: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """Return the data with all runs on one accelerator, or of one precision."""
    assumed = {"accelerator": H800, **data["assumptions"], key: value}
    assumed.pop("peak_flop_per_s", None)
    runs = []
    for run in data["runs"]:
        kept = {name: each for name, each in run.items() if name != "peak_flop_per_s"}
        runs.append({**kept, key: value} if key in run else kept)
    return {**data, "assumptions": assumed, "runs": runs}


def _released(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with runs counted that were never released, and stated ones among them."""
    releases = data.get("releases") or data["window"]
    first = str(releases["first"])
    runs = [
        {**copy.deepcopy(run), "released": first} if run["released"] in (False, NEVER) else run
        for run in data["runs"]
    ]
    for part in data.get("exploration", ()):
        if part["kind"] == "unreleased and failed runs" and "amount" in part:
            key = "cost_usd" if data.get("basis", "dollars") == "dollars" else "accelerator_hours"
            named = {"name": part["name"], "released": first, "source": part["source"]}
            runs.append({**named, key: part["amount"]})
    kept = [
        part for part in data.get("exploration", ()) if part["kind"] != "unreleased and failed runs"
    ]
    return {**data, "runs": runs, "exploration": kept}


def _own_axes(programme: Programme) -> Iterator[Axis]:
    """Yield the choices that a file's variants make; changes of one thing exclude each other."""
    groups: dict[str, list[Option]] = {}
    for variant in programme.variants:
        for change in variant.changes:
            targets = [str(each.get("name")) for each in change.runs]
            targets += [str(each.get("item")) for each in change.reported]
            if change.basis is not None:
                targets = ["basis"]
            if not targets:
                continue  # another draw of a regression, or of what fits: an axis above has it
            known = next((name for name in groups if name in targets), targets[0])
            label = f"{variant.name}: {change.name}"[:150]
            groups.setdefault(known, []).append(Option(label=label, changes=(change,)))
    for name, options in groups.items():
        own = Option(label=AS_IN_FILE)
        yield Axis(name=f"the file's {name}", options=(own, *options))


def _moving(axes: Sequence[Axis], pricer: _Pricer, first: float) -> list[Axis]:
    """Return the axes that move the share alone, with the options that can be, widest first."""
    found: list[tuple[float, Axis]] = []
    for axis in axes:
        kept, width = [axis.options[0]], 0.0
        for option in axis.options[1:]:
            share = _median(pricer.shares((option,)))
            moved = 0.0 if share is None or not share > 0 else abs(math.log(share / first))
            if moved < NOISE:
                continue
            kept.append(option)
            width = max(width, moved)
        if len(kept) > 1:
            found.append((width, axis.model_copy(update={"options": tuple(kept)})))
    return [axis for _, axis in sorted(found, key=lambda each: -each[0])]


def _fitting(axes: Sequence[Axis]) -> list[Axis]:
    """Return the axes that move most, as many as may be combined."""
    kept: list[Axis] = []
    size = 1
    for axis in axes:
        if size * len(axis.options) <= MOST:
            size *= len(axis.options)
            kept.append(axis)
    return kept


def _priced(
    drawn: Sequence[Axis], scaling: Sequence[tuple[Axis, Sequence[Tensor]]], pricer: _Pricer
) -> tuple[list[tuple[int, ...]], list[float], int]:
    """Price every combination; those that only scale R&D compute follow from the others."""
    one = torch.ones(1, dtype=torch.float64)
    scales = [
        (places, math.prod((by[i] for (_, by), i in zip(scaling, places, strict=True)), start=one))
        for places in itertools.product(*(range(len(by)) for _, by in scaling))
    ]
    choices: list[tuple[int, ...]] = []
    shares: list[float] = []
    impossible = 0
    # The file's own changes first, then what method makes of them, in the order of the methods.
    known = {axis.name: place for place, axis in enumerate(methods().axes)}
    order = sorted(range(len(drawn)), key=lambda place: known.get(drawn[place].name, -1))
    for places in itertools.product(*(range(len(axis.options)) for axis in drawn)):
        priced = pricer.shares([drawn[place].options[places[place]] for place in order])
        if priced is None or _median(priced) is None:
            impossible += len(scales)
            continue
        for more, scale in scales:
            choices.append((*places, *more))
            shares.append(float((priced / scale).median()))
    return choices, shares, impossible


def _ranked(
    axes: Sequence[Axis], choices: Sequence[tuple[int, ...]], shares: Sequence[float]
) -> tuple[AxisFound, ...]:
    """Return what each axis does, the one with most of the variance first."""
    values = torch.tensor(shares, dtype=torch.float64)
    logs = values.log()
    whole = float(logs.var(correction=0))
    found = []
    for place, axis in enumerate(axes):
        at = torch.tensor([row[place] for row in choices])
        groups = [at == i for i in range(len(axis.options))]
        means = torch.stack([logs[group].mean() for group in groups])
        sizes = torch.stack([group.sum() for group in groups]) / len(logs)
        between = float((sizes * (means - logs.mean()) ** 2).sum())
        shown = tuple(_quantiles(values[group]) for group in groups)
        labels = tuple(option.label for option in axis.options)
        found.append(AxisFound(axis.name, labels, shown, between / whole if whole else 0.0))
    return tuple(sorted(found, key=lambda each: -each.share_of_variance))
