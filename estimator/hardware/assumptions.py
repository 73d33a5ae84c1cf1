"""What an estimate takes from an accelerator's profile, told with its source."""

from __future__ import annotations

from computebill.base.assumptions import Assumption

from .accelerators import Accelerator


def source_title(accelerator: Accelerator, key: str) -> str:
    """Return the title of one of a profile's sources."""
    return accelerator.sources[key].title


def source_of(accelerator: Accelerator, key: str) -> str:
    """Return whose figure it is, and the title of its source."""
    return f"{accelerator.name}: {source_title(accelerator, key)}"


def peak_assumption(accelerator: Accelerator, precision: str) -> Assumption:
    """Return an accelerator's dense peak.

    Raises:
        RequestError: where it has no such precision.
    """
    peak = accelerator.peak(precision)
    value = f"{peak.value:.6g} TFLOP/s"
    return Assumption(f"peak, dense {precision}", value, source_of(accelerator, peak.source))


def memory_assumption(accelerator: Accelerator) -> Assumption:
    """Return an accelerator's memory."""
    memory = accelerator.memory_gb
    source = source_of(accelerator, memory.source)
    return Assumption("memory of an accelerator", f"{memory.value:g} GB", source)


def bandwidth_assumption(accelerator: Accelerator) -> Assumption:
    """Return the bandwidth of an accelerator's memory."""
    bandwidth = accelerator.memory_bandwidth_gb_s
    source = source_of(accelerator, bandwidth.source)
    return Assumption("bandwidth of its memory", f"{bandwidth.value:g} GB/s", source)
