"""What went into a result, as a person reads it: name, value, source."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from .accelerators import Accelerator

GIVEN = "given"


@dataclass(frozen=True)
class Assumption:
    """An input, as a person reads it."""

    name: str
    value: str
    source: str

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return asdict(self)


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


def sequence_assumption(length: int, *, is_given: bool) -> Assumption:
    """Return the tokens of a sequence."""
    source = GIVEN if is_given else "the model's own limit, at most 4,096"
    return Assumption("sequence length", f"{length:,}", source)
