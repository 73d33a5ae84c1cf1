"""A sweep's totals as quantities: what an hour costs, what its predictions are off by, its fate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from computebill.base.amounts import STEP_LAW
from computebill.base.assumptions import Assumption, Input, gathered
from computebill.base.errors import RequestError
from computebill.base.quantity import UNKNOWN, Quantity, constant, parse_quantity
from computebill.base.specfile import validate
from computebill.costs.hour import Pricing, hour_inputs
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.assumptions import peak_assumption
from computebill.kernels.run import Hour, Interruptions, price_time
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.runs.estimate import run_figures
from computebill.runs.inputs import gather_inputs, interruption_inputs
from computebill.runs.model import by_products, count_run_model, run_architecture
from computebill.runs.spec import RunSpec
from computebill.training import serving
from computebill.training.efficiency import efficiencies_of
from computebill.training.inputs import (
    fitted_assumptions,
    link_assumptions,
    part_assumptions,
    software_assumption,
)
from computebill.training.software import choose_software
from computebill.training.utilisation import practice
from computebill.uncertainty.draws import Columns, Settings, bundle
from computebill.uncertainty.side_by_side import in_order

from .spec import SweepSpec
from .stopping import Lengths, fate_of, realised
from .totals import Part, Totals

SHARED = (*Hour._fields, "failures_per_second", "checkpoint_seconds", "restart_seconds")
"""Inputs of an accelerator's hour that experiments and the final run have in common."""

STANDARD = Quantity("normal", (0.0, 1.0), "standard normal", -math.inf, math.inf)
ERRORS = {
    "training": "time of training, measured over the fastest layout's prediction",
    "serving": "time of reading and writing tokens, measured over predicted",
    "rl": "time of reinforcement learning, measured over predicted",
}
"""What predictions are off by, as people read it."""

FIGURES = ("gpu_hours", "cloud", "amortised", "energy_mwh", "carbon_t")
"""What is told of a group and of the final run, beside its FLOP."""


class Drawn(NamedTuple):
    """A chunk of draws.

    Attributes:
        replicate: it belongs to.
        groups: FLOP and FIGURES of each group; ``(1 + figures, groups, draws)``.
        final: of the final run; ``(1 + figures, draws)``, NaN where there is none.
    """

    replicate: int
    groups: Tensor
    final: Tensor


