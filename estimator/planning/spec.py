"""What a plan is asked for: model, tokens, accelerators, limits, and choices that are not free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from computebill.architectures import IMAGES
from computebill.base.amounts import (
    Tokens,
    Whole,
    check_batch,
    usual_sequences,
    whole_sequences,
)
from computebill.base.changes import read_change, set_in
from computebill.base.errors import RequestError
from computebill.base.quantity import (
    NotNegative,
    Number,
    Positive,
    Quantity,
    Share,
    constant,
)
from computebill.base.specfile import Name, Spec, as_data, described, with_fields, with_flags
from computebill.costs.fields import Day, Prices, check_price_list
from computebill.costs.prices import Commitment
from computebill.hardware.cluster import NodeNetwork, PowerLimit
from computebill.runs.spec import (
    LLAMA_3_FAILURES,
    LOST,
    REPLACES,
    FrameworkName,
    check_lost_time,
    check_one_software,
    check_precision,
    fields_of_file,
)
from computebill.training.launched import Launched
from computebill.training.layout import ENDS, LISTED, Layout
from computebill.training.memory_odds import USUAL_ODDS, Odds
from computebill.training.software import Choice, choose_software

from .fields import (
    CountsOf,
    Degrees,
    Experts,
    Names,
    Rates,
    Recomputes,
    Schedules,
    StageLayers,
    Stages,
    Switches,
)

CHOICES = (
    "tp", "sequence_parallel", "pp", "vpp", "schedule", "cp", "ep", "etp", "zero", "micro_batch",
    "recompute",
)  # fmt: skip
"""Fields of a layout that are searched, or given."""

SEARCHED = (*CHOICES, "dp", "shards", "micro_batches", LISTED, "recompute_layers", *ENDS)
"""Fields of a layout that a plan decides."""

INSTEAD = {**dict.fromkeys(ENDS, "uneven"), "recompute_layers": "recompute fewest"}
"""What of a plan stands for a field of a layout that it decides."""

PRICING = ("price", "provider", "commitment", "date", "prices", "region")

SMALLEST = 8
"""Accelerators that a search up to a limit begins at."""


ELSEWHERE = {
    **dict.fromkeys(("cluster", "market", "deadline"), "compare_plans"),
    **dict.fromkeys(("kind", "stage"), "plan_rollouts"),
}
"""Fields that tell another search from this one, and the function that is it."""


class Lost(NamedTuple):
    """What takes time from training on one accelerator.

    Attributes:
        goodput: share of the time that trains, in place of the others.
        failures_per_gpu_day: interruptions of any kind [1/(GPU d)].
        checkpoint_seconds: that training stands still for a checkpoint [s].
        restart_seconds: from a failure until training goes on [s].
    """

    goodput: Quantity | None
    failures_per_gpu_day: Quantity | None
    checkpoint_seconds: Quantity | None
    restart_seconds: Quantity | None


class PlanSpec(Spec):
    """A search as its user describes it.

    Attributes:
        name: for people.
        model: a config.json, or its directory; or the fields of one.
        part: of a multimodal model the whole, or its language model alone.
        images_per_sample: images, and clips of sound, of a sequence of the whole.
        image_size: pixels of an image, of a video with its frames, of a model of such.
        text_length: tokens of text beside it.
        tokens: trained on.
        accelerator: names, or profiles' files: each is tried.
        count: accelerators: each number is tried; of all, or by accelerator.
        max_gpus: in its place, powers of two from 8 up to this, and this.
        node_network: bandwidth from a node to the others, 800gbit.
        power_limit: watts that an accelerator may take, where fewer than its own.
        global_batch: sequences a step; Step Law's if not given.
        global_batch_tokens: tokens a step in its place, rounded down to whole sequences.
        sequence_length: tokens a sequence.
        precision: of products: each is tried; the accelerator's own if not given.
        software: generation of the training software.
        framework: name of the training framework in its place; its date is the plan's.
        efficiency: a file of fitted efficiencies in place of the shipped ones.
        objective: what is to be least: time, cost or energy.
        max_days: of the run, at the median.
        max_cost: USD of renting, at the median.
        memory_margin: share of the memory that is to stay free.
        fit_odds: odds of fitting that a layout has to have.
        top: layouts that are shown, the best included.
        layout: what no choice decides.
        tp: choices that are tried, in place of all, as of all that follow.
        across_domains: whether tensor parallel ranks may span scale-up domains.
        sequence_parallel: on and off; on if not given.
        pp: pipeline stages.
        uneven: whether first and last stages with fewer layers than the others are tried, too, and
            stages with as equal work as can be.
        layers_per_stage: layers of every stage, or of every chunk, in place of what is tried.
        vpp: chunks of a stage.
        schedule: 1f1b if not given.
        cp: context parallel ranks.
        ep: expert parallel ranks.
        etp: 1 (experts are whole) and tp (divided as all else) if not given.
        zero: 1 and 3 if not given, 3 also inside a domain.
        micro_batch: 1, 2, 4, 8 and 16 if not given.
        recompute: none and full if not given; fewest: whole layers, of each stage as few as fit.
        price: USD per accelerator-hour, of all or by accelerator; or take it from a provider's
            list.
        provider: whose list price.
        commitment: on-demand, 1y, 3y or spot.
        prices: a price list in place of the profiles': a CSV of SkyPilot, of gpuhunt or of one's
            own, or a folder of them.
        region: of its offers that count.
        date: of the prices.
        failures_per_gpu_day: unexpected interruptions; Llama 3's if not given, 0: none.
        checkpoint_seconds: training stands still for each.
        restart_seconds: from a failure until training goes on.
        interruptions_per_gpu_day: of spot machines, taken away by their owner, beside failures, of
            all or by accelerator: a machine of 8 that goes once in 10 days has 0.0125.
        goodput: share of the time that trains, in place of those four.
    """

    name: Name = "plan"
    model: str | dict[str, Any]
    part: Literal["whole", "language"] = "whole"
    images_per_sample: Annotated[Number, Field(ge=0)] = IMAGES
    image_size: str | None = None
    text_length: int | None = None
    tokens: Tokens
    accelerator: Names
    count: CountsOf = None
    max_gpus: Whole | None = None
    node_network: NodeNetwork | None = None
    power_limit: PowerLimit | None = None
    global_batch: Whole | None = None
    global_batch_tokens: Whole | None = None
    sequence_length: Whole | None = None
    precision: Names | None = None
    software: str = "modern"
    framework: FrameworkName | None = None
    efficiency: str | None = None
    objective: Literal["time", "cost", "energy"] = "time"
    max_days: Number | None = None
    max_cost: Number | None = None
    memory_margin: Annotated[Number, Field(ge=0, lt=1)] = 0.05
    fit_odds: Odds = USUAL_ODDS
    top: Annotated[Whole, Field(le=64)] = 6
    layout: Layout | None = None
    tp: Degrees | None = None
    across_domains: bool = False
    sequence_parallel: Switches | None = None
    pp: Degrees | None = None
    uneven: bool = False
    layers_per_stage: StageLayers = None
    vpp: Degrees | None = None
    schedule: Schedules | None = None
    cp: Degrees | None = None
    ep: Degrees | None = None
    etp: Experts | None = None
    zero: Stages | None = None
    micro_batch: Degrees | None = None
    recompute: Recomputes | None = None
    price: Prices | None = None
    provider: str | None = None
    commitment: Commitment = "on-demand"
    prices: str | None = None
    region: str | None = None
    date: Day | None = None
    failures_per_gpu_day: NotNegative | None = None
    checkpoint_seconds: Positive | None = None
    restart_seconds: Positive | None = None
    interruptions_per_gpu_day: Rates | None = None
    goodput: Share | None = None

    @model_validator(mode="after")
    def _consistent(self) -> PlanSpec:
        for name in SEARCHED:
            if self.layout is not None and name in self.layout.model_fields_set:
                own = INSTEAD.get(name, name)
                raise ValueError(f"layout.{name}: is searched; give {own} outside of layout")
        if (self.count is None) == (self.max_gpus is None):
            raise ValueError("give count or max_gpus")
        if isinstance(self.count, dict) and set(self.count) != set(self.accelerator):
            raise ValueError(
                f"count: got those of {', '.join(self.count)}; allowed: of each that is asked "
                f"for, {', '.join(self.accelerator)}"
            )
        if self.global_batch is not None and self.global_batch_tokens is not None:
            raise ValueError("give global_batch or global_batch_tokens, not both")
        check_lost_time(self)
        self._check_interruptions()
        check_one_software(self)
        check_precision(self.layout, self.precision or ())
        if self.price is not None and (self.provider or self.commitment != "on-demand"):
            raise ValueError("give price, or provider and commitment, not both")
        check_price_list(self)
        if isinstance(self.price, dict):
            for name in self.price:
                if name not in self.accelerator:
                    allowed = ", ".join(self.accelerator)
                    raise ValueError(f"price.{name}: no such accelerator is asked for; {allowed}")
        for key in ("max_days", "max_cost"):
            limit = getattr(self, key)
            if limit is not None and limit <= 0:
                raise ValueError(f"{key}: got {limit:g}; allowed: above 0")
        return self

    def _check_interruptions(self) -> None:
        """Refuse interruptions that cannot be added to failures, or of a part that is not asked.

        Raises:
            ValueError: naming the field.
        """
        rates, failures = self.interruptions_per_gpu_day, self.failures_per_gpu_day
        if rates is None:
            return
        if self.goodput is not None:
            raise ValueError("give goodput or interruptions_per_gpu_day, not both")
        if failures is not None and not failures.is_constant:
            raise ValueError(
                f"failures_per_gpu_day: got {failures.text}; allowed beside "
                "interruptions_per_gpu_day: one number"
            )
        for name in rates if isinstance(rates, dict) else ():
            if name not in self.accelerator:
                raise ValueError(
                    f"interruptions_per_gpu_day.{name}: no such accelerator is asked for; "
                    f"{', '.join(self.accelerator)}"
                )

    def interruptions(self, accelerator: str) -> float:
        """Return how often machines are taken away [1/(GPU d)]; 0 where nobody said.

        Args:
            accelerator: as the plan spells it.
        """
        rates = self.interruptions_per_gpu_day
        return (rates.get(accelerator, 0.0) if isinstance(rates, dict) else rates) or 0.0

    def lost(self, accelerator: str) -> Lost:
        """Return what takes time from training on an accelerator, interruptions among failures.

        Args:
            accelerator: as the plan spells it.
        """
        own = Lost(*(getattr(self, name) for name in LOST))
        rate = self.interruptions(accelerator)
        if not rate:
            return own
        failures = own.failures_per_gpu_day
        others = LLAMA_3_FAILURES if failures is None else failures.value
        return own._replace(failures_per_gpu_day=constant(others + rate))

    @property
    def software_choice(self) -> Choice:
        """What steps are timed on."""
        is_given = "software" in self.model_fields_set
        return choose_software(self.software, self.framework, self.date, is_given=is_given)

    def counts(self, accelerator: str) -> tuple[int, ...]:
        """Return the numbers of an accelerator to try, each once.

        Args:
            accelerator: as the plan spells it.
        """
        if self.count is not None:
            own = self.count[accelerator] if isinstance(self.count, dict) else self.count
            return tuple(dict.fromkeys(own))
        most = self.max_gpus or 1
        powers = (SMALLEST * 2**n for n in range(64) if SMALLEST * 2**n <= most)
        return tuple(dict.fromkeys((*powers, most)))

    def sequences(self, length: int) -> int:
        """Return the sequences of a step, of so many tokens each.

        Raises:
            RequestError: where no step has so many tokens.
        """
        if self.global_batch_tokens is not None:
            return whole_sequences(float(self.global_batch_tokens), length)
        if self.global_batch is None:
            return usual_sequences(self.tokens.median, length)
        check_batch(self.global_batch, length)
        return self.global_batch

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """Choices that were given, by the layout's fields."""
        given = {name: getattr(self, name) for name in CHOICES}
        stages: dict[str, tuple[Any, ...]] = {"uneven": (True,)} if self.uneven else {}
        if self.layers_per_stage is not None:
            stages[LISTED] = (self.layers_per_stage,)
        return stages | {
            name: tuple(dict.fromkeys(each)) for name, each in given.items() if each is not None
        }

    def pricing(self, accelerator: str) -> dict[str, Any]:
        """Return what an accelerator's hour is said to cost, as fields of ``Pricing``.

        Args:
            accelerator: as the plan spells it.
        """
        found = {name: value for name in PRICING if (value := getattr(self, name)) is not None}
        if isinstance(self.price, dict):
            found["price"] = self.price.get(accelerator)
        return found


