"""axolotl: its check of a configuration on eight H100, plugins and all, and nothing ignored."""

import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import yaml
from probe import answer

sys.modules["ring_flash_attn"] = MagicMock()  # a kernel, which is only asked for

from axolotl.integrations.config import merge_input_args
from axolotl.utils.config import prepare_plugins, validate_config
from axolotl.utils.dict import DictDefault
from axolotl.utils.schemas.fsdp import FSDPConfig

CAPABILITIES = {"bf16": True, "fp8": True, "tf32": True, "n_gpu": 8, "compute_capability": "sm_90"}
REST = {
    "base_model": "Qwen/Qwen3-8B", "learning_rate": 1.0e-5,
    "datasets": [{"path": "tatsu-lab/alpaca", "type": "alpaca"}],
}  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    given = yaml.safe_load(path.read_text())
    whole = DictDefault({**REST, **given})
    prepare_plugins(whole)
    known = set(merge_input_args()[1].model_fields)
    unknown = set(given) - known - {"plugins"}
    unknown |= set(given.get("fsdp_config", {})) - set(FSDPConfig.model_fields)
    assert not unknown, f"settings that it does not know: {sorted(unknown)}"
    config = validate_config(whole, CAPABILITIES, {"torch_version": "2.13.0"})
    found = {
        "micro_batch": config.micro_batch_size, "tp": config.tensor_parallel_size or 1,
        "micro_batches": config.gradient_accumulation_steps, "cp": config.context_parallel_size,
        "ep": config.expert_parallel_size or 1, "sequence_length": config.sequence_len,
        "dp_shards": config.dp_shard_size or 1, "dp_replicas": config.dp_replicate_size or 1,
        "recompute": "full" if config.gradient_checkpointing else "none",
        "lora_rank": config.lora_r or 0 if config.adapter else 0,
        "bf16": config.bf16 is True,
    }  # fmt: skip
    if config.fsdp_config is not None:
        found["zero"] = 3 if config.fsdp_config.reshard_after_forward else 2
        found["offload_weights"] = bool(config.fsdp_config.offload_params)
    return found


answer(read)
