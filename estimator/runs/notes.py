"""What a reader must know before a run's figures: memory, lost time, whose utilisation it is."""

from __future__ import annotations

import math
from collections.abc import Iterator

from computebill.costs import method
from computebill.hardware.accelerators import Accelerator
from computebill.models.card import MemoryUse
from computebill.training.inputs import link_notes, part_notes
from computebill.training.memory import GB
from computebill.training.memory_odds import SURE, verdict
from computebill.training.recipes import MOMENTS, RECIPES, WEIGHTS
from computebill.uncertainty.distribution import Distribution

from .inputs import is_observed
from .model import RunModel
from .spec import LLAMA_3_FAILURES, RunFields, RunSpec, lost_time

MOST_FAILURES = 0.01
"""A GPU and day, beyond which a rate is doubted: some 20 times Llama 3's (``LLAMA_3_FAILURES``)."""


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
    if run.power_limit is not None and (step is None or run.mfu is not None):
        yield (
            "The power limit lowers the energy alone: the utilisation was not predicted for it. "
            "With a model, a layout and no mfu a step's clock goes by it."
        )
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
            f"may do better: `computebill plan`{'' if run.model else ', which takes a --model'}."
        )
    given = lost_time(run) if observed else ()
    if given:
        verb = "is" if len(given) == 1 else "are"
        yield f"{', '.join(given)} {verb} not applied; give mfu, or a layout and count."


def memory_note(
    run: RunFields, accelerator: Accelerator, model: RunModel | None, params: Distribution
) -> str:
    """Return that a run may not fit, or was not checked; nothing where it surely fits."""
    doubt = memory_doubt(run, accelerator, model, params)
    if doubt or not params.is_known or (model is not None and model.memory is not None):
        return doubt
    weights, training = _least(params)
    return (
        f"Memory not checked: weights alone {_figures(weights)} GB, training all of them about "
        f"{_figures(training)} GB and activations, on {_room(run, accelerator)}."
    )


def memory_doubt(
    run: RunFields, accelerator: Accelerator, model: RunModel | None, params: Distribution
) -> str:
    """Return that a run does not surely fit, and what would; nothing where nobody can tell."""
    limit = accelerator.memory_gb.value
    if model is not None and model.memory is not None:
        return _fit_note(model.memory, limit)
    if not params.is_known or run.count is None:
        return ""
    training = _least(params)[1]
    if training <= run.count.median * limit:
        return ""
    frozen = params.p50 * WEIGHTS["nf4"].bytes / GB
    needs = "`--qlora`" if run.model is not None else "`--model` and `--qlora`"
    return (
        f"Does not fit as all weights are usually trained: they, their gradients and AdamW's "
        f"states take {_figures(training)} GB before activations, on {_room(run, accelerator)}; "
        f"{math.ceil(training / limit):,} of them have that. Frozen in 4 bits ({needs}) the "
        f"weights take {_figures(frozen)} GB."
    )


def _least(params: Distribution) -> tuple[float, float]:
    """Return GB of weights, and of all that training them in mixed precision with AdamW holds."""
    held = RECIPES["megatron"]
    each = held.weight + held.gradient + held.master + MOMENTS["adamw"].matrix
    return params.p50 * held.weight / GB, params.p50 * each / GB


def _room(run: RunFields, accelerator: Accelerator) -> str:
    limit = f"{accelerator.memory_gb.value:g} GB"
    return limit if run.count is None else f"{run.count.text} x {limit}"


def _fit_note(use: MemoryUse, limit_gb: float) -> str:
    """Return that a layout may not fit, and the change that helps; nothing where it surely does."""
    if verdict(use.fit_odds) == SURE:
        return ""
    ends = use.odds_dict()["memory_interval_gb"]
    between = f"{_figures(ends['p5'])} to {_figures(ends['p95'])}"
    note = (
        f"{verdict(use.fit_odds).capitalize()}: {_figures(use.total)} of {limit_gb:g} GB "
        f"({between}; odds of fitting {use.fit_odds:.0%}). "
    )
    if use.would_fit is None:
        return f"{note}No single change of layout makes it fit."
    change, size, odds = use.would_fit
    return f"{note}`{change}` needs {size:.3g} ({odds:.0%})."


def _figures(gb: float) -> str:
    """Write GB with three figures, without an exponent."""
    return f"{float(f'{gb:.3g}'):,.12g}"
