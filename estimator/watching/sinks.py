"""Where metrics go: a run of Weights & Biases, MLflow, a TensorBoard writer, or any function.

None of the libraries is imported: each is known by the method that takes its metrics.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from computebill.base.errors import RequestError

Sink = Callable[[Mapping[str, float], int], None]


def sink_of(target: Any) -> Sink:
    """Return what sends metrics, with their step, to a target.

    Args:
        target: the module or client of MLflow (``log_metrics``), a ``SummaryWriter`` of
            TensorBoard (``add_scalar``), a run or the module of Weights & Biases (``log``), or a
            function of the metrics and the step.

    Raises:
        RequestError: where it is none of them.
    """
    if callable(getattr(target, "log_metrics", None)):
        return kept_from_stopping(lambda metrics, step: target.log_metrics(metrics, step=step))
    if callable(getattr(target, "add_scalar", None)):

        def add(metrics: Mapping[str, float], step: int) -> None:
            for name, value in metrics.items():
                target.add_scalar(name, value, step)

        return kept_from_stopping(add)
    if callable(getattr(target, "log", None)):
        return kept_from_stopping(lambda metrics, step: target.log(dict(metrics), step=step))
    if callable(target):
        return kept_from_stopping(target)
    raise RequestError(
        "to",
        f"got {type(target).__name__}; allowed: what has log (Weights & Biases), log_metrics "
        "(MLflow) or add_scalar (TensorBoard), or a function of metrics and step",
    )


def kept_from_stopping(send: Sink, failing: str = "metrics could not be sent") -> Sink:
    """Return a sink whose errors are warned of once: what fails must not stop training.

    Args:
        send: the sink.
        failing: what a reader is told of its errors.
    """
    failed = False

    def sending(metrics: Mapping[str, float], step: int) -> None:
        nonlocal failed
        try:
            send(metrics, step)
        except Exception as error:
            if not failed:
                warnings.warn(f"computebill: {failing}: {error}", RuntimeWarning, stacklevel=3)
            failed = True

    return sending
