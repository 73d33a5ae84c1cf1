"""transformers: the Trainer's arguments, with a DeepSpeed configuration beside them."""

import json
import tempfile
from pathlib import Path
from typing import Any

from probe import answer

from transformers import HfArgumentParser, TrainingArguments


def read(path: Path) -> dict[str, Any]:
    """Take the Trainer's own settings from the file where both have them, as a user does."""
    given = json.loads(path.read_text())
    given.pop("train_batch_size", None)  # of as many processes as it is of, and here is one
    words = [
        "--output_dir", "out", "--use_cpu",
        "--per_device_train_batch_size", str(given["train_micro_batch_size_per_gpu"]),
        "--gradient_accumulation_steps", str(given["gradient_accumulation_steps"]),
        "--bf16", str(bool(given.get("bf16", {}).get("enabled"))),
    ]  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(given, file)
        file.flush()
        words += ["--deepspeed", file.name]
        (args,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses(words)
    config = args.hf_deepspeed_config
    return {
        "micro_batch": config.config["train_micro_batch_size_per_gpu"],
        "micro_batches": config.config["gradient_accumulation_steps"],
        "zero": config.get_value("zero_optimization.stage", 0),
        "offload_weights": config.get_value("zero_optimization.offload_param.device") == "cpu",
        "bf16": bool(args.bf16),
    }


answer(read)
