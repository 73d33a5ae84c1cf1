"""The one change of a layout that would make it fit, the least harmful first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from computebill.architectures import Architecture
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator, domain_size

from .layout import RECOMPUTE, Layout
from .memory import GB, stage_bytes
from .memory_odds import USUAL_ODDS, fit_odds
from .recipes import OF_TORCH, WEIGHTS
from .rules import check_layout

Change = Mapping[str, Any]
"""Fields of a layout, and other values of them."""


class WouldFit(NamedTuple):
    """A change that makes a layout fit.

    Attributes:
        change: as flags: ``--recompute full``.
        total_gb: memory of the fullest process with it [GB].
        fit_odds: odds that this fits.
    """

    change: str
    total_gb: float
    fit_odds: float


def would_fit(
    architecture: Architecture,
    layout: Layout,
    sequence: float,
    part: Accelerator,
    fields: Collection[str] | None = None,
) -> WouldFit | None:
    """Return the first change that makes a layout fit with the usual odds; None where none does.

    Each is one decision; what hangs on it (fewer replicas of more ranks, more micro-batches of
    fewer sequences) changes with it, so that the accelerators and the batch stay as they are.

    Args:
        architecture: what is trained.
        layout: how it is laid out.
        sequence: tokens of a sequence.
        part: accelerator that it is to fit.
        fields: those of the layout that may change; all, if not given.
    """
    changes = [
        (change, changed)
        for change, changed in _legal(architecture, layout, sequence, part)
        if fields is None or change.keys() <= set(fields)
    ]
    if not changes:
        return None
    stages = stage_bytes(architecture, [changed for _, changed in changes], sequence)
    sizes = (stages.nan_to_num(0.0).amax(0) / GB).tolist()
    for (change, _), size in zip(changes, sizes, strict=True):
        odds = fit_odds(size, part.memory_gb.value)
        if odds >= USUAL_ODDS:
            return WouldFit(_flags(change), size, odds)
    return None


def _flags(change: Change) -> str:
    """Return a change as flags of a command."""
    told = []
    for name, value in change.items():
        flag = f"--{name.replace('_', '-')}"
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        told.append(flag if value is True else f"{flag} {text}")
    return " ".join(told)


def _legal(
    architecture: Architecture, layout: Layout, sequence: float, part: Accelerator
) -> Iterator[tuple[Change, Layout]]:
    """Yield changes that are legal, and the layout with each."""
    given = {name: getattr(layout, name) for name in layout.model_fields_set}
    for change in _changes(layout, domain_size(part)):
        with suppress(RequestError, ValueError):
            # A step has as many sequences as before: twice the micro-batches where half are shared.
            ranks = layout.micro_batch * layout.dp
            changed = Layout(**{**given, **change})
            if layout.micro_batches is not None:
                more = layout.micro_batches * ranks / (changed.micro_batch * changed.dp)
                changed = Layout(**{**given, **change, "micro_batches": int(more)})
            check_layout(architecture, changed, int(sequence))
            yield change, changed


def _changes(layout: Layout, domain: int) -> Iterator[Change]:
    """Yield changes, the cheapest in time first; tensor parallel ranks stay inside a domain."""
    if layout.dp * layout.cp > 1:  # sharded over one rank, all is there still
        yield from ({"zero": stage} for stage in range(layout.zero + 1, 4))
    if layout.loss in ("plain", "16-bit") and layout.used_recipe in OF_TORCH:
        yield {"loss": "chunked"}
    sizes = (2**n for n in reversed(range(layout.micro_batch.bit_length())))
    yield from ({"micro_batch": size} for size in sizes if size < layout.micro_batch)
    for name in ("selective", "full"):
        if RECOMPUTE[name] > RECOMPUTE[layout.recompute]:
            yield {"recompute": name}
    for name in ("tp", "pp", "cp"):
        degree = 2 * getattr(layout, name)
        if layout.dp % 2 == 0 and (name != "tp" or degree <= domain):
            yield {name: degree, "dp": layout.dp // 2}
    if layout.lora_rank and not WEIGHTS[layout.used_weights].frozen:
        yield {"weights": "nf4"}
    for part in ("optimizer", "activations"):
        if part not in layout.offload:
            yield {"offload": (*layout.offload, part)}
    if layout.lora_rank and not WEIGHTS[layout.used_weights].frozen:
        yield {"qlora": True}
