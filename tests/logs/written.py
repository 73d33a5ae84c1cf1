"""Logs as a framework writes them, made of a few figures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

START = datetime(2026, 3, 1, 8)


def megatron_line(
    step: int, at: float, seconds: float, *, batch: int = 512, loss: float = 2.5
) -> str:
    """A line of Megatron-LM's: at so many seconds since the start."""
    time = START + timedelta(seconds=at)
    return (
        f" [{time:%Y-%m-%d %H:%M:%S}] iteration {step:8d}/   25000 | consumed samples: "
        f"{step * batch:12d} | elapsed time per iteration (ms): {seconds * 1e3:.1f} | throughput "
        f"per GPU (TFLOP/s/GPU): 400.0 | learning rate: 3.000000E-04 | global batch size: "
        f"{batch:5d} | lm loss: {loss:.6E} | loss scale: 1.0 | grad norm: 0.123 | number of "
        "skipped iterations:   0 | number of nan iterations:   0 |"
    )


def megatron_lines(
    steps: Iterable[int], seconds: float = 8.0, at: float = 0.0, first: float | None = None
) -> list[str]:
    """Lines of steps that follow each other, the first of them slower where that is given."""
    found = []
    for n, step in enumerate(steps):
        took = first if first is not None and n == 0 else seconds
        at += took
        found.append(megatron_line(step, at, took))
    return found
