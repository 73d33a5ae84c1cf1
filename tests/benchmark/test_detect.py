"""Devices by the names that their drivers tell."""

from __future__ import annotations

import pytest
from measured_device import CPU, hardware

from computebill.base.errors import RequestError
from computebill.benchmark import detect


@pytest.mark.parametrize(
    ("name", "gib", "profile"),
    [
        ("NVIDIA H100 80GB HBM3", 79.1, "h100-sxm"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "a100-sxm-40gb"),
        ("NVIDIA A100-PCIE-40GB", 39.4, "a100-pcie-40gb"),
        ("Tesla T4", 14.6, "t4"),
        ("Tesla V100-SXM2-16GB", 15.8, "v100-sxm-16gb"),
        ("NVIDIA GeForce RTX 4090", 23.6, "rtx-4090"),
        ("NVIDIA H200", 139.8, "h200-sxm"),
        # A seventh of one, and a part that nobody knows.
        ("NVIDIA A100-SXM4-40GB", 4.8, None),
        ("NVIDIA Z9000", 79.1, None),
    ],
)
def test_devices_are_detected_by_name_and_memory(
    name: str, gib: float, profile: str | None
) -> None:
    gpu = hardware(kind="cuda", name=name, memory_bytes=int(gib * 2**30))
    found = detect.datasheet(gpu)
    assert (found and found.name) == profile
    remarks = detect.told(CPU, gpu, found, "cuda")
    assert any("no profile is known of" in each for each in remarks) == (profile is None)


def test_a_cpu_has_no_datasheet() -> None:
    assert detect.datasheet(hardware(name="NVIDIA H100 80GB HBM3")) is None
    with pytest.raises(RequestError, match="device: got 'gpu'"):
        detect.choose("gpu")
