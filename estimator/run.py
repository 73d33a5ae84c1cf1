"""A hypothetical run, priced from its totals: FLOP, days, GPU-hours, dollars, energy, carbon."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, model_validator
from torch import Tensor

from computebill.kernels import cost, goodput, quantiles
from computebill.kernels.flop import training_flop

from .accelerators import Accelerator, find_accelerator
from .assumptions import Assumption
from .draws import Columns, Method, Settings, settings
from .errors import shown
from .layout import Layout
from .model import PARTS
from .prices import Commitment
from .quantity import AtLeastOne, Number, Positive, Share
from .run_inputs import gather_inputs
from .run_model import RunModel, count_run_model
from .sensitivity import Swing, swings
from .specfile import Name, Spec, read_toml, validate
from .step_inputs import link_notes
from .summary import Collector, Distribution

if TYPE_CHECKING:
    import pandas as pd

REPLACES = {
    "flop": ("tokens", "model", "layout"),
    "params": ("flop", "model", "layout"),
    "params_active": ("flop", "model", "layout"),
    "model": ("flop", "params", "params_active"),
    "tokens": ("flop",),
    "price": ("provider", "commitment"),
    "provider": ("price",),
    "commitment": ("price",),
}
"""What a file said of the same thing in another way, and a flag puts aside."""

COST_WAYS = ("cloud", "amortised", "upfront")
DENSITY_BINS = 40
MANY_DRAWS = 10_000


def _check_day(value: object) -> object:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.datetime.strptime(str(value), "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(f"got {shown(value)}; allowed: a day, 2025-06-30") from None


Day = Annotated[dt.date, BeforeValidator(_check_day)]


class RunSpec(Spec):
    """A run as its user describes it; every number may be a distribution.

    Attributes:
        model: a config.json, or its directory, in place of parameters.
        layout: how the model is laid out, for its memory and recomputed FLOP.
        convention: how model FLOP are counted: 6nd; of a config.json also palm, megatron, causal.
        failures_per_gpu_day: unexpected interruptions; without it, where the step's time is
            predicted, Llama 3's.
        checkpoint_seconds: training stands still for each.
        restart_seconds: from a failure until training goes on.
        software: generation of the training software, for the step's time.
        efficiency: a file of fitted efficiencies in place of the shipped ones.
        params: parameters of the model.
        params_active: parameters that one token meets, where fewer than all.
        tokens: tokens trained on.
        flop: training FLOP, in place of parameters and tokens.
        accelerator: any name in use, or a profile's file.
        count: accelerators; without it there are no days and no up-front cost.
        precision: of the peak that utilisation is a share of.
        mfu: model FLOP utilisation; without it, what runs were seen to reach.
        price: USD per accelerator-hour; or take it from a provider's list.
        final_share: share of its programme's R&D compute that the run is; the rest explores.
        provider: whose list price.
        commitment: on-demand, 1y, 3y or spot.
        date: of the prices, and of the run's start.
        operator: who runs the data centre, for its power usage effectiveness.
        pue: power usage effectiveness.
        usd_per_kwh: price of electricity.
        carbon_g_per_kwh: grams of CO2 equivalent.
        global_batch: sequences a step.
        sequence_length: tokens a sequence.
    """

    name: Name = "run"
    model: str | None = None
    layout: Layout | None = None
    convention: Literal["6nd", "palm", "megatron", "causal"] = "6nd"
    failures_per_gpu_day: Positive | None = None
    checkpoint_seconds: Positive | None = None
    restart_seconds: Positive | None = None
    software: str = "modern"
    efficiency: str | None = None
    params: Positive | None = None
    params_active: Positive | None = None
    tokens: Positive | None = None
    flop: Positive | None = None
    accelerator: str
    count: Positive | None = None
    precision: str | None = None
    mfu: Share | None = None
    price: Positive | None = None
    final_share: Share | None = None
    provider: str | None = None
    commitment: Commitment = "on-demand"
    date: Day | None = None
    operator: str | None = None
    pue: AtLeastOne | None = None
    usd_per_kwh: Positive | None = None
    carbon_g_per_kwh: Positive | None = None
    global_batch: Number | None = None
    sequence_length: Number | None = None

    @model_validator(mode="after")
    def _consistent(self) -> RunSpec:
        has_params = self.params is not None or self.params_active is not None
        self._check_model(has_params=has_params)
        has_params = has_params or self.model is not None
        if self.flop is None and not (has_params and self.tokens is not None):
            raise ValueError("give params (or params_active, or model) and tokens, or flop")
        if self.flop is not None and has_params and self.tokens is not None:
            raise ValueError("give flop, or params and tokens, not both")
        if self.price is not None and self.provider is not None:
            raise ValueError("give price or provider, not both")
        if self.price is not None and self.commitment != "on-demand":
            raise ValueError("give price or commitment, not both")
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
        # A model's sequence length is of use by itself.
        if self.sequence_length is None and self.global_batch is not None and self.model is None:
            raise ValueError("give global_batch and sequence_length together")
        if self.global_batch is None and self.sequence_length is not None and self.model is None:
            raise ValueError("give global_batch and sequence_length together")
        for key in ("global_batch", "sequence_length"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ValueError(f"{key}: got {value:g}; allowed: 1 or more")
        return self

    def _check_model(self, *, has_params: bool) -> None:
        if self.model is not None and (has_params or self.flop is not None):
            raise ValueError("give model, or params, or flop, not two of them")
        if self.model is None and self.layout is not None:
            raise ValueError("layout: needs model, a config.json")
        if self.model is None and self.convention != "6nd":
            raise ValueError(f"convention: got {self.convention!r}; allowed without model: 6nd")


@dataclass(frozen=True)
class Density:
    """How probable each cost is: bins of equal width in the logarithm."""

    edges: list[float]
    probability: list[float]


@dataclass(frozen=True)
class RunEstimate:
    """What ``estimate_run`` finds; figures that need what was not given are not known.

    Attributes:
        spec: the run as described.
        accelerator: the part it runs on.
        rows: distributions by name: flop, mfu, days, gpu_hours, cloud, amortised, upfront, …
        assumptions: every number that went in, with its source.
        densities: the costs' distributions, for charts.
        settings: draws, seed, device.
        model: the model counted from its config.json, where one was given.
        swings_of: what of it is shown in ``swings``: cloud, amortised or gpu_hours.
        swings: that figure with one input at an end of its interval, the others at their medians.
    """

    spec: RunSpec
    accelerator: Accelerator
    rows: Mapping[str, Distribution]
    assumptions: tuple[Assumption, ...]
    densities: Mapping[str, Density]
    settings: Settings
    model: RunModel | None = None
    swings_of: str | None = None
    swings: tuple[Swing, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know before the figures."""
        if self.model is None or self.model.step is None:
            return ()
        return link_notes(self.model.step.case)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract. What is not known is null."""
        figure = {name: row.to_dict() for name, row in self.rows.items()}
        return {
            "name": self.spec.name,
            "accelerator": self.accelerator.name,
            "accelerator_title": self.accelerator.title,
            "accelerator_memory_gb": self.accelerator.memory_gb.value,
            "count": None if self.spec.count is None else self.spec.count.median,
            "date": None if self.spec.date is None else str(self.spec.date),
            "model": {"params": figure["params"], "params_active": figure["params_active"]},
            "tokens": figure["tokens"],
            "flop": {"model": figure["flop"], "hardware": figure["flop_hardware"]},
            "convention": self.spec.convention,
            "mfu": figure["mfu"],
            "goodput": figure["goodput"],
            "step_seconds": figure["step_seconds"],
            "tokens_per_second_per_gpu": figure["tokens_per_second_per_gpu"],
            "days": figure["days"],
            "gpu_hours": figure["gpu_hours"],
            "cost_usd": figure["cloud"],
            "cost_ways_usd": {way: figure[way] for way in COST_WAYS},
            "programme_usd": figure["programme"],
            "exploration_usd": figure["exploration"],
            "amortised_parts_usd": {
                part: figure[part] for part in ("chip", "other_server", "interconnect", "energy")
            },
            "energy_mwh": figure["energy_mwh"],
            "carbon_t": figure["carbon_t"],
            "memory_gb": self._memory(),
            "layout": self.model.layout.to_dict() if self.model and self.model.layout else None,
            "breakdown_seconds": self._breakdown(),
            "scaling": [] if self.model is None else self.model.scaling(self.rows["mfu"].p50),
            "swings_of": self.swings_of,
            "swings": [swing.to_dict() for swing in self.swings],
            "assumptions": [assumption.to_dict() for assumption in self.assumptions],
            "notes": list(self.notes),
            "samples": self.settings.samples,
            "seed": self.settings.seed,
            "device": self.settings.device,
            "method": self.settings.method,
        }

    def _breakdown(self) -> dict[str, float] | None:
        if self.model is None or self.model.step is None:
            return None
        return dict(self.model.step.breakdown)

    def _memory(self) -> dict[str, float] | None:
        if self.model is None or self.model.memory is None:
            return None
        return {part: getattr(self.model.memory, part) for part in PARTS}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a figure: p5, p50, p95, mean."""
        import pandas as pd

        keys = ("p5", "p50", "p95", "mean")
        rows = [
            {"quantity": name, **{key: getattr(row, key) for key in keys}}
            for name, row in self.rows.items()
            if row.is_known
        ]
        return pd.DataFrame(rows, columns=["quantity", *keys])


