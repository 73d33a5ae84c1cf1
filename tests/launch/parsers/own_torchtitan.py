"""torchtitan: its configurations by module and name, with what is written as its flags."""

from pathlib import Path
from typing import Any

from probe import answer, started, torchrun_words
from torchtitan.config.manager import ConfigManager
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC
from torchtitan_words import degrees_and_batches

MODEL = ["--module", "deepseek_v3", "--config", "deepseek_v3_16b"]
KINDS = {type(None): "none", FullAC.Config: "full", SelectiveAC.Config: "operators"}


def read(path: Path) -> dict[str, Any]:
    facts, program, words = started(torchrun_words(path, MODEL))
    assert program == "torchtitan.train", f"it starts {program}"
    config = ConfigManager().parse_args(words)
    degrees, training = config.parallelism, config.training
    found = facts | degrees_and_batches(degrees, training)
    found["recompute"] = KINDS[type(config.activation_checkpoint)]
    if degrees.tensor_parallel_degree > 1:
        found["sequence_parallel"] = degrees.enable_sequence_parallel
    return found


answer(read)
