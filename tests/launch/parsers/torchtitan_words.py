"""What both releases of torchtitan say of degrees and batches, in the same words."""

from typing import Any


def degrees_and_batches(degrees: Any, training: Any) -> dict[str, Any]:
    """Return a configuration's layout, but for its recomputation.

    Args:
        degrees: its section ``parallelism``.
        training: its section ``training``.
    """
    found = {
        "tp": degrees.tensor_parallel_degree, "pp": degrees.pipeline_parallel_degree,
        "cp": degrees.context_parallel_degree, "ep": degrees.expert_parallel_degree,
        "dp_shards": degrees.data_parallel_shard_degree,
        "dp_replicas": degrees.data_parallel_replicate_degree,
        "rank_batch": training.local_batch_size, "global_batch": training.global_batch_size,
        "sequence_length": training.seq_len,
        "bf16": training.mixed_precision_param == "bfloat16",
        "offload_weights": training.enable_cpu_offload,
    }  # fmt: skip
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
