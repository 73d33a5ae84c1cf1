"""Measured training steps, row by row: read, and each either a case or a reason why not.

The columns are those of published tables (see docs/measured-steps.md); more are ignored. A row is
left out only for a fact that it lacks, or a contradiction in it, and the reason names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, get_args

from computebill.base.errors import RequestError
from computebill.base.specfile import numbered_rows, table_rows
from computebill.hardware.accelerators import (
    Accelerator,
    domain_size,
    find_accelerator,
    peak_flop_per_s,
)
from computebill.hardware.figures import Figure
from computebill.training.cases import Case
from computebill.training.doubts import assumed_facts
from computebill.training.layout import FILLS, AttentionKernel, Layout
from computebill.training.offers import Offer, offer_of
from computebill.training.software import Running, month_of, running

from .cells import MEANT, Cells, UnusableError, flag, layer_count, measure, number, optional, whole
from .printed_memory import PrintedMemory, printed_memory
from .row_models import has_experts, row_architecture

SHIPPED = Path(__file__).with_name("measured_steps.csv")
"""The project's own table of published measurements."""

SHIPPED_SOURCES = Path(__file__).with_name("measured_sources.csv")
"""Where its rows are from."""

REQUIRED = ("gpu", "n_gpus", "n_layers", "hidden", "n_heads", "ffn_hidden", "seq_len", "tp", "pp")
"""Facts without which a step cannot be predicted."""

SPEEDS = ("iter_seconds", "tokens_per_s_per_gpu", "measured_tflops_per_gpu", "measured_mfu")
"""Columns that may tell the speed, best first."""

GIGABITS_PER_GIGABYTE = 8

NETWORKS = (1e-3, 1e6)
"""Slowest and fastest network of a node that a cell may tell [Gb/s]."""

STATED = {
    "zero_stage": "zero",
    "vp": "vpp",
    "etp": "etp",
    "micro_batch": "micro_batch",
    "dispatcher": "dispatcher",
    "node_network_gbit": "network",
    "packed": "packing",
}
"""Columns, and the fact that is known where one is filled."""

DISPATCHERS = {"deepep": "deepep", "hybridep": "deepep", "all-to-all": "all-to-all"}
"""Who moves experts' tokens: NVIDIA's HybridEP, too, sends one once to a rank and a domain."""

FUSED_DISPATCHER = "mega-moe"
"""DeepGEMM's, whose one kernel moves tokens while their products are computed."""

