"""What counting an architecture gives: parameters, and FLOP of a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # one architecture is counted without torch
    from torch import Tensor

CONVENTIONS = ("6nd", "palm", "megatron", "causal")
"""Names of the conventions by which model FLOP are counted; see the kernel's ``Conventions``."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of a batch of architectures; each ``(*batch)``.

    Attributes:
        total: all of them, adapters left out.
        active: those that one token meets: of experts, the chosen ones.
        embedding: those that are looked up: tokens, positions, segments.
        adapters: those of low-rank adapters.
    """

    total: float | Tensor
    active: float | Tensor
    embedding: float | Tensor
    adapters: float | Tensor


@dataclass(frozen=True)
class FlopPerToken:
    """FLOP of a training step per token; each ``(*batch)``.

    Attributes:
        forward: what has to be computed, masked attention included.
        backward: the same of the backward pass.
        recomputed: what recomputation adds.
        by_operator: forward and backward, by the operator's name.
        conventions: model FLOP, by convention.
    """

    forward: float | Tensor
    backward: float | Tensor
    recomputed: float | Tensor
    by_operator: Mapping[str, tuple[float | Tensor, float | Tensor]]
    conventions: Mapping[str, float | Tensor]

    @property
    def hardware(self) -> float | Tensor:
        """All that is computed."""
        return self.forward + self.backward + self.recomputed
