"""accelerate: the whole way of ``accelerate launch``, from its YAML to its plugins."""

import os
from pathlib import Path
from typing import Any

from probe import answer

from accelerate import FullyShardedDataParallelPlugin
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.parallelism_config import ParallelismConfig
from accelerate.utils.launch import prepare_multi_gpu_env

BEFORE = dict(os.environ)


def read(path: Path) -> dict[str, Any]:
    args = launch_command_parser().parse_args(["--config_file", str(path), "train.py"])
    args, _, _ = _validate_launch_command(args)
    os.environ.clear()
    os.environ.update({**BEFORE, **prepare_multi_gpu_env(args)})
    found: dict[str, Any] = {
        "count": args.num_processes, "nodes": args.num_machines, "precision": args.mixed_precision,
    }  # fmt: skip
    if args.use_fsdp:
        plugin = FullyShardedDataParallelPlugin()
        found["zero"] = 3 if plugin.reshard_after_forward else 2
        found["recompute"] = "full" if plugin.activation_checkpointing else "none"
        found["offload_weights"] = bool(getattr(plugin.cpu_offload, "pin_memory", False))
    if args.use_parallelism_config:
        degrees = ParallelismConfig()
        found |= {"tp": degrees.tp_size, "cp": degrees.cp_size}
        found |= {
            "dp_replicas": degrees.dp_replicate_size, "dp_shards": degrees.dp_shard_size,
        }  # fmt: skip
        assert degrees.total_size == args.num_processes, "its degrees make other processes"
    return found


answer(read)
