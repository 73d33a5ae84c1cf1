from __future__ import annotations

import pytest

from computebill.hardware.accelerators import find_accelerator
from computebill.hardware.generations import hardware_generation, multiprocessors


@pytest.mark.parametrize(
    ("name", "units"),
    # NVIDIA's architecture whitepapers of V100, A100 and H100, table "comparison of data center
    # GPUs": multiprocessors. AMD's datasheets of MI300X and MI355X: compute units.
    [
        ("v100-sxm-32gb", 80),
        ("a100-sxm-80gb", 108),
        ("h100-sxm", 132),
        ("h100-pcie", 114),
        ("mi300x", 304),
        ("mi355x", 256),
    ],
)
def test_multiprocessors_are_those_of_the_datasheet(name: str, units: float) -> None:
    assert multiprocessors(find_accelerator(name)) == units


@pytest.mark.parametrize(
    ("name", "generation"),
    [
        ("v100-sxm-32gb", "volta"),
        ("a100-sxm-80gb", "ampere"),
        ("h100-sxm", "hopper"),
        ("b200", "blackwell"),
        ("mi300x", "cdna"),
        ("gtx-580", "other"),
    ],
)
def test_a_part_has_the_generation_of_its_chip(name: str, generation: str) -> None:
    assert hardware_generation(find_accelerator(name)) == generation
