"""Configurations of well-known models, as their ``config.json`` says it."""

from __future__ import annotations

from typing import Any

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
