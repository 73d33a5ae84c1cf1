"""What a speed beyond the peak may mean, on published mistakes and figures of datasheets."""

from __future__ import annotations

import pytest

import computebill as cb
from computebill.base.errors import RequestError


def notes(**given: object) -> str:
    speed = {
        key: given.pop(key)
        for key in ("mfu", "convention", "tokens_per_second_per_gpu")
        if key in given
    }
    found = cb.utilisation(given.pop("config", None), speed=cb.Speed(**speed), **given)  # type: ignore[arg-type]
    return " | ".join(found.notes)


def test_an_h100_read_with_the_peak_of_an_a100() -> None:
    # karpathy/nanoGPT pull 464: 104 % of the 312 TFLOP/s it assumes, on an H100 (989.4).
    told = notes(mfu=1.04, convention="6nd", params_active=124e6, accelerator="a100-sxm-80gb")
    assert "104% of it" in told
    assert f"{1.04 * 312 / 989.4:.0%} of NVIDIA H100 SXM5 80GB's peak" in told
    # Twice the dense rate is what the datasheet prints with sparsity.
    assert "structured sparsity, twice the dense: 52%" in told


def test_a_format_with_a_higher_peak() -> None:
    told = notes(mfu=1.2, convention="6nd", params_active=1e9, accelerator="h100-sxm")
    assert f"fp8 {1.2 * 989.4 / 1978.9:.0%}" in told


def test_the_speed_of_a_node() -> None:
    found = {"params_active": 8e9, "accelerator": "h100-sxm", "tokens_per_second_per_gpu": 80000.0}
    share = 6 * 8e9 * 80000 / 989.4e12
    assert f"a node of 8 together: {share / 8:.1%} of each" in notes(**found)


def test_attention_that_the_mask_leaves_out() -> None:
    config = {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    }
    long = {"config": config, "accelerator": "h100-sxm", "sequence_length": 131072}
    told = notes(mfu=1.05, convention="megatron", **long)
    assert "with the mask it is" in told


def test_a_percentage_without_its_sign_is_asked_about() -> None:
    for share, asked in ((40.0, "did you mean 40%"), (4000.0, "allowed: above 0, up to 1")):
        with pytest.raises(RequestError, match=asked):
            notes(mfu=share, convention="6nd", params_active=1e9, accelerator="h100-sxm")


def test_a_possible_speed_needs_no_word() -> None:
    assert not notes(mfu=0.4, convention="6nd", params_active=1e9, accelerator="h100-sxm")
