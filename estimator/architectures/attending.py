"""Attention in its several forms, as operators."""

from __future__ import annotations

from typing import Any, NamedTuple

from .blocks import BYTES, column, norm, row
from .operators import UNLIMITED, Count, Heads, Operator


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
        qk_norm: ``head`` (a gain that heads share), ``heads`` (one of all heads), ``head_layer``
            (gain and bias that heads share), or nothing.
        sinks: whether each head has a logit that takes part in its softmax.
        key_bias: whether keys have the bias that queries and values have.
        values: ``own``, ``keys`` (keys serve as values) or ``borrowed`` (with keys, of a layer
            before).
    """

    bias: bool = False
    out_bias: bool = False
    gated: bool = False
    qk_norm: str = ""
    sinks: bool = False
    key_bias: bool = True
    values: str = "own"


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
    queries, keys, width = heads.queries, heads.keys, heads.width
    d_v = width if heads.value_width is None else heads.value_width
    wide, narrow, out = queries * width, keys * width, queries * d_v
    borrowed = extras.values == "borrowed"
    gains = {
        "": 0,
        "head": width if borrowed else 2 * width,
        "heads": wide if borrowed else wide + narrow,
        "head_layer": 4 * width,
    }[extras.qk_norm]
    name = "attention_qkv"
    normed = BYTES * (wide + narrow) if extras.qk_norm else 0
    has_key_bias = extras.bias and extras.key_bias
    key = ("k_proj", narrow, has_key_bias)
    value = ("v_proj", keys * d_v, extras.bias)
    products = {"own": (key, value), "keys": (key,), "borrowed": ()}[extras.values]
    return [
        column(
            name,
            hidden,
            wide + out if extras.gated else wide,
            extras.bias,
            ways=queries,
            adapted="attention",
            module="q_proj",
            kept=BYTES * hidden,
        ),
        *(
            column(
                name,
                hidden,
                each,
                has_bias,
                ways=keys,
                adapted="attention",
                module=module,
                kept_split=BYTES * each,
                exchanged=BYTES * each,
            )
            for module, each, has_bias in products
        ),
        Operator(name, vectors=gains, ways=1, kept_split=normed),
        scores(queries, width, d_v, mask, queries if extras.sinks else 0),
        *row(
            "attention_output",
            out,
            hidden,
            extras.out_bias,
            ways=queries,
            adapted="attention",
            module="o_proj",
            # A gate keeps itself and what it gates, beside their product.
            kept_split=BYTES * out * (3 if extras.gated else 1),
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


def latent_attention(
    hidden: Count, sizes: LatentHeads, bias: bool = False, window: Count = UNLIMITED
) -> list[Operator]:
    """Return multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    Args:
        hidden: width of the residual stream.
        sizes: of its heads.
        bias: whether the products that compress, and the output, have one.
        window: keys that a query attends at most.
    """
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
        scores(heads, d_qk, d_v, Mask(window)),
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


def indexer(hidden: Count, q_rank: Count, heads: Count, width: Count) -> list[Operator]:
    """Return what chooses the keys of sparse attention (DeepSeek-V3.2-Exp, section 2.1).

    Its heads score every key; the main attention takes the best of them.

    Args:
        hidden: width of the residual stream.
        q_rank: width that queries are compressed to.
        heads: number of its heads.
        width: width of each, and of the one key that they share.
    """
    name = "indexer"
    return [
        column(name, q_rank, heads * width, ways=1),
        column(name, hidden, width, ways=1),
        norm(name, width, "layer"),
        column(name, hidden, heads, ways=1, kept_split=BYTES * (heads * width + width)),
        Operator(name, per_key=heads * width, ways=1, heads=heads),
    ]
