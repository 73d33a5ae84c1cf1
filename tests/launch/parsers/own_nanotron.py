"""nanotron: its strict configuration, what is no layout beside what is written."""

import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import yaml
from probe import answer

for name in ("flash_attn", "grouped_gemm"):  # kernels, which no configuration is read by
    for part in ("", ".flash_attn_interface", ".layers", ".layers.rotary", ".ops"):
        sys.modules[f"{name}{part}"] = MagicMock(__version__="2.8.0")

from nanotron.config import OptimizerArgs, get_config_from_file

SCHEDULER = {
    "learning_rate": 3.0e-4, "lr_warmup_steps": 2, "lr_warmup_style": "linear",
    "lr_decay_style": "cosine", "min_decay_lr": 1.0e-5,
}  # fmt: skip
ADAM = {
    "adam_eps": 1.0e-8, "adam_beta1": 0.9, "adam_beta2": 0.95, "torch_adam_is_fused": True,
}  # fmt: skip
HAS_FACTORY = "optimizer_factory" in OptimizerArgs.__dataclass_fields__
REST: dict[str, Any] = {
    "general": {"project": "test", "run": "test", "seed": 1},
    "model": {
        "init_method": {"std": 0.02},
        "model_config": {
            "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
            "initializer_range": 0.02, "intermediate_size": 14336, "is_llama_config": True,
            "max_position_embeddings": 4096, "num_attention_heads": 32, "num_hidden_layers": 32,
            "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1.0e-5,
            "rope_scaling": None, "tie_word_embeddings": False, "use_cache": True,
            "vocab_size": 32000,
        },
    },
    "optimizer": {
        "weight_decay": 0.1, "clip_grad": 1.0, "accumulate_grad_in_fp32": True,
        "learning_rate_scheduler": SCHEDULER,
        **({"optimizer_factory": {**ADAM, "name": "adamW"}} if HAS_FACTORY else ADAM),
    },
    "tokens": {"train_steps": 100},
    "tokenizer": {"tokenizer_name_or_path": "gpt2"},
}  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    whole = merged(REST, yaml.safe_load(path.read_text()))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(whole, file)
        file.flush()
        config = get_config_from_file(file.name)
    degrees, tokens = config.parallelism, config.tokens
    found = {
        "dp": degrees.dp, "pp": degrees.pp, "tp": degrees.tp, "ep": degrees.expert_parallel_size,
        "micro_batch": tokens.micro_batch_size, "zero": config.optimizer.zero_stage,
        "micro_batches": tokens.batch_accumulation_per_replica,
        "sequence_length": tokens.sequence_length, "global_batch": config.global_batch_size,
        "sequence_parallel": degrees.tp_mode.name == "REDUCE_SCATTER",
        "bf16": str(config.model.dtype) == "torch.bfloat16",
    }  # fmt: skip
    if hasattr(degrees, "context_parallel_size"):
        found["cp"] = degrees.context_parallel_size
    if hasattr(degrees, "recompute_layer"):
        found["recompute"] = "full" if degrees.recompute_layer else "none"
    return found


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    found = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


answer(read)
