"""A model's card: what its ``config.json`` says it holds, computes and needs in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.columns import Columns, columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.architectures.counts import FlopPerToken, Parameters
from computebill.base.assumptions import GIVEN, Assumption
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.base.specfile import validate
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.assumptions import memory_assumption
from computebill.kernels import memory as kernel
from computebill.training.documents import Documents, packed
from computebill.training.from_files import adapter_assumptions, stored_note, with_files
from computebill.training.inputs import (
    micro_batch_assumption,
    recipe_assumptions,
    setting_source,
)
from computebill.training.layout import (
    COMMUNICATOR_GB,
    CONTEXT_GB,
    CONTEXT_SOURCE,
    DEGREES,
    Layout,
)
from computebill.training.layout_columns import spared_of
from computebill.training.memory import (
    BESIDE,
    GB,
    PARTS,
    RESERVED,
    host_bytes,
    largest_micro_batches,
    occupied_bytes,
    peak_memory,
)
from computebill.training.memory_changes import WouldFit, would_fit
from computebill.training.memory_odds import (
    USUAL_ODDS,
    fit_odds,
    memory_interval,
    most_predicted,
    odds_assumption,
)
from computebill.training.recipes import MOMENTS
from computebill.training.rules import check_layout

from .count import counts_dict

if TYPE_CHECKING:
    import pandas as pd


DEFAULT_ACCELERATOR = "h100-sxm"
"""The part that memory is set against where none is named."""

SETTINGS = ("recompute", "optimizer", "attention", "kernels", "micro_batch")
"""Fields of a layout that its memory rests on beside its degrees."""

COMMON = (
    ("1 GPU", Layout()),
    ("8 GPUs, fully sharded", Layout(dp=8, zero=3)),
    ("64 GPUs, fully sharded", Layout(dp=64, zero=3)),
    ("64: tp 8, dp 8", Layout(tp=8, dp=8)),
    ("512: tp 8, pp 8, dp 8", Layout(tp=8, pp=8, dp=8)),
    ("1,024: tp 8, pp 16, dp 8", Layout(tp=8, pp=16, dp=8)),
    ("256: pp 4, dp 64, ep 64", Layout(pp=4, dp=64, ep=64)),
    ("1,024: pp 16, dp 64, ep 64", Layout(pp=16, dp=64, ep=64)),
)
"""Layouts that are often met; a card shows those that divide the model."""


@dataclass(frozen=True)
class MemoryUse:
    """Memory of one accelerator under a layout, in GB (1e9 bytes); of its fullest stage.

    Attributes:
        name: name of the layout, in a few words.
        layout: how the model is laid out.
        stage: the pipeline stage, from 0.
        weights: memory of the weights at rest [GB].
        gradients: memory of their gradients [GB].
        optimizer: memory of optimizer states and master copies [GB].
        activations: memory of what is kept for the backward pass, logits included [GB].
        other: memory of all else [GB]: gathered shards, the optimizer's step, context and
            communicators, and what the allocator reserves beyond tensors.
        tensors: the part of the total that tensors take at the peak, as PyTorch counts them
            (``max_memory_allocated``) [GB].
        host: memory of the host that the accelerator's process takes for what rests there [GB].
        largest_micro_batch: most sequences of a micro-batch that fit the accelerator asked about
            with the usual odds; 0 where none does.
        fit_odds: odds that all of it fits that accelerator.
        would_fit: the one change that would make it fit, where that is not sure.
    """

    name: str
    layout: Layout
    stage: int
    weights: float
    gradients: float
    optimizer: float
    activations: float
    other: float
    tensors: float
    host: float
    largest_micro_batch: int | None
    fit_odds: float
    would_fit: WouldFit | None

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.other

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "layout": self.layout.to_dict(),
            "stage": self.stage,
            **{part: getattr(self, part) for part in (*PARTS, *BESIDE)},
            "largest_micro_batch": self.largest_micro_batch,
            **self.odds_dict(),
        }

    def odds_dict(self) -> dict[str, Any]:
        """Return the keys of the JSON form that tell how sure the total is, and whether it fits."""
        return {
            "memory_interval_gb": memory_interval(self.total),
            "fit_odds": self.fit_odds,
            "would_fit": None if self.would_fit is None else self.would_fit._asdict(),
        }


@dataclass(frozen=True, repr=False)
class ModelCard(Shown):
    """What ``describe_model`` finds.

    Attributes:
        architecture: the model as its configuration describes it.
        sequence: tokens of a sequence that FLOP and memory are for.
        parameters: counts, each of one element.
        flop: per token, each of one element.
        memory: under each layout; where one was asked for, of each of its pipeline stages.
        accelerator: accelerator that micro-batches are to fit.
        layout: the one asked for, if any.
        assumptions: what the counts and the memory rest on.
        recipe: those of them that a preset, a quantised base or offload bring.
        memory_notes: what undoes the memory's figures, in sentences.
    """

    architecture: Architecture
    sequence: int
    parameters: Parameters
    flop: FlopPerToken
    memory: tuple[MemoryUse, ...]
    accelerator: Accelerator
    layout: Layout | None
    assumptions: tuple[Assumption, ...]
    recipe: tuple[Assumption, ...] = ()
    memory_notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not counted, and what undoes the memory's figures."""
        return (*self.architecture.notes, *self.memory_notes)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        return {
            **counts_dict(self.architecture, self.sequence, self.parameters, self.flop),
            "accelerator": self.accelerator.name,
            "accelerator_memory_gb": self.accelerator.memory_gb.value,
            "memory_gb": [use.to_dict() for use in self.memory],
            "notes": list(self.notes),
            "assumptions": [each.to_dict() for each in self.assumptions],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a layout (or stage): its degrees, and memory in GB."""
        import pandas as pd

        rows = []
        for use in self.memory:
            gigabytes = {f"{part}_gb": getattr(use, part) for part in (*PARTS, *BESIDE)}
            rows.append(
                {
                    "name": use.name,
                    **use.layout.to_dict(),
                    "stage": use.stage,
                    **gigabytes,
                    "largest_micro_batch": use.largest_micro_batch,
                }
            )
        return pd.DataFrame(rows)


def describe_model(
    config: str | Path | Mapping[str, Any] | Architecture,
    *,
    sequence_length: float | None = None,
    documents: Documents | None = None,
    layout: Layout | Mapping[str, Any] | None = None,
    accelerator: str | Accelerator = DEFAULT_ACCELERATOR,
    profiles: Sequence[Path] = (),
) -> ModelCard:
    """Count a model's parameters, FLOP and memory.

    Args:
        config: a ``config.json``, a directory that holds one, ``-`` for standard input, its
            content, or an architecture.
        sequence_length: tokens of a sequence; else of the longest document, or the model's own
            limit, at most 4,096.
        documents: that are packed into sequences, see ``read_documents``.
        layout: show the memory of each of its pipeline stages; where it gives no degree (tp, pp,
            …), of common layouts with its other settings.
        accelerator: accelerator that the largest micro-batch is to fit: a name, a file, or a
            profile.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong.
    """
    architecture = config if isinstance(config, Architecture) else read_architecture(config)
    architecture, sequence, told = packed(architecture, sequence_length, documents)
    part = find_accelerator(accelerator, profiles) if isinstance(accelerator, str) else accelerator
    given = read_layout(layout)
    used = with_files(given, architecture)
    batch = columns(architecture, used.beside)
    by_stage = bool(used.model_fields_set & DEGREES)
    if by_stage:
        check_layout(architecture, used, sequence)
        layouts = [(f"stage {stage + 1} of {used.pp}", used) for stage in range(used.pp)]
    else:
        layouts = _common(architecture, sequence, used)
    recipe = (
        *adapter_assumptions(used, given, architecture),
        *recipe_assumptions(used, given),
    )
    uses = tuple(_memory_uses(architecture, sequence, layouts, part, by_stage=by_stage))
    return ModelCard(
        architecture=architecture,
        sequence=sequence,
        parameters=count_parameters(batch, used.lora_rank),
        flop=count_flop(
            batch,
            sequence,
            recompute=used.recompute,
            spared=spared_of(batch, used),
            adapter_rank=used.lora_rank,
        ),
        memory=uses,
        accelerator=part,
        layout=used if by_stage else None,
        assumptions=(
            *told,
            memory_assumption(part),
            *recipe,
            *_memory_assumptions([layout for _, layout in layouts], given),
            *(micro_batch_assumption(used) if by_stage else ()),
        ),
        recipe=recipe,
        memory_notes=(
            *stored_note(used, architecture),
            *(_eager_note(batch, sequence, uses, part) if by_stage else ()),
        ),
    )


def count_card(architecture: Architecture, sequence: int, accelerator: Accelerator) -> ModelCard:
    """Return a model's card without its memory, where nobody asks for a layout.

    Args:
        architecture: the model, what its tokens attend included.
        sequence: tokens of a sequence.
        accelerator: the part it is for.
    """
    used = with_files(Layout(), architecture)
    batch = columns(architecture, used.beside)
    return ModelCard(
        architecture=architecture,
        sequence=sequence,
        parameters=count_parameters(batch, used.lora_rank),
        flop=count_flop(batch, sequence, recompute=used.recompute, adapter_rank=used.lora_rank),
        memory=(),
        accelerator=accelerator,
        layout=None,
        assumptions=(memory_assumption(accelerator),),
        memory_notes=tuple(stored_note(used, architecture)),
    )


def _memory_assumptions(layouts: Sequence[Layout], given: Layout) -> Iterator[Assumption]:
    """Yield what the memory of layouts rests on, beside their degrees."""
    for name in SETTINGS:
        source = setting_source(given, name, "the default")
        yield Assumption(name.replace("_", "-"), str(getattr(given, name)), source)
    for name in dict.fromkeys(layout.used_recipe for layout in layouts):
        held = next(each.held for each in layouts if each.used_recipe == name)
        text = f"{held.weight:g} of weights, {held.gradient:g} of gradients, {held.master:g} of a "
        text += "master copy"
        yield Assumption(f"bytes a parameter, {name}", text, held.source)
    moments = MOMENTS[given.optimizer]
    yield Assumption(
        f"bytes a parameter, {given.optimizer}",
        f"{moments.matrix:g} of moments in layers, {moments.other:g} elsewhere",
        moments.source,
    )
    if given.overhead_gb is not None:
        yield Assumption("a process on a device", f"{given.overhead_gb:g} GB", GIVEN)
    else:
        yield Assumption("a process on a device", f"{CONTEXT_GB:g} GB", CONTEXT_SOURCE)
        buffers = "buffers of NCCL, for each parallel group of a rank"
        yield Assumption(buffers, f"{COMMUNICATOR_GB:g} GB", "assumed (not checked)")
    reserved = "measured runs with a printed memory, the median over sources"
    yield Assumption("memory reserved over that of tensors", f"{RESERVED:g} times", reserved)
    yield odds_assumption()


def _eager_note(
    batch: Columns, sequence: int, uses: Sequence[MemoryUse], accelerator: Accelerator
) -> Iterator[str]:
    """Yield that a layout fits by fused kernels alone, where nobody said which there are."""
    limit, layout = accelerator.memory_gb.value, uses[0].layout
    if "kernels" in layout.model_fields_set or layout.kernels == "eager":
        return
    if max(use.total for use in uses) > limit:
        return
    eager = layout.model_copy(update={"kernels": "eager"})
    found = occupied_bytes(peak_memory(batch, sequence, [eager]).total, [eager])
    size = float(found.nan_to_num(0.0).max()) / GB
    if size > limit:
        yield (
            "Fits by fused element-wise kernels alone: eager ones, as Hugging Face's trainers "
            f"run, need {size:.3g} of {limit:g} GB (`--kernels eager`)."
        )


def read_layout(layout: Layout | Mapping[str, Any] | None) -> Layout:
    """Return a layout from its fields.

    Raises:
        RequestError: naming the field that is wrong.
    """
    if isinstance(layout, Layout):
        return layout
    return validate(Layout, layout or {}, "layout")


def _common(
    architecture: Architecture, sequence: int, settings: Layout
) -> list[tuple[str, Layout]]:
    found = []
    for name, layout in COMMON:
        used = layout.with_settings(settings)
        try:
            check_layout(architecture, used, sequence)
        except RequestError:
            continue
        found.append((name, used))
    return found


def _memory_uses(
    architecture: Architecture,
    sequence: int,
    named: Sequence[tuple[str, Layout]],
    part: Accelerator,
    *,
    by_stage: bool,
) -> Iterator[MemoryUse]:
    """Yield the memory of layouts; of one layout and its stages where that is asked for."""
    layouts = [layout for _, layout in named[:1]] if by_stage else [layout for _, layout in named]
    batch = columns(architecture, layouts[0].beside)
    peak = peak_memory(batch, sequence, layouts)
    total, host = occupied_bytes(peak.total, layouts), host_bytes(batch, sequence, layouts)
    room = part.memory_gb.value
    most = largest_micro_batches(batch, sequence, layouts, most_predicted(room, USUAL_ODDS) * GB)
    fullest = total.nan_to_num(0.0).max(0)
    mended = [
        would_fit(architecture, layout, sequence, part)
        if fit_odds(size / GB, room) < USUAL_ODDS
        else None
        for layout, size in zip(layouts, fullest.values.tolist(), strict=True)
    ]
    for row, (name, layout) in enumerate(named):
        index, stage = (0, row) if by_stage else (row, int(fullest.indices[row]))
        here = kernel.Memory(*(each[stage, index] for each in peak)).at_peak
        resting = here.weights + here.gradients + here.optimizer
        passing = here.activations + here.logits
        odds = fit_odds(float(total[stage, index]) / GB, room)
        yield MemoryUse(
            name=name,
            layout=layout,
            stage=stage,
            weights=float(here.weights) / GB,
            gradients=float(here.gradients) / GB,
            optimizer=float(here.optimizer) / GB,
            activations=float(passing) / GB,
            other=float(total[stage, index] - resting - passing) / GB,
            tensors=float(peak.total[stage, index]) / GB,
            host=float(host[stage, index]) / GB,
            largest_micro_batch=most[index],
            fit_odds=odds,
            would_fit=mended[index] if odds < USUAL_ODDS else None,
        )
