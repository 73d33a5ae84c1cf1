"""The blocks that architectures are made of, as operators.

What is kept for the backward pass follows Korthikanti et al. 2022, "Reducing Activation
Recomputation in Large Transformer Models", arXiv 2205.05198, section 4.1, part by part: each
product keeps its input, each norm and each activation function its own.
"""

from __future__ import annotations

from typing import Any

from .operators import UNLIMITED, Count, Operator

BYTES = 2
"""Size of an element of an activation in 16 bits [B]."""


def vector(name: str, size: Count) -> Operator:
    """Return parameters that each tensor parallel rank holds whole."""
    return Operator(name, vectors=size, ways=1)


def norm(name: str, size: Count, kind: str) -> Operator:
    """Return a norm: ``rms`` (a gain), ``layer`` (gain and bias), ``gain``, or ``none``.

    It keeps its input. An unfused root-mean-square norm keeps it in 32 bits, and what it scales
    by the gain.
    """
    vectors = {"rms": 1, "gain": 1, "layer": 2, "none": 0}[kind] * size
    eager = 2 * BYTES * size if kind == "rms" else 0
    return Operator(name, vectors=vectors, ways=1, kept=BYTES * size, eager=eager)


def column(name: str, d_in: Count, d_out: Count, bias: bool = False, **more: Any) -> Operator:
    """Return a product divided by its outputs over tensor parallel ranks."""
    vectors, result = d_out if bias else 0, d_out * more.get("uses", 1)
    return Operator(name, d_in, d_out, vectors=vectors, result=result, **more)


def row(name: str, d_in: Count, d_out: Count, bias: bool = False, **more: Any) -> list[Operator]:
    """Return a product divided by its inputs; its bias is held by each rank."""
    product = column(name, d_in, d_out, by_input=True, **more)
    return [product, vector(name, d_out)] if bias else [product]


def scores(
    heads: Count,
    d_qk: Count,
    d_v: Count,
    *,
    window: Count = UNLIMITED,
    chunked: bool = False,
    causal: bool = True,
    sinks: Count = 0,
) -> Operator:
    """Return the product of queries and keys, and of its softmax and values.

    It keeps queries, and four bytes a head of the softmax's scale; what makes keys and values
    keeps those.
    """
    return Operator(
        "attention_scores",
        vectors=sinks,
        per_key=heads * (d_qk + d_v),
        window=window,
        causal=causal,
        chunked=chunked,
        ways=heads,
        kept_split=BYTES * heads * d_qk + 4 * heads,
        heads=heads,
        result=heads * d_v,
    )


def attention(
    hidden: Count,
    heads: Count,
    kv_heads: Count,
    head_dim: Count,
    *,
    bias: bool = False,
    out_bias: bool = False,
    gated: bool = False,
    qk_norm: str = "",
    **score_options: Any,
) -> list[Operator]:
    """Return grouped-query attention: projections, scores, output.

    Args:
        hidden: width of the residual stream.
        heads: query heads.
        kv_heads: heads of keys and values.
        head_dim: width of a head.
        bias: whether queries, keys and values have one.
        out_bias: whether the output has one.
        gated: whether queries carry a gate for the output.
        qk_norm: ``head`` (a gain that heads share), ``heads`` (one of all heads), or nothing.
        score_options: options of ``scores``.
    """
    wide, narrow = heads * head_dim, kv_heads * head_dim
    gains = {"": 0, "head": 2 * head_dim, "heads": wide + narrow}[qk_norm]
    name = "attention_qkv"
    q_out = 2 * wide if gated else wide
    parts = [
        column(name, hidden, q_out, bias, ways=heads, adapted="attention", kept=BYTES * hidden),
        *[
            column(
                name,
                hidden,
                narrow,
                bias,
                ways=kv_heads,
                adapted="attention",
                kept_split=BYTES * narrow,
            )
        ]
        * 2,
        Operator(name, vectors=gains, ways=1, kept_split=BYTES * (wide + narrow) if qk_norm else 0),
        scores(heads, head_dim, head_dim, **score_options),
    ]
    # A gate keeps itself and what it gates, beside their product.
    kept = BYTES * wide * (3 if gated else 1)
    parts += row(
        "attention_output", wide, hidden, out_bias, ways=heads, adapted="attention", kept_split=kept
    )
    return parts


def latent_attention(
    hidden: Count,
    heads: Count,
    *,
    q_rank: Count | None,
    kv_rank: Count,
    d_nope: Count,
    d_rope: Count,
    d_v: Count,
    bias: bool = False,
) -> list[Operator]:
    """Return multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)."""
    name = "attention_qkv"
    d_qk = d_nope + d_rope
    parts = []
    if q_rank is None:
        parts.append(
            column(name, hidden, heads * d_qk, ways=heads, adapted="attention", kept=BYTES * hidden)
        )
    else:
        parts += [
            column(name, hidden, q_rank, bias, ways=1, adapted="attention", kept=BYTES * hidden),
            norm(name, q_rank, "rms"),
            column(
                name, q_rank, heads * d_qk, ways=heads, adapted="attention", kept=BYTES * q_rank
            ),
        ]
    parts += [
        column(name, hidden, kv_rank + d_rope, bias, ways=1, adapted="attention"),
        norm(name, kv_rank, "rms"),
        column(
            name,
            kv_rank,
            heads * (d_nope + d_v),
            ways=heads,
            adapted="attention",
            kept=BYTES * kv_rank,
            kept_split=BYTES * heads * (d_qk + d_v),
        ),
        scores(heads, d_qk, d_v),
    ]
    out = heads * d_v
    parts += row(
        "attention_output",
        out,
        hidden,
        bias,
        ways=heads,
        adapted="attention",
        kept_split=BYTES * out,
    )
    return parts


