"""Layouts that a search keeps: where they are in a space, and their figures settled at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from computebill.training.cases import case_columns, step_times
from computebill.training.choices import FEWEST, Space
from computebill.training.layout import Layout
from computebill.training.memory import GB, stage_bytes
from computebill.training.repeating import as_one, fewest_repeated


@dataclass(frozen=True)
class Kept:
    """A layout of a space that fits, where it is in the space; written out only if it is told.

    Attributes:
        space: choices.
        place: among them, in the flattened space.
        count: accelerators.
        batch: sequences of a step.
        seconds: of a step [s].
        bytes: of the fullest process.
        again: layers that its stages compute again, where they are as few as fit.
    """

    space: Space
    place: int
    count: int
    batch: int
    seconds: float
    bytes: float
    again: int | tuple[int, ...] | None = None

    @property
    def layout(self) -> Layout:
        """The layout itself."""
        found = self.space.layout(self.place, self.count, self.batch)
        if self.again is None:
            return found
        return found.model_copy(update={"recompute_layers": self.again})

    @property
    def recompute(self) -> str:
        """What is computed again, as the space has it."""
        return self.space.recompute[self.place % len(self.space.recompute)]

    @property
    def share(self) -> float:
        """Of the accelerator's memory, that the fullest process takes."""
        return self.bytes / (self.space.case.accelerator.memory_gb.value * GB)

    @property
    def part(self) -> tuple[str, str]:
        """Accelerator and precision."""
        return self.space.case.accelerator.name, self.space.case.precision


def settled(kept: Sequence[Kept], values: Tensor, limit: float) -> list[Kept]:
    """Return layouts of one space weighed on all stages, and timed on all where those differ.

    A grid weighs some stages, estimates what fewest repeated layers take, and has all stages wait
    for each other as those of even pipelines do. What does not fit after all is left out.

    Args:
        kept: of one space.
        values: efficiencies, as fitted.
        limit: most bytes of a process.
    """
    if not kept:
        return []
    kept = _with_fewest(kept, limit)
    case = kept[0].space.case
    layouts = [each.layout for each in kept]
    stages = stage_bytes(case.architecture, layouts, float(case.sequence))
    sizes = stages.nan_to_num(0.0).amax(0).tolist()
    seconds = {each.place: each.seconds for each in kept}
    differing = [
        (each.place, layout)
        for each, layout in zip(kept, layouts, strict=True)
        if each.again is not None or layout.layers_per_stage is not None
    ]
    if differing:
        cases = [replace(case, layout=layout) for _, layout in differing]
        timed = step_times(case_columns(cases), values).total.tolist()
        seconds |= zip((place for place, _ in differing), timed, strict=True)
    return [
        replace(each, bytes=size, seconds=seconds[each.place])
        for each, size in zip(kept, sizes, strict=True)
        if size <= limit
    ]


def _with_fewest(kept: Sequence[Kept], limit: float) -> list[Kept]:
    """Write the layers that stages compute again into those that are to have as few as fit."""
    asked = [each for each in kept if each.recompute == FEWEST]
    if not asked:
        return list(kept)
    space = asked[0].space
    layouts = [each.layout for each in asked]
    found = fewest_repeated(space.case.architecture, layouts, space.case.sequence, limit)
    again: dict[int, int | tuple[int, ...]] = {}
    for each, layout, fewest in zip(asked, layouts, found, strict=True):
        again[each.place] = as_one(layout, fewest) if space.repeats_alike else fewest
    return [replace(each, again=again.get(each.place)) for each in kept]
