"""What a device is, what it is doing, and what speaks against measuring on it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from computebill.kernels.constants import number

from .outcome import Skip

DEFAULT_CACHE_BYTES = int(number("measure.devices.DEFAULT_CACHE_BYTES"))
"""Size of the last cache of a device that does not tell it [B]."""

MPS_CACHE_BYTES = int(number("measure.devices.MPS_CACHE_BYTES"))
"""Size of the system-level cache of the largest Apple chips, which the driver does not tell [B]."""

ROCM_CACHE_BYTES = int(number("measure.devices.ROCM_CACHE_BYTES"))
"""Size of the memory-side cache of Instinct accelerators [B]; the driver tells a smaller one's."""

BUSY_UTILISATION = number("measure.devices.BUSY_UTILISATION")
"""Share of the time above which a device is busy with other work."""

LITTLE_FREE = number("measure.devices.LITTLE_FREE")
"""Share of a device's memory that is free, below which other work is on it."""

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


@dataclass(frozen=True)
class Hardware:
    """A device; None where it is not told.

    Attributes:
        kind: cuda, rocm, mps, cpu, or PyTorch's name of another.
        name: name that the driver or the system gives it.
        index: number among devices of its kind.
        memory_bytes: memory of the device, or of the machine for a CPU [B].
        memory_free_bytes: memory that an allocation can take now [B].
        cache_bytes: size of the last cache before memory [B]; assumed where it is not told.
        multiprocessors: number of multiprocessors, compute units, or cores that may be used.
        capability: what it can compute: of CUDA as ``9.0``, of ROCm as ``gfx942``, of a CPU as
            ``AVX512``.
        driver: version of its driver.
        runtime: version of CUDA or ROCm.
        torch: version of PyTorch.
    """

    kind: str
    name: str
    index: int | None
    memory_bytes: int | None
    memory_free_bytes: int | None
    cache_bytes: int
    multiprocessors: int | None
    capability: str | None
    driver: str | None
    runtime: str | None
    torch: str


@dataclass(frozen=True)
class Conditions:
    """What a device does at the moment; None where the driver does not tell.

    Attributes:
        clock_mhz: clock of its multiprocessors [MHz].
        power_w: power that it draws [W].
        temperature_c: temperature [°C].
        utilisation: share of time with work; of a CPU, running processes for each core.
        memory_free: share of its memory that is free.
    """

    clock_mhz: float | None
    power_w: float | None
    temperature_c: float | None
    utilisation: float | None
    memory_free: float | None


