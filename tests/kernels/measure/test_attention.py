from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from computebill.kernels.measure import attention
from computebill.kernels.measure.attention import (
    BACKENDS,
    Attention,
    AttentionShape,
    measure_attention,
    measure_backend,
)
from computebill.kernels.measure.outcome import Skip

CPU = torch.device("cpu")
SHAPE = AttentionShape(batch=2, heads=4, kv_heads=2, sequence=64, head_dim=16)


def test_flop_of_both_passes_are_those_that_pytorch_counts() -> None:
    forward, backward = attention._passes(SHAPE, "fp32", CPU)
    with sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as first:
            forward(0)
        with FlopCounterMode(display=False) as second:
            backward(0)
    assert SHAPE.flop_full == first.get_total_flops()
    assert attention.BACKWARD_TIMES * SHAPE.flop_full == second.get_total_flops()


def test_masked_keys_are_left_out() -> None:
    pairs = sum(1 for query in range(64) for key in range(64) if key <= query)
    assert SHAPE.flop == pytest.approx(4 * 2 * 4 * 16 * pairs)
    whole = AttentionShape(2, 4, 2, 64, 16, causal=False)
    assert whole.flop == whole.flop_full == SHAPE.flop_full


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_every_back_end_is_timed_or_named_with_a_reason(dtype: str) -> None:
    # On a CPU, PyTorch before 2.7 has flash attention for as many keys as queries only.
    shape = replace(SHAPE, kv_heads=SHAPE.heads)
    found = measure_attention(shape, CPU, dtype=dtype, seconds=0.4)
    assert len(found) == len(BACKENDS)
    timed = {each.backend: each for each in found if isinstance(each, Attention)}
    assert {"flash", "math"} <= timed.keys()
    for each in timed.values():
        assert 0 < each.forward.seconds < 1
        assert 0 < each.backward.seconds < 1
        assert each.backward_flop_per_s * each.backward.seconds == pytest.approx(2 * SHAPE.flop)
    skipped = {each.what.split()[0]: each.why for each in found if isinstance(each, Skip)}
    assert skipped.keys() == BACKENDS.keys() - timed.keys()
    assert all(skipped.values())


def test_scores_larger_than_the_memory_shrink_the_batch_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Scores of one sequence of 64 fit; of two they do not.
    free = int(1.5 * 12 * 4 * 64**2 / 0.6)
    monkeypatch.setattr("computebill.kernels.measure.buffers.memory_free_bytes", lambda _: free)
    found = measure_backend("math", SHAPE, CPU, dtype="fp32", seconds=0.02)
    assert isinstance(found, Attention)
    assert (found.shape.batch, found.shape.sequence) == (1, 64)
    assert found.shape.heads == SHAPE.heads


@pytest.mark.parametrize("dtype", ["fp4", "fp8"])
def test_a_dtype_without_attention_is_a_skip(dtype: str) -> None:
    assert isinstance(measure_backend("math", SHAPE, CPU, dtype=dtype, seconds=0.02), Skip)


def test_a_refusal_is_told_by_pytorchs_own_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        for text in (
            "Flash attention kernel not used because: (Triggered internally at sdp.cpp:1)",
            "Memory Efficient attention has been runtime disabled. (Triggered internally at ...)",
            "Head dim must be a multiple of 8. Got 5. (Triggered internally at sdp.cpp:2)",
        ):
            warnings.warn(text, stacklevel=1)
        raise RuntimeError("No available kernel. Aborting execution.")

    monkeypatch.setattr(attention, "scaled_dot_product_attention", refuse)
    found = measure_backend("flash", SHAPE, CPU, dtype="fp32", seconds=0.02)
    assert found == Skip("flash attention, fp32", "Head dim must be a multiple of 8. Got 5.")


def test_the_choice_of_back_ends_is_put_back() -> None:
    before = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    measure_backend("cudnn", SHAPE, CPU, dtype="fp32", seconds=0.02)
    measure_backend("math", SHAPE, CPU, dtype="fp32", seconds=0.02)
    after = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    assert before == after


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_fused_kernel_of_a_gpu_is_faster_than_none() -> None:
    shape = AttentionShape(batch=2, heads=16, kv_heads=16, sequence=2048, head_dim=64)
    found = measure_attention(shape, torch.device("cuda", 0), seconds=2.0)
    timed = {each.backend: each for each in found if isinstance(each, Attention)}
    assert timed["flash"].forward.seconds < timed["math"].forward.seconds