USUAL_RANK = 16
"""Rank of low-rank adapters where a row does not say; its FLOP are next to nothing."""


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
        lab: who measured it; the source where the table does not say.
        cited: title and address of that, where the table has them.
        model: name of the model, as the source has it.
        gpu: name of the accelerator, as the source has it.
        case: what was run.
        tokens: tokens of a step.
        gpus: accelerators.
        seconds: measured time of a step [s]; None where it was not measured.
        flop_per_s: printed speed of one accelerator [FLOP/s]; None where none was.
        convention: convention by which those FLOP were counted.
        framework: name of its framework in the table of frameworks, where it is known.
        year: of the software's release, or else of the figures.
    """

    row: int
    source: str
    lab: str
    cited: Cited
    model: str
    gpu: str
    case: Case
    tokens: float
    gpus: float
    seconds: float | None
    flop_per_s: float | None
    convention: str
    framework: str | None = None
    year: float | None = None

    @property
    def offer(self) -> Offer | None:
        """What layouts its framework had, by the end of a year without a month; None for all."""
        year = self.year
        is_whole = year is not None and year == int(year)
        return offer_of(self.framework, month_of(int(year), 12) if year and is_whole else year)


class MemoryRow(NamedTuple):
    """A measured memory, of a step that may not have been timed.

    Attributes:
        row: its number in the file, the header being 1.
        source: key of the source.
        lab: who measured it; the source where the table does not say.
        model: name of the model, as the source has it.
        case: what was run.
        printed: memory of one accelerator.
    """

    row: int
    source: str
    lab: str
    model: str
    case: Case
    printed: PrintedMemory


@dataclass(frozen=True)
class Skipped:
    """A row that is left out, and why.

    Attributes:
        row: its number in the file, the header being 1.
        source: key of the source.
        reason: why, with the column that it hangs on.
        line: line of the file, from 1, that it begins in.
    """

    row: int
    source: str
    reason: str
    line: int


def read_measured(path: str | Path | None = None) -> tuple[list[MeasuredRow], list[Skipped]]:
    """Read a table of measured training steps; the shipped one if no file is named.

    Raises:
        RequestError: where the file cannot be read, or lacks a column.
    """
    known = read_sources() if path is None else {}
    used: list[MeasuredRow] = []
    skipped: list[Skipped] = []
    for row, line, cells in _lines(path):
        source = cells.get("source_id", "")
        cited = known.get(source) or Cited(
            cells.get("source_title") or source, cells.get("source_address", "")
        )
        try:
            used.append(_measured(row, cited, cells))
        except (UnusableError, RequestError) as reason:
            skipped.append(Skipped(row, source, str(reason), line))
    return used, skipped


def read_memory(path: str | Path | None = None) -> tuple[list[MemoryRow], list[Skipped]]:
    """Read the rows of a table that print their memory, those whose speed is not known, too.

    Raises:
        RequestError: where the file cannot be read, or lacks a column.
    """
    used: list[MemoryRow] = []
    skipped: list[Skipped] = []
    for row, line, cells in _lines(path):
        try:
            printed = printed_memory(cells)
            if printed is not None:
                used.append(_memory_row(row, cells, printed))
        except (UnusableError, RequestError) as reason:
            skipped.append(Skipped(row, cells.get("source_id", ""), str(reason), line))
    return used, skipped


def _lines(path: str | Path | None) -> Iterator[tuple[int, int, Cells]]:
    """Yield each row's number, the line that it begins in, and its cells that are not empty."""
    file = SHIPPED if path is None else Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(str(path), f"cannot be read: {error}") from None
    rows = numbered_rows(text, str(path), REQUIRED, MEANT)
    for place, (line, row) in enumerate(rows, start=2):
        yield place, line, {key: value.strip() for key, value in row.items() if key and value}


def read_sources() -> dict[str, Cited]:
    """Return the sources of the shipped table, by their key."""
    text = SHIPPED_SOURCES.read_text(encoding="utf-8")
    rows = table_rows(text, SHIPPED_SOURCES.name, ("source_id", "title", "address"))
    return {row["source_id"]: Cited(row["title"], row["address"]) for row in rows}


def _measured(line: int, cited: Cited, cells: Cells) -> MeasuredRow:
    _check_stated(cells)
    if not any(name in cells for name in SPEEDS):
        raise UnusableError(f"no speed was measured: none of {', '.join(SPEEDS)} is filled")
    if _is_quantised(cells):
        raise UnusableError(f"precision: {cells['precision']}; 4-bit base weights are not modelled")
    if cells.get("packed") == "within":
        raise UnusableError("not stated: lengths of the documents that attention stays within")
    if "dispatcher" in cells and has_experts(cells) and "ep" not in cells:
        raise UnusableError("not stated: ep, which a dispatcher of experts' tokens has")
    printed_memory(cells)  # asked of every row that has one, too
    case = _case(cells, _global_batch(cells))
    # Asked of every row, so that one whose part lacks its format is left out with the reason.
    peak = peak_flop_per_s(case.accelerator, case.precision)
    tokens = _global_batch(cells) * case.sequence
    seconds = flop_per_s = None
    gpus = float(whole(cells, "n_gpus"))
    if "iter_seconds" in cells:
        seconds = measure(cells, "iter_seconds")
    elif "tokens_per_s_per_gpu" in cells:
        seconds = tokens / (measure(cells, "tokens_per_s_per_gpu") * gpus)
    elif "measured_tflops_per_gpu" in cells:
        flop_per_s = measure(cells, "measured_tflops_per_gpu") * 1e12
    else:
        flop_per_s = measure(cells, "measured_mfu") * peak
    source = cells.get("source_id", "")
    told = running(cells.get("framework", ""), _date(cells))
    return MeasuredRow(
        row=line,
        source=source,
        lab=cells.get("lab") or source,
        cited=cited,
        model=cells.get("model", ""),
        gpu=cells["gpu"],
        case=case,
        tokens=tokens,
        gpus=gpus,
        seconds=seconds,
        flop_per_s=flop_per_s,
        convention=cells.get("flop_convention", "full"),
        framework=told.framework if told.is_known else None,
        year=_date(cells),
    )


