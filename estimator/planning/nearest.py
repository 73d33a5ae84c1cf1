"""What a search tells where no layout fits: how near the lightest comes, and what would fit."""

from __future__ import annotations

from contextlib import suppress

from computebill.base.errors import RequestError
from computebill.training.cases import Case
from computebill.training.layout import Layout
from computebill.training.memory import GB, stage_bytes
from computebill.training.memory_changes import would_fit
from computebill.training.memory_odds import fit_odds
from computebill.training.rules import check_layout

CHANGES = frozenset(("zero", "loss", "micro_batch", "recompute", "weights", "offload"))
"""Fields of a layout that a plan may be asked to change, one by one; degrees hang together."""


class NothingFitsError(RequestError):
    """No layout of a search fits.

    Attributes:
        nearest: how near the lightest comes, and what would make it fit.
    """

    def __init__(self, none: str, nearest: str, rules: str) -> None:
        self.nearest = nearest
        super().__init__("plan", f"{none}; {nearest}; {rules}")


def nearest_text(case: Case, limit: float) -> str:
    """Return a layout's memory and odds, and what would make it fit: one change, or QLoRA.

    Args:
        case: model, part and the lightest legal layout.
        limit: most bytes of a process that are asked for.
    """
    layout, part = case.layout, case.accelerator
    size, room = _gb(case, layout), part.memory_gb.value
    text = (
        f"the nearest, {layout.accelerators:,} x {part.name} with {_described(layout)}, takes "
        f"{size:,.4g} of {room:g} GB: odds of fitting {100 * fit_odds(size, room):.0f} %"
    )
    found = would_fit(case.architecture, layout, float(case.sequence), part, CHANGES)
    changes = [] if found is None else [(found.change, found.total_gb)]
    if not layout.lora_rank:
        with suppress(RequestError, ValueError):
            changes.append(("--qlora, which trains adapters,", _gb(case, _quantised(case))))
    for change, size in changes:
        if size * GB <= limit:
            text += f"; with {change} it takes {size:,.4g} GB and fits"
    return text


def _described(layout: Layout) -> str:
    """A layout's degrees that are more than one, and what is always told."""
    degrees = {name: getattr(layout, name) for name in ("tp", "pp", "vpp", "cp", "dp", "ep")}
    parts = [f"{name} {degree}" for name, degree in degrees.items() if degree > 1]
    parts += [f"zero {layout.zero}", f"micro-batch {layout.micro_batch}"]
    return ", ".join([*parts, f"recompute {layout.recompute}"])


def _gb(case: Case, layout: Layout) -> float:
    """Memory of the fullest process of a layout [GB]."""
    stages = stage_bytes(case.architecture, [layout], float(case.sequence))
    return float(stages.nan_to_num(0.0).amax()) / GB


def _quantised(case: Case) -> Layout:
    """The layout with QLoRA in place of what is trained.

    Raises:
        RequestError: where the model has nothing to adapt.
        ValueError: where the layout's fields do not go with it.
    """
    given = {name: getattr(case.layout, name) for name in case.layout.model_fields_set}
    layout = Layout(**{**given, "qlora": True})
    check_layout(case.architecture, layout, case.sequence)
    return layout
