from __future__ import annotations

import shutil
import time
from typing import Any

import pytest
import torch

from computebill.kernels.measure import step
from computebill.kernels.measure.clock import Call
from computebill.kernels.measure.model import Shape, step_flop
from computebill.kernels.measure.outcome import Skip
from computebill.kernels.measure.step import (
    Block,
    Execution,
    TrainingStep,
    measure_block,
    measure_step,
)

CPU = torch.device("cpu")
SHAPE = Shape(
    hidden=64, layers=2, heads=4, kv_heads=2, head_dim=16, feed_forward=96, vocabulary=128
)


@pytest.mark.parametrize("policy", step.POLICIES)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_has_its_parts(policy: str, compiled: bool) -> None:
    found = measure_step(SHAPE, 2, 32, CPU, Execution(policy, compiled, "eager"), seconds=0.1)
    assert isinstance(found, TrainingStep)
    parts = (found.forward, found.backward, found.optimizer)
    assert all(part.seconds > 0 for part in parts)
    assert found.whole.seconds >= max(part.seconds for part in parts)
    assert found.whole.repeats == found.forward.repeats
    assert found.tokens == 64
    assert found.tokens_per_s * found.whole.seconds == pytest.approx(64)
    assert (found.policy, found.compiled, found.memory_bytes) == (policy, compiled, None)
    counted = step_flop(SHAPE, 2, 32)
    assert found.flop_per_s.keys() == counted.keys() == {"6nd", "palm", "megatron", "causal"}
    assert found.flop_per_s["causal"] < found.flop_per_s["megatron"]


@pytest.mark.parametrize("policy", step.POLICIES)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_block_has_two_passes(policy: str, compiled: bool) -> None:
    found = measure_block(SHAPE, 2, 32, CPU, Execution(policy, compiled, "eager"), seconds=0.1)
    assert isinstance(found, Block)
    assert 0 < found.forward.seconds < 1
    assert 0 < found.backward.seconds < 1
    assert found.forward_flop_per_s > 0
    assert found.backward_flop_per_s > 0


@pytest.mark.parametrize("policy", step.POLICIES)
def test_a_step_trains(policy: str) -> None:
    training = step._Training(SHAPE, 2, 32, CPU, policy, None)
    losses = []
    for _ in range(6):
        training.forward(0)
        assert training._value is not None
        losses.append(float(training._value.detach()))
        training.backward(0)
        training.optimise(0)
    assert losses[0] == pytest.approx(torch.tensor(128.0).log().item(), rel=0.02)
    assert losses[-1] < losses[0]


def test_dtypes_are_those_of_the_policy() -> None:
    def seen(policy: str) -> tuple[set[torch.dtype], torch.dtype]:
        training = step._Training(SHAPE, 1, 16, CPU, policy, None)
        products: list[torch.dtype] = []
        for group in training._optimizer.param_groups:
            weights = {weight.dtype for weight in group["params"]}
        forward, _ = step._block(SHAPE, 1, 16, CPU, policy, None)
        hook = torch.nn.modules.module.register_module_forward_hook(
            lambda module, _, out: (
                products.append(out.dtype) if isinstance(module, torch.nn.Linear) else None
            )
        )
        forward(0)
        hook.remove()
        assert len(set(products)) == 1
        return weights, products[0]

    assert seen("bf16") == ({torch.bfloat16}, torch.bfloat16)
    assert seen("autocast") == ({torch.float32}, torch.bfloat16)
    assert seen("fp32") == ({torch.float32}, torch.float32)


def test_a_machine_without_a_compiler_is_a_skip() -> None:
    def missing(*args: Any) -> Any:
        raise FileNotFoundError("Failed to find C compiler")

    found = measure_step(SHAPE, 2, 32, CPU, Execution("fp32", True, missing), seconds=0.1)
    assert isinstance(found, Skip)
    assert found.what == "compiled training step, fp32"
    assert "C compiler" in found.why
    assert isinstance(
        measure_step(SHAPE, 2, 32, CPU, Execution("fp32"), seconds=0.05), TrainingStep
    )


def test_memory_that_does_not_suffice_shrinks_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    real = step._block

    def full(shape: Shape, batch: int, sequence: int, *rest: Any) -> tuple[Call, Call]:
        if batch * sequence > 16:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return real(shape, batch, sequence, *rest)

    monkeypatch.setattr(step, "_block", full)
    found = measure_block(SHAPE, 4, 32, CPU, seconds=0.02)
    assert isinstance(found, Block)
    assert (found.batch, found.sequence) == (1, 16)


def test_a_model_larger_than_the_memory_is_a_skip_and_not_the_end_of_the_process() -> None:
    huge = Shape(2**16, 2**10, 64, 64, 1024, 2**18, 2**17)
    start = time.perf_counter()
    found = measure_step(huge, 1, 32, CPU)
    assert isinstance(found, Skip)
    assert "out of memory" in found.why
    assert time.perf_counter() - start < 5


def test_an_unknown_policy_is_a_skip() -> None:
    for found in (
        measure_step(SHAPE, 1, 16, CPU, Execution("fp4")),
        measure_block(SHAPE, 1, 16, CPU, Execution("fp4")),
    ):
        assert isinstance(found, Skip)
        assert "autocast" in found.why


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="no C++ compiler")
def test_a_compiler_makes_the_same_block() -> None:
    found = measure_block(SHAPE, 2, 32, CPU, Execution("fp32", True), seconds=0.1)
    assert isinstance(found, Block)
    assert found.compiled


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("policy", step.POLICIES)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_gpu_trains(policy: str, compiled: bool) -> None:
    shape = Shape(512, 2, 8, 4, 64, 1024, 4096)
    device = torch.device("cuda", 0)
    found = measure_step(shape, 4, 256, device, Execution(policy, compiled), seconds=0.5)
    assert isinstance(found, TrainingStep)
    assert found.memory_bytes is not None
    # At least weights, gradients and both states of the optimizer.
    assert found.memory_bytes > 4 * (2 if policy == "bf16" else 4) * shape.parameters