def _memory_row(line: int, cells: Cells, printed: PrintedMemory) -> MemoryRow:
    _check_stated(cells)
    if "micro_batch" not in cells and not cells.get("framework", "").startswith("torchtitan"):
        raise UnusableError("not stated: micro_batch")
    if cells.get("task") == "lora+embeddings":
        raise UnusableError("task: trained embeddings beside adapters are not modelled")
    is_stated = any(name in cells for name in ("global_batch_seqs", "global_batch_tokens"))
    source = cells.get("source_id", "")
    return MemoryRow(
        row=line,
        source=source,
        lab=cells.get("lab") or source,
        model=cells.get("model", ""),
        case=_case(cells, _global_batch(cells) if is_stated else None),
        printed=printed,
    )


def _check_stated(cells: Cells) -> None:
    absent = [name for name in REQUIRED if name not in cells]
    if absent:
        raise UnusableError(f"not stated: {', '.join(absent)}")
    if cells.get("offload", "").startswith("states"):
        raise UnusableError("not stated: the host that states are offloaded to")


def _case(cells: Cells, batch: float | None) -> Case:
    """Return what was run; of a batch that nobody states, micro-batches fill the pipeline."""
    node = whole(cells, "chips_per_node") if "chips_per_node" in cells else None
    network = (
        number(cells, "node_network_gbit", *NETWORKS) if "node_network_gbit" in cells else None
    )
    accelerator = _part(cells["gpu"], network, node)
    told = running(cells.get("framework", ""), _date(cells))
    case = Case(
        architecture=row_architecture(cells),
        layout=_layout(cells, batch, told),
        accelerator=accelerator,
        precision=_precision(cells),
        sequence=whole(cells, "seq_len"),
        software=told.software,
        domain=node,
        power=_power(cells, accelerator),
    )
    return replace(case, assumed=assumed_facts(case, _stated(cells, told)))


def _stated(cells: Cells, told: Running) -> set[str]:
    """Return the facts that a row states, as ``doubts.FACTS`` names them."""
    found = {fact for column, fact in STATED.items() if column in cells}
    if told.is_known:
        found.add("software")
    if cells.get("task", "pretrain") == "pretrain":
        found.add("packing")
    return found


def _date(cells: Cells) -> float | None:
    """Return when the software was released, or else the year of the figures, as a year."""
    if "release" not in cells:
        return optional(cells, "year")
    year, _, month = cells["release"].partition("-")
    if not (year.isdecimal() and month.isdecimal() and 1 <= int(month) <= 12):
        raise UnusableError(f"release: got {cells['release']}; allowed: a month, 2026-06")
    return month_of(int(year), int(month))


def _global_batch(cells: Cells) -> float:
    if "global_batch_seqs" in cells:
        return number(cells, "global_batch_seqs")
    if "global_batch_tokens" in cells:
        return number(cells, "global_batch_tokens") / whole(cells, "seq_len")
    raise UnusableError("not stated: global_batch_seqs")


def _precision(cells: Cells) -> str:
    given = cells.get("precision", "")
    if not given:
        raise UnusableError("not stated: precision")
    if _is_quantised(cells):
        return given.split()[0]
    if given not in ("fp16", "bf16", "fp8", "mxfp8", "nvfp4", "int8"):
        raise UnusableError(f"precision: {given} is not modelled")
    return "fp8-rowwise" if given == "fp8" and cells.get("scaling") == "rowwise" else given


