"""The fewest layers that stages have to compute again for what they hold to fit."""

from __future__ import annotations

from collections.abc import Sequence

from computebill.architectures import Architecture

from .layout import Layout
from .memory import stage_bytes


def fewest_repeated(
    architecture: Architecture, layouts: Sequence[Layout], sequence: int, limit: float
) -> list[tuple[int, ...]]:
    """Return the fewest layers that each stage of layouts computes again and fits; all if none do.

    The more a stage computes again the less it takes, so that halving finds them: first stages,
    with most micro-batches in flight, need most.

    Args:
        architecture: the model.
        layouts: with full recomputation, that adapt the same.
        sequence: tokens of a sequence.
        limit: most bytes of a process.
    """
    most = [list(each.deal.stages(int(architecture.layer_count))) for each in layouts]
    least = [[0] * len(each) for each in most]
    while most != least:
        tried = [
            [(low + high) // 2 for low, high in zip(*each, strict=True)]
            for each in zip(least, most, strict=True)
        ]
        cases = [
            layout.model_copy(update={"recompute_layers": tuple(each)})
            for layout, each in zip(layouts, tried, strict=True)
        ]
        sizes = stage_bytes(architecture, cases, float(sequence)).T.tolist()
        for row, (each, found) in enumerate(zip(tried, sizes, strict=True)):
            for stage, middle in enumerate(each):
                if least[row][stage] == most[row][stage]:
                    continue
                if found[stage] <= limit:
                    most[row][stage] = middle
                else:
                    least[row][stage] = middle + 1
    return [tuple(each) for each in most]


def as_one(layout: Layout, fewest: Sequence[int]) -> int:
    """Return one number of layers for all stages: as many as the stage that needs most.

    Args:
        layout: whose stages have chunks, each of which computes as many again.
        fewest: that each stage computes again.
    """
    return -(-max(fewest) // layout.vpp) * layout.vpp
