"""Decoders from before Llama: biases, position tables, norms with a bias."""

from __future__ import annotations

from . import particulars
from .families_common import ALL_BIASES, FOUR_TIMES, GPT2_NAMES, MPT_NAMES
from .recipes import Family, attention, mlp

OLDER: dict[str, Family] = {
    "gpt2": Family(
        "GPT-2",
        mixer=particulars.gpt2_attention,
        positions=lambda config: config.size("max_position_embeddings"),
        names=GPT2_NAMES,
        feed_forward=FOUR_TIMES,
        norm="layer",
    ),
    "gpt_neox": Family(
        "GPT-NeoX-20B, Pythia",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", grouped=False),
        feed_forward=mlp(gated=False, bias=True),
        norm="layer",
    ),
    "gptj": Family(
        "GPT-J-6B",
        mixer=attention(grouped=False),
        norms=1,
        head_bias=True,
        names=GPT2_NAMES,
        feed_forward=FOUR_TIMES,
        norm="layer",
    ),
    "opt": Family(
        "OPT",
        mixer=attention(bias="enable_bias", out_bias="enable_bias", grouped=False),
        feed_forward=mlp(gated=False, bias="enable_bias"),
        norm="layer",
        positions=particulars.opt_positions,
        final_norm=particulars.opt_has_final_norm,
        names={"intermediate_size": "ffn_dim", "embedding_size": "word_embed_proj_dim"},
    ),
    "bloom": Family(
        "BLOOM",
        mixer=ALL_BIASES,
        embedding_norm=True,
        names={
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "max_position_embeddings": "seq_length",
        },
        feed_forward=FOUR_TIMES,
        norm="layer",
    ),
    "mpt": Family(
        "MPT",
        mixer=attention(grouped=False),
        feed_forward=mlp(gated=False, ratio=4),
        norm="gain",
        names=MPT_NAMES,
    ),
    "falcon": Family(
        "Falcon",
        mixer=particulars.falcon_attention,
        feed_forward=mlp(gated=False, bias="bias", width="ffn_hidden_size", ratio=4),
        norm="layer",
        norms=particulars.falcon_norms,
    ),
}
