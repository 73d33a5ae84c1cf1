"""Layers that are listed by stage: read, checked, and the same figures as what they stand for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import DEEPSEEK_LIKE, LLAMA_8B

import computebill as cb
from computebill.training.cases import Case
from computebill.training.dealing import even_deal
from computebill.training.layout import Layout
from computebill.training.memory import stage_bytes
from computebill.training.rules import check_layout
from computebill.training.step_time import estimate_step

SEQUENCE = 4096
LLAMA = cb.read_architecture(LLAMA_8B)
H100 = cb.find_accelerator("h100-sxm")


def figures(architecture: Any, **fields: Any) -> tuple[float, dict[str, float], list[float]]:
    """Seconds of a step, their breakdown, and bytes of every stage."""
    layout = Layout(**{"tp": 2, "dp": 2, "micro_batches": 16, **fields})
    check_layout(architecture, layout, SEQUENCE)
    step = estimate_step(Case(architecture, layout, H100, "bf16", SEQUENCE, "modern"))
    sizes = stage_bytes(architecture, [layout], float(SEQUENCE))
    return step.seconds, dict(step.breakdown), sizes[:, 0].tolist()


@given(st.integers(1, 40), st.integers(1, 12))
def test_dealing_out_evenly_leaves_the_ends_short(layers: int, chunks: int) -> None:
    found = even_deal(layers, chunks)
    assert sum(found) == layers
    assert len(found) == chunks
    if layers % chunks == 0:
        assert set(found) == {layers // chunks}
    # DeepSeek-V3 in 16 stages of Megatron: the ends have the embedding, the head and an MTP layer.
    assert even_deal(61, 16) == (3, *[4] * 14, 2)


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (LLAMA_8B, {"pp": 4}),
        (LLAMA_8B, {"pp": 4, "vpp": 2, "zero": 3}),
        (LLAMA_8B, {"pp": 2, "schedule": "zero-bubble"}),
        (LLAMA_8B, {"pp": 4, "schedule": "dualpipe"}),
        (DEEPSEEK_LIKE, {"pp": 4}),
    ],
)
def test_a_list_that_is_even_changes_no_figure(
    config: dict[str, Any], fields: dict[str, Any]
) -> None:
    architecture = cb.read_architecture(config)
    chunks = fields["pp"] * fields.get("vpp", 1)
    listed = even_deal(int(architecture.layer_count), chunks)
    assert figures(architecture, **fields, layers_per_stage=listed) == figures(
        architecture, **fields
    )
