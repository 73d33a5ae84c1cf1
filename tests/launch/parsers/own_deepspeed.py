"""DeepSpeed: its own configuration, of as many processes as the file is written for."""

import json
from pathlib import Path
from typing import Any

from probe import answer

from deepspeed.runtime.config import DeepSpeedConfig


class Ranks:
    """As many data parallel ranks as a batch is divided over; nothing is started."""

    def __init__(self, ranks: int) -> None:
        self.ranks = ranks

    def get_data_parallel_world_size(self) -> int:
        return self.ranks


def read(path: Path) -> dict[str, Any]:
    import deepspeed.comm as dist

    dist.get_rank = lambda *_: 0
    given = json.loads(path.read_text())
    own = given["train_micro_batch_size_per_gpu"] * given["gradient_accumulation_steps"]
    ranks, rest = divmod(given["train_batch_size"], own)
    assert not rest, "its batch is no multiple of micro-batches"
    config = DeepSpeedConfig(str(path), mpu=Ranks(ranks))
    optimizer = config.zero_config.offload_optimizer
    weights = config.zero_config.offload_param
    return {
        "micro_batch": config.train_micro_batch_size_per_gpu,
        "micro_batches": config.gradient_accumulation_steps,
        "global_batch": config.train_batch_size,
        "zero": config.zero_optimization_stage,
        "tp": config.tensor_parallel_config.autotp_size or 1,
        "bf16": config.bfloat16_config.enabled,
        "offload_optimizer": optimizer is not None and optimizer.device != "none",
        "offload_weights": weights is not None and weights.device != "none",
    }


answer(read)
