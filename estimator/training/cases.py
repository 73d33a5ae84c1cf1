"""Cases whose step is timed: a model, a layout, an accelerator, and the software."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from computebill.architectures import Architecture
from computebill.architectures.columns import Columns, columns, stacked
from computebill.base.constants import number, table
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import (
    LINK_BYTES_PER_S,
    Accelerator,
    domain_size,
    peak_flop_per_s,
)
from computebill.hardware.figures import Figure
from computebill.hardware.generations import (
    hardware_generation,
    is_ultra,
    multiprocessors,
    reach,
)
from computebill.kernels.collectives import Links
from computebill.kernels.layout import Layout as KernelLayout
from computebill.kernels.memory import ACTIVATION_BYTES, UNPACKED_BYTES
from computebill.kernels.operators import layers_of, matrix, parameters
from computebill.kernels.setting import Device, Efficiency, Setting, Work
from computebill.kernels.step import StepTime, step_seconds

from .efficiency import Kind, kernel_efficiency
from .layout import FP8_RECIPE, RECOMPUTE, Layout
from .layout_columns import layout_columns
from .parameters import INDEX, bounded
from .recipes import WEIGHTS
from .software import Software, number_format

GIGABYTE = 1e9
MICROSECOND = 1e-6
BITS = 8
OPERAND_BYTES = {"32": 4.0, "16": 2.0, "nvfp4": 0.5}
# base/constants.toml has what these are.
ADDING_BYTES = table("training.cases.ADDING_BYTES")
CLOCK_OF_POWER = number("training.cases.CLOCK_OF_POWER")
HOST_LINK_GB_S = number("training.cases.HOST_LINK_GB_S")
HOST_MEMORY_GB_S = number("training.cases.HOST_MEMORY_GB_S")

DISPATCHERS: dict[Software, str] = {
    "early": "all-to-all",
    "megatron": "all-to-all",
    "eager": "all-to-all",
    "fused": "all-to-all",
    "modern": "deepep",
    "graphed": "deepep",
    "compiled": "all-to-all",
    "scripts": "all-to-all",
}
"""Who moves experts' tokens, where nobody says: Megatron's flexible dispatcher came in 2025."""

KERNELS: dict[Software, str] = {
    "early": "flash1",
    "megatron": "flash1",
    "eager": "flash2",
    "fused": "fused",
    "modern": "fused",
    "graphed": "fused",
    "compiled": "fused",
    "scripts": "flash2",
}
"""Which fused attention kernel runs, where nobody says: that of the generation's years."""


@dataclass(frozen=True)
class Case:
    """One training step to be timed.

    Attributes:
        architecture: the model.
        layout: layout over accelerators, micro-batches of a step included.
        accelerator: accelerator that it runs on.
        precision: precision of matrix products: bf16, fp8, mxfp8, nvfp4, …
        sequence: tokens of a sequence.
        software: generation of the training software.
        domain: size of the scale-up domain [accelerators], where other than the part's own.
        power: share of the part's rated power that it may take.
        assumed: facts that its time hangs on and nobody stated, as ``doubts.FACTS`` names them.
    """

    architecture: Architecture
    layout: Layout
    accelerator: Accelerator
    precision: str
    sequence: int
    software: Software
    domain: int | None = None
    power: float = 1.0
    assumed: tuple[str, ...] = ()

    @property
    def dispatcher(self) -> str:
        """Who moves experts' tokens, given or as the software has."""
        return self.layout.dispatcher or DISPATCHERS[self.software]

    @property
    def sends_once(self) -> bool:
        """Whether a token goes to a rank once, however many of its experts are there."""
        return self.dispatcher == "deepep"

    @property
    def attention(self) -> str:
        """The attention kernel: unfused, or which fused one, given or as the software has."""
        if self.layout.attention == "unfused":
            return "unfused"
        return self.layout.attention_kernel or KERNELS[self.software]

    @property
    def stops_early(self) -> bool:
        """Whether full recomputation stops at what the backward pass needs."""
        told = self.layout.early_stop
        return self.software == "compiled" if told is None else told

    @property
    def kind(self) -> Kind:
        """What decides the case's efficiencies."""
        return Kind(
            hardware=hardware_generation(self.accelerator),
            number=number_format(self.precision),
            software=self.software,
            is_ultra=is_ultra(self.accelerator),
            is_sharded=self.layout.zero == 3,
            attention=self.attention,
            loops_experts=self.layout.experts == "looped",
            overlaps_tensor=self.layout.tp_overlap,
        )


