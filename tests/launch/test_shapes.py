"""Models told by their sizes have the parameters of the models that they are of."""

from __future__ import annotations

from typing import Any

import pytest

from computebill.architectures import read_architecture
from computebill.base.errors import RequestError
from computebill.launch import Fact, Launch, Said
from computebill.launch.shapes import padded, shaped_config, vocabulary
from computebill.models.count import count_model

SAID = Said("--x", "a.sh", 3)
LLAMA = {
    "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 8, "ffn": 14336, "is_gated": True,
    "norm": "RMSNorm", "positions": "rope", "is_tied": False, "has_bias": False,
}  # fmt: skip
DEEPSEEK = {
    "layers": 61, "hidden": 7168, "heads": 128, "ffn": 18432, "is_gated": True, "is_tied": False,
    "experts": 256, "experts_met": 8, "expert_ffn": 2048, "shared_ffn": 2048, "is_latent": True,
    "expert_layers": "[0]*3+[1]*58", "q_rank": 1536, "kv_rank": 512, "nope_dim": 128,
    "rope_dim": 64, "value_dim": 128,
}  # fmt: skip
GPT2 = {"layers": 48, "hidden": 1600, "heads": 25, "is_tied": True, "has_bias": True,
        "positions": "learned_absolute", "max_positions": 1024}  # fmt: skip


def launch(facts: dict[str, Any]) -> Launch:
    """Launch files that say facts."""
    return Launch(
        "megatron-lm", "Megatron-LM", ("a.sh",), {k: Fact(v, SAID) for k, v in facts.items()}
    )


@pytest.mark.parametrize(
    ("facts", "entries", "published", "near"),
    [
        # The models' own cards and papers: exact, or as near as a padded bias allows.
        (LLAMA, 128_256, 8_030_261_248, 0),
        ({**LLAMA, "experts": 8, "experts_met": 2}, 32_000, 46_702_792_704, 1e-6),
        (DEEPSEEK, 129_280, 671_026_419_200, 1e-4),
        (GPT2, 50_257, 1_557_611_200, 1e-6),
    ],
)
def test_sizes_give_the_parameters_of_published_models(
    facts: dict[str, Any], entries: int, published: int, near: float
) -> None:
    found = count_model(read_architecture(shaped_config(launch(facts), entries)))
    assert found.to_dict()["params"] == pytest.approx(published, rel=near, abs=0)


def test_a_vocabulary_is_padded_for_tensor_parallel_ranks() -> None:
    told = launch({"tokenizer_kind": "GPT2BPETokenizer", "vocabulary_multiple": 128})
    assert vocabulary(told) == 50_257
    assert padded(told, 50_257, 1) == 50_304
    assert padded(told, 50_257, 8) == 51_200
    assert vocabulary(launch({"tokenizer_kind": "HuggingFaceTokenizer"})) is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"is_gated": False}, "experts that are not gated are not counted; give --model"),
        ({"shared_ffn": 3000}, "got shared experts 3000 wide; allowed: a multiple"),
        ({"expert_layers": "[0,1]*30+[1]"}, "allowed: layers without experts first"),
        ({"experts": 0}, "multi-latent attention without experts is not counted"),
    ],
)
def test_a_shape_that_no_family_has_is_told(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        shaped_config(launch({**DEEPSEEK, **changed}), 129_280)


def test_heads_divide_the_hidden_size_where_no_size_of_one_is_given() -> None:
    with pytest.raises(RequestError, match=r"a\.sh line 3, --x: got 33; allowed: a divisor of the"):
        shaped_config(launch({**LLAMA, "heads": 33, "kv_heads": 11}), 32_000)
    assert shaped_config(launch({**LLAMA, "heads": 33, "kv_heads": 11, "head_dim": 128}), 32_000)
