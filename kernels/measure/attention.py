"""Attention, forward and backward, by each back end of PyTorch's scaled dot product."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from computebill.kernels.constants import number
from computebill.kernels.flop import attended_keys

from .buffers import copies, random, reserve
from .clock import Call, Parts, Timing, time_parts
from .matmul import dtype_of
from .outcome import Skip, batch_halvings, reason, shrinking

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}
"""Back ends of CUDA, ROCm and the CPU; others choose their own."""

BACKWARD_TIMES = number("measure.attention.BACKWARD_TIMES")
"""Ratio of the model FLOP of the backward pass to those of the forward, without what fused kernels
compute again."""


@dataclass(frozen=True)
class AttentionShape:
    """Sizes of attention.

    Attributes:
        batch: sequences.
        heads: number of heads of queries.
        kv_heads: number of heads of keys and values.
        sequence: tokens of each sequence.
        head_dim: size of a head.
        causal: a query attends itself and what comes before; else all.
    """

    batch: int
    heads: int
    kv_heads: int
    sequence: int
    head_dim: int
    causal: bool = True

    @property
    def flop_full(self) -> float:
        """FLOP of a forward pass where every query attends every key."""
        return 4.0 * self.batch * self.heads * self.sequence**2 * self.head_dim

    @property
    def flop(self) -> float:
        """FLOP of a forward pass, of only the keys that the mask lets through."""
        length = torch.tensor(float(self.sequence), dtype=torch.float64)
        none = torch.zeros_like(length)
        keys = attended_keys(length, length, torch.full_like(length, self.causal), none)
        return self.flop_full * float(keys) / self.sequence


@dataclass(frozen=True)
class Attention:
    """Attention by one back end.

    Attributes:
        shape: shape that was measured; its batch or sequence may be less than asked for.
        backend: one of ``BACKENDS``, or ``default`` where the device has none to choose from.
        dtype: dtype of queries, keys and values.
        forward: time of a forward pass.
        backward: time of a backward pass.
    """

    shape: AttentionShape
    backend: str
    dtype: str
    forward: Timing
    backward: Timing

    @property
    def forward_flop_per_s(self) -> float:
        """Model FLOP a second of the forward pass, masked keys left out."""
        return self.shape.flop / self.forward.seconds

    @property
    def backward_flop_per_s(self) -> float:
        """Model FLOP a second of the backward pass, masked keys left out."""
        return BACKWARD_TIMES * self.shape.flop / self.backward.seconds


def measure_attention(
    shape: AttentionShape, device: torch.device, *, dtype: str = "bf16", seconds: float = 4.0
) -> tuple[Attention | Skip, ...]:
    """Time each back end; those that a device, shape or dtype lacks are skipped.

    Args:
        shape: shape of the attention.
        device: device that it runs on.
        dtype: one of ``matmul.DTYPES``.
        seconds: budget of all back ends.
    """
    names = tuple(BACKENDS) if device.type in ("cuda", "cpu") else ("default",)
    share = seconds / len(names)
    return tuple(measure_backend(name, shape, device, dtype=dtype, seconds=share) for name in names)


def measure_backend(
    backend: str,
    shape: AttentionShape,
    device: torch.device,
    *,
    dtype: str = "bf16",
    seconds: float = 1.0,
) -> Attention | Skip:
    """Time one back end; the batch, then the sequence is halved where memory does not suffice.

    Args:
        backend: one of ``BACKENDS``, or ``default``.
        shape: shape of the attention.
        device: device that it runs on.
        dtype: one of ``matmul.DTYPES``.
        seconds: budget; see ``clock.time_calls``.
    """

    def measure(size: tuple[int, int]) -> Attention:
        batch, sequence = size
        each = replace(shape, batch=batch, sequence=sequence)
        if backend == "math":
            # Scores, their softmax and its gradient, in float32 at worst.
            reserve(12 * batch * shape.heads * sequence**2, device)
        with _chosen(backend):
            parts = time_parts(_passes(each, dtype, device), device, seconds=seconds)
        return _attention(each, backend, dtype, parts)

    return shrinking(
        f"{backend} attention, {dtype}", measure, batch_halvings(shape.batch, shape.sequence)
    )


def _attention(shape: AttentionShape, backend: str, dtype: str, parts: Parts) -> Attention:
    forward, backward = parts.parts
    return Attention(shape, backend, dtype, forward, backward)


@contextmanager
def _chosen(backend: str) -> Iterator[None]:
    """Allow one back end only; where it refuses, say why, as PyTorch does in warnings."""
    if backend == "default":
        yield
        return
    with warnings.catch_warnings(record=True) as heard, sdpa_kernel(BACKENDS[backend]):
        warnings.simplefilter("always")
        try:
            yield
        except RuntimeError as error:
            if not any(sign in str(error).lower() for sign in ("no viable", "no available")):
                raise
            why = next(filter(None, map(_refusal, heard)), None)
            raise NotImplementedError(why or "this device has no such kernel") from error


def _refusal(heard: warnings.WarningMessage) -> str | None:
    """A reason for which PyTorch leaves out the back end; None of a heading or another's."""
    text = str(heard.message).split("(Triggered internally")[0]
    is_other = "not used because" in text or "runtime disabled" in text
    return None if is_other else reason(Warning(text))


def _passes(shape: AttentionShape, dtype: str, device: torch.device) -> tuple[Call, Call]:
    """A forward and a backward pass, over inputs in turn.

    Raises:
        ValueError: of an unknown dtype.
        MemoryError: where memory does not suffice.
        RuntimeError: the same.
    """
    kind = dtype_of(dtype, device)
    wide = (shape.batch, shape.heads, shape.sequence, shape.head_dim)
    narrow = (shape.batch, shape.kv_heads, shape.sequence, shape.head_dim)
    elements = (
        shape.batch * shape.sequence * shape.head_dim * (shape.heads * 2 + shape.kv_heads * 2)
    )
    # Besides the inputs and the gradient of the output: the output, and the inputs' gradients.
    count = copies(2 * elements * kind.itemsize, device)
    q, k, v, gradient = (
        random(count, size, kind, device, seed=seed)
        for seed, size in enumerate((wide, narrow, narrow, wide))
    )
    for each in (*q, *k, *v):
        each.requires_grad_()
    out: list[Tensor] = []

    def forward(i: int) -> None:
        at = i % count
        grouped = shape.heads != shape.kv_heads
        out[:] = [
            scaled_dot_product_attention(
                q[at], k[at], v[at], is_causal=shape.causal, enable_gqa=grouped
            )
        ]

    def backward(i: int) -> None:
        at = i % count
        torch.autograd.grad(out.pop(), (q[at], k[at], v[at]), gradient[at])

    return forward, backward
