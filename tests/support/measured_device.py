"""Results of a device that nobody has: what measuring functions would return, at once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import torch

from computebill.benchmark.models import Sizes, step_case
from computebill.benchmark.result import Bench, Change, Checked, Timed
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.figures import Figure, Generation, Peaks, Source
from computebill.kernels.measure.attention import Attention, AttentionShape
from computebill.kernels.measure.clock import Timing
from computebill.kernels.measure.collectives import Collective
from computebill.kernels.measure.copies import Traffic
from computebill.kernels.measure.devices import Hardware
from computebill.kernels.measure.host import Launches
from computebill.kernels.measure.matmul import Product, Search
from computebill.kernels.measure.model import Shape
from computebill.kernels.measure.outcome import Skip
from computebill.kernels.measure.step import Block, TrainingStep
from computebill.training.cases import case_columns, step_times
from computebill.training.efficiency import read_profile
from computebill.training.parameters import bounded, unbounded

CPU = torch.device("cpu")

REACHED = {
    "products.other.32": 0.8,
    "half_k.16": 40.0,
    "head": 0.75,
    "attention.other": 0.4,
    "half_keys": 100.0,
    "traffic.eager": 0.9,
    "memory": 0.97,
    "step_floor": 1e-3,
    "optimizer_traffic": 0.9,
}
"""What a device reaches that the step model describes exactly."""


def timing(seconds: float) -> Timing:
    return Timing(seconds, seconds * 0.98, seconds * 1.03, 10)


def product(dtype: str = "fp32", tflops: float = 0.2) -> Search:
    best = Product(1024, 1024, 1024, dtype, timing(2.0 * 1024**3 / (tflops * 1e12)))
    return Search(best, (best,), ())


def traffic(kind: str = "copy", gb_s: float = 40.0) -> Traffic:
    found = Traffic(kind, 2**26, timing(1.0))
    return Traffic(kind, 2**26, timing(found.bytes_moved / (gb_s * 1e9)))


def hardware(**given: Any) -> Hardware:
    told: dict[str, Any] = {
        "kind": "cpu",
        "name": "Some CPU",
        "index": None,
        "memory_bytes": 16 * 10**9,
        "memory_free_bytes": 15 * 10**9,
        "cache_bytes": 2**25,
        "multiprocessors": 2,
        "capability": "AVX2",
        "driver": None,
        "runtime": None,
        "torch": "2.13.0",
    }
    return Hardware(**{**told, **given})


def plain_cpu() -> Accelerator:
    return Accelerator(
        name="plain-cpu",
        title="A CPU",
        vendor="nobody",
        generation=Generation(value="cpu", source="s"),
        memory_gb=Figure(value=16, source="s"),
        memory_bandwidth_gb_s=Figure(value=40, source="s"),
        measured_memory_bandwidth_gb_s=Figure(value=40, source="s"),
        peak_tflops=Peaks(fp32=Figure(value=0.2, source="s")),
        sources={"s": Source(title="a test", licence="none")},
    )


def as_predicted(sizes: Sizes, accelerator: Accelerator, slower: float = 1.0) -> TrainingStep:
    """A step that takes what the model says with ``REACHED``, times a factor."""
    case = step_case(sizes, accelerator, "fp32")
    values = bounded(unbounded({**read_profile().values, **REACHED}))
    seconds = slower * float(step_times(case_columns([case]), values).total)
    part = timing(seconds / 3)
    return TrainingStep(
        sizes.shape, sizes.batch, sizes.sequence, "fp32", False, timing(seconds), part, part, part,
        None,
    )  # fmt: skip


def whole_bench() -> Bench:
    """A result that has something of everything, beside the H100's datasheet."""
    shape = Shape(256, 4, 4, 4, 64, 768, 8192, False)
    step = as_predicted(Sizes(shape, 4, 256), plain_cpu())
    attention = AttentionShape(4, 4, 4, 256, 64)
    tried = (product("bf16", 600.0).best, product("bf16", 700.0).best)
    return Bench(
        date=dt.date(2026, 11, 22),
        version="0.1.0",
        budget="quick",
        seconds=40.0,
        is_interrupted=False,
        device=hardware(kind="cuda", name="Some GPU"),
        datasheet=find_accelerator("h100-sxm"),
        remarks=("busy with other work (20%): times will be too long",),
        results=(
            Search(tried[1], tried, ()),
            traffic(gb_s=2900.0),
            Launches(timing(5e-6)),
            Attention(attention, "flash", "bf16", timing(1e-4), timing(3e-4)),
            Block(shape, 4, 256, "autocast", False, timing(1e-3), timing(2e-3)),
            Timed(step, 1e12),
            *(Collective("all-reduce", "nccl", 2, size, timing(1e-3)) for size in (2**20, 2**24)),
        ),
        skipped=(Skip("fp8 products", "no such kernel"),),
        changes=(Change("8B decoder", 2.0, 2.5),),
        checks=(Checked(Timed(step, 1e12), step.whole.seconds * 1.1, step.whole.seconds * 2),),
    )
