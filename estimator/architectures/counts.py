"""What counting an architecture gives: parameters, and FLOP of a token.

Figures are tensors of many architectures, or numbers of one, which is counted without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONVENTIONS = ("6nd", "palm", "megatron", "causal")
"""Names of the conventions by which model FLOP are counted; see the kernel's ``Conventions``."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of a batch of architectures; each ``(*batch)``.

    Attributes:
        total: all of them, adapters left out.
        active: those that one token meets: of experts, the chosen ones.
        embedding: those that are looked up: tokens, positions, segments.
        adapters: those that are trained beside frozen ones: of low-rank adapters, of modules'
            copies.
    """

    total: Any
    active: Any
    embedding: Any
    adapters: Any


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

    forward: Any
    backward: Any
    recomputed: Any
    by_operator: Mapping[str, tuple[Any, Any]]
    conventions: Mapping[str, Any]

    @property
    def hardware(self) -> Any:
        """All that is computed."""
        return self.forward + self.backward + self.recomputed
