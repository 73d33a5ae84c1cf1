"""The step time of a described run, with the interval that left-out labs give it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from computebill.architectures import Architecture
from computebill.base.constants import number, pair
from computebill.base.errors import RequestError
from computebill.base.quantity import Quantity, parse_quantity
from computebill.hardware.fitted import Fitted

from .cases import Case, case_columns, step_times
from .efficiency import efficiencies_of, product_name
from .intervals import StepInterval, step_interval
from .parameters import bounded, unbounded

# base/constants.toml has what these are.
UNFITTED = pair("training.step_time.UNFITTED")
MOST = number("training.step_time.MOST")
UNSEEN = number("training.step_time.UNSEEN")
FROM_MODULES = number("training.step_time.FROM_MODULES")
OF_IMAGES = number("training.step_time.OF_IMAGES")


@dataclass(frozen=True)
class StepEstimate:
    """A step's time.

    Attributes:
        case: what is run.
        seconds: predicted time of a step [s].
        breakdown: seconds by what they are spent on.
        low: 5th percentile of measured over predicted time.
        high: 95th percentile.
        fitted: the profile that was used.
        is_seen: whether measured rows spoke of the accelerator's products.
        doubts: how many times wider each doubt makes the interval (``doubts.DOUBTS``).
    """

    case: Case
    seconds: float
    breakdown: Mapping[str, float]
    low: float
    high: float
    fitted: Fitted
    is_seen: bool
    doubts: Mapping[str, float]

    def utilisation(self, flop_per_step: float, peak_flop_per_s: float) -> Quantity:
        """Return the share of the peak that so many FLOP of all accelerators are.

        Raises:
            RequestError: where that is all of the peak: the FLOP count what nobody computes, as
                6 N D does of a small model's embedding.
        """
        share = flop_per_step / (self.seconds * peak_flop_per_s * self.case.layout.accelerators)
        if share >= MOST:
            raise RequestError(
                "convention",
                f"counts {share:.0%} of the peak for the predicted step, more than is computed; "
                "allowed: one that leaves out lookups, megatron or causal",
            )
        return parse_quantity(
            {"p5": share / self.high, "p50": share, "p95": min(share / self.low, MOST)}, upper=1.0
        )

    @property
    def source(self) -> str:
        """Origin of the prediction, for people."""
        own = "" if self.is_seen else "; its products were never measured: a wider interval"
        if self.case.architecture.counted_by == "modules":
            own += "; its model is counted from a library's modules: a wider interval"
        several = "" if len(self.fitted.sources) == 1 else "s"
        return (
            f"step model, fitted on {self.fitted.rows:,} measured steps of "
            f"{len(self.fitted.sources)} source{several} ({self.fitted.fitted}){own}"
        )


def estimate_step(case: Case, efficiency: Path | None = None) -> StepEstimate:
    """Time one case, and tell how far off that may be.

    Args:
        case: what is run.
        efficiency: a fitted profile; else the accelerator's own, or the shipped one.

    Raises:
        RequestError: where the profile cannot be read.
    """
    fitted = efficiencies_of(case.accelerator, efficiency)
    free = unbounded(fitted.values).requires_grad_(fitted.spread is not None)
    columns = case_columns([case])
    found = step_times(columns, bounded(free))
    within = step_interval(case, columns, fitted, found.total, free)
    low, high, doubts = within or StepInterval(*UNFITTED, {})
    is_seen = _is_seen(case, fitted, efficiency)
    if not is_seen and fitted.spread is None:
        low, high = low**UNSEEN, high**UNSEEN
    wider = _wider(case.architecture)
    low, high = low**wider, high**wider
    return StepEstimate(
        case=case,
        seconds=float(found.total.detach()),
        breakdown={name: float(value.detach()) for name, value in found._asdict().items()},
        low=min(low, 0.999),
        high=max(high, 1.001),
        fitted=fitted,
        is_seen=is_seen,
        doubts=doubts,
    )


def _wider(architecture: Architecture) -> float:
    """Return how much wider the interval of a model is that no measured row is like."""
    width = FROM_MODULES if architecture.counted_by == "modules" else 1.0
    has_media = architecture.sample_tokens or architecture.images or architecture.clips
    return width * (OF_IMAGES if has_media else 1.0)


def _is_seen(case: Case, fitted: Fitted, efficiency: Path | None) -> bool:
    """Whether measured rows spoke of a case's products.

    Shipped rows speak of generations: of a part without one only its own efficiencies do, or
    those that its user chose.
    """
    name = product_name(case.kind)
    accelerator = case.accelerator
    own = accelerator.efficiency.values if accelerator.efficiency else {}
    if name in own and efficiency is None:
        return True
    is_known = accelerator.generation is not None or efficiency is not None
    unseen = () if fitted.spread is None else fitted.spread.unseen
    return is_known and name in fitted.values and name not in unseen


def scaling(step: StepEstimate) -> list[tuple[int, float]]:
    """Return numbers of accelerators, and seconds of the same step on so many.

    The global batch stays; replicas take more or fewer of its micro-batches, from one each to
    sixty-four times as many as now.
    """
    layout = step.case.layout
    batches = (layout.micro_batches or 1) * layout.dp
    near = [n for n in _divisors(batches) if layout.dp / 64 <= n <= layout.dp * 64]
    cases = []
    for dp in near:
        changed = layout.model_copy(update={"dp": dp, "micro_batches": batches // dp})
        ranks = changed.tp * changed.cp * dp
        if ranks % (changed.ep * changed.expert_tensor) == 0 and changed.shards is None:
            cases.append(replace(step.case, layout=changed))
    if not cases:  # shards of a given number do not follow other numbers of replicas
        return []
    values = bounded(unbounded(step.fitted.values))
    seconds = step_times(case_columns(cases), values).total.tolist()
    return [(case.layout.accelerators, each) for case, each in zip(cases, seconds, strict=True)]


def _divisors(number: int) -> list[int]:
    """Return what divides a number, ascending; up to its root each has its other half."""
    low = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return sorted({*low, *(number // n for n in low)})
