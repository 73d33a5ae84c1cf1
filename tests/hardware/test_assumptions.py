from __future__ import annotations

import pytest

from computebill.base.errors import RequestError
from computebill.hardware import assumptions
from computebill.hardware.accelerators import find_accelerator

H100 = find_accelerator("h100-sxm")


def test_a_part_s_figures_are_told_with_unit_and_source() -> None:
    # NVIDIA's datasheet: 989.4 TFLOP/s, 80 GB, 3.35 TB/s.
    told = [
        assumptions.peak_assumption(H100, "bf16"),
        assumptions.memory_assumption(H100),
        assumptions.bandwidth_assumption(H100),
    ]
    assert [each.value for each in told] == ["989.4 TFLOP/s", "80 GB", "3350 GB/s"]
    titles = {source.title for source in H100.sources.values()}
    for each in told:
        name, _, title = each.source.partition(": ")
        assert name == H100.name
        assert title in titles


def test_a_precision_that_a_part_lacks_is_refused() -> None:
    with pytest.raises(RequestError, match="fp4"):
        assumptions.peak_assumption(H100, "fp4")
