"""Utilisation over the course of a log."""

from __future__ import annotations

import pytest

from computebill.base.errors import RequestError
from computebill.logs import LogReader, Work
from computebill.models.logged import logged_use, work_of

TITAN = (
    "[titan] 2026-03-01 08:00:{s:02d},000 - root - INFO - step: {n:2d}  loss:  3.0  memory: "
    "30.00GiB(37.51%)  tps: {tps:,}  tflops: 314.71  mfu: 31.99%\n"
)


def log_of(speeds: list[int]) -> LogReader:
    reader = LogReader("titan.log")
    text = "".join(TITAN.format(s=n, n=n, tps=tps) for n, tps in enumerate(speeds, 1))
    reader.feed(text.encode())
    return reader


def test_a_speed_of_tokens_needs_no_batch_and_counts_tokens_over_time() -> None:
    reader = log_of([100, 8000, 4000, 8000, 8000])
    given = {"params_active": 8e9, "accelerator": "h100"}
    found = logged_use(reader.log(), Work(), **given)
    # Of the steps but the first, as many tokens each: the harmonic mean.
    mean = 4 / (3 / 8000 + 1 / 4000)
    assert found.mean.tokens_per_second_per_gpu == pytest.approx(mean)
    sixth = 6 * 8e9 * mean / found.mean.peak_flop_per_s
    assert found.to_dict()["mfu"]["6nd"] == pytest.approx(sixth)
    assert len(found.to_frame()) == len(found.over_time()) == 4
    assert found.over_time()[1]["mfu"]["6nd"] == pytest.approx(6 * 8e9 * 4000 / 989.4e12, rel=1e-3)


def test_what_a_speed_hangs_on_is_asked_for() -> None:
    reader = LogReader("x.log")
    reader.feed(b"iter 1: loss 4.1, time 570.00ms\niter 2: loss 4.1, time 570.00ms\n")
    with pytest.raises(RequestError, match=r"x\.log: does not say: .*--count.*--global-batch"):
        logged_use(reader.log(), Work(), params_active=8e9, accelerator="h100")
    given = {"params_active": 8e9, "accelerator": "h100"}
    reader = LogReader("x.log")  # it tells the batch
    line = "iteration {n}/ 9 | elapsed time per iteration (ms): 500.0 | global batch size: 8 |\n"
    reader.feed("".join(line.format(n=n) for n in range(1, 9)).encode())
    with pytest.raises(RequestError) as error:
        logged_use(reader.log(), Work(), **given)
    assert "--global-batch" not in str(error.value)
    found = logged_use(reader.log(), Work(sequence=1000.0, count=64.0), **given)
    told = {each.name: each.source for each in found.mean.assumptions}
    assert told["tokens per second per gpu"] == "steps of x.log"
    assert work_of({"count": "64", "sequence_length": 8192.0}, 2) == Work(16384.0, None, 64.0)