class SweepDraws:
    """Lays a sweep's uncertain numbers out once; then any number of draws are priced."""

    def __init__(
        self,
        spec: SweepSpec,
        totals: Totals,
        device: str,
        profiles: Sequence[Path] = (),
    ) -> None:
        """Lay the quantities out.

        Raises:
            RequestError: where the final run lacks what its price needs, naming its field.
        """
        self.spec, self.totals = spec, totals
        self.assumptions: list[Assumption] = []
        self._quantities: dict[str, Quantity] = {}
        self._parts = totals.parts
        by_group = [0.0] * len(spec.groups)
        for part in self._parts:
            by_group[part.group] += part.experiments
        self.fates = [
            fate_of(group, experiments, place)
            for place, (group, experiments) in enumerate(zip(spec.groups, by_group, strict=True))
        ]
        parts = {part.accelerator.name: part.accelerator for part in self._parts}
        self._prices = self._prices_of(profiles, parts)
        for accelerator in parts.values():
            self._take_hour(accelerator)
        for part in self._parts:
            self._take_part(part)
        self.assumptions += self._step_assumptions()
        self._final = self._take_final(next(iter(parts.values())), profiles)
        names = list(self._quantities)
        self._order = {name: row for row, name in enumerate(names)}
        self._columns = Columns(list(self._quantities.values()), names, device)

    def chunks(self, chosen: Settings) -> Iterator[Drawn]:
        """Yield priced draws until all are drawn."""

        def priced(chunk: tuple[int, tuple[int, Tensor]]) -> Drawn:
            number, (replicate, points) = chunk
            generator = torch.Generator().manual_seed(chosen.seed * 2**20 + number)
            return self._drawn(replicate, points, generator)

        return in_order(priced, enumerate(self._columns.chunks(chosen)), chosen)

    def _drawn(self, replicate: int, points: Tensor, generator: torch.Generator) -> Drawn:
        values = self._columns.draw(points)
        given = {name: values[row] for name, row in self._order.items()}
        figures, draws = 1 + len(FIGURES), points.shape[1]
        groups = values.new_zeros((figures, len(self.spec.groups), draws))
        for part in self._parts:
            groups[:, part.group] += self._price(part, given, generator)
        final = torch.full_like(groups[:, 0], math.nan)
        if self._final is not None:
            final = self._price_final(given)
        return Drawn(replicate, groups, final)

    def _take(self, name: str, quantity: Quantity) -> None:
        self._quantities.setdefault(name, quantity)

    def _take_hour(self, accelerator: Accelerator) -> None:
        """Quantities that decide what an hour of an accelerator costs."""
        if f"{accelerator.name}: usd_per_second" in self._quantities:
            return
        inputs = gathered(
            [
                peak_assumption(accelerator, accelerator.default_precision),
                Input("goodput", UNKNOWN),
                *interruption_inputs(),
                *hour_inputs(Pricing(**self._pricing(accelerator)), accelerator),
            ]
        )
        for key, quantity in inputs.quantities.items():
            shared = f"{accelerator.name}: {key}" if key in SHARED else None
            kept = quantity if quantity.is_constant else replace(quantity, shared=shared)
            self._take(f"{accelerator.name}: {key}", kept)
        self.assumptions += [
            replace(each, name=f"{accelerator.name}: {each.name}") for each in inputs.assumptions
        ]

    def _prices_of(
        self, profiles: Sequence[Path], parts: Mapping[str, Accelerator]
    ) -> dict[str, Quantity]:
        """Prices that were given by accelerator, by the profile's name."""
        price, found = self.spec.price, dict[str, Quantity]()
        if not isinstance(price, dict):
            return found
        used = {*parts}
        if self.spec.final is not None and "accelerator" in self.spec.final:
            used.add(find_accelerator(str(self.spec.final["accelerator"]), profiles).name)
        for name, each in price.items():
            known = find_accelerator(name, profiles).name
            if known not in used or known in found:
                problem = "is given twice" if known in found else "is of no use here"
                raise RequestError(f"price.{name}", f"{problem}; allowed: {', '.join(used)}")
            found[known] = each
        return found

    def _pricing(self, accelerator: Accelerator) -> dict[str, Any]:
        found = self.spec.pricing
        price = self.spec.price
        if isinstance(price, dict):
            price = self._prices.get(accelerator.name)
        return found if price is None else {**found, "price": price}

    def _take_part(self, part: Part) -> None:
        group = self.spec.groups[part.group]
        name = _name(part)
        one = constant(1.0)
        for key, quantity in (
            ("factor", group.factor or one),
            ("mfu", group.mfu or one),
            ("throughput", group.throughput or one),
            ("hours", group.gpu_hours or one),
        ):
            # Parts of a group share what the group is uncertain by.
            shared = f"{group.name}: {key}"
            kept = quantity if quantity.is_constant else replace(quantity, shared=shared)
            self._take(f"{name}: {key}", kept)
        self._take(f"{name}: fate", one if self.fates[part.group].is_certain else STANDARD)
        for error in self._errors(part):
            if error is not None and error not in self._quantities:
                self._take_error(error)

    def _errors(self, part: Part) -> tuple[str | None, str | None]:
        """Names of what a part's training and serving are off by; None where hours are given."""
        group = self.spec.groups[part.group]
        training = "rl" if group.kind == "rl" else "training"
        serves = "rl" if group.kind == "rl" else "serving"
        is_given = group.gpu_hours is not None
        return (
            None if is_given or group.mfu is not None or not part.training else training,
            None if group.throughput is not None or not part.serving else serves,
        )

    def _step_assumptions(self) -> Iterator[Assumption]:
        """Yield what predicted training steps take without being told."""
        predicted = [part for part in self._parts if self._errors(part)[0] is not None]
        if not predicted:
            return
        is_given = "software" in self.spec.model_fields_set
        software = self.spec.software
        yield software_assumption(choose_software(software, None, None, is_given=is_given))
        factor, power = STEP_LAW
        law = f"{factor:g} x (tokens of the run)^{power:g} tokens"
        source = "assumed where none is given: Li et al. 2025, arXiv:2503.04715"
        yield Assumption("global batch", law, source)
        path = None if self.spec.efficiency is None else Path(self.spec.efficiency)
        for accelerator in {p.accelerator.name: p.accelerator for p in predicted}.values():
            fitted = efficiencies_of(accelerator, path)
            for each in (
                *part_assumptions(accelerator),
                *link_assumptions(accelerator),
                *fitted_assumptions(fitted, accelerator),
            ):
                yield replace(each, name=f"{accelerator.name}: {each.name}")

    def _take_error(self, name: str) -> None:
        """Take a quantity: measured over predicted time."""
        if name == "serving":
            used = serving.constants()
            ends = {"p5": 1 / used.high, "p50": 1.0, "p95": 1 / used.low}
            source = "serving model, fitted to 557 published throughputs of TensorRT-LLM"
        else:
            known = practice(name)
            ends = {"p5": known.low, "p50": known.middle, "p95": known.high}
            source = f"{known.rows:,} measured steps of {known.sources} sources"
        quantity = parse_quantity(ends)
        self._take(name, quantity)
        self.assumptions.append(Assumption(ERRORS[name], quantity.text, source))

    def _take_final(self, usual: Accelerator, profiles: Sequence[Path]) -> Accelerator | None:
        """Take the final run's own inputs; what an hour costs is shared with experiments."""
        given = self.spec.final
        if given is None:
            return None
        try:
            return self._final_inputs(dict(given), usual, profiles)
        except RequestError as error:
            raise error.within("final") from None

    def _final_inputs(
        self, given: dict[str, object], usual: Accelerator, profiles: Sequence[Path]
    ) -> Accelerator:
        hours = given.pop("gpu_hours", None)
        accelerator = find_accelerator(str(given.get("accelerator", usual.name)), profiles)
        if hours is not None:
            if unknown := set(given) - {"name", "accelerator", "source"}:
                raise RequestError(
                    ", ".join(sorted(unknown)), "is of no use beside gpu_hours; allowed: "
                    "name, accelerator, source",
                )  # fmt: skip
            self._take("final: hours", _positive("gpu_hours", hours))
            self._take_hour(accelerator)
            return accelerator
        fields = {"accelerator": usual.name, **self._pricing(accelerator), **given}
        fields.pop("source", None)
        run = validate(RunSpec, fields, "run")
        architecture = run_architecture(run)
        run = by_products(run, architecture)
        model = None
        if architecture is not None:
            model = count_run_model(run, accelerator, architecture)
        for key, quantity in gather_inputs(run, accelerator, model).quantities.items():
            own = key not in SHARED or key in given
            shared = None if own else f"{accelerator.name}: {key}"
            kept = quantity if quantity.is_constant else replace(quantity, shared=shared)
            self._take(f"final: {key}", kept)
        return accelerator

    def _price(self, part: Part, given: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        """FLOP and FIGURES of a part in every draw."""
        name = _name(part)
        factor = given[f"{name}: factor"]
        off, serving_off = self._errors(part)
        training = part.training / given[f"{name}: mfu"] * given[f"{name}: hours"]
        training = training * (1.0 if off is None else given[off])
        serving_seconds = part.serving / given[f"{name}: throughput"]
        serving_seconds = serving_seconds * (1.0 if serving_off is None else given[serving_off])
        fate = self.fates[part.group]
        z = given[f"{name}: fate"]
        lengths = Lengths(part.largest, part.experiments, part.seconds, part.squares)
        share = factor * realised(fate, lengths, z, generator)
        seconds = (training + serving_seconds) * share
        # Hours that are given, or a utilisation that was observed, hold what failures cost.
        count = torch.full_like(factor, math.nan if off is None else part.gpus)
        found = _price_time(seconds, count, _under(given, f"{part.accelerator.name}: "))
        flop = part.flop * share
        return torch.stack([flop, *(each.expand_as(flop) for each in found)])

    def _price_final(self, given: Mapping[str, Tensor]) -> Tensor:
        assert self._final is not None
        if "final: hours" in given:
            seconds = given["final: hours"] * SECONDS_PER_HOUR
            unknown = torch.full_like(seconds, math.nan)
            found = _price_time(seconds, unknown, _under(given, f"{self._final.name}: "))
            return torch.stack([unknown, *(each.expand_as(unknown) for each in found)])
        figures = run_figures(_under(given, "final: "))
        return torch.stack([figures["flop"], *(figures[key] for key in FIGURES)])


def _price_time(seconds: Tensor, count: Tensor, hour: Mapping[str, Tensor]) -> list[Tensor]:
    """FIGURES of accelerator time, with what interrupts so many accelerators; NaN: nothing."""
    lasting = seconds / bundle(Interruptions, hour).training_share(count)
    bill = price_time(lasting, bundle(Hour, hour))
    return [getattr(bill, key) for key in FIGURES]


def _under(given: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)
    }


def _name(part: Part) -> str:
    return f"group {part.group} on {part.accelerator.name}, {part.precision}"


def _positive(name: str, value: object) -> Quantity:
    try:
        return parse_quantity(value)
    except ValueError as error:
        raise RequestError(name, str(error)) from None
