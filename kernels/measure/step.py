"""A transformer block, forward and backward, and a small model's whole training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .buffers import copies, random, reserve
from .clock import Call, Timing, time_parts
from .model import Decoder, Shape, TransformerBlock, block_flop, rotation, step_flop
from .outcome import Skip, batch_halvings, shrinking

POLICIES = ("bf16", "autocast", "fp32")
"""Dtypes of weights and products: all bf16; weights fp32 and products bf16; all fp32."""

COMPILER = "inductor"


class Execution(NamedTuple):
    """How a block or a step is run.

    Attributes:
        policy: one of ``POLICIES``.
        compiled: whether ``torch.compile`` compiles it; without a compiler, what is measured is
            skipped.
        backend: back end of ``torch.compile``.
    """

    policy: str = "bf16"
    compiled: bool = False
    backend: str | Callable[..., Any] = COMPILER

    @property
    def compiler(self) -> str | Callable[..., Any] | None:
        """The back end; None where nothing is compiled."""
        return self.backend if self.compiled else None


_PLAIN = Execution()
_BATCHES = 8
_LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Block:
    """One transformer block.

    Attributes:
        shape: shape of the decoder that it is part of.
        batch: sequences; may be less than asked for.
        sequence: tokens of each; the same.
        policy: one of ``POLICIES``.
        compiled: whether ``torch.compile`` compiled it.
        forward: time of a forward pass.
        backward: time of a backward pass, of the input and all weights.
    """

    shape: Shape
    batch: int
    sequence: int
    policy: str
    compiled: bool
    forward: Timing
    backward: Timing

    @property
    def forward_flop_per_s(self) -> float:
        """Model FLOP a second of the forward pass, masked keys left out."""
        return block_flop(self.shape, self.batch, self.sequence)[0] / self.forward.seconds

    @property
    def backward_flop_per_s(self) -> float:
        """Model FLOP a second of the backward pass, masked keys left out."""
        return block_flop(self.shape, self.batch, self.sequence)[1] / self.backward.seconds


@dataclass(frozen=True)
class TrainingStep:
    """A whole training step.

    Attributes:
        shape: shape of the decoder.
        batch: sequences; may be less than asked for.
        sequence: tokens of each; the same.
        policy: one of ``POLICIES``.
        compiled: forward and backward by ``torch.compile``.
        whole: time of a step.
        forward: time of the forward pass and the loss.
        backward: time of the backward pass.
        optimizer: time of AdamW, gradients dropped after it.
        memory_bytes: most that was allocated at once; None where a device does not tell.
    """

    shape: Shape
    batch: int
    sequence: int
    policy: str
    compiled: bool
    whole: Timing
    forward: Timing
    backward: Timing
    optimizer: Timing
    memory_bytes: int | None

    @property
    def tokens(self) -> int:
        """Tokens of a step."""
        return self.batch * self.sequence

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second, at the median time."""
        return self.tokens / self.whole.seconds

    @property
    def flop_per_s(self) -> dict[str, float]:
        """Model FLOP a second by convention; over a peak, that is the MFU."""
        flop = step_flop(self.shape, self.batch, self.sequence)
        return {name: each / self.whole.seconds for name, each in flop.items()}


def measure_block(
    shape: Shape,
    batch: int,
    sequence: int,
    device: torch.device,
    execution: Execution = _PLAIN,
    seconds: float = 2.0,
) -> Block | Skip:
    """Time a block; the batch, then the sequence is halved where memory does not suffice.

    Args:
        shape: shape of the decoder that it is part of.
        batch: sequences.
        sequence: tokens of each.
        device: device that it runs on.
        execution: its policy, and whether it is compiled.
        seconds: budget, without the time to compile; see ``clock.time_calls``.
    """
    policy, compiled, _ = execution

    def measure(size: tuple[int, int]) -> Block:
        with _forgetting(compiled):
            passes = _block(shape, *size, device, policy, execution.compiler)
            forward, backward = time_parts(passes, device, seconds=seconds).parts
        return Block(shape, *size, policy, compiled, forward, backward)

    what = f"{_how(compiled)} block, {policy}"
    return shrinking(what, measure, batch_halvings(batch, sequence))


def measure_step(
    shape: Shape,
    batch: int,
    sequence: int,
    device: torch.device,
    execution: Execution = _PLAIN,
    seconds: float = 5.0,
) -> TrainingStep | Skip:
    """Time a training step; sizes are halved as in ``measure_block``.

    Gradients are not clipped, and batches are on the device before a step begins.

    Args:
        shape: shape of the decoder.
        batch: sequences.
        sequence: tokens of each.
        device: device that it runs on.
        execution: its policy, and whether its forward and backward pass are compiled.
        seconds: budget, without the time to compile; see ``clock.time_calls``.
    """
    policy, compiled, _ = execution

    def measure(size: tuple[int, int]) -> TrainingStep:
        with _forgetting(compiled):
            training = _Training(shape, *size, device, policy, execution.compiler)
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            found = time_parts(
                [training.forward, training.backward, training.optimise], device, seconds=seconds
            )
            memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
        forward, backward, optimizer = found.parts
        return TrainingStep(
            shape, *size, policy, compiled, found.whole, forward, backward, optimizer, memory
        )

    what = f"{_how(compiled)} training step, {policy}"
    return shrinking(what, measure, batch_halvings(batch, sequence))


