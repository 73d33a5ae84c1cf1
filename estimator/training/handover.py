"""A layout handed to a framework in its own words, and what it has no words for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from computebill.architectures import Architecture
from computebill.base.errors import RequestError
from computebill.launch.read import launch_of_text
from computebill.launch.stages import text_of_layers
from computebill.launch.writing import file_name, write

from .launched import launched
from .layout import ENDS, Layout

COMPARED = (
    "tp", "pp", "vpp", "schedule", "first_layers", "last_layers",
    "layers_per_stage", "recompute_layers", "dp", "cp", "cp_exchange", "ep", "etp", "micro_batch",
    "micro_batches", "zero", "shards", "recompute", "sequence_parallel", "optimizer", "gradients",
    "reduce_bits", "weights", "offload", "loss", "attention", "attention_kernel", "kernels",
    "dropout", "lora_rank", "lora_targets", "tp_overlap", "dispatcher", "ep_overlap", "experts",
    "recipe", "early_stop", "loss_chunk",
)  # fmt: skip
"""Fields of a layout that are held against what a written file says."""

NODE = 8
"""Accelerators of a node, where nobody says."""

PIPELINES = {"zero-bubble": "ZBVZeroBubble", "dualpipe": "DualPipeV"}
"""Schedules by the names that torch has for them."""


@dataclass(frozen=True)
class Step:
    """What a step is made of, beside its layout.

    Attributes:
        sequence_length: tokens of a sequence.
        precision: of its products; None where it is left to the framework.
        node_devices: accelerators of a node.
        model: that is trained: of its layers a chunk of a stage has so many.
    """

    sequence_length: int | None = None
    precision: str | None = None
    node_devices: int = NODE
    model: Architecture | None = None


@dataclass(frozen=True)
class Handed:
    """A file in a framework's words.

    Attributes:
        text: of the file.
        name: a name for it.
        unsaid: fields of the layout and of its step that it does not say, with what they are.
    """

    text: str
    name: str
    unsaid: Mapping[str, Any]


def hand_over(
    framework: str, layout: Layout, step: Step | None = None, comments: Sequence[str] = ()
) -> Handed:
    """Return a layout in a framework's own words.

    What is written is read again: each field that does not come back as it was is named in the
    file, as what the framework has no setting for.

    Args:
        framework: megatron, torchtitan, nanotron, deepspeed, nemo, axolotl or accelerate.
        layout: with all of its degrees.
        step: of the training.
        comments: lines that stand before all else.

    Raises:
        RequestError: where there is no such framework.
    """
    name = file_name(framework)
    facts = layout_facts(layout, step or Step())
    unsaid = _unsaid(write(framework, facts, comments), name, layout, step or Step())
    lines = list(comments)
    if unsaid:
        lines += ["", "What this file has no setting for, and does not say:"][not lines :]
        lines += [f"  {field}: {_shown(value)}" for field, value in unsaid.items()]
    return Handed(write(framework, facts, lines), name, unsaid)


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def layout_facts(layout: Layout, step: Step) -> dict[str, Any]:
    """Return a layout as facts of a launch file; a framework's table takes those it has words for.

    Args:
        layout: with all of its degrees.
        step: of the training.
    """
    given = layout.model_fields_set
    count, times = layout.accelerators, layout.filled_batches
    devices = min(count, step.node_devices)
    devices = devices if count % devices == 0 else count
    facts: dict[str, Any] = {
        "count": count,
        "nodes": count // devices,
        "node_devices": devices,
        **{name: getattr(layout, name) for name in ("tp", "pp", "dp", "cp", "ep", "micro_batch")},
        "vpp": layout.vpp if layout.vpp > 1 else None,
        "chunk_layers": _chunk_layers(layout, step.model),
        "pipeline": _pipeline(layout),
        **{name: layout.ends.get(name) for name in ENDS},
        **_dealt(layout),
        "etp": layout.expert_tensor if layout.ep > 1 or "etp" in given else None,
        "micro_batches": times,
        "global_batch": layout.micro_batch * times * layout.dp,
        "rank_batch": layout.micro_batch * (times if layout.pp > 1 else 1),
        "stage_batch": layout.micro_batch if layout.pp > 1 else None,
        "sequence_length": step.sequence_length,
        "precision": step.precision,
        **_sharding(layout),
        "recompute": layout.recompute,
        "optimizer": layout.optimizer,
        "sequence_parallel": layout.is_sequence_parallel if layout.tp > 1 else None,
        "cp_exchange": layout.cp_exchange if layout.cp > 1 else None,
        "dropout": 0.1 if layout.dropout else 0.0,
        "attention_dropout": 0.1 if layout.dropout else 0.0,
        "lora_rank": layout.lora_rank or None,
    }
    for name in ("gradients", "reduce_bits", "weights", "tp_overlap", "dispatcher", "ep_overlap"):
        facts[name] = getattr(layout, name) if name in given else None
    for name in ("loss", "kernels"):
        facts[name] = getattr(layout, name) if name in given else None
    return facts | {f"offload_{part}": True for part in layout.offload}


def _dealt(layout: Layout) -> dict[str, Any]:
    """Return how layers are dealt out to stages, in the ways that frameworks say it."""
    listed, again = layout.layers_per_stage, layout.recompute_layers
    is_even = layout.pp > 1 and not layout.ends and listed is None
    per_chunk, over = divmod(again, layout.vpp) if isinstance(again, int) else (None, 0)
    return {
        "stage_layout": None if listed is None else text_of_layers(listed),
        "stage_modules": listed,
        "embedding_layers": 0 if is_even else None,
        "head_layers": 0 if is_even else None,
        "recompute_layers": None if over else per_chunk,
    }


def _chunk_layers(layout: Layout, model: Architecture | None) -> int | None:
    """Return the layers of every chunk of a stage, where stages have several and all are alike."""
    if model is None or layout.vpp == 1 or layout.ends or layout.layers_per_stage is not None:
        return None
    each, over = divmod(int(model.layer_count), layout.pp * layout.vpp)
    return None if over else each


def _pipeline(layout: Layout) -> str:
    if layout.vpp > 1:
        return "Interleaved1F1B"
    return PIPELINES.get(layout.schedule, "1F1B")


def _sharding(layout: Layout) -> dict[str, Any]:
    """Return what is divided, in the two ways that frameworks say it."""
    found: dict[str, Any] = {"zero": layout.zero, "dp_replicas": 1, "dp_shards": layout.dp}
    if layout.zero == 0:
        return found | {"dp_replicas": layout.dp, "dp_shards": 1}
    shards = (layout.shards or 0) // layout.cp
    if layout.shards and layout.shards == shards * layout.cp and layout.dp % shards == 0:
        found |= {"dp_replicas": layout.dp // shards, "dp_shards": shards}
    return found


def _unsaid(text: str, name: str, layout: Layout, step: Step) -> dict[str, Any]:
    """Return what a text, read again, does not give back of a layout and its step."""
    flags = {} if step.model is None else {"model": step.model}
    back = launched(launch_of_text(text, name), flags)
    fields = dict(back.layout)
    batch = back.fields.get("global_batch")
    try:
        read = Layout(**fields)
    except (RequestError, ValueError):  # what it says cannot be one layout without the rest
        read = Layout(**{key: fields[key] for key in ("tp", "dp", "cp", "ep") if key in fields})
    found: dict[str, Any] = {}
    is_dense = step.model is not None and not any(each.expert for each in step.model.operators())
    for field in COMPARED:
        if is_dense and field == "etp":
            continue
        own, other = _value(layout, field), _value(read, field)
        other = getattr(read, field) if other is None else other
        if field == "micro_batches" and batch is not None:
            other = batch / (read.micro_batch * read.dp)
        if own is not None and own != other:
            found[field] = own
    for field in ("sequence_length", "precision"):
        own = getattr(step, field)
        if own is not None and back.fields.get(field) != own:
            found[field] = own
    return found


def _value(layout: Layout, field: str) -> Any:
    """Return a field as it works: given, or by its rule; None where it has no bearing."""
    if field == "etp":
        return layout.expert_tensor if layout.ep > 1 or layout.etp is not None else None
    if field == "micro_batches":
        return layout.filled_batches
    if field == "sequence_parallel":
        return layout.is_sequence_parallel if layout.tp > 1 else None
    if field == "cp_exchange" and layout.cp == 1:
        return None
    if field in ("dispatcher", "ep_overlap") and layout.ep == 1:
        return None
    if field == "shards":
        whole = layout.dp * layout.cp
        return layout.shards if layout.zero and (layout.shards or whole) < whole else None
    if field == "lora_targets" and not layout.lora_rank:
        return None
    given = field in layout.model_fields_set
    always = ("tp", "pp", "vpp", "schedule", "dp", "cp", "ep", "micro_batch", "zero", "recompute")
    is_known = field in (*always, "optimizer", "dropout", "cp_exchange", "offload", "lora_rank")
    return getattr(layout, field) if given or is_known else None
