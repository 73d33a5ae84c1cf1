"""Sweep files: groups of experiments, the final run they lead to, the cluster they share.

The schema below is the whole format; ``presets/*.toml`` are worked examples of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from computebill.architectures.sources import point_models
from computebill.base.amounts import Whole
from computebill.base.changes import read_change, set_in
from computebill.base.errors import RequestError, shown
from computebill.base.quantity import AtLeastOne, Number, Positive, Quantity, Share
from computebill.base.specfile import (
    Name,
    SourceNote,
    Spec,
    as_data,
    is_file_name,
    parse_toml,
    read_text,
    validate,
    with_fields,
    with_flags,
)
from computebill.costs.fields import PRICE_REPLACES, Day, Prices, check_price_list
from computebill.costs.prices import Commitment

from .fields import (
    NEUTRAL,
    NUMBERS,
    SHARED,
    TEXTS,
    USED,
    read_axis,
    read_neutral,
    read_sampled,
    read_value,
    unknown,
)
from .rules import Failures, Stop

SHIPPED = resources.files(__package__) / "presets"
MOST_GROUPS = 200
MOST_ROWS = 100_000

Kind = Literal["pretrain", "finetune", "distill", "generate", "rl", "evaluate", "filter"]
"""What an experiment is; ``effort.py`` has the FLOP and hours of each."""

NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "pretrain": (("tokens", "tokens_per_param", "flop"),),
    "finetune": (("tokens", "tokens_per_param", "flop"),),
    "distill": (("tokens", "tokens_per_param"), ("teacher_params",)),
    "generate": (("tokens", "requests"), ("output_tokens",)),
    "rl": (("steps",), ("prompts",), ("samples_per_prompt",), ("output_tokens",), ("count",)),
    "evaluate": (("requests",), ("input_tokens",)),
    "filter": (("tokens",),),
}
"""Of each kind, fields of which one has to be given."""

WRITE = ("generate", "evaluate")
"""Kinds of which all that counts is written, or read to write."""

SIZES = ("params", "params_active", "width", "model")
"""Fields that say how large a model is."""


class Samples(Spec):
    """Experiments whose fields are drawn.

    Attributes:
        count: of them.
        method: Sobol points, or random ones.
        seed: of the points.
        fields: distributions, by the field's name.
    """

    count: Whole
    method: Literal["sobol", "random"] = "sobol"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    fields: Annotated[dict[str, Any], Field(min_length=1)]

    _quantities: dict[str, Quantity] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _readable(self) -> Samples:
        for name, value in self.fields.items():
            if name in NUMBERS or name in TEXTS:
                self._quantities[name] = read_sampled(name, value)
            elif name not in NEUTRAL:
                raise ValueError(unknown(name))
        return self

    @property
    def quantities(self) -> dict[str, Quantity]:
        """Distributions of the fields that change the cost."""
        return self._quantities


class Group(Spec):
    """Experiments of one kind; beside what stands here, the fields that all of them share.

    Attributes:
        name: of the group.
        kind: what an experiment is.
        ladder: a family of models by its name, in place of a size.
        largest: of the ladder, the most parameters.
        smallest: of the ladder, the fewest.
        grid: fields with several values; every combination is an experiment.
        experiments: tables of fields, each an experiment (times the grid).
        samples: fields that are drawn (times the grid and the experiments).
        repeats: of each experiment.
        neutral: axes of one's own that change no cost.
        stop: when experiments are stopped early.
        failures: experiments that fail, beside failures of machines.
        gpu_hours: of each experiment, in place of its size and utilisation.
        mfu: utilisation, in place of the step model's.
        throughput: tokens written a second and accelerator, in place of the serving model's.
        idle: share of the reserved time in which nothing runs.
        factor: what the work of the whole group is uncertain by, 0.7..1.5.
        source: where the group's figures are from.
        note: what else a reader should know.
    """

    model_config = ConfigDict(extra="allow")

    name: Name
    kind: Kind = "pretrain"
    ladder: str | None = None
    largest: Number | None = None
    smallest: Number | None = None
    grid: dict[str, Any] = Field(default_factory=dict)
    experiments: Annotated[tuple[dict[str, Any], ...], Field(max_length=MOST_ROWS)] = ()
    samples: Samples | None = None
    repeats: Whole = 1
    neutral: tuple[str, ...] = ()
    stop: Stop | None = None
    failures: Failures | None = None
    gpu_hours: Positive | None = None
    mfu: Share | None = None
    throughput: Positive | None = None
    idle: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    factor: Positive | None = None
    source: str | None = None
    note: str | None = None

    _fields: dict[str, float | str] = PrivateAttr(default_factory=dict)
    _axes: dict[str, tuple[Any, ...]] = PrivateAttr(default_factory=dict)
    _rows: tuple[dict[str, float | str], ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _readable(self) -> Group:
        for name, value in (self.model_extra or {}).items():
            if self._counts(name, "", ()):
                self._fields[name] = read_value(name, value)
        for name, value in self.grid.items():
            if self._counts(name, "grid.", self.neutral):
                self._axes[name] = self._within("grid.", read_axis, name, value)
            else:
                self._axes[name] = self._within("grid.", read_neutral, name, value)
        self._rows = tuple(
            {
                name: self._within(f"experiments[{i}].", read_value, name, value)
                for name, value in row.items()
                if self._counts(name, f"experiments[{i}].", self.neutral)
            }
            for i, row in enumerate(self.experiments)
        )
        self._check_given()
        return self

    def _counts(self, name: str, place: str, neutral: tuple[str, ...]) -> bool:
        """Whether a field changes the cost; refuse what is none."""
        if name in NUMBERS or name in TEXTS:
            return True
        if name in NEUTRAL or name in neutral:
            return False
        raise ValueError(f"{place}{unknown(name, tuple(Group.model_fields) if not place else ())}")

    @staticmethod
    def _within(place: str, read: Any, name: str, value: object) -> Any:
        try:
            return read(name, value)
        except ValueError as error:
            raise ValueError(f"{place}{error}") from None

    def _check_given(self) -> None:
        """Refuse a field that is given twice, and experiments without size or length."""
        sampled = set(self.samples.quantities) if self.samples is not None else set()
        listed = {name for row in self._rows for name in row}
        places = [set(self._fields), set(self._axes), listed, sampled]
        for name, times in Counter(name for place in places[1:] for name in place).items():
            if times > 1:
                raise ValueError(f"{name}: is given by two of grid, experiments and samples")
        given = set().union(*places)
        if self.gpu_hours is None:
            if not given & {*SIZES} and self.ladder is None:
                raise ValueError("give a size: params, width and depth, model or ladder")
            for alternatives in NEEDS[self.kind]:
                if not given & {*alternatives}:
                    raise ValueError(f"a {self.kind} needs {' or '.join(alternatives)}")
        if ("width" in given) != ("depth" in given):
            raise ValueError("give width and depth together")
        sizes = given & {"params", "width", "model"} | ({"ladder"} if self.ladder else set())
        if len(sizes) > 1:
            raise ValueError(f"give one size, not {', '.join(sorted(sizes))}")
        for name in sorted(given & NUMBERS.keys() - SHARED - USED[self.kind]):
            raise ValueError(f"{name}: is of no use to {self.kind}; allowed: {self._allowed()}")
        self._check_settings(given)
        if self.gpu_hours is not None and (self.mfu is not None or self.throughput is not None):
            raise ValueError("give gpu_hours, or mfu and throughput, not both")
        if len(given & {"count", "within_hours"}) > 1:
            raise ValueError("give count or within_hours, not both")
        if len(given & {"tokens", "tokens_per_param", "flop"}) > 1:
            raise ValueError("give one of tokens, tokens_per_param, flop")

    def _allowed(self) -> str:
        return ", ".join(sorted(SHARED | USED[self.kind]))

    def _check_settings(self, given: set[str]) -> None:
        """Refuse what would be ignored."""
        if self.mfu is not None and self.kind in (*WRITE, "filter"):
            raise ValueError(f"mfu: is of no use to {self.kind}; allowed: of training, and of rl")
        if self.throughput is not None and self.kind not in WRITE:
            raise ValueError(
                f"throughput: is of no use to {self.kind}; allowed: of generate, evaluate"
            )
        if self.ladder is None and (self.largest is not None or self.smallest is not None):
            raise ValueError("give largest and smallest with a ladder")
        if "vocabulary" in given and "width" not in given:
            raise ValueError("give vocabulary with width and depth")
        for name in self.neutral:
            if name in NUMBERS or name in TEXTS:
                raise ValueError(f"neutral: got {name}, which changes the cost")

    @property
    def fields(self) -> dict[str, float | str]:
        """Fields that all experiments share."""
        return self._fields

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """Values of each axis of the grid, those that change no cost included."""
        return self._axes

    @property
    def rows(self) -> tuple[dict[str, float | str], ...]:
        """Fields of each listed experiment that change the cost."""
        return self._rows

    @property
    def drawn(self) -> int:
        """Experiments that are drawn; one where none are."""
        return self.samples.count if self.samples is not None else 1


class Cluster(Spec):
    """Accelerators that the experiments share.

    Attributes:
        gpus: how many; without it, the fewest that end in time.
        days: in which all are to end.
    """

    gpus: Whole | None = None
    days: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Cluster:
        if (self.gpus is None) == (self.days is None):
            raise ValueError("give gpus or days")
        return self


class Published(Spec):
    """What the source says the experiments took, to be set beside the estimate.

    Attributes:
        quantity: which figure.
        value: as published, in the unit of its name.
        source: of it.
    """

    quantity: Literal["gpu_hours", "energy_mwh", "flop", "cost_usd", "experiments", "share"]
    value: Annotated[Number, Field(ge=0)]
    source: str


class SweepSpec(Spec):
    """A research programme, run by run.

    Attributes:
        name: of the programme.
        description: what it stands for.
        groups: of experiments.
        defaults: fields of all groups that do not give their own.
        final: the run that they lead to: fields of a run, or its gpu_hours.
        cluster: that they share.
        price: USD per accelerator-hour, of all or by accelerator.
        provider: whose list price, in its place.
        prices: a price list in place of the profiles' prices, a CSV or a folder of them.
        region: of that list's prices.
        commitment: on-demand, 1y, 3y or spot.
        date: of the prices.
        operator: of the data centre.
        pue: power usage effectiveness.
        usd_per_kwh: price of electricity.
        software: generation of the training software.
        efficiency: a file of fitted efficiencies.
        published: what the source says of the whole.
        sources: by the keys that groups cite.
    """

    name: Name = "sweep"
    description: str = ""
    groups: Annotated[tuple[Group, ...], Field(min_length=1, max_length=MOST_GROUPS)]
    defaults: dict[str, Any] = Field(default_factory=dict)
    final: dict[str, Any] | None = None
    cluster: Cluster | None = None
    price: Prices | None = None
    provider: str | None = None
    prices: str | None = None
    region: str | None = None
    commitment: Commitment = "on-demand"
    date: Day | None = None
    operator: str | None = None
    pue: AtLeastOne | None = None
    usd_per_kwh: Positive | None = None
    software: str = "modern"
    efficiency: str | None = None
    published: tuple[Published, ...] = ()
    sources: dict[str, SourceNote] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("groups"), list | tuple):
            return data
        defaults = data.get("defaults") or {}
        if not isinstance(defaults, Mapping):
            raise ValueError(f"defaults: got {shown(defaults)}; allowed: a table of fields")
        return {**data, "groups": [_defaulted(each, defaults) for each in data["groups"]]}

    @model_validator(mode="after")
    def _consistent(self) -> SweepSpec:
        for name, times in Counter(group.name for group in self.groups).items():
            if times > 1:
                raise ValueError(f"groups: the name {shown(name)} is given twice")
        if self.price is not None and (self.provider or self.commitment != "on-demand"):
            raise ValueError("give price, or provider and commitment, not both")
        check_price_list(self)
        for i, group in enumerate(self.groups):
            if group.source is not None and group.source not in self.sources:
                allowed = ", ".join(self.sources) or "none given"
                raise ValueError(
                    f"groups[{i}].source: got {shown(group.source)}; allowed: a key of [sources] "
                    f"({allowed})"
                )
        for i, said in enumerate(self.published):
            if said.source not in self.sources:
                raise ValueError(f"published[{i}].source: got {shown(said.source)}; no such source")
        return self

    @property
    def pricing(self) -> dict[str, Any]:
        """What an hour costs beside its price, as a run's fields."""
        names = (
            *("provider", "prices", "region", "commitment", "date", "operator", "pue"),
            "usd_per_kwh",
        )
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def _defaulted(group: Any, defaults: Mapping[str, Any]) -> Any:
    """Give a group the fields that it has nowhere, and that do not say the same in another way."""
    if not isinstance(group, Mapping):
        return group
    tables = [group, group.get("grid"), *(group.get("experiments") or ())]
    samples = group.get("samples")
    tables.append(samples.get("fields") if isinstance(samples, Mapping) else None)
    given = {name for table in tables if isinstance(table, Mapping) for name in table}
    left_out = set(given)
    for same in (
        {*SIZES, "depth", "ladder", "gpu_hours"},
        {"count", "within_hours", "gpu_hours"},
        {"tokens", "tokens_per_param", "flop", "gpu_hours"},
        {"mfu", "gpu_hours"},
    ):
        if given & same:
            left_out |= same - {"params_active"} if "params" in given else same
    kind = group.get("kind", "pretrain")
    used = USED.get(kind, frozenset()) | SHARED if isinstance(kind, str) else frozenset()
    left_out |= {name for name in NUMBERS if name not in used}
    if kind in (*WRITE, "filter"):
        left_out |= {"mfu"}
    if kind not in WRITE:
        left_out |= {"throughput"}
    return {**{name: value for name, value in defaults.items() if name not in left_out}, **group}


