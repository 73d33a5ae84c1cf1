"""Configurations of well-known models, as their ``config.json`` says it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

PUBLISHED = Path(str(resources.files("computebill.architectures").joinpath("published.json")))
"""Published configurations, which ship, with the parameters that their makers state."""

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}
"""Llama 3.1 8B."""

GPT3: dict[str, Any] = {
    "model_type": "gpt2",
    "n_embd": 12288,
    "n_layer": 96,
    "n_head": 96,
    "n_positions": 2048,
    "vocab_size": 51200,
}
"""Korthikanti et al. 2022, table 3: 175B."""

DEEPSEEK_LIKE: dict[str, Any] = {
    "model_type": "deepseek_v3",
    "hidden_size": 256,
    "num_hidden_layers": 14,
    "num_attention_heads": 8,
    "intermediate_size": 512,
    "moe_intermediate_size": 64,
    "n_routed_experts": 16,
    "num_experts_per_tok": 4,
    "first_k_dense_replace": 3,
    "vocab_size": 1024,
    "q_lora_rank": 64,
    "kv_lora_rank": 32,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
}
"""A small mixture of experts with latent attention."""

LLAMA_ROW = {
    "Model": "Llama 3.1-405B",
    "Organization": "Meta AI",
    "Publication date": "2024-07-23",
    "Domain": "Language",
    "Parameters": "405000000000",
    "Training compute (FLOP)": "3.8e25",
    "Training dataset size (total)": "15600000000000",
    "Training hardware": "NVIDIA H100 SXM5 80GB",
    "Confidence": "Confident",
}
"""Llama 3.1 405B as a catalogue has it."""
