"""How far a step's true time may lie from the estimate."""

from __future__ import annotations

from collections.abc import Mapping

from .cases import Case


def interval_kind(case: Case) -> str:
    """Return the kind of case whose residuals a prediction has: experts, rough or dense.

    Rough are fine-tuning scripts and the software of before 2022, which differ among themselves.
    """
    if case.software in ("early", "scripts"):
        return "rough"
    is_routed = any(each.expert for each in case.architecture.operators())
    return "experts" if is_routed else "dense"


def interval_of(
    case: Case, intervals: Mapping[str, tuple[float, float]]
) -> tuple[float, float] | None:
    """Return the interval of a case's kind; the widest where it has none; None without any."""
    if not intervals:
        return None
    widest = (
        min(low for low, _ in intervals.values()),
        max(high for _, high in intervals.values()),
    )
    return intervals.get(interval_kind(case), widest)
