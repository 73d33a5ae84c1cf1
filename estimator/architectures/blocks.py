"""The blocks that architectures are made of, as operators.

What is kept for the backward pass follows Korthikanti et al. 2022, "Reducing Activation
Recomputation in Large Transformer Models", arXiv 2205.05198, section 4.1, part by part: each
product keeps its input, each norm and each activation function its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .operators import UNLIMITED, Count, Heads, Operator

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


class Mask(NamedTuple):
    """Which keys a query attends.

    Attributes:
        window: how many at most.
        chunked: whether the window is a fixed chunk of the sequence, rather than a sliding one.
        causal: whether only itself and what comes before.
    """

    window: Count = UNLIMITED
    chunked: bool = False
    causal: bool = True


CAUSAL, BOTH_WAYS = Mask(), Mask(causal=False)


def scores(
    heads: Count, d_qk: Count, d_v: Count, mask: Mask = CAUSAL, sinks: Count = 0
) -> Operator:
    """Return the product of queries and keys, and of its softmax and values.

    It keeps queries, and four bytes a head of the softmax's scale; what makes keys and values
    keeps those.

    Args:
        heads: heads of queries.
        d_qk: width of a query and of a key.
        d_v: width of a value.
        mask: which keys a query attends.
        sinks: parameters that take part in the softmax.
    """
    return Operator(
        "attention_scores",
        vectors=sinks,
        per_key=heads * (d_qk + d_v),
        window=mask.window,
        causal=mask.causal,
        chunked=mask.chunked,
        ways=heads,
        kept_split=BYTES * heads * d_qk + 4 * heads,
        heads=heads,
        result=heads * d_v,
    )


class Extras(NamedTuple):
    """What attention has beside its matrices.

    Attributes:
        bias: whether queries, keys and values have one.
        out_bias: whether the output has one.
        gated: whether queries carry a gate for the output.
        qk_norm: ``head`` (a gain that heads share), ``heads`` (one of all heads), or nothing.
        sinks: whether each head has a logit that takes part in its softmax.
    """

    bias: bool = False
    out_bias: bool = False
    gated: bool = False
    qk_norm: str = ""
    sinks: bool = False


NONE, BIASES = Extras(), Extras(bias=True, out_bias=True)


def attention(
    hidden: Count, heads: Heads, extras: Extras = NONE, mask: Mask = CAUSAL
) -> list[Operator]:
    """Return grouped-query attention: projections, scores, output.

    Args:
        hidden: width of the residual stream.
        heads: heads of queries, keys and values.
        extras: what it has beside its matrices.
        mask: which keys a query attends.
    """
    queries, keys, width = heads
    bias, out_bias, gated, qk_norm, sinks = extras
    wide, narrow = queries * width, keys * width
    gains = {"": 0, "head": 2 * width, "heads": wide + narrow}[qk_norm]
    name = "attention_qkv"
    q_out = 2 * wide if gated else wide
    split: dict[str, Any] = {
        "ways": keys,
        "adapted": "attention",
        "kept_split": BYTES * narrow,
        "exchanged": BYTES * narrow,
    }
    # A gate keeps itself and what it gates, beside their product.
    kept = BYTES * wide * (3 if gated else 1)
    q_split: dict[str, Any] = {"ways": queries, "adapted": "attention", "module": "q_proj"}
    return [
        column(name, hidden, q_out, bias, kept=BYTES * hidden, **q_split),
        column(name, hidden, narrow, bias, module="k_proj", **split),
        column(name, hidden, narrow, bias, module="v_proj", **split),
        Operator(name, vectors=gains, ways=1, kept_split=BYTES * (wide + narrow) if qk_norm else 0),
        scores(queries, width, width, mask, queries if sinks else 0),
        *row(
            "attention_output",
            wide,
            hidden,
            out_bias,
            ways=queries,
            adapted="attention",
            module="o_proj",
            kept_split=kept,
        ),
    ]


class LatentHeads(NamedTuple):
    """Heads of multi-head latent attention, by DeepSeek-V2's names.

    Attributes:
        heads: how many.
        q_rank: width that queries are compressed to; None where they are not.
        kv_rank: width that keys and values are compressed to.
        d_nope: width of a query and key without rotary positions.
        d_rope: width of their part with them; of keys one for all heads.
        d_v: width of a value.
    """

    heads: Count
    q_rank: Count | None
    kv_rank: Count
    d_nope: Count
    d_rope: Count
    d_v: Count


def latent_attention(hidden: Count, sizes: LatentHeads, bias: bool = False) -> list[Operator]:
    """Return multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)."""
    heads, q_rank, kv_rank, d_nope, d_rope, d_v = sizes
    name = "attention_qkv"
    d_qk = d_nope + d_rope

    def product(module: str, d_in: Count, d_out: Count, *biased: bool, **more: Any) -> Operator:
        return column(name, d_in, d_out, *biased, adapted="attention", module=module, **more)

    parts: list[Operator] = []
    if q_rank is None:
        parts.append(product("q_proj", hidden, heads * d_qk, ways=heads, kept=BYTES * hidden))
    else:
        parts += [
            product("q_a_proj", hidden, q_rank, bias, ways=1, kept=BYTES * hidden),
            norm(name, q_rank, "rms"),
            product("q_b_proj", q_rank, heads * d_qk, ways=heads, kept=BYTES * q_rank),
        ]
    parts += [
        product("kv_a_proj_with_mqa", hidden, kv_rank + d_rope, bias, ways=1),
        norm(name, kv_rank, "rms"),
        product(
            "kv_b_proj",
            kv_rank,
            heads * (d_nope + d_v),
            ways=heads,
            kept=BYTES * kv_rank,
            kept_split=BYTES * heads * (d_qk + d_v),
            exchanged=BYTES * heads * (d_qk + d_v),
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
        module="o_proj",
        kept_split=BYTES * out,
    )
    return parts


class Experts(NamedTuple):
    """Experts of a layer.

    Attributes:
        held: how many there are.
        chosen: how many of them a token meets.
    """

    held: Count
    chosen: Count


def mlp(
    hidden: Count,
    width: Count,
    *,
    gated: bool = True,
    bias: bool = False,
    name: str = "mlp",
    experts: Experts | None = None,
) -> list[Operator]:
    """Return a feed-forward block: two matrices, or three where gated.

    It keeps its input, what goes into the activation function, and what comes out of it.

    Args:
        hidden: width of the residual stream.
        width: width of the block.
        gated: whether it has three matrices.
        bias: whether they have one each.
        name: what its figures are added up under.
        experts: how many such blocks a layer has; None for one.
    """
    copies, uses = experts or (1, 1)
    shared: dict[str, Any] = {
        "uses": uses,
        "copies": copies,
        "expert": experts is not None,
        "adapted": "experts" if experts else "mlp",
    }
    into, inner = uses * BYTES * hidden, uses * BYTES * width
    first = shared | {"module": "gate_proj" if gated else "up_proj"}
    parts = [column(name, hidden, width, bias, kept=into, kept_split=inner, **first)]
    if gated:
        # Unfused, the activated gate is kept as well as what it was made from.
        unfused = shared | {"module": "up_proj", "eager_split": inner}
        parts.append(column(name, hidden, width, bias, kept_split=inner, **unfused))
    last = shared | {"module": "down_proj"}
    if experts:
        # Its bias goes with it to another rank.
        down = column(name, width, hidden, bias, by_input=True, kept_split=inner, **last)
        return [*parts, down]
    return [*parts, *row(name, width, hidden, bias, kept_split=inner, **last)]


class Shared(NamedTuple):
    """An expert that every token meets.

    Attributes:
        width: width of the expert; the number 0 where there is none.
        is_weighted: whether a gate weights its output.
    """

    width: Count = 0
    is_weighted: bool = False


UNSHARED = Shared()


def mixture(
    hidden: Count,
    width: Count,
    experts: Experts,
    shared: Shared = UNSHARED,
    *,
    bias: bool = False,
    router_bias: bool = False,
) -> list[Operator]:
    """Return a mixture of gated experts, and of one that all tokens share.

    Each chosen expert keeps its own copy of the token. The router keeps its input, which is the
    shared expert's too, and its scores in 32 bits.

    Args:
        hidden: width of the residual stream.
        width: width of an expert.
        experts: how many there are and how many are chosen.
        shared: the expert that every token meets.
        bias: whether experts have one.
        router_bias: whether the router has one.
    """
    has_shared = not isinstance(shared.width, int) or shared.width > 0
    kept = 4 * experts.held if has_shared else 4 * experts.held + BYTES * hidden
    parts = [
        column("router", hidden, experts.held, router_bias, ways=1, kept=kept),
        *mlp(hidden, width, bias=bias, name="experts", experts=experts),
    ]
    if has_shared:
        parts += mlp(hidden, shared.width, name="shared_experts")
        if shared.is_weighted:
            parts.append(column("shared_experts", hidden, 1, ways=1, kept=BYTES * hidden))
    return parts


class StateSpace(NamedTuple):
    """A Mamba mixer's scan and what leads to it.

    Attributes:
        inner: width of the scan.
        state: elements of the state for each of it.
        kernel: tokens of the convolution before it.
        bias: whether the products into and out of it have one.
        conv_bias: whether the convolution has one.
    """

    inner: Count
    state: Count
    kernel: Count
    bias: bool = False
    conv_bias: bool = True


def mamba2(hidden: Count, space: StateSpace, heads: Count, groups: Count) -> list[Operator]:
    """Return a Mamba-2 mixer (Dao and Gu 2024, arXiv 2405.21060).

    The scan is counted as Megatron-LM does, 7 FLOP for each element of the state and token.

    Args:
        hidden: width of the residual stream.
        space: sizes of the scan.
        heads: number of heads; the channels of one share a step of time.
        groups: number of groups of heads that share inputs and outputs of the state.
    """
    inner, state, kernel, bias, conv_bias = space
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


def mamba1(hidden: Count, space: StateSpace, rank: Count) -> list[Operator]:
    """Return a Mamba mixer with normed inputs, as Jamba's (arXiv 2403.19887).

    The scan is counted as Mamba-2's.

    Args:
        hidden: width of the residual stream.
        space: sizes of the scan.
        rank: width that its step of time is made from.
    """
    inner, state, kernel, bias, conv_bias = space
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
