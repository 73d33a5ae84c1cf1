"""torchtitan: its configurations by module and name, with what is written as its flags."""

from pathlib import Path
from typing import Any

from probe import answer, started, torchrun_words
from torchtitan.config.manager import ConfigManager
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC

MODEL = ["--module", "deepseek_v3", "--config", "deepseek_v3_16b"]
KINDS = {type(None): "none", FullAC.Config: "full", SelectiveAC.Config: "operators"}


def read(path: Path) -> dict[str, Any]:
    facts, program, words = started(torchrun_words(path, MODEL))
    assert program == "torchtitan.train", f"it starts {program}"
    config = ConfigManager().parse_args(words)
    degrees, training = config.parallelism, config.training
    found = {
        **facts,
        "tp": degrees.tensor_parallel_degree, "pp": degrees.pipeline_parallel_degree,
        "cp": degrees.context_parallel_degree, "ep": degrees.expert_parallel_degree,
        "dp_shards": degrees.data_parallel_shard_degree,
        "dp_replicas": degrees.data_parallel_replicate_degree,
        "rank_batch": training.local_batch_size, "global_batch": training.global_batch_size,
        "sequence_length": training.seq_len, "recompute": KINDS[type(config.activation_checkpoint)],
        "bf16": training.mixed_precision_param == "bfloat16",
        "offload_weights": training.enable_cpu_offload,
    }  # fmt: skip
    if degrees.tensor_parallel_degree > 1:
        found["sequence_parallel"] = degrees.enable_sequence_parallel
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
