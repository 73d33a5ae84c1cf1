"""Cells of a table of measured steps: numbers, within bounds, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping

from computebill.architectures.config import LARGEST_SIZE, MOST_LAYERS
from computebill.base.errors import shown

LARGEST_CELL = 1e15
"""Largest number of a cell: tokens of a step are the largest in use."""

SHORTEST, LONGEST = 1e-12, 1e12
"""Bounds of a measured value, in the unit of its column [s, 1/s, TFLOP/s, GB]."""

FLAGS = {"yes": True, "1": True, "1.0": True, "no": False, "0": False, "0.0": False}

MEANT = {
    **dict.fromkeys(("gpus", "num_gpus", "ngpus", "world_size", "count", "devices"), "n_gpus"),
    **dict.fromkeys(("accelerator", "gpu_type", "device", "hardware", "chip"), "gpu"),
    **dict.fromkeys(("layers", "num_layers", "num_hidden_layers", "n_layer"), "n_layers"),
    **dict.fromkeys(("hidden_size", "d_model", "hidden_dim", "n_embd"), "hidden"),
    **dict.fromkeys(("heads", "num_heads", "num_attention_heads", "n_head"), "n_heads"),
    **dict.fromkeys(("ffn", "intermediate_size", "ffn_hidden_size", "d_ff"), "ffn_hidden"),
    **dict.fromkeys(("sequence_length", "seqlen", "seq_length", "context_length"), "seq_len"),
    **dict.fromkeys(("tensor_parallel", "tensor_model_parallel_size", "tp_size"), "tp"),
    **dict.fromkeys(("pipeline_parallel", "pipeline_model_parallel_size", "pp_size"), "pp"),
    **dict.fromkeys(("global_batch", "global_batch_size", "gbs", "batch"), "global_batch_seqs"),
    **dict.fromkeys(("step_seconds", "step_time", "iteration_time", "seconds"), "iter_seconds"),
    **dict.fromkeys(("tokens_per_sec_per_gpu", "tokens_per_gpu_per_s"), "tokens_per_s_per_gpu"),
    **dict.fromkeys(("mfu",), "measured_mfu"),
    **dict.fromkeys(("tflops", "tflops_per_gpu"), "measured_tflops_per_gpu"),
}
"""Columns by other headings that people and frameworks give them."""

Cells = Mapping[str, str]
"""What a row says, by column; cells that say nothing are left out."""


class UnusableError(Exception):
    """A row that cannot be a case, with the reason."""


def number(cells: Cells, name: str, least: float = 0.0, most: float = LARGEST_CELL) -> float:
    """Return a cell's number.

    Raises:
        UnusableError: where there is none, or it is out of bounds.
    """
    try:
        value = float(cells[name])
    except (KeyError, ValueError):
        raise UnusableError(f"{name}: got {shown(cells.get(name))}; allowed: a number") from None
    if not least <= value <= most:
        raise UnusableError(
            f"{name}: got {shown(cells[name])}; allowed: {least:.10g} to {most:.10g}"
        )
    return value


def measure(cells: Cells, name: str) -> float:
    """Return a measured value, in the unit of its column."""
    return number(cells, name, SHORTEST, LONGEST)


def optional(
    cells: Cells, name: str, least: float = 0.0, most: float = LARGEST_CELL
) -> float | None:
    """Return a cell's number, or None where it says nothing."""
    return number(cells, name, least, most) if name in cells else None


def whole(
    cells: Cells,
    name: str,
    default: int | None = None,
    *,
    least: int = 1,
    most: int = LARGEST_SIZE,
) -> int:
    """Return a cell's whole number, or the default where it says nothing."""
    if name not in cells and default is not None:
        return default
    value = number(cells, name, least, most)
    if value % 1:
        raise UnusableError(f"{name}: got {shown(cells[name])}; allowed: a whole number")
    return int(value)


def flag(cells: Cells, name: str) -> bool | None:
    """Return a cell's yes or no (1 or 0, too), or None where it says nothing."""
    if name not in cells:
        return None
    value = FLAGS.get(cells[name].lower())
    if value is None:
        raise UnusableError(f"{name}: got {shown(cells[name])}; allowed: yes, no")
    return value


def layer_count(cells: Cells) -> int:
    """Return the model's layers."""
    return whole(cells, "n_layers", most=MOST_LAYERS)
