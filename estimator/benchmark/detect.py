"""Which device is measured, and which shipped profile is its datasheet."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from computebill.base.constants import number
from computebill.base.errors import RequestError, shown
from computebill.hardware.accelerators import Accelerator, accelerators_named, find_accelerator
from computebill.kernels.measure.devices import Hardware, conditions, find, remarks
from computebill.kernels.measure.outcome import Skip

MEMORY_APART = number("benchmark.detect.MEMORY_APART")  # base/constants.toml


def choose(name: str) -> torch.device | Skip:
    """Return the device of a name, or why this machine lacks it.

    Raises:
        RequestError: where it is no device's name.
    """
    if name != "auto":
        try:
            torch.device(name)
        except RuntimeError:
            raise RequestError(
                "device", f"got {shown(name)}; allowed: auto, cpu, cuda, cuda:1, mps"
            ) from None
    return find(name)


def datasheet(hardware: Hardware, profiles: Sequence[Path] = ()) -> Accelerator | None:
    """Return the profile of a device, by the name its driver tells and its memory.

    A part of a device, as MIG makes them, has less memory than its datasheet, and no profile; a
    CPU has none either.

    Args:
        hardware: description of the device.
        profiles: folders of profiles of one's own.
    """
    if hardware.kind not in ("cuda", "rocm"):
        return None
    try:
        likely = [find_accelerator(hardware.name, profiles)]
    except RequestError:
        likely = []
    named = likely + accelerators_named(hardware.name, profiles)
    fitting = {each.name: each for each in named if _fits(hardware, each)}
    if likely and likely[0].name in fitting:
        return likely[0]
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def _fits(hardware: Hardware, accelerator: Accelerator) -> bool:
    if hardware.memory_bytes is None:
        return True
    return abs(hardware.memory_bytes / 2**30 / accelerator.memory_gb.value - 1) < MEMORY_APART


def told(
    device: torch.device, hardware: Hardware, known: Accelerator | None, asked: str
) -> tuple[str, ...]:
    """Return what speaks against a measurement's figures, in one line each.

    Args:
        device: name of the device that is measured.
        hardware: description of the device.
        known: its datasheet's profile.
        asked: the name that it was asked for by.
    """
    found = list(remarks(conditions(device)))
    is_cpu = hardware.kind == "cpu"
    if hardware.kind == "cuda" and find_spec("pynvml") is None:
        found.append("clocks, power and use are not told: install computebill[bench]")
    if is_cpu and asked == "auto":
        found.insert(0, "no accelerator was found: the CPU is measured")
    if known is None:
        what = "a CPU has no datasheet profile" if is_cpu else _unknown(hardware)
        found.append(f"{what}: the best measured product stands for its peak")
    return tuple(found)


def _unknown(hardware: Hardware) -> str:
    memory = hardware.memory_bytes
    size = "" if memory is None else f" with {memory / 2**30:.0f} GiB"
    return f"no profile is known of {hardware.name!r}{size}"