def estimate_run(
    spec: RunSpec | str | Path | Mapping[str, Any],
    *,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
) -> RunEstimate:
    """Price a run from its totals, or from its model.

    Args:
        spec: a RunSpec, a mapping of its fields, or a TOML file.
        samples: Monte Carlo draws.
        seed: same seed, same draws.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        method: ``sobol`` (scrambled) or ``random``.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong.
    """
    chosen = settings(samples, seed, device, method)
    run = _read(spec)
    accelerator = find_accelerator(run.accelerator, profiles)
    model = count_run_model(run, accelerator)
    inputs = gather_inputs(run, accelerator, model)
    columns = Columns(list(inputs.quantities.values()), list(inputs.quantities), chosen.device)
    order = {name: i for i, name in enumerate(inputs.quantities)}

    def priced(points: Tensor) -> dict[str, Tensor]:
        values = columns.draw(points)
        return evaluate({name: values[i] for name, i in order.items()})

    collector = Collector(len(ROWS), chosen)
    for replicate, points in columns.chunks(chosen):
        found = priced(points)
        collector.add(replicate, torch.stack([found[name] for name in ROWS]))
    rows = dict(zip(ROWS, collector.finish(), strict=True))
    main = next((name for name in MAIN_FIGURES if rows[name].is_known), None)
    moved = swings(columns, lambda points: priced(points)[main]) if main else []
    return RunEstimate(
        spec=run,
        accelerator=accelerator,
        rows=rows,
        assumptions=inputs.assumptions,
        densities=_densities(collector, rows) if collector.kept else {},
        settings=chosen,
        model=model,
        swings_of=main,
        swings=tuple(
            replace(each, assumption=inputs.labels.get(each.assumption, each.assumption))
            for each in moved
        ),
    )


