"""Why a step's time may lie farther from its estimate than others': what was assumed, what is new.

Each doubt is a column; what one unit of it adds to the logarithm of an interval's width is fitted
to labs that were left out (accuracy/doubted.py), and ships with the efficiencies.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.architectures.counting import count_parameters
from computebill.hardware.accelerators import domain_size

from .cases import Case, CaseColumns
from .parameters import INDEX

DOUBTS = {
    "untuned": "software of before 2022, or a fine-tuning script",
    "experts": "a mixture of experts on accelerators of several domains",
    "layout": "how states, chunks of a stage or experts are divided is assumed",
    "micro_batch": "the sequences of a micro-batch are assumed",
    "software": "the training software is assumed, or nobody knows its name",
    "dispatcher": "who moves experts' tokens is assumed",
    "network": "the network between domains is the profile's",
    "packing": "how documents fill a sequence of fine-tuning is assumed",
    "maker": "no measured step ran on a part of the accelerator's maker",
    "unmeasured": "share of the time that hangs on efficiencies of which no measured step speaks",
    "far": "doublings of accelerators, parameters or tokens of a sequence beyond what was measured",
}
"""Names of doubts, and what one unit of each is."""

FACTS = {
    "zero": "layout",
    "vpp": "layout",
    "etp": "layout",
    "micro_batch": "micro_batch",
    "software": "software",
    "dispatcher": "dispatcher",
    "network": "network",
    "packing": "packing",
}
"""Facts that may be assumed, and the doubt that each is."""

SIZES = ("accelerators", "parameters", "sequence")
"""Sizes that measured steps have a least and a most of."""

LEAST_SLOPE = 1e-4
"""Derivative of the logarithm of a step's time below which it tells nothing of an efficiency."""

MOST_DOUBLINGS = 20.0
"""Doublings beyond what was measured that count, at most."""


class Reach(NamedTuple):
    """What measured steps speak of.

    Attributes:
        unseen: efficiencies that none of them hangs on.
        sizes: least and most of each size.
        makers: of the accelerators that they ran on; empty where nobody kept them.
    """

    unseen: tuple[str, ...]
    sizes: Mapping[str, tuple[float, float]]
    makers: tuple[str, ...] = ()


def assumed_facts(case: Case, stated: Collection[str]) -> tuple[str, ...]:
    """Return the facts that a step's time hangs on and nobody stated.

    Args:
        case: what is run.
        stated: facts that are known, by the names of ``FACTS``.
    """
    layout, routed = case.layout, is_routed(case)
    needed = {
        "zero": layout.dp > 1,
        "vpp": layout.pp > 1,
        "etp": routed and layout.tp > 1,
        "dispatcher": routed and layout.ep > 1,
        "network": _spans_domains(case),
    }
    return tuple(name for name in FACTS if needed.get(name, True) and name not in stated)


def is_routed(case: Case) -> bool:
    """Whether a case's model is a mixture of experts."""
    return any(each.expert for each in case.architecture.operators())


def _spans_domains(case: Case) -> bool:
    return case.layout.accelerators > (case.domain or domain_size(case.accelerator))


def doubt_columns(
    cases: Sequence[Case], columns: CaseColumns, slopes: Tensor, reach: Reach
) -> Tensor:
    """Return how much of each doubt there is in every case; ``(rows, doubts)``.

    Args:
        cases: what is run.
        columns: the same as columns.
        slopes: derivatives of the logarithm of seconds by efficiencies, free of bounds;
            ``(rows, parameters)``.
        reach: what measured steps speak of.
    """
    told = torch.tensor([_told(case, reach.makers) for case in cases], dtype=torch.float64)
    unseen = [INDEX[name] for name in reach.unseen]
    unmeasured = slopes[:, unseen].abs().sum(1).clamp_max(1.0)
    return torch.cat([told, torch.stack([unmeasured, _doublings(columns, reach)], 1)], 1)


def _told(case: Case, makers: Collection[str]) -> list[float]:
    """Doubts that a case tells by itself, and by who made what was measured."""
    assumed = {FACTS[name] for name in case.assumed}
    holds = {
        "untuned": case.software in ("early", "scripts"),
        "experts": is_routed(case) and _spans_domains(case),
        "maker": bool(makers) and case.accelerator.vendor not in makers,
    }
    return [float(holds.get(name, name in assumed)) for name in tuple(DOUBTS)[:-2]]


def sizes_of(columns: CaseColumns) -> Tensor:
    """Return the sizes of cases, ``(rows, sizes)``, in the order of ``SIZES``."""
    layouts = columns.layouts
    accelerators = layouts.tensor * layouts.pipeline * layouts.data * layouts.context
    parameters = count_parameters(columns.batch).total
    return torch.stack([accelerators, parameters, columns.work.sequence], 1)


def reach_of(cases: Sequence[Case], columns: CaseColumns, slopes: Tensor, which: Tensor) -> Reach:
    """Return what some measured steps speak of.

    Args:
        cases: steps.
        columns: the same as columns.
        slopes: derivatives as above; ``(rows, parameters)``.
        which: steps that were measured, true and false; ``(rows,)``.
    """
    most = slopes[which].abs().amax(0)
    sizes = sizes_of(columns)[which]
    low, high = sizes.amin(0).tolist(), sizes.amax(0).tolist()
    return Reach(
        unseen=tuple(name for name, place in INDEX.items() if float(most[place]) < LEAST_SLOPE),
        sizes=dict(zip(SIZES, zip(low, high, strict=True), strict=True)),
        makers=makers_of(case for case, used in zip(cases, which.tolist(), strict=True) if used),
    )


def makers_of(cases: Iterable[Case]) -> tuple[str, ...]:
    """Return the makers of the accelerators of cases, each once."""
    return tuple(dict.fromkeys(case.accelerator.vendor for case in cases))


def _doublings(columns: CaseColumns, reach: Reach) -> Tensor:
    """Doublings beyond the least and the most that was measured, of all sizes; ``(rows,)``."""
    if not reach.sizes:
        return torch.zeros(len(columns.kinds), dtype=torch.float64)
    logs = torch.log2(sizes_of(columns))
    low, high = (
        torch.tensor([math.log2(reach.sizes[name][end]) for name in SIZES], dtype=torch.float64)
        for end in (0, 1)
    )
    beyond = (logs - high).clamp_min(0.0) + (low - logs).clamp_min(0.0)
    return beyond.sum(1).clamp_max(MOST_DOUBLINGS)


def widening(columns: Tensor, factors: Mapping[str, float]) -> Tensor:
    """Return how many times wider intervals are; ``(rows,)``.

    Args:
        columns: how much of each doubt there is; ``(rows, doubts)``.
        factors: what a unit of each adds to the logarithm of the width; none where not given.
    """
    each = torch.tensor([factors.get(name, 0.0) for name in DOUBTS], dtype=torch.float64)
    return (columns @ each).exp()
