"""Attention in its several forms, as operators."""

from __future__ import annotations

from typing import NamedTuple

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
    split = {
        "ways": keys,
        "adapted": "attention",
        "kept_split": BYTES * narrow,
        "exchanged": BYTES * narrow,
    }
    # A gate keeps itself and what it gates, beside their product.
    kept = BYTES * wide * (3 if gated else 1)
    return [
        column(name, hidden, q_out, bias, ways=queries, adapted="attention", kept=BYTES * hidden),
        *[column(name, hidden, narrow, bias, **split)] * 2,
        Operator(name, vectors=gains, ways=1, kept_split=BYTES * (wide + narrow) if qk_norm else 0),
        scores(queries, width, width, mask, queries if sinks else 0),
        *row(
            "attention_output",
            wide,
            hidden,
            out_bias,
            ways=queries,
            adapted="attention",
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
        kept_split=BYTES * out,
    )
    return parts
