"""Megatron-LM: its arguments parsed and checked, of as many ranks as torchrun would start.

Its package on the registry holds no training arguments: PYTHONPATH names a checkout of it.
"""

import sys
import typing
from pathlib import Path
from typing import Any

import torch
import typing_extensions
from probe import answer, started, torchrun_words

if not hasattr(typing, "override"):  # its checkout is written for Python 3.12
    typing.override = typing_extensions.override  # type: ignore[attr-defined]
torch.cuda.get_device_capability = lambda *_: (9, 0)
torch.cuda.get_device_properties = lambda *_: type("Device", (), {"major": 9, "minor": 0})()

from megatron.core.transformer.pipeline_parallel_layer_layout import PipelineParallelLayerLayout
from megatron.training.arguments import parse_args, validate_args

MODEL = """
    --num-layers 32 --hidden-size 4096 --num-attention-heads 32 --group-query-attention
    --num-query-groups 8 --max-position-embeddings 4096 --train-iters 10 --lr 1e-4
    --num-experts 8 --vocab-size 32000 --disable-bias-linear
    --tokenizer-type NullTokenizer --transformer-impl transformer_engine
""".split()  # noqa: SIM905


def read(path: Path) -> dict[str, Any]:
    facts, _, words = started(torchrun_words(path, MODEL))
    sys.argv = ["pretrain_gpt.py", *words]
    args = parse_args()
    args.rank, args.world_size = 0, facts["nodes"] * facts["node_devices"]
    validate_args(args)
    sharding = {"no_shard": 0, "optim": 1, "optim_grads": 2, "optim_grads_params": 3}
    return {
        **facts,
        "tp": args.tensor_model_parallel_size, "pp": args.pipeline_model_parallel_size,
        "cp": args.context_parallel_size, "ep": args.expert_model_parallel_size,
        "etp": args.expert_tensor_parallel_size, "dp": args.data_parallel_size,
        "micro_batch": args.micro_batch_size, "global_batch": args.global_batch_size,
        "sequence_length": args.seq_length, "sequence_parallel": args.sequence_parallel,
        "vpp": args.virtual_pipeline_model_parallel_size or 1,
        "first_layers": args.decoder_first_pipeline_num_layers,
        "last_layers": args.decoder_last_pipeline_num_layers,
        "layers_per_stage": dealt(args), "recompute_layers": args.recompute_num_layers
        if args.recompute_method == "block"
        else None,
        "recompute": args.recompute_granularity or "none", "bf16": args.bf16,
        "fp8": args.fp8 is not None, "dropout": args.hidden_dropout > 0,
        "zero": sharding[args.data_parallel_sharding_strategy]
        if args.use_megatron_fsdp
        else int(args.use_distributed_optimizer),
    }  # fmt: skip


def dealt(args: Any) -> list[int] | None:
    """Layers of each chunk, in the order in which a micro-batch meets them."""
    layout = args.pipeline_model_parallel_layout
    if layout is None:
        return None
    if isinstance(layout, str):
        layout = PipelineParallelLayerLayout.from_str(layout, args.pipeline_model_parallel_size)
    return [
        sum(each.name == "decoder" for each in layout.layout[stage][chunk])
        for chunk in range(layout.virtual_pipeline_model_parallel_size)
        for stage in range(layout.pipeline_model_parallel_size)
    ]


answer(read)
