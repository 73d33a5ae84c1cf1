"""How much of a micro-batch fits an accelerator."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from known import LLAMA_8B

import computebill as cb
from computebill.architectures.columns import columns
from computebill.training.memory import GB, largest_micro_batches, occupied_bytes, peak_memory


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1, 2, 8]),
    st.sampled_from([0, 1, 3]),
    st.sampled_from(["none", "selective", "full"]),
    st.integers(20, 300),
)
def test_the_largest_micro_batch_fits_and_the_next_does_not(
    tp: int, zero: int, recompute: Any, limit: int
) -> None:
    layout = cb.Layout(tp=tp, dp=8, zero=zero, recompute=recompute)
    batch = columns(cb.read_architecture(LLAMA_8B))

    def total(size: int) -> float:
        used = layout.model_copy(update={"micro_batch": size})
        return float(occupied_bytes(peak_memory(batch, 4096, [used]).total, [used]))

    (found,) = largest_micro_batches(batch, 4096, [layout], limit * GB)
    if found:
        assert total(found) <= limit * GB * (1 + 1e-9)
    assert total(found + 1) > limit * GB * (1 - 1e-9)
