"""A programme under other assumptions, change by change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from computebill.uncertainty.draws import Settings

from .compiled import CompiledProgramme
from .loading import LoadedProgramme
from .spec import Change, Programme
from .totals import Totals, sample


@dataclass(frozen=True)
class Step:
    """A variant's change and the totals once it is made."""

    change: Change
    totals: Totals
    before: Totals

    @property
    def effect(self) -> float:
        """Change of the median share, as a fraction (0.01 is one percentage point)."""
        return self.totals.final_share.p50 - self.before.final_share.p50

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.change.name,
            "why": self.change.why,
            "source": self.change.source,
            "effect_on_share_p50": self.effect if math.isfinite(self.effect) else None,
            **self.totals.to_dict(),
        }


@dataclass(frozen=True)
class VariantTotals:
    """A variant, change by change."""

    name: str
    description: str
    totals: Totals
    steps: tuple[Step, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "description": self.description,
            **self.totals.to_dict(),
            "changes": [step.to_dict() for step in self.steps],
        }


def price_variants(
    loaded: LoadedProgramme,
    compiled: Callable[[Programme], CompiledProgramme],
    chosen: Settings,
    base: Totals,
) -> tuple[VariantTotals, ...]:
    """Price every variant of a programme's file, after the assumptions that it starts from.

    Args:
        loaded: the programme's file.
        compiled: lays a stage of a variant out.
        chosen: draws; the same of each stage, as effects are differences between them.
        base: totals before any change.

    Raises:
        RequestError: where a stage cannot be priced, or too few of its draws hold together.
    """
    found = [VariantTotals(loaded.programme.base_name, loaded.programme.description, base, ())]
    for variant in loaded.programme.variants:
        before, steps = base, []
        for change, spec in loaded.stages(variant.name)[1:]:
            assert change is not None
            totals = sample(compiled(spec), chosen).totals
            steps.append(Step(change, totals, before))
            before = totals
        found.append(VariantTotals(variant.name, variant.description, before, tuple(steps)))
    return tuple(found)
