"""Both methods of the guidelines beside each other: by architecture, and by hardware.

By architecture passes times operations, about 6 P D; by hardware C = N L H U: accelerators,
seconds, peak and utilisation (Commission Guidelines C(2025) 5045, Annex A.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from computebill.base.quantity import number_text
from computebill.kernels.stages import StageFlop
from computebill.regulation.thresholds import regulation
from computebill.uncertainty.distribution import Distribution

from .spec import StatedStage


class Hours(NamedTuple):
    """What stages took by the clock; ``(stages, draws)`` each, NaN where it is not told.

    Attributes:
        seconds: accelerator time [s].
        peak_flop_per_s: dense peak of an accelerator [FLOP/s].
        utilisation: share of that peak.
        is_hardware: 1 where the utilisation counts what is computed again.
    """

    seconds: Tensor
    peak_flop_per_s: Tensor
    utilisation: Tensor
    is_hardware: Tensor

    @property
    def done(self) -> Tensor:
        """Operations by the hours, N L H U [FLOP]."""
        return self.seconds * self.peak_flop_per_s * self.utilisation


class Reconciled(NamedTuple):
    """Both methods of stages; ``(stages, draws)`` each.

    Attributes:
        architecture: passes times operations, each step once [FLOP].
        hardware: N L H U, without what was computed or run again [FLOP].
        implied: utilisation that the architecture's figure makes of the hours, with what a
            utilisation of its kind counts.
    """

    architecture: Tensor
    hardware: Tensor
    implied: Tensor


def reconcile(flop: StageFlop, hours: Hours) -> Reconciled:
    """Bring both methods to the same: each step once, nothing computed again.

    Args:
        flop: of the stages.
        hours: of the stages.
    """
    once = flop.once
    again = flop.restarted + torch.where(
        hours.is_hardware > 0, flop.recomputed.nan_to_num(nan=0.0), 0.0
    )
    whole = once + again
    return Reconciled(
        architecture=once,
        hardware=hours.done * torch.where(whole > 0, once / whole, 1.0),
        implied=whole / (hours.seconds * hours.peak_flop_per_s),
    )


@dataclass(frozen=True)
class Methods:
    """Both methods of a stage.

    Attributes:
        stage: the stage.
        architecture: FLOP by architecture; not known where nothing tells what passed through.
        hardware: FLOP by hardware; not known without hours.
        implied: utilisation that the first makes of the hours.
        observed: utilisation that was observed; not known where none was told.
        chosen: whose figure is stated: architecture, hardware or given.
    """

    stage: StatedStage
    architecture: Distribution
    hardware: Distribution
    implied: Distribution
    observed: Distribution
    chosen: str

    @property
    def difference(self) -> float | None:
        """Figure by hardware over that by architecture, less one; None where one is not known."""
        if not (self.architecture.is_known and self.hardware.is_known):
            return None
        return self.hardware.p50 / self.architecture.p50 - 1.0

    @property
    def apart(self) -> float | None:
        """How far the method that is not stated is from the one that is, as its share."""
        if self.difference is None:
            return None
        if self.chosen == "hardware":
            return self.architecture.p50 / self.hardware.p50 - 1.0
        return self.difference

    @property
    def warning(self) -> str | None:
        """That the methods differ by more than the margin, with both; None where they do not."""
        margin = regulation().margin.value
        if self.apart is None or abs(self.apart) <= margin:
            return None
        told = (
            f"{self.stage.label}: the two methods differ by {self.apart:+.0%}, more than the "
            f"margin of {margin:.0%}: {self.architecture.p50:.3g} FLOP by architecture, "
            f"{self.hardware.p50:.3g} by hardware"
        )
        if self.implied.is_known:
            seen = f", {self.observed.p50:.1%} was told" if self.observed.is_known else ""
            told += f"; the first makes of the hours a utilisation of {self.implied.p50:.1%}{seen}"
        return f"{told}."

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "chosen": self.chosen,
            "architecture": self.architecture.to_dict(),
            "hardware": self.hardware.to_dict(),
            "implied_utilisation": self.implied.to_dict(),
            "observed_utilisation": self.observed.to_dict(),
            "observed_is": "hfu" if self.stage.hfu is not None else "mfu",
            "difference": self.difference,
            "apart": self.apart,
        }


def context_note(params: float, context: float | None) -> str | None:
    """Return that a model is small beside its context, where 6PD may not stand for its passes.

    Args:
        params: parameters.
        context: longest sequence [tokens].
    """
    limit = regulation().context_per_parameter
    if context is None or params > 10.0 * limit.value * context:
        return None
    return (
        f"{number_text(params)} parameters are not significantly more than a twelfth of the "
        f"context, {number_text(context)}: 6PD leaves out attention ({limit.where})."
    )