def mlp(
    hidden: Count,
    width: Count,
    *,
    gated: bool = True,
    bias: bool = False,
    name: str = "mlp",
    uses: Count = 1,
    copies: Count = 1,
    expert: bool = False,
    adapted: str = "mlp",
) -> list[Operator]:
    """Return a feed-forward block: two matrices, or three where gated.

    It keeps its input, what goes into the activation function, and what comes out of it.
    """
    shared: dict[str, Any] = {
        "uses": uses,
        "copies": copies,
        "expert": expert,
        "adapted": adapted,
    }
    into, inner = uses * BYTES * hidden, uses * BYTES * width
    parts = [column(name, hidden, width, bias, kept=into, kept_split=inner, **shared)]
    if gated:
        # Unfused, the activated gate is kept as well as what it was made from.
        parts.append(
            column(name, hidden, width, bias, kept_split=inner, eager_split=inner, **shared)
        )
    if expert:
        # Its bias goes with it to another rank.
        down = column(name, width, hidden, bias, by_input=True, kept_split=inner, **shared)
        return [*parts, down]
    return [*parts, *row(name, width, hidden, bias, kept_split=inner, **shared)]


def mixture(
    hidden: Count,
    width: Count,
    experts: Count,
    top_k: Count,
    *,
    gated: bool = True,
    bias: bool = False,
    router_bias: bool = False,
    shared_width: Count = 0,
    shared_gate: bool = False,
) -> list[Operator]:
    """Return a mixture of experts, with a shared expert where ``shared_width`` is not 0.

    Each chosen expert keeps its own copy of the token. The router keeps its input, which is the
    shared expert's too, and its scores in 32 bits.
    """
    has_shared = not isinstance(shared_width, int) or shared_width > 0
    kept = 4 * experts if has_shared else 4 * experts + BYTES * hidden
    router = column("router", hidden, experts, router_bias, ways=1, kept=kept)
    parts = [
        router,
        *mlp(
            hidden,
            width,
            gated=gated,
            bias=bias,
            name="experts",
            uses=top_k,
            copies=experts,
            expert=True,
            adapted="experts",
        ),
    ]
    if has_shared:
        parts += mlp(hidden, shared_width, gated=gated, name="shared_experts")
        if shared_gate:
            parts.append(column("shared_experts", hidden, 1, ways=1, kept=BYTES * hidden))
    return parts


def mamba2(
    hidden: Count,
    inner: Count,
    heads: Count,
    state: Count,
    groups: Count,
    kernel: Count,
    *,
    bias: bool = False,
    conv_bias: bool = True,
) -> list[Operator]:
    """Return a Mamba-2 mixer (Dao and Gu 2024, arXiv 2405.21060).

    The scan is counted as Megatron-LM does, 7 FLOP for each element of the state and token.
    """
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
        Operator(name, vectors=inner, ways=heads, kept_split=BYTES * inner),
        *row(
            f"{name}_out",
            inner,
            hidden,
            bias,
            ways=heads,
            adapted="attention",
            kept_split=BYTES * inner,
        ),
    ]


def mamba1(
    hidden: Count,
    inner: Count,
    state: Count,
    rank: Count,
    kernel: Count,
    *,
    bias: bool = False,
    conv_bias: bool = True,
) -> list[Operator]:
    """Return a Mamba mixer with normed inputs, as Jamba's (arXiv 2403.19887).

    The scan is counted as Mamba-2's.
    """
    name = "state_space"
    return [
        column(f"{name}_in", hidden, 2 * inner, bias, adapted="attention", kept=BYTES * hidden),
        convolution(inner, kernel, conv_bias, inner),
        *row(f"{name}_in", inner, rank + 2 * state, kept_split=BYTES * inner),
        vector(name, rank + 2 * state),
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


def embedding(name: str, entries: Count, width: Count, *, ways: Count = UNLIMITED) -> Operator:
    """Return a table that tokens or positions are looked up in."""
    return Operator(name, vectors=entries * width, ways=ways, lookup=True)


def head(
    hidden: Count, outputs: Count, *, tied: bool, bias: bool = False, uses: Count = 1
) -> list[Operator]:
    """Return the product that gives the logits; a tied one holds no matrix of its own."""
    product = Operator(
        "logits", hidden, outputs, copies=0 if tied else 1, uses=uses, kept=BYTES * hidden
    )
    return [product, Operator("logits", vectors=outputs)] if bias else [product]
