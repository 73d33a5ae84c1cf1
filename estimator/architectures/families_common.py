"""Names, defaults and recipes that several families share."""

from __future__ import annotations

from .recipes import attention, mlp

GPT2_NAMES = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions",
}
MPT_NAMES = {
    "hidden_size": "d_model",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "max_position_embeddings": "max_seq_len",
}
TIED = {"tie_word_embeddings": True}
FOUR_TIMES = mlp(gated=False, bias=True, ratio=4)
ALL_BIASES = attention(bias=True, out_bias=True, grouped=False)
BIASES_ON_REQUEST = attention(bias="attention_bias", out_bias="attention_bias")