def _how(compiled: bool) -> str:
    return "compiled" if compiled else "eager"


def _compiled(
    function: Callable[..., Tensor], backend: str | Callable[..., Any] | None
) -> Callable[..., Tensor]:
    """Compile for the sizes at hand; without a back end, leave as it is."""
    if backend is None:
        return function
    return torch.compile(function, backend=backend, dynamic=False)


@contextmanager
def _forgetting(compiled: bool) -> Iterator[None]:
    """Drop what was compiled: PyTorch stops compiling a function after a few sizes."""
    try:
        yield
    finally:
        if compiled:
            torch.compiler.reset()


def _dtypes(policy: str) -> tuple[torch.dtype, bool]:
    """Dtype of weights, and whether products are cast.

    Raises:
        ValueError: of an unknown policy.
    """
    if policy not in POLICIES:
        raise ValueError(f"no such policy; known are {', '.join(POLICIES)}")
    return torch.bfloat16 if policy == "bf16" else torch.float32, policy == "autocast"


def _cast(device: torch.device, is_cast: bool) -> AbstractContextManager[object]:
    return torch.autocast(device.type, dtype=torch.bfloat16) if is_cast else nullcontext()


def _block(
    shape: Shape,
    batch: int,
    sequence: int,
    device: torch.device,
    policy: str,
    backend: str | Callable[..., Any] | None,
) -> tuple[Call, Call]:
    """A block's forward and backward pass, over inputs in turn; the weights are one set.

    Raises:
        ValueError: of an unknown policy.
        MemoryError: where memory does not suffice.
        RuntimeError: the same; or where compiling fails.
    """
    kind, is_cast = _dtypes(policy)
    reserve(_kept_bytes(shape, batch, sequence, layers=1), device)
    block = TransformerBlock(shape, torch.Generator(device).manual_seed(0)).to(kind)
    weights = list(block.parameters())
    size = (batch, sequence, shape.hidden)
    count = min(copies(2 * batch * sequence * shape.hidden * kind.itemsize, device), _BATCHES)
    inputs = random(count, size, kind, device, seed=1)
    gradients = random(count, size, kind, device, seed=2)
    for each in inputs:
        each.requires_grad_()
    cosines, sines = (each.to(kind) for each in rotation(sequence, shape.head_dim, device))
    run = _compiled(block, backend)
    out: list[Tensor] = []

    def forward(i: int) -> None:
        with _cast(device, is_cast):
            out[:] = [run(inputs[i % count], cosines, sines)]

    def backward(i: int) -> None:
        torch.autograd.grad(out.pop(), [inputs[i % count], *weights], gradients[i % count])

    return forward, backward


class _Training:
    """A decoder, its optimizer and batches of random tokens.

    Raises:
        ValueError: of an unknown policy.
        MemoryError: where memory does not suffice.
        RuntimeError: the same.
    """

    def __init__(
        self,
        shape: Shape,
        batch: int,
        sequence: int,
        device: torch.device,
        policy: str,
        backend: str | Callable[..., Any] | None,
    ) -> None:
        kind, self._is_cast = _dtypes(policy)
        states = 4 * kind.itemsize * shape.parameters
        logits = 3 * 4 * batch * sequence * shape.vocabulary
        kept = _kept_bytes(shape, batch, sequence, layers=shape.layers)
        reserve(states + logits + kept, device)
        self._device = device
        source = torch.Generator(device).manual_seed(0)
        model = Decoder(shape, sequence, source).to(kind)
        self._optimizer = _adamw(list(model.parameters()))
        size = (_BATCHES, batch, sequence + 1)
        self._batches = torch.randint(shape.vocabulary, size, generator=source, device=device)
        loss = (
            torch.compile(model.loss, backend=backend, dynamic=False)
            if backend is not None
            else model.loss
        )
        self._loss: Callable[[Tensor, Tensor], Tensor] = loss
        self._value: Tensor | None = None

    def forward(self, i: int) -> None:
        batch = self._batches[i % _BATCHES]
        with _cast(self._device, self._is_cast):
            self._value = self._loss(batch[:, :-1], batch[:, 1:])

    def backward(self, i: int) -> None:
        assert self._value is not None, "a forward pass comes first"
        self._value.backward()  # type: ignore[no-untyped-call]
        self._value = None

    def optimise(self, i: int) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)


def _kept_bytes(shape: Shape, batch: int, sequence: int, layers: int) -> int:
    """About what layers keep for the backward pass: refuses what cannot fit, no more."""
    width = 6 * shape.hidden + 4 * shape.heads * shape.head_dim + 4 * shape.feed_forward
    return 2 * layers * batch * sequence * width


def _adamw(weights: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW in one kernel, where the device has it."""
    try:
        return torch.optim.AdamW(weights, lr=_LEARNING_RATE, fused=True)
    except RuntimeError:
        return torch.optim.AdamW(weights, lr=_LEARNING_RATE)
