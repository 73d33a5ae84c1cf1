"""State spaces and linear attention, which meet a token in the time that one takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from .blocks import BYTES, column, row, vector
from .operators import Count, Operator


class StateSpace(NamedTuple):
    """A Mamba mixer's scan and what leads to it.

    Attributes:
        inner: width of the scan.
        state: elements of the state for each of it.
        kernel: tokens of the convolution before it.
        bias: whether the products into and out of it have one.
        conv_bias: whether the convolution has one.
        out_bias: whether the product out of it has one; None as that into it.
        normed: whether what comes out of Mamba-2's scan is normed, or what goes into Mamba's.
    """

    inner: Count
    state: Count
    kernel: Count
    bias: bool = False
    conv_bias: bool = True
    out_bias: bool | None = None
    normed: bool = True

    @property
    def has_out_bias(self) -> bool:
        """Whether the product out of the scan has a bias."""
        return self.bias if self.out_bias is None else self.out_bias


def mamba2(hidden: Count, space: StateSpace, heads: Count, groups: Count) -> list[Operator]:
    """Return a Mamba-2 mixer (Dao and Gu 2024, arXiv 2405.21060).

    The scan is counted as Megatron-LM does, 7 FLOP for each element of the state and token.

    Args:
        hidden: width of the residual stream.
        space: sizes of the scan.
        heads: number of heads; the channels of one share a step of time.
        groups: number of groups of heads that share inputs and outputs of the state.
    """
    inner, state, kernel, bias, conv_bias = space[:5]
    mixed = inner + 2 * groups * state
    name = "state_space"
    return [
        column(
            f"{name}_in",
            hidden,
            inner + mixed + heads,
            bias,
            ways=heads,
            adapted="attention",
            kept=BYTES * hidden,
        ),
        convolution(mixed, kernel, conv_bias, heads),
        Operator(
            name,
            vectors=3 * heads,
            per_token=7 * inner * state,
            ways=heads,
            kept_split=BYTES * (mixed + inner + heads),
        ),
        *([Operator(name, vectors=inner, ways=heads, kept_split=BYTES * inner)] * space.normed),
        *row(
            f"{name}_out",
            inner,
            hidden,
            space.has_out_bias,
            ways=heads,
            adapted="attention",
            kept_split=BYTES * inner,
        ),
    ]


def mamba1(hidden: Count, space: StateSpace, rank: Count) -> list[Operator]:
    """Return a Mamba mixer (arXiv 2312.00752); Jamba's (arXiv 2403.19887) has normed inputs.

    The scan is counted as Mamba-2's.

    Args:
        hidden: width of the residual stream.
        space: sizes of the scan.
        rank: width that its step of time is made from.
    """
    inner, state, kernel, bias, conv_bias = space[:5]
    name = "state_space"
    return [
        column(f"{name}_in", hidden, 2 * inner, bias, adapted="attention", kept=BYTES * hidden),
        convolution(inner, kernel, conv_bias, inner),
        *row(f"{name}_in", inner, rank + 2 * state, kept_split=BYTES * inner),
        *([vector(name, rank + 2 * state)] * space.normed),
        column(f"{name}_in", rank, inner, True, kept=BYTES * (rank + 2 * state)),
        Operator(
            name,
            vectors=inner * state + inner,
            per_token=7 * inner * state,
            kept_split=BYTES * 3 * inner,
        ),
        *row(f"{name}_out", inner, hidden, bias, adapted="attention", kept_split=BYTES * inner),
    ]


def delta_net(
    hidden: Count, k_heads: Count, v_heads: Count, d_k: Count, d_v: Count, kernel: Count
) -> list[Operator]:
    """Return a gated delta rule mixer (Yang et al. 2024, arXiv 2412.06464), as Qwen3-Next's.

    The recurrence takes 7 FLOP for each element of the state and token: decay, read, update
    (an outer product), and the query's read.
    """
    keys, values = k_heads * d_k, v_heads * d_v
    name = "linear_attention"
    return [
        column(
            f"{name}_in",
            hidden,
            2 * keys + 2 * values,
            ways=k_heads,
            adapted="attention",
            kept=BYTES * hidden,
        ),
        column(f"{name}_in", hidden, 2 * v_heads, ways=k_heads, adapted="attention"),
        convolution(2 * keys + values, kernel, False, k_heads),
        Operator(
            name,
            vectors=2 * v_heads,
            per_token=7 * v_heads * d_k * d_v,
            ways=k_heads,
            kept_split=BYTES * (2 * keys + 2 * values),
        ),
        vector(name, d_v),
        *row(
            f"{name}_out",
            values,
            hidden,
            ways=k_heads,
            adapted="attention",
            kept_split=BYTES * 2 * values,
        ),
    ]


def lightning_attention(hidden: Count, heads: Count, head_dim: Count) -> list[Operator]:
    """Return lightning attention (Qin et al. 2024, arXiv 2401.04658), as MiniMax-Text-01's.

    The recurrence takes 5 FLOP for each element of the state and token: decay, update, read.
    """
    wide = heads * head_dim
    name = "linear_attention"
    return [
        column(
            f"{name}_in", hidden, 3 * wide, ways=heads, adapted="attention", kept=BYTES * hidden
        ),
        column(
            f"{name}_in", hidden, wide, ways=heads, adapted="attention", kept_split=BYTES * wide
        ),
        Operator(
            name,
            vectors=wide,
            per_token=5 * wide * head_dim,
            ways=heads,
            kept_split=BYTES * 4 * wide,
        ),
        *row(
            f"{name}_out",
            wide,
            hidden,
            ways=heads,
            adapted="attention",
            kept_split=BYTES * 2 * wide,
        ),
    ]


def convolution(channels: Count, kernel: Count, bias: bool, ways: Count) -> Operator:
    """Return a short causal convolution, each channel by itself."""
    return Operator(
        "convolution",
        kernel,
        channels,
        vectors=channels if bias else 0,
        ways=ways,
        kept_split=BYTES * channels,
    )


def kimi_delta(hidden: Count, heads: Count, width: Count, kernel: Count) -> list[Operator]:
    """Return Kimi Delta Attention (arXiv 2510.26692): a delta rule that decays by channel.

    Its decay and its output's gate are made through as narrow a width as a head's. The recurrence
    is counted as the gated delta rule's.
    """
    wide = heads * width
    name = "linear_attention"
    split: dict[str, Any] = {"ways": heads, "adapted": "attention"}
    return [
        column(f"{name}_in", hidden, 3 * wide, kept=BYTES * hidden, **split),
        convolution(3 * wide, kernel, False, heads),
        column(f"{name}_in", hidden, 2 * width, ways=1, adapted="attention"),
        *[column(f"{name}_in", width, wide, kept=BYTES * width, **split)] * 2,
        column(f"{name}_in", hidden, heads, **split),
        Operator(
            name,
            vectors=wide + heads,
            per_token=7 * wide * width,
            ways=heads,
            kept_split=BYTES * 4 * wide,
        ),
        vector(name, width),
        *row(f"{name}_out", wide, hidden, kept_split=BYTES * 2 * wide, **split),
    ]


def short_convolution(hidden: Count, kernel: Count, bias: bool) -> list[Operator]:
    """Return LFM2's gated short convolution: two gates and an input of the hidden size."""
    name = "convolution"
    return [
        column(f"{name}_in", hidden, 3 * hidden, bias, adapted="attention", kept=BYTES * hidden),
        convolution(hidden, kernel, bias, hidden),
        *row(
            f"{name}_out", hidden, hidden, bias, adapted="attention", kept_split=BYTES * 3 * hidden
        ),
    ]


