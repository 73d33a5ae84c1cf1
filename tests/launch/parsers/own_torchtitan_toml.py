"""torchtitan up to 0.2: a TOML file."""

from pathlib import Path
from typing import Any

from probe import answer
from torchtitan.config.manager import ConfigManager


def read(path: Path) -> dict[str, Any]:
    config = ConfigManager().parse_args(["--job.config_file", str(path)])
    degrees, training = config.parallelism, config.training
    recompute = config.activation_checkpoint.mode
    if recompute == "selective":  # by operator, or every so many layers
        by_operator = config.activation_checkpoint.selective_ac_option == "op"
        recompute = "operators" if by_operator else "layers"
    found = {
        "tp": degrees.tensor_parallel_degree, "pp": degrees.pipeline_parallel_degree,
        "cp": degrees.context_parallel_degree, "ep": degrees.expert_parallel_degree,
        "dp_shards": degrees.data_parallel_shard_degree,
        "dp_replicas": degrees.data_parallel_replicate_degree,
        "rank_batch": training.local_batch_size, "global_batch": training.global_batch_size,
        "sequence_length": training.seq_len, "recompute": recompute,
        "bf16": training.mixed_precision_param == "bfloat16",
        "offload_weights": training.enable_cpu_offload,
    }  # fmt: skip
    if degrees.expert_parallel_degree > 1:
        found["etp"] = degrees.expert_tensor_parallel_degree
    if degrees.fsdp_reshard_after_forward != "default":
        found["zero"] = {"always": 3, "never": 2}[degrees.fsdp_reshard_after_forward]
    if degrees.pipeline_parallel_degree > 1:
        found["pipeline"] = degrees.pipeline_parallel_schedule
        parts = degrees.module_fqns_per_model_part
        if parts is not None:
            found["layers_per_stage"] = [
                sum(name.startswith("layers.") for name in part) for part in parts
            ]
        found["stage_batch"] = degrees.pipeline_parallel_microbatch_size
    return found


answer(read)
