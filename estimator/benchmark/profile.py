"""A measured profile: the datasheet's figures, the measured ones beside, and what steps reach."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import tomli_w
import torch

from computebill.accuracy.calibration import fit_device
from computebill.accuracy.measured import Cited, MeasuredRow
from computebill.accuracy.measurements import Measurements, log_errors, measurements
from computebill.accuracy.posterior import reach
from computebill.base.constants import number
from computebill.base.writing import replacing
from computebill.hardware.accelerators import Accelerator
from computebill.hardware.figures import (
    Figure,
    Generation,
    MatrixProduct,
    Measured,
    Peaks,
    Prices,
    Source,
)
from computebill.hardware.fitted import Fitted
from computebill.kernels.measure.copies import Traffic
from computebill.kernels.measure.devices import Hardware
from computebill.kernels.measure.matmul import Product
from computebill.kernels.measure.step import TrainingStep
from computebill.training.efficiency import read_profile
from computebill.training.parameters import INDEX, named_values, unbounded

from .models import step_case
from .result import PRODUCTS, TERA

OWN = "measured"
"""Key of the measurement among a profile's sources."""

LEAST_STEPS = 4
"""Steps without which nothing is fitted."""

MOST_REACHED = number("benchmark.profile.MOST_REACHED")  # base/constants.toml

VENDORS = ("NVIDIA", "AMD", "Intel", "Apple")

NOTE = (
    "fitted to training steps of small decoders on one device, by PyTorch without torch.compile; "
    "what several devices do stays as shipped"
)


def measured_profile(
    name: str,
    hardware: Hardware,
    known: Accelerator | None,
    best: Mapping[str, Product],
    moved: Mapping[str, Traffic],
    reached: Mapping[str, float],
    date: dt.date,
    version: str,
) -> Accelerator | None:
    """Return a profile with measured figures, without efficiencies; None where nothing was.

    Args:
        name: name of the profile.
        hardware: description of the device that was measured.
        known: its datasheet's profile, whose figures stay.
        best: products by dtype.
        moved: traffic by kind.
        reached: FLOP a second of whole blocks and steps, by dtype: a peak is no less.
        date: day of the measurement.
        version: version of computebill.
    """
    products = tuple(_product(each, hardware) for each in best.values())
    if not products and not moved:
        return None
    rates = [each.bytes_per_s / 1e9 for each in moved.values()]
    bandwidth = Figure(value=_round(max(rates)), source=OWN) if rates else None
    title = f"{hardware.name}, measured {date}"
    if known is not None:
        kept = [row for row in known.measured.matmul if row.dtype not in best]
        return known.model_copy(
            update={
                "name": name,
                "title": title,
                "aliases": (),
                "multiprocessors": _units(hardware),
                "measured": Measured(matmul=(*products, *kept)),
                "measured_memory_bandwidth_gb_s": bandwidth or known.measured_memory_bandwidth_gb_s,
                "sources": {**known.sources, OWN: _source(hardware, date, version)},
            }
        )
    if not products or bandwidth is None or not hardware.memory_bytes:
        return None
    return Accelerator(
        name=name,
        title=title,
        vendor=next((each for each in VENDORS if each in hardware.name), "unknown"),
        notes="No datasheet: the best measured product of each dtype stands for its peak.",
        generation=Generation(value="cpu", source=OWN) if hardware.kind == "cpu" else None,
        multiprocessors=_units(hardware),
        memory_gb=Figure(value=_round(hardware.memory_bytes / 1e9), source=OWN),
        memory_bandwidth_gb_s=bandwidth,
        measured_memory_bandwidth_gb_s=bandwidth,
        peak_tflops=Peaks(**{row.dtype: _peak(row, reached) for row in products}),
        sources={OWN: _source(hardware, date, version)},
        measured=Measured(matmul=products),
        prices=Prices(),
    )


def _product(product: Product, hardware: Hardware) -> MatrixProduct:
    return MatrixProduct.model_validate(
        {
            "dtype": product.dtype,
            "tflops": _round(product.flop_per_s / TERA),
            "shape": f"{product.m}x{product.k}x{product.n}",
            "software": f"PyTorch {hardware.torch}",
            "source": OWN,
            "note": "random data; median",
        }
    )


