"""Tables of what a device reaches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.benchmark.result import GIGA, QUIET, TERA, Bench, Timed, step_name
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.measure.attention import Attention
from computebill.kernels.measure.collectives import Collective
from computebill.kernels.measure.host import Launches
from computebill.kernels.measure.step import Block, TrainingStep
from computebill.training.efficiency import read_profile
from computebill.training.parameters import PARAMETERS

from . import tables
from .text import digits

CONVENTIONS = ("6nd", "palm", "megatron", "causal")
CHECKED = "Steps that nothing was fitted to: predicted, then run"


def full(found: Bench) -> Iterator[RenderableType]:
    """All that was measured, what it changes, and what could not be measured."""
    yield _head(found)
    yield from _measured(found)
    yield from _concluded(found)
    if found.skipped:
        yield _skipped(found)


def _measured(found: Bench) -> Iterator[RenderableType]:
    if found.best or found.bandwidth or found.of(Launches):
        yield _reached(found)
    attention, blocks = found.of(Attention), found.of(Block)
    if attention or blocks:
        yield _passes(found)
    if found.of(Collective):
        yield _collectives(found)
    if len(found.of(Timed)) + len(found.of(TrainingStep)):
        yield _steps(found)


def _concluded(found: Bench) -> Iterator[RenderableType]:
    if found.profile is not None and found.profile.efficiency is not None:
        yield _efficiencies(found)
    if found.changes:
        yield _changes(found)
    if found.checks:
        yield _checks(found)


def _head(found: Bench) -> Text:
    device = found.device
    if device is None:
        return Text("Nothing was measured.")
    memory = device.memory_bytes
    facts = [
        device.kind,
        None if memory is None else f"{memory / 2**30:.1f} GiB",
        None
        if device.multiprocessors is None
        else f"{device.multiprocessors} {_units(device.kind)}",
        device.capability,
        f"PyTorch {device.torch}",
        device.runtime and f"runtime {device.runtime}",
        device.driver and f"driver {device.driver}",
    ]
    lines = [f"{device.name}: {', '.join(each for each in facts if each)}"]
    known = found.datasheet
    lines.append(f"Datasheet: {known.name} ({known.title})" if known else "Datasheet: none")
    lines += [f"Note: {each}" for each in found.remarks]
    load = found.load
    if load is not None and load.clock_mhz:
        told = [f"{load.clock_mhz:.0f} MHz"]
        told += [f"{load.power_w:.0f} W"] if load.power_w else []
        told += [f"{load.temperature_c:.0f} °C"] if load.temperature_c else []
        lines.append(f"Under load: {', '.join(told)}")
    ended = ", ended early" if found.is_interrupted else ""
    lines.append(f"{found.date}, computebill {found.version}, {found.seconds:.0f} s{ended}\n")
    return Text("\n".join(lines))


def _units(kind: str) -> str:
    return "cores" if kind == "cpu" else "multiprocessors"


def _reached(found: Bench) -> Table:
    table = tables.table("Reached, beside the datasheet")
    table.add_column("what")
    table.add_column("at")
    for heading in ("reached", "datasheet", "share", "known best"):
        table.add_column(heading, justify="right")
    known = found.datasheet
    for dtype, product in found.best.items():
        rate = product.flop_per_s / TERA
        peak = known.peak(dtype).value if known and dtype in known.precisions else None
        best = known.measured_flop_per_s(dtype) if known else None
        table.add_row(
            f"{dtype} product, TFLOP/s",
            f"{product.m} x {product.k} x {product.n}",
            digits(rate),
            "" if peak is None else digits(peak),
            "" if peak is None else f"{rate / peak:.0%}",
            "" if best is None else digits(best / TERA),
        )
    for kind, traffic in found.bandwidth.items():
        rate = traffic.bytes_per_s / GIGA
        _add_bandwidth(table, kind, f"{traffic.array_bytes / 2**20:.0f} MiB", rate, known)
    for launches in found.of(Launches):
        table.add_row("launches a second", "", f"{launches.per_s:,.0f}", "", "", "")
    return table


def _add_bandwidth(
    table: Table, kind: str, size: str, rate: float, known: Accelerator | None
) -> None:
    sheet = None if known is None else known.memory_bandwidth_gb_s.value
    best = None if known is None else known.measured_memory_bandwidth_gb_s
    table.add_row(
        f"memory {kind}, GB/s",
        size,
        digits(rate),
        "" if sheet is None else digits(sheet),
        "" if sheet is None else f"{rate / sheet:.0%}",
        "" if best is None else digits(best.value),
    )


def _passes(found: Bench) -> Table:
    table = tables.table("Attention and a transformer block; share of the best product")
    for heading in ("what", "dtype", "at"):
        table.add_column(heading)
    for heading in ("forward TFLOP/s", "share", "backward TFLOP/s", "share"):
        table.add_column(heading, justify="right")
    for each in found.of(Attention):
        shape = each.shape
        size = f"{shape.batch} x {shape.sequence}, {shape.heads} heads of {shape.head_dim}"
        table.add_row(f"{each.backend} attention", each.dtype, size, *_rates(found, each))
    for block in found.of(Block):
        what = "compiled block" if block.compiled else "block"
        size = f"{block.batch} x {block.sequence}, width {block.shape.hidden}"
        table.add_row(what, block.policy, size, *_rates(found, block))
    return table


def _rates(found: Bench, each: Attention | Block) -> list[str]:
    dtype = each.dtype if isinstance(each, Attention) else _dtype(each.policy)
    best = found.best.get(dtype)
    cells = []
    for rate in (each.forward_flop_per_s, each.backward_flop_per_s):
        cells += [digits(rate / TERA), "" if best is None else f"{rate / best.flop_per_s:.0%}"]
    return cells


def _dtype(policy: str) -> str:
    return "bf16" if policy == "autocast" else policy


def _collectives(found: Bench) -> Table:
    rows = found.of(Collective)
    table = tables.table(f"Collectives of {rows[0].ranks} ranks ({rows[0].backend})")
    table.add_column("operation")
    for heading in ("bytes", "time, µs", "bus GB/s"):
        table.add_column(heading, justify="right")
    for each in rows:
        table.add_row(
            each.operation,
            f"{each.size_bytes:,}",
            digits(each.timing.seconds * 1e6),
            digits(each.bus_bytes_per_s / GIGA),
        )
    return table


def _steps(found: Bench) -> Table:
    table = tables.table("Training steps of small decoders (width x blocks, sequences x tokens)")
    table.add_column("decoder")
    table.add_column("dtype")
    for heading in ("parameters", "ms", "tokens/s", "TFLOP/s", "of best product", "MFU: 6nd"):
        table.add_column(heading, justify="right")
    for convention in CONVENTIONS[1:]:
        table.add_column(convention, justify="right")
    for step in (*(timed.step for timed in found.of(Timed)), *found.of(TrainingStep)):
        best = found.best.get(_dtype(step.policy))
        mfu = found.mfu(step)
        rate = step.flop_per_s["causal"]
        table.add_row(
            step_name(step) + (", compiled" if step.compiled else ""),
            step.policy,
            f"{step.shape.parameters / 1e6:,.1f} M",
            digits(step.whole.seconds * 1e3),
            f"{step.tokens_per_s:,.0f}",
            digits(rate / TERA),
            "" if best is None else f"{rate / best.flop_per_s:.0%}",
            *(f"{mfu[each]:.0%}" if mfu else "" for each in CONVENTIONS),
        )
    return table


def _efficiencies(found: Bench) -> Table:
    assert found.profile is not None
    assert found.profile.efficiency is not None
    rows = found.profile.efficiency.rows
    off = "" if found.fit_error is None else f", {found.fit_error:.1%} off"
    table = tables.table(f"Efficiencies, from {rows} steps{off}")
    table.add_column("efficiency")
    for heading in ("shipped", "this device"):
        table.add_column(heading, justify="right")
    shipped = read_profile().values
    for name, value in found.profile.efficiency.values.items():
        before = shipped.get(name, PARAMETERS[name].prior)
        table.add_row(name, digits(before), digits(value))
    return table


def _changes(found: Bench) -> Table:
    table = tables.table("What it changes: seconds of a step, as estimated")
    table.add_column("run")
    for heading in ("from the datasheet", "as measured", "change"):
        table.add_column(heading, justify="right")
    for each in found.changes:
        before = each.datasheet
        table.add_row(
            each.what,
            "" if before is None else f"{digits(before)} s",
            f"{digits(each.measured)} s",
            "" if before is None else f"{each.measured / before - 1:+.0%}",
        )
    return table


def _checks(found: Bench) -> Table:
    table = tables.table(f"{CHECKED}; mean error {found.check_error:.1%}")
    quiet = found.quiet_error
    disturbed = len(found.checks) - len(found.quiet_checks)
    if disturbed and quiet is not None:
        table.caption = (
            f"{disturbed} ran while the device was below {QUIET:.0%} of its best speed, as a small "
            f"product around them tells; mean error of the others: {quiet:.1%}"
        )
    table.add_column("decoder")
    for heading in ("parameters", "predicted ms", "measured ms", "off", "speed", "shipped ms"):
        table.add_column(heading, justify="right")
    for each in found.checks:
        table.add_row(
            step_name(each.step),
            f"{each.step.shape.parameters / 1e6:,.1f} M",
            digits(each.predicted * 1e3),
            digits(each.step.whole.seconds * 1e3),
            f"{each.error:+.1%}",
            f"{found.speed(each.timed):.0%}",
            digits(each.shipped * 1e3),
        )
    return table


def _skipped(found: Bench) -> Text:
    reasons = Counter((each.what, each.why) for each in found.skipped)
    lines = ["Not measured:"]
    lines += [f"  {what}: {why}" for what, why in reasons]
    return Text("\n".join(lines))
