from __future__ import annotations

import time

import torch

from computebill.kernels.measure.host import Launches, measure_launches
from computebill.kernels.measure.outcome import Skip


def test_launches_of_the_host() -> None:
    start = time.perf_counter()
    found = measure_launches(torch.device("cpu"), seconds=0.1)
    assert time.perf_counter() - start < 1.0
    assert isinstance(found, Launches)
    assert 1e3 < found.per_s < 1e8
    assert found.timing.p5 <= found.timing.seconds <= found.timing.p95


def test_a_device_that_is_not_there_is_a_skip() -> None:
    found = measure_launches(torch.device("cuda", 99), seconds=0.01)
    assert isinstance(found, Skip)
    assert found.what == "launches"
