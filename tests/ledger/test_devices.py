"""Accelerators by the names of instances, slices and SKUs."""

from __future__ import annotations

import re

import pytest

from computebill.hardware.accelerators import find_accelerator
from computebill.ledger.devices import Device, find_device, instances

SAYS_ITS_COUNT = {
    "a2-": r"-(\d+)g$",
    "a3-": r"-(\d+)g$",
    "a4-": r"-(\d+)g$",
    "a4x-": r"-(\d+)g(?:-metal)?$",
    "ct": r"-(\d+)t$",
    "tpu7x-": r"-(\d+)t$",
    "bm.gpu": r"\.(\d+)$",
    "vm.gpu": r"\.(\d+)$",
    "gpu_": r"^gpu_(\d+)x_",
    "gd-": r"^gd-(\d+)x",
    "gb200-": r"-(\d+)x$",
}
"""Providers whose names tell the number, and where."""


def test_names_that_tell_their_number_agree_with_it() -> None:
    agreeing = 0
    for name, device in instances().items():
        beginning = next((each for each in SAYS_ITS_COUNT if name.startswith(each)), None)
        if beginning is not None:
            told = re.search(SAYS_ITS_COUNT[beginning], name)
            assert told is not None, name
            assert device.each == float(told[1]), name
            agreeing += 1
    assert agreeing > 60


def test_every_instance_has_a_part_that_is_known() -> None:
    for name, device in instances().items():
        assert device.profile is not None
        assert find_accelerator(device.profile).name == device.profile
        assert name == name.lower()


@pytest.mark.parametrize(
    ("text", "profile", "each"),
    [
        # docs.rapids.ai and aws.amazon.com; SageMaker's names have ml. before them.
        ("USW2-BoxUsage:p5en.48xlarge", "h200-sxm", 8),
        ("ml.p4d.24xlarge", "a100-sxm-40gb", 8),
        ("g6.12xlarge", "l4", 4),
        # learn.microsoft.com: as a size and as a meter.
        ("Standard_ND96isr_H200_v5", "h200-sxm", 8),
        ("NC80adis H100 v5", "h100-nvl", 2),
        ("Standard_NC64as_T4_v3", "t4", 4),
        # docs.cloud.google.com, accelerator-optimized machines.
        ("g2-standard-32", "l4", 1),
        ("g2-standard-24", "l4", 2),
        ("g4-standard-384", "rtx-pro-6000", 8),
        # Slices: GKE's table has four chips in v4-8 and v5litepod-4.
        ("v4-8", "tpu-v4", 4),
        ("v5litepod-4", "tpu-v5e", 4),
        ("tpu v5p-128", "tpu-v5p", 64),
        ("v6e-256", "tpu-v6e", 256),
        # Oracle's B4 is an A100.
        ("BM.GPU.B4.8", "a100-sxm-40gb", 8),
    ],
)
def test_what_a_name_means(text: str, profile: str, each: float) -> None:
    assert find_device(text) == Device(profile, each)
