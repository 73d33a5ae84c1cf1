"""The best layout of a run that was given none, beside what runs of its kind reached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from computebill.base.errors import RequestError
from computebill.runs.spec import RunSpec

from .nearest import NothingFitsError
from .result import PRICED
from .search import plan
from .spec import PlanSpec, read_plan

SHARED = (
    "model", "part", "images_per_sample", "tokens", "accelerator", "power_limit",
    "global_batch", "global_batch_tokens", "sequence_length", "precision", "software",
    "framework", "efficiency", "price", "provider", "commitment", "prices", "region", "date",
    "goodput", "failures_per_gpu_day", "checkpoint_seconds", "restart_seconds",
)  # fmt: skip
"""Fields of a run that a plan has too."""

CANDIDATE = ("layout", "accelerator", "precision", "memory_gb", "memory_interval_gb", "fit_odds")
"""What is told of a layout beside its figures."""


def asked_of(run: RunSpec) -> PlanSpec | None:
    """Return the plan of a run; None where it needs none, or there is none of its kind.

    A run whose layout or utilisation is given needs none; one without a model, or a whole number
    of accelerators, has none, nor has one of documents, which a plan knows nothing of.
    """
    is_open = run.layout is None and run.mfu is None and run.lengths is None
    if run.model is None or run.tokens is None or not is_open:
        return None
    if run.count is None or not run.count.is_constant:
        return None
    given = {name: getattr(run, name) for name in SHARED if name in run.model_fields_set}
    known = {name: value for name, value in given.items() if value is not None}
    return read_plan({**known, "count": round(run.count.value)})


def beside_run(
    run: RunSpec, *, device: str = "auto", profiles: Sequence[Path] = ()
) -> dict[str, Any]:
    """Return what the best layout found for a run would take, as keys of the run's JSON form.

    Args:
        run: as described.
        device: that the search is on.
        profiles: folders of accelerator profiles of one's own.

    Returns:
        ``best_layout``: the layout and its figures; null where no plan is needed or none is found.
        ``nothing_fits``: how near the lightest layout comes, and what would make it fit; null
        where one fits, or none was looked for.
    """
    found: dict[str, Any] = {"best_layout": None, "nothing_fits": None}
    try:
        asked = asked_of(run)
        if asked is not None:
            told = plan(asked, device=device, profiles=profiles).to_dict()["best"]
            found["best_layout"] = {name: told[name] for name in (*CANDIDATE, *PRICED)}
    except NothingFitsError as error:
        found["nothing_fits"] = error.nearest
    except RequestError:  # what a plan cannot be made of, a run is told without
        return found
    return found
