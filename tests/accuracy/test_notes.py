from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from computebill.accuracy.notes import read_remarks

NOTHING = dict.fromkeys(("node", "release", "shards")) | dict.fromkeys(
    (
        "compiled",
        "overlaps_tensor",
        "rowwise",
        "interleaved",
        "overlaps_experts",
        "offloaded",
    ),
    False,
)


@pytest.mark.parametrize(
    ("notes", "facts"),
    [
        ("", {}),
        ("dp derived=n_gpus/(tp*pp*cp)", {}),
        ("Jean Zay V100-32GB 4/node; TFLOP/s = 4*2*N*tokens", {"node": 4}),
        ("NeMo container 26.06.01; pretrain", {"release": 2026 + 5 / 12}),
        ("HSDP shard degree 64; micro-batch 1", {"shards": 64}),
        ("FSDP eager; Table 1", {}),
        ("vanilla TP, bf16; torch.compile; FSDP=32", {"compiled": True}),
        ("2D + AsyncTP; torch.compile", {"compiled": True, "overlaps_tensor": True}),
        ("async TP, fp8 rowwise", {"overlaps_tensor": True, "rowwise": True}),
        ("Interleaved 1F1B; Table 5", {"interleaved": True}),
        ("dispatcher DeepEP; +1f1b overlap", {"overlaps_experts": True}),
        ("PP16, EP64 over 8 nodes, ZeRO-1, DualPipe", {"overlaps_experts": True}),
        ("HF Trainer; CPU offload; 4/node", {"offloaded": True, "node": 4}),
        # Kept activations go to the host while products are computed.
        ("activation CPU offload of 20 layers", {}),
    ],
)
def test_known_words_are_facts(notes: str, facts: dict[str, Any]) -> None:
    assert dataclasses.asdict(read_remarks(notes)) == NOTHING | facts