def shipped_sweeps() -> list[str]:
    """Return the names of the presets that ship."""
    files = (Path(str(file)) for file in SHIPPED.iterdir())
    return sorted(file.stem for file in files if file.suffix == ".toml")


def load_sweep(
    source: str | Path | Mapping[str, Any] | SweepSpec | None = None,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> SweepSpec:
    """Return a sweep: a preset by its name, a TOML file, the data of one, or itself.

    Args:
        source: of the sweep, or nothing.
        given: fields that go before it.

    Raises:
        RequestError: naming the file and the field.
    """
    if isinstance(source, SweepSpec) and not given:
        return source
    if isinstance(source, str | Path):
        data, name = sweep_data(source), str(source)
    else:
        data, name = as_data({} if source is None else source), "sweep"
    return with_fields(SweepSpec, data, as_data(given), PRICE_REPLACES, name)


def sweep_spec(
    source: str | Path, flags: Mapping[str, Any], changes: Sequence[str] = ()
) -> SweepSpec:
    """Return the sweep of a preset or a file, flags going before it.

    Args:
        source: preset or file.
        flags: fields that it has, or that go before its own.
        changes: of the file's data by their paths, ``groups.NAME.tokens=2T``.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    data, flags = changed_sweep(source, changes), dict(flags)
    cluster: dict[str, Any] = {name: flags.pop(name) for name in ("gpus", "days") if name in flags}
    if cluster:
        data["cluster"] = validate(Cluster, cluster, str(source), cluster).model_dump()
    return with_flags(SweepSpec, data, flags, PRICE_REPLACES, str(source))


def changed_sweep(source: str | Path, changes: Sequence[str]) -> dict[str, Any]:
    """Read a preset, or a file, and make changes of its data by their paths.

    Raises:
        RequestError: as ``sweep_data``; naming the path that leads nowhere.
    """
    data = sweep_data(source)
    for text in changes:
        set_in(data, read_change(text), SweepSpec)
    return data


def sweep_text(source: str | Path) -> str:
    """Return a preset's or a file's text.

    Raises:
        RequestError: where there is none, or it cannot be read.
    """
    if not isinstance(source, Path) and source in shipped_sweeps():
        return SHIPPED.joinpath(f"{source}.toml").read_text(encoding="utf-8")
    if not is_file_name(source):
        known = ", ".join(shipped_sweeps())
        raise RequestError("sweep", f"got {shown(str(source))}; allowed: {known}, or a TOML file")
    return read_text(Path(source))


def sweep_data(source: str | Path) -> dict[str, Any]:
    """Read a preset, or a file; files it names are looked for beside it.

    Raises:
        RequestError: where there is none, or it cannot be read.
    """
    data = parse_toml(sweep_text(source), str(source))
    if not isinstance(source, Path) and source in shipped_sweeps():
        return data
    path = Path(source)
    for name in ("efficiency", "prices"):
        if isinstance(data.get(name), str):
            data[name] = str(path.parent / data[name])
    for table in _tables(data):
        point_models(table, path.parent, ("model",))
    return data


def _tables(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every table of a file's data, those inside others too."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tables(item)
