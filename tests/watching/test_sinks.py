from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from computebill.watching.sinks import sink_of

METRICS = {"computebill/mfu_6nd": 0.4, "computebill/usd_so_far": 12.5}


class WandbRun:
    """``wandb.Run.log(data, step=None, commit=None)``."""

    def __init__(self) -> None:
        self.rows: list[tuple[dict[str, Any], int | None]] = []

    def log(
        self, data: dict[str, Any], step: int | None = None, commit: bool | None = None
    ) -> None:
        assert isinstance(data, dict)
        self.rows.append((data, step))


class Mlflow:
    """``mlflow.log_metrics(metrics, step=None, synchronous=None, ...)``."""

    def __init__(self) -> None:
        self.rows: list[tuple[dict[str, float], int | None]] = []

    def log_metrics(
        self,
        metrics: dict[str, float],
        step: int | None = None,
        synchronous: bool | None = None,
        run_id: str | None = None,
    ) -> None:
        self.rows.append((dict(metrics), step))


class SummaryWriter:
    """``SummaryWriter.add_scalar(tag, scalar_value, global_step=None, walltime=None)``."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, int | None]] = []

    def add_scalar(
        self,
        tag: str,
        scalar_value: float,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        self.rows.append((tag, scalar_value, global_step))


@pytest.mark.parametrize("tool", [WandbRun, Mlflow])
def test_a_tool_that_takes_a_table_gets_it_with_the_step(tool: Any) -> None:
    target = tool()
    sink_of(target)(METRICS, 7)
    assert target.rows == [(METRICS, 7)]


def test_tensorboard_gets_a_scalar_each() -> None:
    writer = SummaryWriter()
    sink_of(writer)(METRICS, 7)
    assert writer.rows == [(name, value, 7) for name, value in METRICS.items()]


def test_a_tool_that_fails_is_warned_of_once_and_does_not_stop_the_run() -> None:
    calls = []

    def failing(metrics: Mapping[str, float], step: int) -> None:
        calls.append(step)
        raise ConnectionError("no network")

    send = sink_of(failing)
    with pytest.warns(RuntimeWarning, match="no network"):
        send(METRICS, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        send(METRICS, 2)
    assert calls == [1, 2]