def usual_precision(accelerator: Accelerator, layout: Layout | None) -> str:
    """Return the precision of products where nobody says: the part's own, or as the recipe holds.

    PyTorch's products of 32-bit matrices are in fp32 unless TF32 is switched on.

    Raises:
        RequestError: where the recipe is one of 8 bits and the part has none.
    """
    if layout is not None and layout.used_recipe == FP8_RECIPE:
        if "fp8" not in accelerator.precisions:
            problem = f"got {FP8_RECIPE}; allowed on {accelerator.name}, which has no fp8: megatron"
            raise RequestError("recipe", problem)
        return "fp8"
    is_wide = layout is not None and layout.is_wide and "fp32" in accelerator.precisions
    return "fp32" if is_wide else accelerator.default_precision


@dataclass(frozen=True)
class CaseColumns:
    """Cases as the step kernel takes them, but for efficiencies."""

    batch: Columns
    layouts: KernelLayout
    work: Work
    device: Device
    links: tuple[Tensor, Tensor, Tensor]
    latencies: tuple[Tensor, Tensor]
    kinds: tuple[Kind, ...]


def case_columns(cases: Sequence[Case]) -> CaseColumns:
    """Return cases as columns, one a row."""
    return CaseColumns(
        batch=stacked([columns(case.architecture, case.layout.beside) for case in cases]),
        layouts=layout_columns([case.layout for case in cases]),
        work=_work(cases),
        device=_device(cases),
        links=_links(cases),
        latencies=_latencies(cases),
        kinds=tuple(case.kind for case in cases),
    )


def _column(values: Iterable[float]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.float64)


def _work(cases: Sequence[Case]) -> Work:
    """Return how steps are run."""
    return Work(
        sequence=_column(case.sequence for case in cases),
        recompute=_column(RECOMPUTE[case.layout.recompute] for case in cases),
        fused=_column(case.layout.kernels == "fused" for case in cases),
        prunes=_column(case.stops_early for case in cases),
        dropout=_column(case.layout.dropout for case in cases),
        trained=_column(not case.layout.lora_rank for case in cases),
        adding_bytes=_column(ADDING_BYTES[case.software] for case in cases),
        adapter_rank=_column(case.layout.lora_rank for case in cases),
        state_bytes=_column(case.layout.state_traffic.matrix for case in cases),
        other_bytes=_column(case.layout.state_traffic.other for case in cases),
        orthogonal=_column(case.layout.optimizer == "muon" for case in cases),
        gradient_bytes=_column(_gradient_bytes(case) for case in cases),
        weight_bytes=_column(_weight_bytes(case) for case in cases),
        away_bytes=_column(
            _resting_bytes(case) if "weights" in case.layout.offload else 0.0 for case in cases
        ),
        unpacked_bytes=_column(_unpacked_bytes(case.layout) for case in cases),
        width=_column(case.layout.held.activation / ACTIVATION_BYTES for case in cases),
        loss_again=_column(case.layout.makes_logits_twice for case in cases),
        states_away=_column("optimizer" in case.layout.offload for case in cases),
        gradients_away=_column(case.layout.sends_gradients for case in cases),
        activations_away=_column("activations" in case.layout.offload for case in cases),
        hides_experts=_column(case.layout.hides_experts for case in cases),
        sends_once=_column(case.sends_once for case in cases),
        exchanges_heads=_column(case.layout.cp_exchange == "all-to-all" for case in cases),
    )


