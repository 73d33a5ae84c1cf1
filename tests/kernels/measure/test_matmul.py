from __future__ import annotations

import time

import pytest
import torch

from computebill.kernels.measure import matmul
from computebill.kernels.measure.buffers import random
from computebill.kernels.measure.clock import Call, Timing
from computebill.kernels.measure.matmul import Product, Search, dtypes_of, precision
from computebill.kernels.measure.outcome import Skip

CPU = torch.device("cpu")


def product(m: int, n: int, k: int, seconds: float = 1.0) -> Product:
    return Product(m, n, k, "fp32", Timing(seconds, seconds, seconds, 5))


def measure(edge: int) -> Product:
    found = matmul.measure_product(edge, edge, edge, "fp32", CPU, seconds=0.1)
    assert isinstance(found, Product)
    return found


def test_a_larger_product_takes_longer() -> None:
    small, large = measure(64), measure(512)
    assert 0 < small.timing.seconds < large.timing.seconds
    assert large.flop == 2 * 512**3
    # 512 times the work, but a larger share of the peak.
    assert large.timing.seconds > 20 * small.timing.seconds
    assert 1e8 < large.flop_per_s < 1e14


def test_sizes_are_kept_apart() -> None:
    found = matmul.measure_product(32, 64, 96, "fp32", CPU, seconds=0.02)
    assert isinstance(found, Product)
    assert (found.m, found.n, found.k, found.dtype) == (32, 64, 96, "fp32")
    assert found.flop == 2 * 32 * 64 * 96


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_what_is_timed_is_the_product(dtype: str) -> None:
    call = matmul.product_call(48, 32, 64, dtype, CPU)
    kind = matmul.DTYPES[dtype]
    left = random(1, (48, 64), kind, CPU, seed=1)[0]
    right = random(1, (32, 64), kind, CPU, seed=2)[0]
    found = call(0)
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found.float(), left.float() @ right.float().t(), rtol=2e-2, atol=0.1)


def test_memory_that_does_not_suffice_shrinks_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    real = matmul.product_call

    def full(m: int, n: int, k: int, dtype: str, device: torch.device) -> Call:
        if m * n * k > 64**3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(m, n, k, dtype, device)

    monkeypatch.setattr(matmul, "product_call", full)
    found = matmul.measure_product(256, 64, 64, "fp32", CPU, seconds=0.02)
    assert isinstance(found, Product)
    assert (found.m, found.n, found.k) == (64, 64, 64)


def test_a_product_larger_than_the_memory_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    free = 2**20
    monkeypatch.setattr("computebill.kernels.measure.buffers.memory_free_bytes", lambda _: free)
    found = matmul.measure_product(2**16, 16, 16, "fp32", CPU, seconds=0.01)
    assert isinstance(found, Product)
    assert 4 * 2 * 16 * found.m < free < 16 * 4 * 2 * 16 * found.m


def test_an_unknown_dtype_is_a_skip() -> None:
    found = matmul.measure_product(64, 64, 64, "fp4", CPU)
    assert isinstance(found, Skip)
    assert "fp32, tf32, bf16" in found.why


def test_every_dtype_is_usable_or_named_with_a_reason() -> None:
    usable, skipped = dtypes_of(CPU)
    assert "fp32" in usable
    assert {*usable, *(each.what for each in skipped)} == set(matmul.DTYPES)
    assert all(each.why for each in skipped)
    assert "tf32" in [each.what for each in skipped]


def test_a_device_without_fp8_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise RuntimeError("torch._scaled_mm is only supported on devices with compute 8.9")

    monkeypatch.setattr(torch, "_scaled_mm", refuse)
    usable, skipped = dtypes_of(CPU)
    assert "fp8" not in usable
    assert "bf16" in usable
    assert ("fp8", "torch._scaled_mm is only supported on devices with compute 8.9") in [
        (each.what, each.why) for each in skipped
    ]


def setting() -> object:
    settings = torch.backends.cuda.matmul
    is_new = hasattr(settings, "fp32_precision")
    return settings.fp32_precision if is_new else settings.allow_tf32


def fail_within(dtype: str) -> None:
    with precision(dtype):
        if dtype != "bf16":
            assert setting() in (("tf32", True) if dtype == "tf32" else ("ieee", False))
        raise ZeroDivisionError


@pytest.mark.parametrize("first", ["fp32", "tf32"])
@pytest.mark.parametrize("dtype", ["fp32", "tf32", "bf16"])
def test_the_rounding_of_float32_is_put_back(first: str, dtype: str) -> None:
    outside = setting()
    with precision(first):
        before = setting()
        with pytest.raises(ZeroDivisionError):
            fail_within(dtype)
        assert setting() == before
    assert setting() == outside


def test_a_search_finds_the_fastest_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up device, fastest at 1024 x 2048 x 512, without memory for sizes over 4096."""

    def pretend(m: int, n: int, k: int, *args: object, **options: object) -> Product | Skip:
        if max(m, n, k) > 4096:
            return Skip("product", "out of memory")
        off = sum(
            abs(torch.tensor(size / wanted).log2().item())
            for size, wanted in ((m, 1024), (n, 2048), (k, 512))
        )
        return product(m, n, k, 2.0 * m * n * k * (1 + off) / 1e15)

    monkeypatch.setattr(matmul, "measure_product", pretend)
    found = matmul.search_best("fp32", CPU, seconds=5)
    assert isinstance(found, Search)
    assert (found.best.m, found.best.n, found.best.k) == (1024, 2048, 512)
    assert len(found.tried) < 200
    assert len(found.skipped) >= 1
    assert found.best.flop_per_s == max(each.flop_per_s for each in found.tried)


def test_a_search_keeps_to_its_budget() -> None:
    start = time.perf_counter()
    found = matmul.search_best("fp32", CPU, seconds=1.0)
    assert time.perf_counter() - start < 4.0
    assert isinstance(found, Search)
    assert len(found.tried) >= 2


def test_a_search_without_the_dtype_is_a_skip() -> None:
    assert isinstance(matmul.search_best("fp4", CPU, seconds=0.2), Skip)


def test_shapes_around_one_are_near_and_whole() -> None:
    around = matmul._neighbours((1024, 1024, 1024), 1536)
    assert (2048, 1024, 1024) not in around
    assert (512, 1024, 1024) in around
    assert (768, 1280, 1024) in around
    assert all(size % 128 == 0 for shape in around for size in shape)
    assert matmul._neighbours((64, 64, 64), 4096) == []


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_reaches_more_in_bf16_than_in_fp32() -> None:
    device = torch.device("cuda", 0)
    found = {
        dtype: matmul.measure_product(4096, 4096, 4096, dtype, device, seconds=0.3)
        for dtype in dtypes_of(device)[0]
    }
    rates = {dtype: each.flop_per_s for dtype, each in found.items() if isinstance(each, Product)}
    assert rates.keys() == found.keys()
    assert rates["bf16"] > 1.5 * rates["fp32"]