def find(name: str = "auto") -> torch.device | Skip:
    """The device of a name, or why this machine does not have it.

    Args:
        name: ``auto`` for an accelerator where there is one, else the CPU; or ``cpu``, ``cuda``,
            ``cuda:1``, ``mps``.
    """
    if name == "auto":
        kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        name = next((kind for kind, is_there in kinds.items() if is_there), "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        return Skip(name, "not the name of a device; auto, cpu, cuda, cuda:1 and mps are")
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type == "cuda":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = device.index or 0
        known = torch.device("cuda", index)
        return known if index < there else Skip(name, f"this machine has {there} CUDA devices")
    module = getattr(torch, device.type, None)
    if module is None or not module.is_available():
        return Skip(name, "this machine has no such device")
    return device


def describe(device: torch.device) -> Hardware:
    """What is known about a device.

    Raises:
        RuntimeError: where the driver refuses.
    """
    if device.type == "cuda":
        return _describe_cuda(device)
    free = memory_free_bytes(device)
    is_cpu = device.type == "cpu"
    memory = _host_memory() if is_cpu else None
    if device.type == "mps":
        memory = torch.mps.recommended_max_memory()
    return Hardware(
        kind=device.type,
        name=_cpu_name(),
        index=device.index,
        memory_bytes=memory,
        memory_free_bytes=free,
        cache_bytes=cache_bytes(device),
        multiprocessors=_cores() if is_cpu else None,
        capability=torch.backends.cpu.get_cpu_capability() if is_cpu else None,
        driver=None if is_cpu else platform.mac_ver()[0] or None,
        runtime=None,
        torch=torch.__version__,
    )


def _describe_cuda(device: torch.device) -> Hardware:
    properties = torch.cuda.get_device_properties(device)
    rocm = torch.version.hip
    architecture = getattr(properties, "gcnArchName", "").split(":")[0]
    driver = _text("/sys/module/amdgpu/version" if rocm else "/sys/module/nvidia/version")
    return Hardware(
        kind="rocm" if rocm else "cuda",
        name=properties.name,
        index=device.index or 0,
        memory_bytes=properties.total_memory,
        memory_free_bytes=memory_free_bytes(device),
        cache_bytes=cache_bytes(device),
        multiprocessors=properties.multi_processor_count,
        capability=architecture if rocm else f"{properties.major}.{properties.minor}",
        driver=driver,
        runtime=rocm or torch.version.cuda,
        torch=torch.__version__,
    )


def conditions(device: torch.device) -> Conditions:
    """What a device does at the moment, as far as its driver tells."""
    cpu, cuda = device.type == "cpu", device.type == "cuda"
    watts = 1.0 if torch.version.hip else 1e-3  # NVIDIA's library tells milliwatts.
    power = _told(lambda: torch.cuda.power_draw(device)) if cuda else None
    load = _told(lambda: os.getloadavg()[0]) if cpu else None
    percent = _told(lambda: torch.cuda.utilization(device)) if cuda else None
    free, memory = memory_free_bytes(device), _memory_bytes(device)
    return Conditions(
        clock_mhz=(_told(lambda: torch.cuda.clock_rate(device)) or None) if cuda else None,
        power_w=power * watts if power else None,
        temperature_c=_told(lambda: torch.cuda.temperature(device)) if cuda else None,
        utilisation=load / _cores() if load is not None else percent and percent / 100,
        memory_free=None if free is None or not memory else free / memory,
    )


def remarks(now: Conditions) -> tuple[str, ...]:
    """What speaks against measuring now; empty where nothing is known to.

    Args:
        now: read before any work of this process is queued.
    """
    found = []
    if now.utilisation is not None and now.utilisation > BUSY_UTILISATION:
        found.append(f"busy with other work ({now.utilisation:.0%}): times will be too long")
    if now.memory_free is not None and now.memory_free < LITTLE_FREE:
        found.append(f"only {now.memory_free:.0%} of the memory is free: sizes will be smaller")
    return tuple(found)


def cache_bytes(device: torch.device) -> int:
    """Bytes of the last cache before a device's memory; an assumed size where it is not told."""
    if device.type == "cuda":
        told = int(getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0))
        floor = ROCM_CACHE_BYTES if torch.version.hip else 0
        return max(told, floor) or DEFAULT_CACHE_BYTES
    if device.type == "mps":
        return MPS_CACHE_BYTES
    return (_cpu_cache() if device.type == "cpu" else None) or DEFAULT_CACHE_BYTES


def memory_free_bytes(device: torch.device) -> int | None:
    """Bytes that an allocation on a device can take; None where it is not told."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + kept)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    found = re.search(r"MemAvailable:\s+(\d+) kB", _text("/proc/meminfo") or "")
    limits = [int(found[1]) * 1024] if found else []
    # A container's limit ends the process, it does not refuse an allocation.
    for limit, used in (map(_text, paths) for paths in _CGROUPS):
        if limit and used and limit.isdecimal():
            limits.append(max(int(limit) - int(used), 0))
    return min(limits, default=None)


def _memory_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return torch.mps.recommended_max_memory() if device.type == "mps" else _host_memory()


def _host_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    found = re.search(r"model name\s*:\s*(.+)", _text("/proc/cpuinfo") or "")
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cpu_cache(folder: Path = _CACHES) -> int | None:
    """Bytes of the last level, all its instances together: threads use every one of them."""
    sizes = []
    for index in sorted(folder.glob("index*")):
        level, size = _text(index / "level"), _text(index / "size") or ""
        told = re.fullmatch(r"(\d+)([KMG]?)", size)
        if level and told:
            scale = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[told[2]]
            shared = _listed(_text(index / "shared_cpu_list") or "0")
            instances = -(-(os.cpu_count() or 1) // shared)
            sizes.append((int(level), int(told[1]) * scale * instances))
    return max(sizes)[1] if sizes else None


def _listed(cores: str) -> int:
    """How many cores a list such as ``0-3,8-11`` names."""
    spans = [span.split("-") for span in cores.split(",")]
    return sum(int(span[-1]) - int(span[0]) + 1 for span in spans)


def _text(path: str | Path) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _told(ask: Callable[[], float]) -> float | None:
    """What a driver answers; None where its library is missing or it does not tell."""
    try:
        return float(ask())
    # Drivers' libraries raise types of their own, which cannot be imported without them.
    except Exception:
        return None
