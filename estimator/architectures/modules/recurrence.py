"""What a recurrence computes for each token, by the sizes that its module has.

Libraries compute state spaces and linear attention in chunks, as products that hang on the chunk,
or element by element, which no counter of products sees. Here they are counted as everywhere in
this package: by the elements of their state.
"""

from __future__ import annotations

from typing import Any

from torch import nn

SCAN = 7
"""FLOP of a scan or a delta rule, for each element of the state: decay, read, update, read."""
DECAYED_SUM = 5
"""FLOP of linear attention, for each element of the state: decay, update, read."""


def recurrence_flop(module: nn.Module) -> tuple[float, int] | None:
    """Return FLOP per token of a module's recurrence, and its heads; None where it has none."""
    name = type(module).__name__.lower()
    state = _size(module, "ssm_state_size", "state_size", "d_state")
    inner = _size(module, "intermediate_size", "d_inner", "inner_dim")
    if hasattr(module, "A_log") and state and inner:
        return float(SCAN * inner * state), _size(module, "num_heads", "n_heads") or 1
    heads = _size(module, "num_v_heads", "num_heads", "num_attention_heads")
    key = _size(module, "head_k_dim", "head_dim")
    value = _size(module, "head_v_dim", "head_dim")
    if not (heads and key and value):
        return None
    if hasattr(module, "A_log"):
        return float(SCAN * heads * key * value), heads
    if "lightning" in name:
        return float(DECAYED_SUM * heads * key * value), heads
    return None


def _size(module: Any, *names: str) -> int:
    values = (getattr(module, name, None) for name in names)
    return next((each for each in values if isinstance(each, int)), 0)
