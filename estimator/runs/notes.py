"""What a reader must know before a run's figures: memory, lost time, whose utilisation it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from computebill.base.errors import RequestError
from computebill.costs import method
from computebill.hardware.accelerators import Accelerator
from computebill.training.inputs import link_notes, part_notes
from computebill.training.layout import RECOMPUTE, Layout
from computebill.training.memory import GB, stage_bytes
from computebill.training.recipes import MOMENTS, RECIPES
from computebill.training.rules import check_layout
from computebill.uncertainty.distribution import Distribution

from .inputs import LLAMA_3_FAILURES, is_observed
from .model import RunModel
from .spec import RunSpec, lost_time

MOST_FAILURES = 0.01
"""A GPU and day, beyond which a rate is doubted: some 20 times Llama 3's (``LLAMA_3_FAILURES``)."""

Change = tuple[str, int | str]
"""A field of a layout, and another value of it."""


def run_notes(
    run: RunSpec, accelerator: Accelerator, model: RunModel | None, params: Distribution
) -> Iterator[str]:
    """Yield notes in sentences, what undoes the figures first.

    Args:
        run: as described.
        accelerator: the part it runs on.
        model: counted, where a config.json was given.
        params: parameters of the model.
    """
    memory = memory_note(run, accelerator, model, params)
    if memory:
        yield memory
    if model is not None:
        yield from model.card.memory_notes
    step = None if model is None else model.step
    if step is not None and run.mfu is None:
        yield from part_notes(step)
        yield from link_notes(step.case)
    observed = is_observed(run, model)
    failures = run.failures_per_gpu_day
    if failures is not None and failures.median > MOST_FAILURES:
        yield (
            f"{failures.text} failures a GPU and day are more than {MOST_FAILURES:g}; Llama 3 had "
            f"{LLAMA_3_FAILURES:.2g}. A share of time that is lost is given with --goodput (0.9: a "
            "tenth is lost)."
        )
    if observed:
        runs = method.cost_method().mfu.observed.runs
        yield (
            f"The utilisation is what {runs} runs reached, their lost time in it; the best layout "
            "may do better: `computebill plan`."
        )
    given = lost_time(run) if observed else ()
    if given:
        verb = "is" if len(given) == 1 else "are"
        yield f"{', '.join(given)} {verb} not applied; give mfu, or a layout and count."


def memory_note(
    run: RunSpec, accelerator: Accelerator, model: RunModel | None, params: Distribution
) -> str:
    """Return that a run does not fit, or was not checked; nothing where it fits."""
    limit = accelerator.memory_gb.value
    if model is not None and model.memory is not None:
        total = model.memory.total
        if total <= limit:
            return ""
        return f"Does not fit: {_figures(total)} of {limit:g} GB. {_mended(model, limit)}"
    if not params.is_known:
        return ""
    held = RECIPES["megatron"]
    each = held.weight + held.gradient + held.master + MOMENTS["adamw"].matrix
    count = run.count
    room = f"{limit:g} GB" if count is None else f"{count.text} x {limit:g} GB"
    return (
        f"Memory not checked: weights alone {_figures(params.p50 * held.weight / GB)} GB, training "
        f"all of them about {_figures(params.p50 * each / GB)} GB and activations, on {room}."
    )


def _mended(model: RunModel, limit_gb: float) -> str:
    """Return the first single change that makes a layout fit, the cheapest in time first."""
    layout = model.layout
    if layout is None:
        return ""
    changes: list[Change] = [("zero", z) for z in range(layout.zero + 1, 4)]
    changes += [("micro_batch", 1)] if layout.micro_batch > 1 else []
    changes += [
        ("recompute", name)
        for name in ("selective", "full")
        if RECOMPUTE[name] > RECOMPUTE[layout.recompute]
    ]
    for (name, value), size in _changed_gb(model, layout, changes):
        if size <= limit_gb:
            return f"`--{name.replace('_', '-')} {value}` needs {size:.3g}."
    return "No single change of ZeRO, micro-batch or recomputation makes it fit."


def _changed_gb(
    model: RunModel, layout: Layout, changes: Sequence[Change]
) -> Iterator[tuple[Change, float]]:
    """Yield memory of the fullest process, GB, with one field changed, where that is legal."""
    architecture, sequence = model.card.architecture, model.card.sequence
    given = {key: getattr(layout, key) for key in layout.model_fields_set}
    legal: dict[Change, Layout] = {}
    for name, value in changes:
        with suppress(RequestError, ValueError):
            changed = Layout(**{**given, name: value})
            check_layout(architecture, changed, sequence)
            legal[name, value] = changed
    if legal:
        stages = stage_bytes(architecture, list(legal.values()), float(sequence))
        sizes = stages.nan_to_num(0.0).amax(0) / GB
        yield from zip(legal, sizes.tolist(), strict=True)


def _figures(gb: float) -> str:
    """Write GB with three figures, without an exponent."""
    return f"{float(f'{gb:.3g}'):,.12g}"
