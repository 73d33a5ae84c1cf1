"""Measured training steps, row by row: read, and each either a case or a reason why not.

The columns are those of published tables (see the README); more are ignored. A row is left out
only for a fact that it lacks, or a contradiction in it, and the reason names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.config import LARGEST_SIZE, MOST_LAYERS
from computebill.base.errors import RequestError, shown
from computebill.base.specfile import table_rows
from computebill.hardware.accelerators import Accelerator, find_accelerator, peak_flop_per_s
from computebill.training.cases import Case
from computebill.training.layout import Layout
from computebill.training.software import Software, software_generation

from .notes import Remarks, read_remarks

REQUIRED = ("gpu", "n_gpus", "n_layers", "hidden", "n_heads", "ffn_hidden", "seq_len", "tp", "pp")
"""Facts without which a step cannot be predicted."""

SPEEDS = ("iter_seconds", "tokens_per_s_per_gpu", "measured_tflops_per_gpu", "measured_mfu")
"""Columns that may tell the speed, best first."""

LARGEST_CELL = 1e15
"""Largest number of a cell: tokens of a step are the largest in use."""

SHORTEST, LONGEST = 1e-12, 1e12
"""Bounds of a measured value, in the unit of its column [s, 1/s, TFLOP/s, GB]."""

PARTS = {"H100-96GB-HBM2e-500W": ("h100-sxm", 2.4e12, 500 / 700)}
"""Parts that have no profile: the nearest, bytes a second of memory, and share of its power."""

LATENT = {
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
    "intermediate_size": 18432,
}
"""DeepSeek-V3's own; tables have no columns for them."""


class UnusableError(Exception):
    """A row that cannot be a case, with the reason."""


class Cited(NamedTuple):
    """A source of rows: title and address."""

    title: str
    address: str


@dataclass(frozen=True)
class MeasuredRow:
    """A measured step.

    Attributes:
        row: its number in the file, the header being 1.
        source: key of the source.
        cited: title and address of that, where the table has them.
        model: name of the model, as the source has it.
        gpu: name of the accelerator, as the source has it.
        case: what was run.
        tokens: tokens of a step.
        gpus: accelerators.
        seconds: measured time of a step [s]; None where it was not measured.
        flop_per_s: printed speed of one accelerator [FLOP/s]; None where none was.
        memory_gb: printed memory of one accelerator [GB]; None where none was.
        convention: convention by which those FLOP were counted.
    """

    row: int
    source: str
    cited: Cited
    model: str
    gpu: str
    case: Case
    tokens: float
    gpus: float
    seconds: float | None
    flop_per_s: float | None
    memory_gb: float | None
    convention: str


@dataclass(frozen=True)
class Skipped:
    """A row that is left out, and why."""

    row: int
    source: str
    reason: str


