from __future__ import annotations

import time

import pytest
import torch

from computebill.kernels.measure.devices import Conditions
from computebill.kernels.measure.load import conditions_under_load
from computebill.kernels.measure.outcome import Skip

CPU = torch.device("cpu")


def test_a_cpu_tells_how_busy_it_is() -> None:
    start = time.perf_counter()
    found = conditions_under_load(CPU, dtype="fp32", edge=128, seconds=0.05)
    assert time.perf_counter() - start < 2.0
    assert isinstance(found, Conditions)
    assert found.power_w is None


def test_an_unknown_dtype_is_a_skip() -> None:
    assert isinstance(conditions_under_load(CPU, dtype="fp4"), Skip)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_at_work_is_busy() -> None:
    found = conditions_under_load(torch.device("cuda", 0))
    assert isinstance(found, Conditions)
    assert found.utilisation is None or found.utilisation > 0.5
