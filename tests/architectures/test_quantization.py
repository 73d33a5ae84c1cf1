"""What configurations say their weights are stored in, as their makers' files have it."""

from __future__ import annotations

from typing import Any

import pytest
from known import LLAMA_8B

import computebill as cb

BITSANDBYTES = {
    "quant_method": "bitsandbytes",
    "load_in_4bit": True,
    "load_in_8bit": False,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_compute_dtype": "bfloat16",
}
PACKED = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}},
}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (BITSANDBYTES | {"bnb_4bit_use_double_quant": True}, "nf4"),
        (BITSANDBYTES, "nf4-single"),
        (BITSANDBYTES | {"load_in_4bit": False, "load_in_8bit": True}, "int8"),
        ({"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}, "fp8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "awq", "bits": 4}, "gptq"),
        (PACKED, "gptq"),
        ({"quant_method": "unheard-of"}, ""),
        (None, ""),
    ],
)
def test_weights_are_stored_as_the_configuration_says(given: Any, stored: str) -> None:
    assert cb.read_architecture(LLAMA_8B | {"quantization_config": given}).stored == stored


def test_a_multimodal_configuration_may_keep_it_with_its_language_model() -> None:
    inner = LLAMA_8B | {"quantization_config": {"quant_method": "fp8"}}
    assert cb.read_architecture({"model_type": "x", "text_config": inner}).stored == "fp8"
