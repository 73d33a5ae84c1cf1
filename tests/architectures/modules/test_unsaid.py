"""What a library passes over of a file is refused where it defines the model, else told."""

from __future__ import annotations

from typing import Any

import pytest

import computebill as cb
from computebill.architectures import read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
}
VISION: dict[str, Any] = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 48}


def test_sizes_that_the_type_has_elsewhere_are_refused() -> None:
    # The whole of Step-3.7 has its language model's sizes in a table; its defaults are of 198 B.
    with pytest.raises(cb.RequestError) as error:
        read_architecture({"model_type": "step3p7", **SIZES})
    assert "hidden_size: got 64, which step3p7 does not have there" in str(error.value)


def test_sizes_outside_their_table_that_the_library_takes_are_no_defaults() -> None:
    vision = {**VISION, "out_hidden_size": 64, "fullatt_block_indexes": [1]}
    config = {"model_type": "qwen2_5_vl", **SIZES, "vision_config": vision}
    flat = read_architecture(config)
    table = read_architecture(
        {"model_type": "qwen2_5_vl", "text_config": SIZES, "vision_config": vision}
    )
    counted = [int(count_parameters(columns(each.at(256))).total) for each in (flat, table)]
    assert counted[0] == counted[1]
    assert "text_config" not in " ".join(flat.notes)


def test_text_is_passed_to_the_part_of_an_omni_model_that_thinks() -> None:
    # Heads of 128, as the sections of its positions add up to.
    text = {**SIZES, "hidden_size": 256, "num_attention_heads": 2}
    sound = {"encoder_layers": 2, "d_model": 32, "encoder_attention_heads": 2, "output_dim": 256}
    thinker = {
        "text_config": text,
        "vision_config": {**VISION, "out_hidden_size": 256},
        "audio_config": {**sound, "encoder_ffn_dim": 48},
    }
    config = {"model_type": "qwen2_5_omni", "thinker_config": thinker}
    found = read_architecture(config, images_per_sample=0)
    flop = count_flop(columns(found.at(256)), 256).by_operator
    alone = count_flop(columns(read_architecture({"model_type": "qwen2", **text}).at(256)), 256)
    for name in ("mlp", "attention_qkv", "attention_scores"):
        assert float(flop[name][0]) == pytest.approx(float(alone.by_operator[name][0])), name


def test_images_that_are_divided_by_their_number_are_passed() -> None:
    # Idefics3's layout of tiles; its own tiles are of 364 pixels, 26 x 26 patches.
    vision = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "intermediate_size": 48, "image_size": 56, "patch_size": 14}  # fmt: skip
    config = {"model_type": "idefics3", "scale_factor": 2, "vision_config": vision,
              "text_config": {"model_type": "llama", **SIZES}}  # fmt: skip
    notes = " ".join(read_architecture(config).notes)
    assert "could not be passed" not in notes
    assert "had no part" not in notes