MAIN_FIGURES = ("cloud", "amortised", "gpu_hours")
"""What a run is asked for: the first that is known."""

ROWS = (
    "params",
    "params_active",
    "tokens",
    "flop",
    "flop_hardware",
    "mfu",
    "goodput",
    "gpu_hours",
    "days",
    "tokens_per_second_per_gpu",
    "step_seconds",
    "cloud",
    "amortised",
    "upfront",
    "programme",
    "exploration",
    "chip",
    "other_server",
    "interconnect",
    "energy",
    "energy_mwh",
    "carbon_t",
)
"""What is reported of a run, in the unit of its key; costs in USD."""


def evaluate(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Price a run in every draw; what is not known is NaN, and stays it.

    Args:
        given: ``(draws,)`` by the names of ``run_inputs.INPUTS``, SI units and USD.

    Returns:
        ``(draws,)`` by the names of ``ROWS``.
    """
    params, tokens = given["params_active"], given["tokens"]
    counted = given["flop_per_token"] * tokens
    derived = torch.where(counted.isnan(), training_flop(params, tokens), counted)
    flop = torch.where(given["flop"].isnan(), derived, given["flop"])
    training = cost.accelerator_seconds(flop, given["peak_flop_per_s"], given["mfu"])
    share = _training_share(given)
    seconds = training / share
    wall = seconds / given["count"]
    parts = cost.amortised_hardware(
        cost.depreciated_value(given["chip_usd"], given["years_owned"], given["orders_per_year"]),
        seconds,
        given["server_overhead"],
        given["orders_per_year"],
        given["interconnect_share"],
    )
    joules = cost.energy_joules(
        seconds, given["chip_watt"], given["chip_to_server"], given["power_fraction"], given["pue"]
    )
    energy = cost.energy_usd(joules, given["usd_per_joule"])
    rented = cost.cloud(seconds, given["usd_per_second"])
    programme = rented / given["final_share"]
    return {
        "params": given["params"],
        "params_active": params,
        "tokens": tokens,
        "flop": flop,
        "flop_hardware": given["hardware_flop_per_token"] * tokens,
        "mfu": given["mfu"],
        "goodput": share,
        "gpu_hours": seconds / cost.SECONDS_PER_HOUR,
        "days": wall / cost.SECONDS_PER_DAY,
        "tokens_per_second_per_gpu": tokens / training,
        "step_seconds": training / given["count"] * given["tokens_per_step"] / tokens,
        "cloud": rented,
        "amortised": parts.total + energy,
        "upfront": cost.upfront(given["count"], given["chip_usd"], given["interconnect_share"]),
        "programme": programme,
        "exploration": programme - rented,
        "chip": parts.chip,
        "other_server": parts.other_server,
        "interconnect": parts.interconnect,
        "energy": energy,
        "energy_mwh": joules / cost.JOULES_PER_MWH,
        "carbon_t": cost.carbon_kg(joules, given["kg_per_joule"]) / 1e3,
    }


def _training_share(given: Mapping[str, Tensor]) -> Tensor:
    """Share of the time that trains; all of it where nobody says what fails."""
    between = 1.0 / (given["failures_per_second"] * given["count"])
    interval = goodput.best_interval(between, given["checkpoint_seconds"])
    share = goodput.training_share(
        between, given["checkpoint_seconds"], given["restart_seconds"], interval
    )
    return torch.where(share.isnan(), 1.0, share)


def run_spec(
    path: str | Path | None, flags: Mapping[str, str], layout: Mapping[str, Any] | None = None
) -> RunSpec:
    """Return the run that a file describes, flags going before it.

    Args:
        path: a TOML file; its model is looked for beside it.
        flags: fields of the run.
        layout: fields of its layout.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    data = {} if path is None else fields_of_file(Path(path))
    for flag in flags:
        for key in REPLACES.get(flag, ()):
            data.pop(key, None)
    named = frozenset(flags) if path is not None else frozenset(RunSpec.model_fields)
    if layout:
        own = data.get("layout")
        data["layout"] = {**(own if isinstance(own, dict) else {}), **layout}
        if "lora_targets" in layout:
            data["layout"]["lora_targets"] = str(layout["lora_targets"]).split(",")
    return validate(RunSpec, {**data, **flags}, "run" if path is None else str(path), named)


def fields_of_file(path: Path) -> dict[str, Any]:
    """Read a spec; the files it names are looked for beside it."""
    data = read_toml(path)
    for key in ("model", "efficiency"):
        if isinstance(data.get(key), str):
            data[key] = str(path.parent / data[key])
    return data


def _read(spec: RunSpec | str | Path | Mapping[str, Any]) -> RunSpec:
    if isinstance(spec, RunSpec):
        return spec
    if isinstance(spec, str | Path):
        return validate(RunSpec, fields_of_file(Path(spec)), str(spec))
    return validate(RunSpec, spec, "run")


def _densities(collector: Collector, rows: Mapping[str, Distribution]) -> dict[str, Density]:
    draws = collector.draws()
    found = {}
    for way in COST_WAYS:
        values = draws[ROWS.index(way)]
        if not rows[way].is_known:
            continue
        logs = values.log10()
        # The last thousandth on each side would stretch the axis; of few draws all are shown.
        ends = torch.tensor([0.001, 0.999] if len(logs) >= MANY_DRAWS else [0.0, 1.0])
        low, high = quantiles.sorted_quantiles(logs, ends).tolist()
        if high - low < 1e-9:
            found[way] = Density([rows[way].p50, rows[way].p50], [1.0])
            continue
        edges = torch.linspace(low, high, DENSITY_BINS + 1, dtype=torch.float64)
        counts = torch.histogram(logs, edges).hist
        found[way] = Density((10**edges).tolist(), (counts / len(values)).tolist())
    return found