def _device(cases: Sequence[Case]) -> Device:
    """Return accelerators, at the clock that their power allows."""
    return Device(
        peak=_column(_peak(case, case.precision) for case in cases),
        peak_16=_column(_peak(case, _wide(case.precision)) for case in cases),
        bytes_per_s=_column(
            case.accelerator.memory_bandwidth_gb_s.value * GIGABYTE for case in cases
        ),
        units=_column(multiprocessors(case.accelerator) for case in cases),
        element_bytes=_column(
            OPERAND_BYTES.get(number_format(case.precision), 1.0) for case in cases
        ),
        host_link=_column(HOST_LINK_GB_S * GIGABYTE for _ in cases),
        host_memory=_column(HOST_MEMORY_GB_S * GIGABYTE for _ in cases),
    )


def _peak(case: Case, precision: str) -> float:
    """FLOP a second of a precision. Power grows with the cube of the clock."""
    speed: float = reach(case.accelerator) * _power(case) ** CLOCK_OF_POWER
    return peak_flop_per_s(case.accelerator, precision) * speed


def _power(case: Case) -> float:
    """Power that a case's accelerators take, over that at which their peaks are reached."""
    power = case.accelerator.power
    if power.chip_watt is None or power.peak_watt is None:
        return case.power
    return case.power * power.chip_watt.value / power.peak_watt.value


def _links(cases: Sequence[Case]) -> tuple[Tensor, Tensor, Tensor]:
    """Return bytes a second inside and across domains, and the accelerators of a domain."""
    links = [case.accelerator.links for case in cases]
    return (
        _column(_bytes_per_s(each.inside.bandwidth_gb_s) for each in links),
        _column(_bytes_per_s(each.across.bandwidth_gb_s) for each in links),
        _column(case.domain or domain_size(case.accelerator) for case in cases),
    )


def _latencies(cases: Sequence[Case]) -> tuple[Tensor, Tensor]:
    """Return seconds of a hop inside and across domains; nan where profiles have no figure."""
    links = [case.accelerator.links for case in cases]
    return (
        _column(_seconds(each.inside.latency_us) for each in links),
        _column(_seconds(each.across.latency_us) for each in links),
    )


def _seconds(latency_us: Figure | None) -> float:
    return latency_us.value * MICROSECOND if latency_us else math.nan


def _bytes_per_s(bandwidth_gb_s: Figure | None) -> float:
    return bandwidth_gb_s.value * GIGABYTE if bandwidth_gb_s else LINK_BYTES_PER_S


def _gradient_bytes(case: Case) -> float:
    """Size of a gradient on its way [B]: as told; NVIDIA's recipes since 2023 reduce in 16 bits."""
    layout = case.layout
    if layout.reduce_bits is not None:
        return int(layout.reduce_bits) / BITS
    if layout.gradients == "fused":
        return layout.held.gathered
    if layout.gradients is None and case.software in ("fused", "modern", "graphed"):
        return 2.0
    return min(case.layout.held.gradient, 4.0)


def _weight_bytes(case: Case) -> float:
    """Size of a weight on its way [B]: that of products' operands, where software gathers those."""
    number = number_format(case.precision)
    held, layout = case.layout.held, case.layout
    if number == "32" or held.gathered == WEIGHTS["fp32"].bytes:
        return 4.0
    if layout.is_quantised:
        return _resting_bytes(case)
    low = number != "16"
    return 1.0 if low and case.software in ("fused", "modern", "graphed") else 2.0


def _resting_bytes(case: Case) -> float:
    """Size of a weight at rest [B]: of matrices in layers and of all else, the mean."""
    layout = case.layout
    other = WEIGHTS["bf16" if layout.is_quantised else layout.used_weights].bytes
    inner = WEIGHTS[layout.used_weights].bytes
    if not layout.lora_rank:
        inner = other = layout.held.weight
    model = columns(case.architecture).model
    each = layers_of(model.groups) * parameters(model.operators).sum(1)
    inside = model.operators.copies * matrix(model.operators)
    matrices = layers_of(model.groups) * inside.sum(1) * (model.groups.place == 0)
    share = float(matrices.sum() / each.sum())
    return share * inner + (1.0 - share) * other


