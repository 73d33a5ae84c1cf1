"""torchtitan up to 0.2: a TOML file."""

from pathlib import Path
from typing import Any

from probe import answer
from torchtitan.config.manager import ConfigManager
from torchtitan_words import degrees_and_batches


def read(path: Path) -> dict[str, Any]:
    config = ConfigManager().parse_args(["--job.config_file", str(path)])
    degrees, training = config.parallelism, config.training
    recompute = config.activation_checkpoint.mode
    if recompute == "selective":  # by operator, or every so many layers
        by_operator = config.activation_checkpoint.selective_ac_option == "op"
        recompute = "operators" if by_operator else "layers"
    found = degrees_and_batches(degrees, training) | {"recompute": recompute}
    if degrees.expert_parallel_degree > 1:
        found["etp"] = degrees.expert_tensor_parallel_degree
    return found


answer(read)