def linear_recurrence(hidden: Count, width: Count, heads: Count, kernel: Count) -> list[Operator]:
    """Return a real-gated linear recurrent unit (Griffin, arXiv 2402.19427, section 2.4).

    Both of its gates are block-diagonal, a block a head; the recurrence takes 2 FLOP a channel.
    """
    name, block = "recurrence", width // heads
    gate = Operator(name, block, block, copies=heads, uses=heads, vectors=block, ways=heads)
    return [
        column(f"{name}_in", hidden, width, True, adapted="attention", kept=BYTES * hidden),
        column(f"{name}_in", hidden, width, True, adapted="attention"),
        convolution(width, kernel, True, heads),
        gate,
        gate,
        Operator(name, vectors=width, per_token=2 * width, kept_split=BYTES * 4 * width),
        *row(f"{name}_out", width, hidden, True, adapted="attention", kept_split=BYTES * width),
    ]


def rwkv4(hidden: Count, width: Count) -> list[Operator]:
    """Return RWKV-4's time mixing (arXiv 2305.13048): weighted means over all tokens before.

    Its recurrence takes 8 FLOP a channel: numerator, denominator, their decay and ratio.
    """
    name = "linear_attention"
    return [
        column(f"{name}_in", hidden, width, adapted="attention", kept=BYTES * hidden),
        *[column(f"{name}_in", hidden, width, adapted="attention")] * 2,
        Operator(name, vectors=2 * width, per_token=8 * width, kept_split=BYTES * 3 * width),
        vector(name, 3 * hidden),
        *row(f"{name}_out", width, hidden, adapted="attention", kept_split=BYTES * width),
    ]