def _unpacked_bytes(layout: Layout) -> float:
    """Bytes moved to unpack a quantised weight: itself read, and what it is written as [B]."""
    return WEIGHTS[layout.used_weights].bytes + UNPACKED_BYTES if layout.is_quantised else 0.0


def _wide(precision: str) -> str:
    """Precision of attention and of the head: 16 bits, but 32 where all is in 32."""
    return precision if number_format(precision) == "32" else "bf16"


def moved(bundle: Any, device: torch.device) -> Any:
    """Return a tensor, or a bundle of them however deep, on a device."""
    if isinstance(bundle, Tensor):
        return bundle.to(device)
    parts = [moved(each, device) for each in bundle]
    return type(bundle)(*parts) if hasattr(bundle, "_fields") else tuple(parts)


def case_setting(cases: CaseColumns, values: Tensor) -> Setting:
    """Return what cases run on, and how; differentiable in the efficiencies, and on their device.

    Args:
        cases: cases as columns.
        values: efficiencies, in the order of their table: latencies of links are among them, for
            parts whose profile has none.
    """
    device = values.device
    latencies = (
        torch.where(own.isnan(), values[INDEX[name]], own)
        for name, own in zip(
            ("latency", "latency_across"), moved(cases.latencies, device), strict=True
        )
    )
    return Setting(
        layout=moved(cases.layouts, device),
        work=moved(cases.work, device),
        device=moved(cases.device, device),
        links=Links(*moved(cases.links, device), *latencies),
        efficiency=kernel_efficiency(values, cases.kinds),
    )


def step_times(cases: CaseColumns, values: Tensor) -> StepTime:
    """Time every case; differentiable in the efficiencies, and on their device.

    Args:
        cases: cases as columns.
        values: efficiencies, in the order of their table.
    """
    model = moved(cases.batch.model, values.device)
    turns = int(cases.layouts.virtual.max())
    return step_seconds(model, case_setting(cases, values), turns)


def log_gradients(cases: CaseColumns, free: Tensor) -> tuple[Tensor, Tensor]:
    """Return logarithms of steps' times, and their derivatives by every efficiency.

    A row's time hangs on its own efficiencies alone, so one backward pass gives the derivatives
    of all rows by the kernel's columns; those of columns by efficiencies are cheap.

    Args:
        cases: as columns.
        free: efficiencies, free of bounds, ``(parameters,)``.

    Returns:
        ``(rows,)`` and ``(rows, parameters)``.
    """
    from torch.func import jvp, vmap  # takes a second to load, and only a fit needs it

    kinds = list(dict.fromkeys(cases.kinds))
    place = {kind: index for index, kind in enumerate(kinds)}
    where = torch.tensor([place[kind] for kind in cases.kinds])
    free = free.detach()

    def reached(free: Tensor) -> Tensor:
        """What kinds of cases reach, ``(columns, kinds)``: efficiencies and two latencies."""
        values = bounded(free)
        latencies = (values[INDEX[name]] for name in ("latency", "latency_across"))
        used = (*kernel_efficiency(values, kinds), *latencies)
        return torch.stack([each.expand(len(kinds)) for each in used])

    table = reached(free)[:, where].requires_grad_(True)
    *efficiency, latency, latency_across = table
    own, own_across = cases.latencies
    setting = case_setting(cases, bounded(free))
    setting = setting._replace(
        efficiency=Efficiency(*efficiency),
        links=setting.links._replace(
            latency=torch.where(own.isnan(), latency, own),
            latency_across=torch.where(own_across.isnan(), latency_across, own_across),
        ),
    )
    logs = step_seconds(cases.batch.model, setting).total.log()
    (by_column,) = torch.autograd.grad(logs.sum(), table)
    directions = torch.eye(len(free), dtype=free.dtype)
    change = vmap(lambda each: jvp(reached, (free,), (each,))[1])(directions)
    return logs.detach(), torch.einsum("cr,dcr->rd", by_column, change[:, :, where])
