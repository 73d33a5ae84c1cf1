from __future__ import annotations

import time

import pytest
import torch

from computebill.kernels.measure.clock import Timing, marks, time_calls, time_parts

CPU = torch.device("cpu")


def spin(seconds: float) -> None:
    """Work for a known time."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_known_time_is_found() -> None:
    found = time_calls(lambda _: spin(2e-3), CPU, seconds=0.1)
    # What else runs on the machine only adds.
    assert 2e-3 <= found.p5 <= found.seconds <= found.p95
    assert found.seconds < 2e-2
    assert found.repeats >= 5


def test_short_calls_are_timed_together() -> None:
    calls: list[int] = []
    found = time_calls(calls.append, CPU, seconds=0.05)
    assert 0 < found.seconds < 20e-6
    assert len(calls) > 10 * found.repeats
    assert calls == list(range(len(calls)))


def test_parts_are_timed_apart_and_get_one_number() -> None:
    numbers: list[list[int]] = [[], []]

    def part(which: int, seconds: float, number: int) -> None:
        numbers[which].append(number)
        spin(seconds)

    found = time_parts([lambda i: part(0, 1e-3, i), lambda i: part(1, 4e-3, i)], CPU, seconds=0.1)
    short, long = found.parts
    assert 1e-3 <= short.seconds < long.seconds
    assert found.whole.seconds >= 5e-3
    assert numbers[0] == numbers[1] == list(range(len(numbers[0])))


@pytest.mark.parametrize("each", [1e-5, 1e-3, 0.02])
def test_a_budget_is_kept(each: float) -> None:
    start = time.perf_counter()
    time_calls(lambda _: spin(each), CPU, seconds=0.2, most=10**6)
    # A slow first call on a busy machine leaves much of the budget unused.
    assert 0.02 < time.perf_counter() - start < 0.8


def test_a_call_longer_than_its_budget_is_timed_once() -> None:
    calls: list[int] = []

    def call(number: int) -> None:
        calls.append(number)
        spin(0.05)

    assert time_calls(call, CPU, seconds=0.01).repeats == 1
    assert len(calls) <= 4


def test_a_slow_first_call_is_no_part_of_the_time() -> None:
    def call(number: int) -> None:
        spin(0.2 if number == 0 else 1e-3)

    found = time_calls(call, CPU, seconds=0.05)
    assert found.p95 < 0.1
    assert found.repeats >= 5


def test_median_and_spread() -> None:
    found = Timing.of([float(lap) for lap in range(101)])
    assert (found.p5, found.seconds, found.p95, found.repeats) == (5.0, 50.0, 95.0, 101)
    assert Timing.of([4.0], calls=2).seconds == 2.0


def test_an_error_of_the_call_is_the_callers() -> None:
    def call(number: int) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        time_calls(call, CPU, seconds=0.1)


class FakeEvent:
    """An event of a device whose every piece of work takes 3 ms."""

    made = 0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing
        self.at = FakeEvent.made
        FakeEvent.made += 1

    def record(self) -> None: ...

    def synchronize(self) -> None: ...

    def elapsed_time(self, later: FakeEvent) -> float:
        return 3.0 * (later.at - self.at)


def test_a_devices_own_events_are_read_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    passed = marks(torch.device("cuda", 0))
    for _ in range(4):
        passed.mark()
    assert passed.laps() == pytest.approx([3e-3] * 3)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_timed_by_itself_and_not_by_its_launches() -> None:
    a = torch.randn(4096, 4096, device="cuda")
    found = time_calls(lambda _: a @ a, a.device, seconds=0.3)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(20):
        a @ a
    torch.cuda.synchronize()
    assert found.seconds == pytest.approx((time.perf_counter() - start) / 20, rel=0.3)