def _peak(row: MatrixProduct, reached: Mapping[str, float]) -> Figure:
    """The best product; or what a whole step reached, where other work slowed the product down."""
    rate = _round(reached.get(row.dtype, 0.0) / TERA)
    if rate > row.tflops:
        return Figure(value=rate, source=OWN, note="a training step's; its products are slower")
    return Figure(value=row.tflops, source=OWN)


def _units(hardware: Hardware) -> Figure | None:
    """Multiprocessors; a CPU's cores are none."""
    if hardware.kind not in ("cuda", "rocm") or not hardware.multiprocessors:
        return None
    return Figure(value=float(hardware.multiprocessors), source=OWN)


def _source(hardware: Hardware, date: dt.date, version: str) -> Source:
    versions = {"PyTorch": hardware.torch, "runtime": hardware.runtime, "driver": hardware.driver}
    told = ", ".join(f"{key} {value}" for key, value in versions.items() if value)
    return Source(
        title=f"computebill bench {version}, {date}: {hardware.name}, {told}",
        licence="own measurement",
        checked=False,
    )


def fitted_on(
    steps: Sequence[TrainingStep], accelerator: Accelerator, title: str
) -> tuple[Fitted, float] | None:
    """Return efficiencies fitted to a device's steps, and the mean error of those steps.

    The fit is that of ``calibrate``, from the shipped values on; that of the memory's bandwidth is
    what a copy reached. None of too few steps.

    Args:
        steps: training steps as measured.
        accelerator: the device's profile, without efficiencies.
        title: what the measurement is called.
    """
    rows = [_row(index, each, accelerator, title) for index, each in enumerate(steps, start=1)]
    if len(rows) < LEAST_STEPS:
        return None
    measured = measurements(rows)
    middle = middle_of(accelerator)
    found = fit_device(measured, middle)
    # Those that its steps do not hang on move with others of their name, and are not the device's.
    own = {*INDEX} - {*reach(measured, found).unseen} - {"pace"} | {"memory"}
    fitted = Fitted(
        fitted=dt.date.today(),
        rows=len(rows),
        sources=(title,),
        note=NOTE,
        values={
            name: _round(value, 6)
            for name, value in named_values(found.free).items()
            if name in own
        },
    )
    return fitted, _mean_error(measured, found.free)


def middle_of(accelerator: Accelerator) -> torch.Tensor:
    """Return where a fit begins, free of bounds: the shipped values, and the bandwidth measured."""
    values = dict(read_profile().values)
    measured = accelerator.measured_memory_bandwidth_gb_s
    if measured is not None:
        share = measured.value / accelerator.memory_bandwidth_gb_s.value
        values["memory"] = min(share, MOST_REACHED)
    return unbounded(values)


def _mean_error(measured: Measurements, free: torch.Tensor) -> float:
    return float((log_errors(measured, free).exp() - 1).abs().mean())


def _row(index: int, step: TrainingStep, accelerator: Accelerator, title: str) -> MeasuredRow:
    return MeasuredRow(
        row=index,
        source=title,
        lab=title,
        cited=Cited(title, ""),
        model=f"{step.shape.hidden} x {step.shape.layers}",
        gpu=accelerator.name,
        case=step_case(step, accelerator, PRODUCTS[step.policy]),
        tokens=step.tokens,
        gpus=1,
        seconds=step.whole.seconds,
        flop_per_s=None,
        convention="full",
    )


def write_accelerator(accelerator: Accelerator, path: Path) -> None:
    """Write a profile under its final name in one step; ``load_accelerator`` reads it.

    Raises:
        RequestError: where the folder cannot be written.
    """
    data = accelerator.model_dump(exclude_none=True, exclude_defaults=True)
    head = (
        f"# {accelerator.title}: written by `computebill bench`.\n"
        "# Every command takes it as --accelerator; its efficiencies go before the shipped.\n\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(head + tomli_w.dumps(data), encoding="utf-8")


def _round(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")
