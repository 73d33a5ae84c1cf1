"""Layers that a search put together."""

from __future__ import annotations

from typing import Any

import pytest

import computebill as cb
from computebill.architectures.plain import plain_parameters

ATTENTION = {"n_heads_in_group": 4, "no_op": False, "replace_with_linear": False}
BLOCKS: list[dict[str, Any]] = [
    {"attention": ATTENTION, "ffn": {"ffn_mult": 2.0}},
    {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1.0}},
    {"attention": {"replace_with_linear": True}, "ffn": {"no_op": True}},
]
NAS: dict[str, Any] = {
    "model_type": "nemotron-nas",
    "hidden_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "vocab_size": 100,
    "block_configs": BLOCKS,
}


def test_each_layer_holds_what_its_block_says() -> None:
    # Two thirds of 2 and of 1 x 192, each rounded up to 256; a norm before what is there.
    hidden, narrow = 192, 2 * 24
    first = 2 * hidden * hidden + 2 * hidden * narrow + 3 * hidden * 256 + 2 * hidden
    second = 3 * hidden * 256 + hidden
    third = hidden * hidden + hidden
    ends = 2 * 100 * hidden + hidden
    found = plain_parameters(cb.read_architecture(NAS))
    assert found.total == first + second + third + ends


@pytest.mark.parametrize(
    "change",
    [
        {"block_configs": None},
        {"block_configs": BLOCKS[:2]},
        {"block_configs": [3, 4, 5]},
        {"block_configs": [{"attention": ATTENTION, "ffn": {"ffn_mult": "wide"}}] * 3},
        {"block_configs": [{"attention": {"n_heads_in_group": 3}, "ffn": {"ffn_mult": 1}}] * 3},
        {"block_configs": [{"attention": {}, "ffn": {"ffn_mult": 1}}] * 3},
    ],
)
def test_blocks_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(cb.RequestError, match="block_configs"):
        cb.read_architecture({**NAS, **change})
