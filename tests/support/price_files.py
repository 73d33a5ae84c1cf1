"""Price lists as SkyPilot and gpuhunt write them, made up row by row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SKYPILOT = (
    "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice"
)
GPUHUNT = "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size"


def gpu_info(name: str, count: int, mib: int) -> str:
    """SkyPilot's cell of an accelerator's memory: Python's own notation, in quotes."""
    return (
        f"\"{{'Gpus': [{{'Name': '{name}', 'Manufacturer': 'NVIDIA', 'Count': {count}, "
        f"'MemoryInfo': {{'SizeInMiB': {mib}}}}}], 'TotalGpuMemoryInMiB': {mib * count}}}\""
    )


def machine(region: str, price: object, spot: object = "", count: int = 8) -> str:
    """A row of SkyPilot of a machine with H100s."""
    info = gpu_info("H100", count, 81920)
    return f"gpu-{count},H100,{count},128,1600,{price},{region},{info},{spot}"


def written(path: Path, header: str, rows: Sequence[str]) -> Path:
    """A list written to a file."""
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path
