"""Images that become tokens of a sequence."""

from __future__ import annotations

from typing import Any

import pytest

import computebill as cb
from computebill.models.count import count_model
from computebill.models.mfu import Speed

LLAVA: dict[str, Any] = {
    "model_type": "llava",
    "architectures": ["LlavaForConditionalGeneration"],
    "text_config": {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 256,
    },
    # Of 32 x 32 pixels, 16 patches.
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    },
}


def test_more_images_than_a_sequence_holds_are_refused() -> None:
    pytest.importorskip("transformers")
    fits = cb.read_architecture(LLAVA, images_per_sample=4)
    assert fits.media_tokens == 4 * 16
    assert count_model(fits, sequence_length=64).sequence == 64
    many = cb.read_architecture(LLAVA, images_per_sample=5)
    told = (
        r"images_per_sample: got 5 of 16 tokens each, 80 of a sequence of 64; allowed: up to 4, "
        "or a longer sequence"
    )
    for refused in (
        lambda: count_model(many, sequence_length=64),
        lambda: cb.describe_model(many, sequence_length=64),
        lambda: cb.utilisation(
            many, sequence_length=64, accelerator="h100", speed=Speed(mfu=0.4, convention="6nd")
        ),
    ):
        with pytest.raises(cb.RequestError, match=told):
            refused()


def test_text_alone_has_no_images() -> None:
    assert cb.read_architecture(LLAVA["text_config"], images_per_sample=10**6).media_tokens == 0
    alone = cb.read_architecture(LLAVA, part="language", images_per_sample=10**6)
    assert alone.media_tokens == 0
