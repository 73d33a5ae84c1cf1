from __future__ import annotations

from typing import Any

import pytest

CONFIG = {
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 688,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "vocab_size": 1000,
    "max_position_embeddings": 2048,
}


@pytest.fixture
def fields() -> dict[str, Any]:
    """A run of a small model on eight H100s."""
    return {
        "model": CONFIG,
        "tokens": 1e9,
        "accelerator": "h100",
        "count": 8,
        "sequence_length": 1024,
        "price": 2.0,
    }