def read_measured(path: str | Path) -> tuple[list[MeasuredRow], list[Skipped]]:
    """Read a table of measured training steps.

    Raises:
        RequestError: where the file cannot be read, or lacks a column.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(str(path), f"cannot be read: {error}") from None
    used: list[MeasuredRow] = []
    skipped: list[Skipped] = []
    for number, cells in enumerate(table_rows(text, str(path), REQUIRED), start=2):
        given = {key: value.strip() for key, value in cells.items() if key and value}
        source = given.get("source_id", "")
        try:
            used.append(_measured(number, source, given))
        except (UnusableError, RequestError) as reason:
            skipped.append(Skipped(number, source, str(reason)))
    return used, skipped


def _measured(number: int, source: str, cells: Mapping[str, str]) -> MeasuredRow:
    absent = [name for name in REQUIRED if name not in cells]
    if absent:
        raise UnusableError(f"not stated: {', '.join(absent)}")
    if not any(name in cells for name in SPEEDS):
        raise UnusableError("no speed was measured")
    remarks = read_remarks(cells.get("notes", ""))
    if remarks.offloaded:
        raise UnusableError("not stated: the host that states are offloaded to")
    sequence = _whole(cells, "seq_len")
    batch = _global_batch(cells, sequence)
    accelerator, bandwidth, power = _part(cells["gpu"])
    software = software_generation(
        cells.get("framework", ""), remarks.release or _optional(cells, "year")
    )
    case = Case(
        architecture=_architecture(cells),
        layout=_layout(cells, batch, software, remarks),
        accelerator=accelerator,
        precision=_precision(cells, remarks),
        sequence=sequence,
        software=software,
        domain=remarks.node,
        bytes_per_s=bandwidth,
        power=power,
    )
    # Asked of every row, so that one whose part lacks its format is left out with the reason.
    peak = peak_flop_per_s(accelerator, case.precision)
    tokens = batch * sequence
    seconds = flop_per_s = None
    gpus = float(_whole(cells, "n_gpus"))
    if "iter_seconds" in cells:
        seconds = _measure(cells, "iter_seconds")
    elif "tokens_per_s_per_gpu" in cells:
        seconds = tokens / (_measure(cells, "tokens_per_s_per_gpu") * gpus)
    elif "measured_tflops_per_gpu" in cells:
        flop_per_s = _measure(cells, "measured_tflops_per_gpu") * 1e12
    else:
        flop_per_s = _measure(cells, "measured_mfu") * peak
    return MeasuredRow(
        row=number,
        source=source,
        cited=Cited(cells.get("source_title") or source, cells.get("source_address", "")),
        model=cells.get("model", ""),
        gpu=cells["gpu"],
        case=case,
        tokens=tokens,
        gpus=gpus,
        seconds=seconds,
        flop_per_s=flop_per_s,
        memory_gb=_measure(cells, "mem_gb") if "mem_gb" in cells else None,
        convention=cells.get("flop_convention", "full"),
    )


def _global_batch(cells: Mapping[str, str], sequence: int) -> float:
    if "global_batch_seqs" in cells:
        return _number(cells, "global_batch_seqs")
    if "global_batch_tokens" in cells:
        return _number(cells, "global_batch_tokens") / sequence
    raise UnusableError("not stated: global_batch_seqs")


def _precision(cells: Mapping[str, str], remarks: Remarks) -> str:
    given = cells.get("precision", "")
    if not given:
        raise UnusableError("not stated: precision")
    if "int4" in given:
        raise UnusableError(f"precision: {given}; 4-bit base weights are not modelled")
    if given not in ("fp16", "bf16", "fp8", "mxfp8", "nvfp4", "int8"):
        raise UnusableError(f"precision: {given} is not modelled")
    return "fp8-rowwise" if given == "fp8" and remarks.rowwise else given


@cache
def _part(name: str) -> tuple[Accelerator, float | None, float]:
    profile, bandwidth, power = PARTS.get(name, (name, None, 1.0))
    return find_accelerator(profile), bandwidth, power


def _layout(cells: Mapping[str, str], batch: float, software: Software, remarks: Remarks) -> Layout:
    tp, pp, cp = (_whole(cells, name, 1) for name in ("tp", "pp", "cp"))
    if pp > _layers(cells) + 2:
        raise UnusableError(f"pp: got {pp}; contradicts {_layers(cells)} layers")
    dp = _whole(cells, "dp", max(1, _whole(cells, "n_gpus") // (tp * pp * cp)))
    if batch < dp:
        raise UnusableError(f"global_batch_seqs: got {batch:g}; contradicts {dp} replicas")
    micro = _micro_batch(cells, batch / dp, pp)
    micro_batches = max(1, round(batch / (micro * dp)))
    experts = (_optional(cells, "n_experts") or 0) > 1
    if "seq_parallel" in cells:
        sequence_parallel = _number(cells, "seq_parallel") > 0
    else:
        since = (_optional(cells, "year") or 0) >= 2022
        sequence_parallel = tp > 1 and since and software != "early"
    unfused = software in ("eager", "scripts") and not remarks.compiled
    values = {
        "tp": tp,
        "pp": pp,
        "vpp": _chunks(cells, pp, micro_batches, remarks) if pp > 1 else 1,
        "dp": dp,
        "cp": cp,
        "ep": _whole(cells, "ep", 1) if experts else 1,
        "etp": _expert_tensor(cells, tp) if experts else None,
        "micro_batch": micro,
        "micro_batches": micro_batches,
        "zero": _whole(cells, "zero_stage", 1, least=0),
        "shards": remarks.shards,
        "recompute": _recompute(cells),
        "sequence_parallel": sequence_parallel,
        "attention": "unfused" if software in ("early", "megatron") else "flash",
        "kernels": "eager" if unfused else "fused",
        "tp_overlap": remarks.overlaps_tensor or None,
        "ep_overlap": remarks.overlaps_experts,
        "lora_rank": 16 if cells.get("task") == "lora" else 0,
    }
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return Layout(**given)
    except ValueError as error:
        raise UnusableError(f"layout: {str(error).splitlines()[-1].strip()}") from None


def _expert_tensor(cells: Mapping[str, str], tp: int) -> int | None:
    """Tensor parallel ranks of an expert: as stated; else as all else in NeMo, or the layout's."""
    if "etp" in cells:
        return _whole(cells, "etp")
    return tp if cells.get("framework", "") == "nemo" else None


