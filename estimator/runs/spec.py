"""A run as its user describes it, in a file, in flags, or in a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from computebill.architectures import IMAGES
from computebill.architectures.sources import point_models
from computebill.base.amounts import Parameters, Tokens, check_batch, whole_sequences
from computebill.base.changes import read_change, set_in
from computebill.base.errors import RequestError
from computebill.base.quantity import AtLeastOne, NotNegative, Number, Positive, Share
from computebill.base.specfile import (
    Name,
    Spec,
    as_data,
    described,
    read_toml,
    with_fields,
    with_flags,
)
from computebill.costs.fields import PRICE_REPLACES, Day, Rent, check_price_list
from computebill.costs.hour import Pricing
from computebill.costs.prices import Commitment
from computebill.hardware.cluster import NodeNetwork, PowerLimit
from computebill.training.documents import is_quantity
from computebill.training.layout import FP8_RECIPE, Layout
from computebill.training.software import Choice, choose_software, number_format

if TYPE_CHECKING:
    from computebill.training.launched import Launched

LLAMA_3_FAILURES = 419 / (54 * 16384)
"""Interruptions of an accelerator and day where nobody says [1/day]."""
LLAMA_3 = "Grattafiori et al. 2024, arXiv:2407.21783: 419 in 54 days on 16,384 GPUs"

LOST = ("goodput", "failures_per_gpu_day", "checkpoint_seconds", "restart_seconds")
"""Fields that say what interrupts training: the share that trains, or what takes the rest."""

REPLACES = {
    "flop": ("tokens", "model", "layout"),
    "params": ("flop", "model", "layout"),
    "params_active": ("flop", "model", "layout"),
    "model": ("flop", "params", "params_active"),
    "tokens": ("flop",),
    **PRICE_REPLACES,
    "global_batch": ("global_batch_tokens",),
    "global_batch_tokens": ("global_batch",),
    "software": ("framework",),
    "framework": ("software",),
    "goodput": LOST[1:],
    **dict.fromkeys(LOST[1:], ("goodput",)),
}
"""What a file said of the same thing in another way, and a flag puts aside."""


NEEDED = "give params (or params_active, or model) and tokens, or flop"
"""What a run lacks that does not say how much is trained."""

FrameworkName = Annotated[str, Field(min_length=1, max_length=100)]


def lost_time(spec: Spec) -> tuple[str, ...]:
    """Return the fields that say what interrupts training, of those that were given."""
    return tuple(name for name in LOST if getattr(spec, name) is not None)


def check_lost_time(spec: Spec) -> None:
    """Refuse a share of the time that trains beside what takes the rest.

    Raises:
        ValueError: naming both.
    """
    given = lost_time(spec)
    if given[:1] == ("goodput",) and len(given) > 1:
        raise ValueError(f"give goodput or {given[1]}, not both")


def check_precision(layout: Layout | None, precisions: Iterable[str]) -> None:
    """Refuse products in other bits than what is held for them, all in 32 or inputs in 8.

    Raises:
        ValueError: naming the precision.
    """
    for name in precisions:
        if layout is not None and layout.used_recipe == FP8_RECIPE and "fp8" not in name:
            raise ValueError(
                f"precision: got {name}; allowed with recipe {FP8_RECIPE}, which keeps inputs of "
                "products in 8 bits: fp8, mxfp8"
            )
        if layout is not None and layout.is_wide and number_format(name) != "32":
            raise ValueError(f"precision: got {name}; allowed with recipe fp32: fp32, tf32")


def check_one_software(spec: Spec) -> None:
    """Refuse a generation of software beside a framework's name.

    Raises:
        ValueError: naming both.
    """
    if getattr(spec, "framework", None) is not None and "software" in spec.model_fields_set:
        raise ValueError("give software or framework, not both")


class RunFields(Spec):
    """What a run and a stage of one are described by; every number may be a distribution.

    Attributes:
        name: name of the run, for people.
        model: a config.json, or its directory, in place of parameters; or the fields of one.
        part: of a multimodal model the whole, or its language model alone.
        images_per_sample: images, and clips of sound, of a sequence of the whole.
        image_size: pixels of an image, of a video with its frames, of a model of such.
        text_length: tokens of text beside it.
        layout: how the model is laid out, for its memory and recomputed FLOP.
        convention: how model FLOP are counted: 6nd; of a config.json also palm, megatron, causal.
        failures_per_gpu_day: unexpected interruptions; without it, where the step's time is
            predicted, Llama 3's; 0: none.
        checkpoint_seconds: training stands still for each.
        restart_seconds: from a failure until training goes on.
        goodput: share of the time that trains, in place of those three; none of the four is
            applied to the utilisation of other runs, which holds their lost time.
        software: generation of the training software, for the step's time.
        framework: name of the training framework in its place; its date is the run's.
        efficiency: a file of fitted efficiencies in place of the shipped ones.
        params: parameters of the model.
        params_active: parameters that one token meets, where fewer than all.
        tokens: tokens trained on.
        flop: training FLOP, in place of parameters and tokens.
        accelerator: any name in use, or a profile's file.
        count: accelerators; without it there are no days and no up-front cost.
        node_network: bandwidth from a node to the others, 800gbit, for the step's time.
        power_limit: watts that an accelerator may take, where fewer than its own.
        precision: of the peak that utilisation is a share of.
        mfu: model FLOP utilisation; without it, what runs were seen to reach.
        price: USD per accelerator-hour; or take it from a provider's list.
        final_share: share of its programme's R&D compute that the run is; the rest explores.
        provider: whose list price.
        commitment: on-demand, 1y, 3y or spot.
        prices: a price list in place of the profiles': a CSV of SkyPilot, of gpuhunt or of one's
            own, or a folder of them.
        region: of its offers that count.
        date: of the prices, and of the run's start.
        operator: who runs the data centre, for its power usage effectiveness.
        pue: power usage effectiveness.
        usd_per_kwh: price of electricity.
        carbon_g_per_kwh: grams of CO2 equivalent.
        global_batch: sequences a step.
        global_batch_tokens: tokens a step in its place, rounded down to whole sequences.
        sequence_length: tokens a sequence.
        lengths: tokens of the documents in it: a file, a distribution, or a list.
        packing: whether attention stays within a document, or goes across.
    """

    name: Name = "run"
    model: str | dict[str, Any] | None = None
    part: Literal["whole", "language"] = "whole"
    images_per_sample: Annotated[Number, Field(ge=0)] = IMAGES
    image_size: str | None = None
    text_length: int | None = None
    layout: Layout | None = None
    convention: Literal["6nd", "palm", "megatron", "causal"] = "6nd"
    failures_per_gpu_day: NotNegative | None = None
    checkpoint_seconds: Positive | None = None
    restart_seconds: Positive | None = None
    goodput: Share | None = None
    software: str = "modern"
    framework: FrameworkName | None = None
    efficiency: str | None = None
    params: Parameters | None = None
    params_active: Parameters | None = None
    tokens: Tokens | None = None
    flop: Positive | None = None
    accelerator: str | None = None
    count: Positive | None = None
    node_network: NodeNetwork | None = None
    power_limit: PowerLimit | None = None
    precision: str | None = None
    mfu: Share | None = None
    price: Rent | None = None
    final_share: Share | None = None
    provider: str | None = None
    commitment: Commitment = "on-demand"
    prices: str | None = None
    region: str | None = None
    date: Day | None = None
    operator: str | None = None
    pue: AtLeastOne | None = None
    usd_per_kwh: Positive | None = None
    carbon_g_per_kwh: Positive | None = None
    global_batch: Number | None = None
    global_batch_tokens: Number | None = None
    sequence_length: Number | None = None
    lengths: str | tuple[int, ...] | dict[str, Any] | None = None
    packing: str | None = None

    @property
    def model_name(self) -> str:
        """What the model is called: its file's name; of one that is told by its sizes, that."""
        return self.model if isinstance(self.model, str) else "sizes as given"

    @property
    def software_choice(self) -> Choice:
        """What the run's step is timed on."""
        is_given = "software" in self.model_fields_set
        return choose_software(self.software, self.framework, self.date, is_given=is_given)

    @property
    def pricing(self) -> Pricing:
        """What the run says of an accelerator's hour."""
        return Pricing(**{each.name: getattr(self, each.name) for each in fields(Pricing)})

    def check_fields(self) -> None:
        """Refuse fields that contradict each other.

        Raises:
            ValueError: naming them.
        """
        if self.price is not None and self.provider is not None:
            raise ValueError("give price or provider, not both")
        if self.price is not None and self.commitment != "on-demand":
            raise ValueError("give price or commitment, not both")
        check_price_list(self)
        total, active = self.params, self.params_active
        if (
            total is not None
            and active is not None
            and total.is_constant
            and active.is_constant
            and active.value > total.value
        ):
            raise ValueError(f"params_active: got {active.text}; allowed: up to {total.text}")
        if self.count is not None and self.count.is_constant and self.count.value % 1:
            raise ValueError(f"count: got {self.count.value:g}; allowed: a whole number")
        check_lost_time(self)
        check_precision(self.layout, [self.precision] if self.precision else [])
        check_one_software(self)
        self._check_batch()

    def _check_batch(self) -> None:
        if self.global_batch is not None and self.global_batch_tokens is not None:
            raise ValueError("give global_batch or global_batch_tokens, not both")
        if self.global_batch_tokens is not None:
            if self.sequence_length is None:
                raise ValueError("give global_batch_tokens and sequence_length together")
            return
        # A model's sequence length is of use by itself.
        if self.sequence_length is None and self.global_batch is not None and self.model is None:
            raise ValueError("give global_batch and sequence_length together")
        if self.global_batch is None and self.sequence_length is not None and self.model is None:
            raise ValueError("give global_batch and sequence_length together")
        for key in ("global_batch", "sequence_length"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ValueError(f"{key}: got {value:g}; allowed: 1 or more")

    def sequences(self, tokens: float) -> float | None:
        """Return the sequences of a step, of so many tokens each; None where none are given.

        Raises:
            RequestError: where no step has so many tokens.
        """
        if self.global_batch_tokens is not None:
            return float(whole_sequences(self.global_batch_tokens, tokens))
        if self.global_batch is not None:
            check_batch(self.global_batch, tokens)
        return self.global_batch

    def check_model(self, *, has_params: bool) -> None:
        """Refuse a size that is given twice, and what needs a configuration beside none.

        Args:
            has_params: whether the parameters are given as numbers.

        Raises:
            ValueError: naming the field.
        """
        if self.model is not None and (has_params or self.flop is not None):
            raise ValueError("give model, or params, or flop, not two of them")
        if self.model is None and self.layout is not None:
            raise ValueError(
                f"layout ({', '.join(sorted(self.layout.model_fields_set))}): needs model, whose "
                "layers it divides and adapts: a name that ships "
                "(`computebill model` lists them), or a config.json"
            )
        if self.node_network is not None and self.layout is None:
            raise ValueError("node_network: needs a layout, whose steps it is for")
        if self.model is None and (self.lengths is not None or self.packing is not None):
            raise ValueError("lengths: need a model, a config.json: totals count no attention")
        if self.model is None and self.convention != "6nd":
            raise ValueError(f"convention: got {self.convention!r}; allowed without model: 6nd")


class RunSpec(RunFields):
    """A run as its user describes it; every number may be a distribution."""

    accelerator: str

    @classmethod
    def lacking(cls, data: Mapping[str, Any]) -> Iterator[str]:
        """Yield that nothing says how much is trained."""
        known = {key for key, value in data.items() if value is not None}
        is_sized = "tokens" in known and known & {"params", "params_active", "model"}
        if "flop" not in known and not is_sized:
            yield NEEDED

    @model_validator(mode="after")
    def _consistent(self) -> RunSpec:
        has_params = self.params is not None or self.params_active is not None
        self.check_model(has_params=has_params)
        is_sized = has_params or self.model is not None
        if self.flop is None and not (is_sized and self.tokens is not None):
            raise ValueError(NEEDED)
        if self.flop is not None and is_sized and self.tokens is not None:
            raise ValueError("give flop, or params and tokens, not both")
        self.check_fields()
        return self


def run_spec(
    path: str | Path | None,
    flags: Mapping[str, str],
    layout: Mapping[str, Any] | None = None,
    changes: Sequence[str] = (),
    launch: Launched | None = None,
) -> RunSpec:
    """Return the run that a file describes, flags going before it.

    Args:
        path: a TOML file; its model is looked for beside it.
        flags: fields of the run.
        layout: fields of its layout.
        changes: of the file's data by their paths, ``layout.tp=4``.
        launch: launch files, which the file and the flags go before.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    data = {} if path is None else fields_of_file(Path(path))
    if launch is not None:
        data = _with_launch(data, launch, flags)
    for text in changes:
        set_in(data, read_change(text), RunSpec)
    replaces: Mapping[str, tuple[str, ...]] = REPLACES
    if layout:
        is_aside = any("layout" in REPLACES.get(flag, ()) for flag in flags)
        own = None if is_aside else data.get("layout")
        data["layout"] = {**(own if isinstance(own, dict) else {}), **layout}
        # What flags say of a layout is not put aside for another flag.
        replaces = {
            flag: tuple(key for key in keys if key != "layout") for flag, keys in REPLACES.items()
        }
    files = ([] if path is None else [str(path)]) + list(launch.launch.files if launch else ())
    name = ", ".join(files) or "run"
    return with_flags(RunSpec, data, flags, replaces, name, is_file=bool(files))


def _with_launch(
    data: Mapping[str, Any], launch: Launched, flags: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a file's fields over those of launch files.

    Raises:
        RequestError: asking for what a run needs and nothing says.
    """
    has_model = any(name in flags for name in ("params", "params_active", "flop"))
    given = {**data, **flags, **({"model": ""} if has_model else {})}
    launch.need(("model", "tokens", "accelerator", "count"), given)
    own = data.get("layout")
    layout = {**launch.layout, **(own if isinstance(own, dict) else {})}
    return {**launch.fields, **data, "layout": layout}


def fields_of_file(path: Path) -> dict[str, Any]:
    """Read a spec; the files it names are looked for beside it."""
    data = read_toml(path)
    for key in ("efficiency", "prices"):
        if isinstance(data.get(key), str):
            data[key] = str(path.parent / data[key])
    point_beside(data, path.parent, ("model",), ("lengths",))
    return data


def point_beside(
    table: dict[str, Any], folder: Path, models: Iterable[str], lengths: Iterable[str]
) -> None:
    """Point what a file's table names to where the file is.

    Args:
        table: fields by name.
        folder: of the file.
        models: fields that name a model.
        lengths: fields that name a file of lengths, or are a quantity.
    """
    point_models(table, folder, models)
    for key in lengths:
        given = table.get(key)
        if isinstance(given, str) and not is_quantity(given):
            table[key] = str(folder / given)


def read_run(
    spec: RunSpec | str | Path | Mapping[str, Any] | None = None,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> RunSpec:
    """Return a run as described.

    Args:
        spec: a RunSpec, a mapping of its fields, a TOML file, or nothing.
        given: fields that go before it.

    Raises:
        RequestError: naming the field, or the file and its field.
    """
    if isinstance(spec, RunSpec):
        if not given:
            return spec
        spec = as_data(spec)
    data, name = described({} if spec is None else spec, fields_of_file, "run")
    for key in ("stage", "kind"):
        if isinstance(data, Mapping) and (key in data or key in given):
            raise RequestError(f"{name}: {key}", "a run of stages; allowed: estimate_stages")
    return with_fields(RunSpec, data, given, REPLACES, name)
