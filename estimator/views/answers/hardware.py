"""Accelerators, one or all, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from computebill.hardware.accelerators import Accelerator
from computebill.views.text import digits

from .answer import Answer, Figure

if TYPE_CHECKING:  # loads torch, which counts and lists need not
    from computebill.views.result import Result


def rate(row: Mapping[str, Any]) -> float:
    """Return the dense peak at 16 bits in TFLOP/s; 0 where it is not known."""
    return float(row["bf16_tflops"] or row["fp16_tflops"] or 0.0)


def listed(result: Result) -> Answer:
    """Tell how many are known, the fastest, and what an hour costs."""
    found = result["accelerators"]
    priced = [each["usd_per_hour"] for each in found if each["usd_per_hour"] is not None]
    best = max((each for each in found if rate(each) and not each["announced"]), key=rate)
    told = (
        f"{len(found)} accelerators of {len({each['vendor'] for each in found})} makers; the "
        f"fastest at 16 bits is {best['title']} with {digits(rate(best))} TFLOP/s"
    )
    if priced:
        told += f", and an hour of one costs ${min(priced):.2f} to ${max(priced):.2f} on demand"
    figures = [
        Figure("accelerators", f"{len(found)}"),
        Figure("with a price of an hour", f"{len(priced)}"),
        Figure("announced, not shipped", f"{sum(each['announced'] for each in found)}"),
    ]
    return Answer("Accelerators", f"{told}.", figures)


def accelerator_of(result: Result) -> Accelerator:
    """Return the accelerator that a result shows."""
    return Accelerator.model_validate({key: result[key] for key in set(result) - {"about"}})


def shown(result: Result) -> Answer:
    """Tell one accelerator's peak and memory."""
    part = accelerator_of(result)
    precision = part.default_precision
    peak, bandwidth = part.peak(precision), part.memory_bandwidth_gb_s
    told = (
        f"{part.title} reaches {digits(peak.value)} TFLOP/s dense in {precision} by its "
        f"datasheet, and has {part.memory_gb.value:g} GB of memory at {digits(bandwidth.value)} "
        "GB/s."
    )
    figures = [
        *(Figure(f"{name}, TFLOP/s", digits(part.peak(name).value)) for name in part.precisions),
        Figure("memory, GB", f"{part.memory_gb.value:g}"),
        Figure("memory, GB/s", digits(bandwidth.value)),
    ]
    if part.power.chip_watt:
        figures.append(Figure("power, W", f"{part.power.chip_watt.value:g}"))
    return Answer(part.title, told, figures, [part.notes] if part.notes else [])
