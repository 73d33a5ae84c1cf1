"""Small sweeps, priced with few draws."""

from __future__ import annotations

from typing import Any

import computebill as cb
from computebill.sweep.expand import cells
from computebill.sweep.experiments import Experiments
from computebill.sweep.spec import Group
from computebill.sweep.workshop import Workshop, make_workshop

FEW: dict[str, Any] = {"samples": 4096}
HOURS = {"name": "one", "gpu_hours": 100, "accelerator": "h100", "count": 8}
PLAIN = {"name": "runs", "accelerator": "h100", "count": 8}
RUNS = {"name": "runs", "params": "1B", "tokens": "20B", "accelerator": "h100", "count": 8}


def priced(*groups: dict[str, Any], **fields: Any) -> cb.SweepEstimate:
    """Price groups at 2 USD an hour."""
    options = {key: fields.pop(key) for key in ("budget", "confirmed", "sink") if key in fields}
    return cb.price_sweep({"groups": list(groups), "price": 2, **fields}, **FEW, **options)


def grid(sizes: list[str], lengths: list[int]) -> dict[str, Any]:
    """A group of every size and length, with two seeds each."""
    return {**PLAIN, "grid": {"params": sizes, "tokens_per_param": lengths, "seed": [1, 2]}}


def experiments(
    columns: dict[str, list[float]] | None = None, **fields: Any
) -> tuple[Experiments, Workshop]:
    """Experiments of a group, and what works them out.

    Args:
        columns: values of each experiment, beside what the group gives to all.
        fields: of the group.
    """
    group = Group.model_validate({**PLAIN, **fields, "experiments": _rows(columns or {})})
    (cell,) = cells(group)
    workshop = make_workshop("modern", None, (), None)
    (given,) = cell.chunks()
    return workshop.experiments(cell, given), workshop


def _rows(columns: dict[str, list[float]]) -> list[dict[str, float]]:
    """Return one mapping an experiment; NaN is not given."""
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{name: each for name, each in row.items() if each == each} for row in rows]