def _micro_batch(cells: Mapping[str, str], sequences: float, pp: int) -> int:
    """Sequences of a micro-batch: as stated; else one, but torchtitan's make as many as stages."""
    stated = _optional(cells, "micro_batch")
    if stated is None and cells.get("framework", "").startswith("torchtitan"):
        stated = sequences // pp
    return max(1, round(stated or 1))


def _chunks(cells: Mapping[str, str], pp: int, micro_batches: int, remarks: Remarks) -> int:
    """Chunks of a stage: as stated; else the least that is interleaved, where it is.

    NeMo's recipes interleave wherever there is a pipeline, to one layer a chunk or as near as
    divides the layers.
    """
    if "vp" in cells:
        return max(1, _whole(cells, "vp", least=0))
    if remarks.interleaved:
        return 2
    if cells.get("framework", "") != "nemo" or micro_batches % pp:
        return 1
    each = _layers(cells) / pp
    return max(n for n in range(1, int(each) + 1) if each % n == 0) if each % 1 == 0 else 1


def _recompute(cells: Mapping[str, str]) -> str:
    given = cells.get("recompute", "none")
    if given.startswith(("full", "block")):
        return "full"
    if given == "selective" and cells.get("framework", "").startswith("torchtitan"):
        return "operators"
    return "none"


def _architecture(cells: Mapping[str, str]) -> Architecture:
    heads = _whole(cells, "n_heads")
    config: dict[str, Any] = {
        "model_type": "nemotron" if cells.get("gated_mlp") in ("0", "0.0") else "llama",
        "num_hidden_layers": _layers(cells),
        "hidden_size": _whole(cells, "hidden"),
        "num_attention_heads": heads,
        "num_key_value_heads": _whole(cells, "n_kv_heads", heads),
        "head_dim": _whole(cells, "head_dim", max(1, _whole(cells, "hidden") // heads)),
        "intermediate_size": _whole(cells, "ffn_hidden"),
        "vocab_size": _whole(cells, "vocab", 50304),
        "tie_word_embeddings": False,
    }
    if (_optional(cells, "n_experts") or 0) > 1:
        config |= {
            "model_type": "mixtral",
            "num_local_experts": _whole(cells, "n_experts"),
            "num_experts_per_tok": _whole(cells, "experts_per_token"),
        }
        if cells.get("attention") == "latent":
            width = config["intermediate_size"]
            config |= {**LATENT, "model_type": "deepseek_v3", "moe_intermediate_size": width}
            config["num_key_value_heads"] = heads
            del config["head_dim"]
        elif "window" in cells.get("attention", ""):
            config["model_type"] = "gpt_oss"
    return read_architecture(config)


def _number(
    cells: Mapping[str, str], name: str, least: float = 0.0, most: float = LARGEST_CELL
) -> float:
    try:
        value = float(cells[name])
    except (KeyError, ValueError):
        raise UnusableError(f"{name}: got {shown(cells.get(name))}; allowed: a number") from None
    if not least <= value <= most:
        raise UnusableError(
            f"{name}: got {shown(cells[name])}; allowed: {least:.10g} to {most:.10g}"
        )
    return value


def _measure(cells: Mapping[str, str], name: str) -> float:
    return _number(cells, name, SHORTEST, LONGEST)


def _optional(cells: Mapping[str, str], name: str) -> Any:
    return _number(cells, name) if name in cells else None


def _whole(
    cells: Mapping[str, str],
    name: str,
    default: int | None = None,
    *,
    least: int = 1,
    most: int = LARGEST_SIZE,
) -> int:
    if name not in cells and default is not None:
        return default
    value = _number(cells, name, least, most)
    if value % 1:
        raise UnusableError(f"{name}: got {shown(cells[name])}; allowed: a whole number")
    return int(value)


def _layers(cells: Mapping[str, str]) -> int:
    return _whole(cells, "n_layers", most=MOST_LAYERS)