def rwkv4_channels(hidden: Count, width: Count) -> list[Operator]:
    """Return RWKV-4's channel mixing: a squared ReLU, and a gate of the hidden size."""
    return [
        column("mlp", hidden, width, adapted="mlp", kept=BYTES * hidden, kept_split=BYTES * width),
        column("mlp", hidden, hidden, adapted="mlp", kept_split=BYTES * hidden),
        *row("mlp", width, hidden, adapted="mlp", kept_split=BYTES * width),
        vector("mlp", 2 * hidden),
    ]


def rwkv5(hidden: Count, width: Count, head: Count) -> list[Operator]:
    """Return RWKV-5's time mixing (arXiv 2404.05892): a state of a matrix for each head.

    The recurrence takes 6 FLOP for each element of the state and token: decay, an outer product
    that is added twice, and its read.
    """
    name = "linear_attention"
    return [
        column(f"{name}_in", hidden, width, adapted="attention", kept=BYTES * hidden),
        *[column(f"{name}_in", hidden, width, adapted="attention")] * 3,
        Operator(name, vectors=2 * width, per_token=6 * width * head, kept_split=BYTES * 4 * width),
        vector(name, 4 * hidden + 2 * width),
        *row(f"{name}_out", width, hidden, adapted="attention", kept_split=BYTES * 2 * width),
    ]


class Rwkv6Ranks(NamedTuple):
    """Ranks of what RWKV-6 makes of each token.

    Attributes:
        shifts: of each of the five shifts between a token and the one before.
        decay: of the decay.
    """

    shifts: Count
    decay: Count


def rwkv6(hidden: Count, width: Count, head: Count, ranks: Rwkv6Ranks) -> list[Operator]:
    """Return RWKV-6's time mixing (arXiv 2404.05892): shifts and decay hang on the token.

    Its recurrence is counted as RWKV-5's.
    """
    name = "linear_attention"
    five = Operator(f"{name}_in", ranks.shifts, hidden, copies=5, uses=5, ways=1)
    return [
        *rwkv5(hidden, width, head),
        # RWKV-5 has four shifts, and this one five and what they start from.
        vector(name, 2 * hidden),
        column(f"{name}_in", hidden, 5 * ranks.shifts, ways=1),
        five,
        column(f"{name}_in", hidden, ranks.decay, ways=1),
        column(f"{name}_in", ranks.decay, width, kept=BYTES * ranks.decay),
    ]


class Rwkv7Ranks(NamedTuple):
    """Ranks of what RWKV-7 makes of each token.

    Attributes:
        decay: of the decay.
        rates: of the rates of learning.
        values: of the share of the first layer's values; 0 in the first layer.
        gate: of the output's gate.
    """

    decay: Count
    rates: Count
    values: Count
    gate: Count


def rwkv7(hidden: Count, head: Count, ranks: Rwkv7Ranks) -> list[Operator]:
    """Return RWKV-7's time mixing (arXiv 2503.14456): a generalised delta rule.

    Its recurrence takes 7 FLOP for each element of the state and token, as the gated delta rule's.
    """
    name, heads = "linear_attention", hidden // head
    parts = [column(f"{name}_in", hidden, hidden, adapted="attention", kept=BYTES * hidden)]
    parts += [column(f"{name}_in", hidden, hidden, adapted="attention")] * 2
    biased = ((ranks.decay, True), (ranks.rates, True), (ranks.values, True), (ranks.gate, False))
    for rank, has_bias in biased:
        if rank:
            parts.append(column(f"{name}_in", hidden, rank, ways=1))
            parts.append(column(f"{name}_in", rank, hidden, has_bias, kept=BYTES * rank))
    return [
        *parts,
        # Keys' two scales and the bonus of the token itself, and the norm of each head's output.
        Operator(
            name,
            vectors=5 * hidden,
            per_token=7 * hidden * head,
            ways=heads,
            kept_split=BYTES * 7 * hidden,
        ),
        vector(name, 6 * hidden),
        *row(f"{name}_out", hidden, hidden, adapted="attention", kept_split=BYTES * 2 * hidden),
    ]