@cache
def _part(name: str, node_gbit: float | None, chips: int | None) -> Accelerator:
    """Return a part with its machine's network."""
    part = find_accelerator(name)
    if node_gbit is None:
        return part
    each = node_gbit / GIGABITS_PER_GIGABYTE / (chips or domain_size(part))
    across = part.links.across
    figure = Figure(value=each, source=part.memory_gb.source, note="the row's own network")
    links = part.links.model_copy(
        update={"across": across.model_copy(update={"bandwidth_gb_s": figure})}
    )
    return part.model_copy(update={"links": links})


def _power(cells: Cells, part: Accelerator) -> float:
    """Return the share of its rated power that a part may take."""
    limit = number(cells, "power_limit_w", 1.0) if "power_limit_w" in cells else None
    rated = part.power.chip_watt
    return min(1.0, limit / rated.value) if limit and rated else 1.0


def _layout(cells: Cells, batch: float | None, told: Running) -> Layout:
    tp, pp, cp = (whole(cells, name, 1) for name in ("tp", "pp", "cp"))
    if pp > layer_count(cells) + 2:
        raise UnusableError(f"pp: got {pp}; contradicts {layer_count(cells)} layers")
    dp = whole(cells, "dp", max(1, whole(cells, "n_gpus") // (tp * pp * cp)))
    if batch is not None and batch < dp:
        raise UnusableError(f"global_batch_seqs: got {batch:g}; contradicts {dp} replicas")
    micro = _micro_batch(cells, None if batch is None else batch / dp, pp)
    micro_batches = FILLS * pp if batch is None else max(1, round(batch / (micro * dp)))
    experts = has_experts(cells)
    values = {
        "tp": tp,
        "pp": pp,
        "vpp": _chunks(cells, pp, micro_batches) if pp > 1 else 1,
        "dp": dp,
        "cp": cp,
        "ep": whole(cells, "ep", 1) if experts else 1,
        "etp": _expert_tensor(cells, tp) if experts else None,
        "micro_batch": micro,
        "micro_batches": micro_batches,
        "zero": whole(cells, "zero_stage", 1, least=0),
        "shards": whole(cells, "shards") if "shards" in cells else None,
        **_settings(cells, tp, told),
    }
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return Layout(**given)
    except ValueError as error:
        raise UnusableError(f"layout: {str(error).splitlines()[-1].strip()}") from None


def _repeated(cells: Cells) -> int | None:
    """Return the layers of a stage that are computed again, of Megatron's ``block-5layers``."""
    name, _, count = cells.get("recompute", "").removesuffix("layers").partition("-")
    return int(count) if name == "block" and count.isdigit() else None


def _settings(cells: Cells, tp: int, told: Running) -> dict[str, object]:
    """Return what a layout says beside degrees; None where a row leaves it to the rule."""
    sequence_parallel = flag(cells, "seq_parallel")
    if sequence_parallel is None:
        since = (optional(cells, "year") or 0) >= 2022
        sequence_parallel = tp > 1 and since and told.software != "early"
    kernel = cells.get("attention_kernel", told.attention)
    if kernel == "flash" and told.attention != "unfused":
        kernel = told.attention
    compiled = flag(cells, "compiled")
    kernels = told.options.get("kernels", told.kernels)
    if compiled is not None:
        kernels = "fused" if compiled else "eager"
    dispatcher = cells.get("dispatcher", "")
    overlaps = flag(cells, "ep_overlap") or cells.get("schedule") == "dualpipe"
    optimizer = cells.get("optimizer", "")
    is_lora, targets = cells.get("task", "").startswith("lora"), cells.get("lora_targets")
    return {
        "recompute": _recompute(cells),
        "recompute_layers": _repeated(cells),
        "sequence_parallel": sequence_parallel,
        "attention": "unfused" if kernel == "unfused" else "flash",
        "attention_kernel": kernel if kernel in get_args(AttentionKernel) else None,
        "kernels": kernels,
        "tp_overlap": flag(cells, "tp_overlap"),
        "ep_overlap": overlaps or dispatcher == FUSED_DISPATCHER,
        "experts": told.experts,
        "early_stop": told.settings.get("early_stop"),
        "dispatcher": DISPATCHERS.get(dispatcher),
        "lora_rank": whole(cells, "lora_rank", USUAL_RANK) if is_lora else 0,
        "lora_targets": tuple(targets.split("+")) if is_lora and targets else None,
        "reduce_bits": _reduce_bits(cells, told),
        "cp_exchange": "all-to-all" if cells.get("cp_exchange") == "all-to-all" else None,
        "optimizer": optimizer if optimizer in ("adamw-8bit", "muon") else None,
        "recipe": _recipe(cells, told),
        "weights": "gptq" if _is_quantised(cells) else None,
        "loss": told.loss_of(kernels),
    }


def _is_quantised(cells: Cells) -> bool:
    """Whether frozen weights rest in 4 bits."""
    return "int4" in cells.get("precision", "")


def _recipe(cells: Cells, told: Running) -> str | None:
    """What mixed precision holds, by the framework; DeepSpeed's fp16 adds up in 16 bits."""
    if cells.get("state_precision") == "bf16":
        return "bf16-foreach"
    is_half = cells.get("precision") == "fp16" and told.recipe == "deepspeed-bf16"
    return "deepspeed" if is_half else told.recipe


def _reduce_bits(cells: Cells, told: Running) -> str | None:
    """Bits of a gradient between replicas: as stated; else those of all states, or the software."""
    if "reduce_bits" in cells:
        return f"{whole(cells, 'reduce_bits')}"
    return "16" if cells.get("state_precision") == "bf16" else told.reduces


def _expert_tensor(cells: Cells, tp: int) -> int | None:
    """Tensor parallel ranks of an expert: as stated; else as all else in NeMo, or the layout's."""
    if "etp" in cells:
        return whole(cells, "etp")
    return tp if cells.get("framework", "") == "nemo" else None


def _micro_batch(cells: Cells, sequences: float | None, pp: int) -> int:
    """Sequences of a micro-batch: as stated; else one, but torchtitan's make as many as stages."""
    stated = optional(cells, "micro_batch")
    if stated is None and cells.get("framework", "").startswith("torchtitan"):
        stated = None if sequences is None else sequences // pp
    return max(1, round(stated or 1))


def _chunks(cells: Cells, pp: int, micro_batches: int) -> int:
    """Chunks of a stage: as stated; else the least that is interleaved, where it is.

    NeMo's recipes interleave wherever there is a pipeline, to one layer a chunk or as near as
    divides the layers.
    """
    if "vp" in cells:
        return max(1, whole(cells, "vp", least=0))
    if cells.get("schedule") == "interleaved":
        return 2
    if cells.get("framework", "") != "nemo" or micro_batches % pp:
        return 1
    each = layer_count(cells) / pp
    return max(n for n in range(1, int(each) + 1) if each % n == 0) if each % 1 == 0 else 1


def _recompute(cells: Cells) -> str:
    """Return the nearest mode, by how much of a layer is computed again.

    XLA's policies that offload to the host compute the feed-forward block again, most of a layer;
    Megatron's ``moe`` the experts alone, ``mlp`` the dense blocks alone; its other modules (norms,
    activations, up-projections) next to nothing.
    """
    given, _, modules = cells.get("recompute", "none").partition(":")
    if given.startswith(("full", "block")):
        return "full"
    if given != "selective":
        return "none"
    parts = modules.replace("+", ",").split(",")
    if "mlp" in parts and ("remat" in cells or not has_experts(cells)):
        return "full"
    if "moe" in parts or cells.get("framework", "").startswith(("torchtitan", "prime-rl")):
        return "operators"
    return "selective" if parts == [""] or "core_attn" in parts else "none"
