"""Random mixtures of experts, each with a random layout: as tensors, and one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from computebill.architectures import read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.kernels import layout as kernel
from computebill.kernels import memory
from computebill.training.layout import Layout
from computebill.training.layout_columns import activation_columns, layout_columns, recipe_columns
from computebill.training.memory import peak_memory

SEQUENCE = 4096
FIGURES = ("parameters", "active", "forward", "backward", "weights", "activations", "total")
"""What is counted of each model; memory is of one pipeline stage, in bytes."""

FIXED = {"model_type": "mixtral", "head_dim": 128, "sliding_window": None}


@dataclass(frozen=True)
class Models:
    """A batch; each tensor ``(batch)``, whole numbers in 64-bit floats.

    Attributes:
        sizes: fields of ``config.json``.
        degrees: fields of a layout that are numbers.
        policy: its other fields: a row of ``POLICIES``.
        stage: the pipeline stage whose memory is counted.
    """

    sizes: dict[str, Tensor]
    degrees: dict[str, Tensor]
    policy: Tensor
    stage: Tensor

    def part(self, rows: slice) -> Models:
        """Return some rows."""
        return self._each(lambda values: values[rows])

    def to(self, device: str) -> Models:
        """Return the batch on a device."""
        return self._each(lambda values: values.to(device))

    def config(self, row: int) -> dict[str, Any]:
        """Return one model as its ``config.json`` has it."""
        return {**FIXED, **{key: int(values[row]) for key, values in self.sizes.items()}}

    def layout(self, row: int) -> Layout:
        """Return its layout."""
        degrees = {key: int(values[row]) for key, values in self.degrees.items()}
        return POLICIES[int(self.policy[row])].model_copy(update=degrees)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Models:
        return Models(
            {key: change(values) for key, values in self.sizes.items()},
            {key: change(values) for key, values in self.degrees.items()},
            change(self.policy),
            change(self.stage),
        )


POLICIES = [
    Layout(recompute=recompute, recipe=recipe, attention=attention, kernels=kernels)
    for recompute, recipe, attention, kernels in product(
        ("none", "selective", "operators", "full"),
        ("megatron", "deepspeed", "deepspeed-bf16", "fsdp"),
        ("flash", "unfused"),
        ("fused", "eager"),
    )
]


def draw(count: int, seed: int = 0) -> Models:
    """Draw random models and layouts; experts divide over the ranks that there are."""
    generator = torch.Generator().manual_seed(seed)

    def among(values: Sequence[int]) -> Tensor:
        index = torch.randint(len(values), (count,), generator=generator)
        return torch.tensor(values, dtype=torch.float64)[index]

    kv_heads = among((1, 2, 4, 8))
    tp, pp, dp, ep = (
        among((1, 2, 4, 8)),
        among((1, 2, 4, 8)),
        among((1, 8, 64)),
        among((1, 2, 4, 8)),
    )
    vpp = torch.where(pp > 1, among((1, 2)), 1.0)
    sizes = {
        "hidden_size": 128 * among(range(8, 129)),
        "num_attention_heads": kv_heads * among((2, 4, 8)),
        "num_key_value_heads": kv_heads,
        "intermediate_size": 128 * among(range(8, 257)),
        "num_hidden_layers": among(range(16, 129)),
        "vocab_size": 128 * among(range(250, 2000)),
        "num_local_experts": among((8, 16, 64, 128)),
        "num_experts_per_tok": among((1, 2, 4, 8)),
    }
    degrees = {
        "tp": tp,
        "pp": pp,
        "vpp": vpp,
        "dp": dp,
        "ep": torch.minimum(ep, dp),
        "etp": torch.where(among((0, 1)) > 0, tp, 1.0),
        "micro_batch": among((1, 2)),
        "zero": among((0, 1, 2, 3)),
    }
    policy = among(range(len(POLICIES))).long()
    stage = torch.floor(torch.rand(count, generator=generator, dtype=torch.float64) * pp)
    return Models(sizes, degrees, policy, stage)


def count_batch(models: Models, chunk: int) -> Tensor:
    """Count all models at once, ``chunk`` at a time; ``(figures, batch)``."""
    count = len(models.stage)
    parts = [models.part(slice(start, start + chunk)) for start in range(0, count, chunk)]
    return torch.cat([_count(part) for part in parts], 1)


def _count(models: Models) -> Tensor:
    architecture = read_architecture({**FIXED, **models.sizes})
    batch = columns(architecture, device=str(models.stage.device))
    parameters = count_parameters(batch)
    flop = count_flop(batch, SEQUENCE)
    held = memory.training_memory(
        batch.model,
        _layout(models),
        memory.Recipe(*_chosen(recipe_columns(POLICIES), models.policy)),
        memory.Activations(*_chosen(activation_columns(POLICIES, SEQUENCE), models.policy)),
        models.stage,
    )
    return torch.stack(
        [
            parameters.total,
            parameters.active,
            flop.forward,
            flop.backward,
            held.weights,
            held.activations + held.logits,
            held.total,
        ]
    )


def _layout(models: Models) -> kernel.Layout:
    degrees = models.degrees
    policies = kernel.Layout(*_chosen(layout_columns(POLICIES), models.policy))
    return policies._replace(
        tensor=degrees["tp"],
        pipeline=degrees["pp"],
        virtual=degrees["vpp"],
        data=degrees["dp"],
        expert=degrees["ep"],
        expert_tensor=degrees["etp"],
        sequence_parallel=(degrees["tp"] > 1).to(degrees["tp"]),
        micro_batch=degrees["micro_batch"],
        micro_batches=2 * degrees["pp"] * degrees["vpp"],
        zero=degrees["zero"],
        shards=degrees["dp"],
    )


def _chosen(table: Sequence[Tensor], rows: Tensor) -> list[Tensor]:
    return [column.to(rows.device)[rows] for column in table]


def count_one(config: dict[str, Any], layout: Layout, stage: int) -> list[float]:
    """Count one model as a user would."""
    batch = columns(read_architecture(config))
    parameters = count_parameters(batch)
    flop = count_flop(batch, SEQUENCE)
    held = peak_memory(batch, SEQUENCE, [layout])
    memory_figures = (held.weights, held.activations + held.logits, held.total)
    return [
        float(parameters.total),
        float(parameters.active),
        float(flop.forward),
        float(flop.backward),
        *(float(each[stage, 0]) for each in memory_figures),
    ]
