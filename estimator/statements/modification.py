"""The test of a modification: is its compute more than a third of the original's.

Commission Guidelines C(2025) 5045, 3.2: who modifies a model becomes the provider, for the
modification, above a third of the original's training compute; where that is neither known nor
can be estimated, a third of the threshold that the original is held to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from computebill.regulation.rules import rule_set
from computebill.regulation.thresholds import marks, regulation, substitutes
from computebill.uncertainty.distribution import Distribution

from .lines import Line
from .spec import Lineage, StatementSpec

Notion = Literal["updates", "cumulative"]
RULES: dict[Notion, str] = {"updates": "eu-updates", "cumulative": "eu-cumulative"}
"""Rule set that both computes are of: updates only, unless the original is of systemic risk."""
SUBSTITUTES: dict[Notion, str] = {"updates": "general-purpose", "cumulative": "systemic-risk"}
"""Threshold whose third stands for the third of an original that nobody knows."""


@dataclass(frozen=True)
class Test:
    """One comparison.

    Attributes:
        notion: updates or cumulative compute.
        flop: compute of the modification [FLOP].
        limit: FLOP above which who modifies becomes the provider.
        share: compute of the modification over the original's; not known without that.
        odds: odds that the modification is above the limit.
    """

    notion: Notion
    flop: Distribution
    limit: Distribution
    share: Distribution
    odds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "notion": self.notion,
            "flop": self.flop.to_dict(),
            "limit": self.limit.to_dict(),
            "share": self.share.to_dict(),
            "odds": self.odds,
        }


@dataclass(frozen=True)
class Modification:
    """A model as a modification of another.

    Attributes:
        original: the model begun from.
        tests: the comparison; two of them where nobody says whether the original is of systemic
            risk.
    """

    original: Lineage
    tests: tuple[Test, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "original": self.original.name,
            "original_flop": None if self.original.flop is None else self.original.flop.text,
            "basis": self.original.told_basis,
            "systemic_risk": self.original.systemic_risk,
            "threshold": regulation().modification_share.value,
            "is_substitute": self.original.flop is None,
            "tests": [each.to_dict() for each in self.tests],
        }


def originals(spec: StatementSpec) -> tuple[Lineage, ...]:
    """Return the models that a statement's model was begun from."""
    return tuple(
        each
        for each in spec.lineage
        if each.relation == "base" and each.of in (None, spec.model.name)
    )


def notions(original: Lineage) -> tuple[Notion, ...]:
    """Return the computes that are compared: both where nothing says which."""
    risk = original.systemic_risk
    if risk is None and original.flop is not None:
        named = {each.name: each.value for each in marks()}
        risk = original.flop.median > named["systemic-risk"]
    if risk is None:
        return ("updates", "cumulative")
    return ("cumulative",) if risk else ("updates",)


def modified(lines: Sequence[Line], flop: Tensor, notion: Notion) -> Tensor:
    """Return the compute of a modification: of the stages alone; ``(draws,)``.

    Args:
        lines: lines of stages and lineage.
        flop: of the lines; ``(lines, draws)``.
        notion: updates or cumulative compute.
    """
    rules = rule_set(RULES[notion])
    kept = [not each.is_lineage and rules.treatment(each.item) == "counts" for each in lines]
    return flop[kept].nan_to_num(nan=0.0).sum(0)


def limit_of(original: Lineage, flop: Tensor, notion: Notion) -> Tensor:
    """Return FLOP above which who modifies becomes the provider; ``(draws,)``.

    Args:
        original: the model begun from.
        flop: its compute; ``(draws,)``, not known where nobody does.
        notion: which compute it is.
    """
    if original.flop is None:
        return flop.new_full(flop.shape, substitutes()[SUBSTITUTES[notion]])
    return regulation().modification_share.value * flop