def read_plan(
    spec: PlanSpec | str | Path | Mapping[str, Any] | None = None,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> PlanSpec:
    """Return what a plan is asked for.

    Args:
        spec: a PlanSpec, a mapping of its fields, a TOML file, or nothing.
        given: fields that go before it.

    Raises:
        RequestError: naming the field, or the file and its field.
    """
    if isinstance(spec, PlanSpec):
        if not given:
            return spec
        spec = as_data(spec)
    data, name = described({} if spec is None else spec, fields_of_file, "plan")
    for key, other in ELSEWHERE.items():
        if isinstance(data, Mapping) and (key in data or key in given):
            raise RequestError(f"{name}: {key}", f"is of no plan alone; allowed: {other}")
    return with_fields(PlanSpec, data, given, _replaces(), name)


def _replaces() -> dict[str, tuple[str, ...]]:
    """Return fields of a file that are put aside for another that says the same."""
    shared = (*LOST, "global_batch", "global_batch_tokens", "software", "framework")
    return {
        "count": ("max_gpus",),
        "max_gpus": ("count",),
        **{name: REPLACES[name] for name in shared},
        "goodput": (*REPLACES["goodput"], "interruptions_per_gpu_day"),
        "interruptions_per_gpu_day": ("goodput",),
    }


def plan_spec(
    path: Path | None,
    flags: Mapping[str, Any],
    layout: Mapping[str, Any] | None = None,
    changes: Sequence[str] = (),
    launch: Launched | None = None,
) -> PlanSpec:
    """Return the plan that a file describes, flags going before it.

    Args:
        path: a TOML file; its model is looked for beside it.
        flags: fields of the plan.
        layout: fields of the layout that no choice decides.
        changes: of the file's data by their paths.
        launch: launch files, which the file and the flags go before; their degrees are searched.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    data = {} if path is None else fields_of_file(path)
    for text in changes:
        set_in(data, read_change(text), PlanSpec)
    return plan_of(data, flags, layout or {}, launch, () if path is None else (str(path),))


def plan_of(
    data: dict[str, Any],
    flags: Mapping[str, Any],
    layout: Mapping[str, Any],
    launch: Launched | None = None,
    own_files: Sequence[str] = (),
) -> PlanSpec:
    """Return the plan that a file's data describe; as ``plan_spec``.

    Args:
        data: of a file; may be changed.
        flags: fields of the plan.
        layout: fields of the layout that no choice decides.
        launch: launch files.
        own_files: names of those that the data are of.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    settings = dict(layout)
    if launch is not None:
        given = {**data, **flags}
        settings = {**_settings(launch), **settings}
        data = {**_of_launch(launch, given), **data}
    if settings:
        own = data.get("layout")
        data["layout"] = {**(own if isinstance(own, dict) else {}), **settings}
    files = (*own_files, *(launch.launch.files if launch else ()))
    name = ", ".join(files) or "plan"
    return with_flags(PlanSpec, data, flags, _replaces(), name, is_file=bool(files))


def _settings(launch: Launched) -> dict[str, Any]:
    """Return what launch files say of a layout and no search decides."""
    return {name: value for name, value in launch.layout.items() if name not in SEARCHED}


def _of_launch(launch: Launched, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what launch files say of a plan.

    Raises:
        RequestError: asking for what a plan needs and nothing says.
    """
    named = {**given, **({"count": ""} if "max_gpus" in given else {})}
    named |= {"global_batch": ""} if "global_batch_tokens" in given else {}
    launch.need(("model", "tokens", "accelerator", "count", "global_batch"), named)
    return {name: value for name, value in launch.fields.items() if name in PlanSpec.model_fields}
